//===- MetalToy.h - The test package with a Metal target --------*- C++ -*-===//
// The package of tests/runtime with its kernels in MSL as well: the same
// arithmetic, hence the same logits to the bit.
//
//   MetalToy toy;                           // chooses a stand-in machine
//   standin::settings().late = true;        // change it, if you like
//   toy.open();                             // the package
//   auto device = toy.device();             // EXPECTs it to work
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_METALTOY_H
#define TQ_TESTS_METAL_STANDIN_METALTOY_H

#include "runtime/MetalDevice.h"
#include "runtime/Session.h"
#include "tests/metal/standin/Standin.h"
#include "tests/runtime/ToyPackage.h"

#include <gtest/gtest.h>

#include <optional>

namespace tq {

/// For every test here: a fresh machine, and at the end neither broken rules
/// nor objects that nobody released.
class StandinTest : public testing::Test {
protected:
  StandinTest() { standin::reset(); }
  void TearDown() override {
    EXPECT_EQ(standin::takeViolations(), std::vector<std::string>());
    EXPECT_EQ(standin::liveObjects(), "");
    standin::reset();
  }
  /// The one broken rule so far; forgets it.
  static std::string violation() {
    std::vector<std::string> all = standin::takeViolations();
    EXPECT_EQ(all.size(), 1u) << testing::PrintToString(all);
    return all.empty() ? "" : all[0];
  }
};

class MetalToy : public ToyPackage {
public:
  explicit MetalToy(int32_t vocab = 64);

  Target &metal() { return manifest.targets[1]; }
  Step &step(const std::string &entry, const std::string &kernel);
  /// Writes a file of the package and lists it.
  void addText(const std::string &name, const std::string &text);

  /// Writes and opens the package, and holds kernels to what the manifest binds.
  void open();
  std::unique_ptr<MetalDevice> device(const MetalOptions &options = {});
  /// Why there is no device.
  std::string refusal(const MetalOptions &options = {});

  std::optional<Package> package;
};

} // namespace tq

#endif // TQ_TESTS_METAL_STANDIN_METALTOY_H
