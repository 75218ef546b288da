//===- PackageTest.cpp - Damage of every kind is noticed ------------------===//

#include "runtime/Package.h"
#include "runtime/HostDevice.h"
#include "tests/runtime/ToyPackage.h"

#include <gtest/gtest.h>

using namespace tq;
namespace fs = std::filesystem;

namespace {

std::string fault(const std::string &path, bool verify = false) {
  auto package = Package::open(path, {verify, 2});
  return package ? "no fault" : package.message();
}

TEST(Package, Opens) {
  ToyPackage toy;
  toy.write();
  auto package = Package::open(toy.path() + "/");
  ASSERT_TRUE(package.ok()) << package.message();
  EXPECT_EQ(package->name(), "toy.tqpkg");
  EXPECT_EQ(package->section(0).size(), 256u);
  EXPECT_EQ(memcmp(package->section(1).data(), "a second", 8), 0);
  EXPECT_EQ(package->weightBytes(), 256u + 37u);
  EXPECT_TRUE(package->hasFile("kernels.toy.so"));
  EXPECT_FALSE(package->hasFile("tokenizer.json"));
  Package moved = std::move(*package);
  EXPECT_EQ(moved.section(0).size(), 256u);
}

TEST(Package, Foreign) {
  ToyPackage toy;
  EXPECT_EQ(fault("/nowhere/x.tqpkg"), "/nowhere/x.tqpkg: cannot open: No such file or directory");
  EXPECT_EQ(fault(toy.path()), toy.path() + ": not a tq package: it has no manifest.json");
  writeWhole(toy.outside("x"), "hello");
  EXPECT_EQ(fault(toy.outside("x")),
            toy.outside("x") + ": not a directory; a tq package is a directory that tq-compile writes");
  fs::create_directory(toy.file("manifest.json"));
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: manifest.json is not a regular file");
  fs::remove(toy.file("manifest.json"));
  writeWhole(toy.file("manifest.json"), "");
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: manifest.json is damaged: not valid JSON");
}

TEST(Package, FileDamage) {
  const std::string again = "; recompile with tq-compile";
  ToyPackage toy;
  toy.write();
  std::string file = toy.file("kernels.toy.so"), sound = readWhole(file);
  writeWhole(file, sound + "x");
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: kernels.toy.so has " + std::to_string(sound.size() + 1) +
                                   " bytes, but the manifest says " + std::to_string(sound.size()) + again);
  std::string damaged = sound;
  damaged[sound.size() / 2] ^= 4;
  writeWhole(file, damaged);
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: kernels.toy.so is damaged: its hash differs from the manifest's" + again);
  writeWhole(file, "");
  EXPECT_EQ(fault(toy.path()),
            "toy.tqpkg: kernels.toy.so has 0 bytes, but the manifest says " + std::to_string(sound.size()) + again);
  fs::remove(file);
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: kernels.toy.so is missing" + again);
}

TEST(Package, WeightDamage) {
  const std::string again = "; recompile with tq-compile";
  ToyPackage toy;
  toy.write();
  std::string file = toy.file("weights-0.bin"), sound = readWhole(file);
  ASSERT_EQ(sound.size(), kSectionAlignment + 37);
  // Every byte counts: of the sections, and between them.
  for (size_t at : {size_t(0), size_t(255), size_t(256), size_t(9000), size_t(kSectionAlignment), sound.size() - 1}) {
    std::string damaged = sound;
    damaged[at] ^= 0x10;
    writeWhole(file, damaged);
    std::string expected = "toy.tqpkg: weights-0.bin is damaged: ";
    expected += at < 256                 ? "the hash of table differs from the manifest's"
                : at < kSectionAlignment ? "the bytes between its sections are not zero"
                                         : "the hash of unused differs from the manifest's";
    EXPECT_EQ(fault(toy.path()), expected + again) << at;
  }
  for (size_t size : {size_t(0), size_t(100), sound.size() - 1, sound.size() + 1}) {
    std::string damaged = sound;
    damaged.resize(size);
    writeWhole(file, damaged);
    EXPECT_EQ(fault(toy.path()),
              "toy.tqpkg: weights-0.bin has " + std::to_string(size) + " bytes, but its sections end at 16421" + again);
  }
  // A last section filled up to the alignment is fine, if with zeros.
  std::string padded = sound;
  padded.resize(2 * kSectionAlignment);
  writeWhole(file, padded);
  EXPECT_EQ(fault(toy.path()), "no fault");
  padded.back() = 1;
  writeWhole(file, padded);
  EXPECT_NE(fault(toy.path()), "no fault");
  fs::remove(file);
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: weights-0.bin is missing" + again);
}

TEST(Package, HalfWritten) {
  ToyPackage toy;
  toy.write();
  std::string text = readWhole(toy.file("manifest.json"));
  writeWhole(toy.file("manifest.json"), text.substr(0, text.size() / 2));
  EXPECT_EQ(fault(toy.path()), "toy.tqpkg: manifest.json is damaged: not valid JSON");
}

TEST(HostDevice, PicksATarget) {
  ToyPackage toy;
  Target impossible = toy.manifest.targets[0];
  impossible.name = "better";
  impossible.features = {"frobnicate"};
  Target metal = impossible;
  metal.name = "apple";
  metal.device = "metal";
  for (Entry &entry : metal.entries)
    for (Step &step : entry.steps)
      step.simdgroups = 2;
  toy.manifest.targets.insert(toy.manifest.targets.begin(), {metal, impossible});
  toy.write();
  auto package = Package::open(toy.path());
  ASSERT_TRUE(package.ok()) << package.message();
  auto device = createHostDevice(*package, {2, ""});
  ASSERT_TRUE(device.ok()) << device.message();
  EXPECT_EQ((*device)->target().name, "toy");
  EXPECT_EQ((*device)->threads(), 2);
  EXPECT_EQ(createHostDevice(*package, {1, "better"}).message(),
            "toy.tqpkg: target better needs frobnicate, which this CPU lacks");
  EXPECT_EQ(createHostDevice(*package, {1, "best"}).message(),
            "toy.tqpkg: no target 'best'; there are: apple, better, toy");
}

TEST(HostDevice, NoTarget) {
  ToyPackage toy;
  toy.manifest.targets[0].features = {"frobnicate"};
  toy.write();
  auto package = Package::open(toy.path());
  ASSERT_TRUE(package.ok());
  EXPECT_EQ(createHostDevice(*package, {}).message(),
            "toy.tqpkg: no target for this CPU; there are: toy (needs frobnicate); recompile with "
            "tq-compile --target=host");
}

TEST(HostDevice, MissingKernel) {
  ToyPackage toy;
  toy.manifest.targets[0].entries[0].steps[0].kernel = "toy_nothing";
  toy.write();
  auto package = Package::open(toy.path());
  ASSERT_TRUE(package.ok());
  EXPECT_EQ(createHostDevice(*package, {}).message(),
            "toy.tqpkg: kernels.toy.so has no kernel 'toy_nothing'; recompile with tq-compile");
}

TEST(HostDevice, NotALibrary) {
  ToyPackage toy;
  writeWhole(toy.file("kernels.toy.so"), "not a shared object");
  toy.addFile("kernels.toy.so");
  toy.write();
  auto package = Package::open(toy.path());
  ASSERT_TRUE(package.ok());
  EXPECT_TRUE(createHostDevice(*package, {}).message().starts_with("toy.tqpkg: cannot load kernels.toy.so: "));
}

} // namespace
