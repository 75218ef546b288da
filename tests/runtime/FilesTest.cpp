//===- FilesTest.cpp - What is written is whole or absent -----------------===//

#include "runtime/AtomicDirectory.h"
#include "runtime/LogitsWriter.h"
#include "runtime/ReadFile.h"
#include "runtime/StopFilter.h"
#include "tests/runtime/ToyPackage.h"

#include <csignal>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

using namespace tq;
namespace fs = std::filesystem;

namespace {

size_t entriesIn(const std::string &path) {
  return std::distance(fs::directory_iterator(path), fs::directory_iterator());
}

TEST(ReadFile, WholeOrASentence) {
  TemporaryDirectory directory;
  std::string path = directory.path("x"), bytes(100000, 'a');
  bytes[70000] = '\0';
  writeWhole(path, bytes);
  EXPECT_EQ(readFile(path, kAnySize).value(), bytes);
  EXPECT_EQ(readFile(path, bytes.size()).value(), bytes);
  EXPECT_EQ(readFile(path, 99999).message(), path + ": has at least 100000 bytes, but at most 99999 are read");
  writeWhole(path, "");
  EXPECT_EQ(readFile(path, 0).value(), "");
  EXPECT_EQ(readFile("/nowhere", 1).message(), "/nowhere: cannot read: No such file or directory");
  EXPECT_EQ(readFile(directory.path(), kAnySize).message(), directory.path() + ": cannot read: Is a directory");
  // Files without a size.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], bytes.data(), 5000), 5000);
  close(ends[1]);
  EXPECT_EQ(readFile("/dev/fd/" + std::to_string(ends[0]), 5000).value(), bytes.substr(0, 5000));
  close(ends[0]);
  if (fs::exists("/dev/zero")) {
    EXPECT_FALSE(readFile("/dev/zero", 1 << 20).ok());
  }
}

TEST(LogitsWriter, ReadBack) {
  TemporaryDirectory directory;
  std::string path = directory.path("x.safetensors");
  {
    auto writer = LogitsWriter::create(path, 3);
    ASSERT_TRUE(writer.ok()) << writer.message();
    writer->add(std::vector<float>{1, 2, 3});
    writer->add(std::vector<float>{4, 5, 6.5f});
    EXPECT_FALSE(fs::exists(path));
    ASSERT_TRUE(writer->finish(std::vector<int32_t>{7, 8, -9}).ok());
  }
  std::string bytes = readWhole(path);
  uint64_t length;
  memcpy(&length, bytes.data(), 8);
  auto header = nlohmann::json::parse(bytes.substr(8, length));
  EXPECT_EQ(header["logits"]["dtype"], "F32");
  EXPECT_EQ(header["logits"]["shape"], (std::vector<int>{2, 3}));
  EXPECT_EQ(header["token_ids"]["dtype"], "I32");
  EXPECT_EQ(header["token_ids"]["shape"], (std::vector<int>{3}));
  EXPECT_EQ((8 + length) % 64, 0u);
  float logits[6];
  int32_t ids[3];
  ASSERT_EQ(bytes.size(), 8 + length + sizeof(logits) + sizeof(ids));
  memcpy(logits, bytes.data() + 8 + length + header["logits"]["data_offsets"][0].get<size_t>(), sizeof(logits));
  memcpy(ids, bytes.data() + 8 + length + header["token_ids"]["data_offsets"][0].get<size_t>(), sizeof(ids));
  EXPECT_EQ(logits[5], 6.5f);
  EXPECT_EQ(ids[2], -9);
}

TEST(LogitsWriter, Failures) {
  TemporaryDirectory directory;
  EXPECT_EQ(LogitsWriter::create("/nowhere/x", 3).message(), "/nowhere/x: cannot write: No such file or directory");
  {
    auto writer = LogitsWriter::create(directory.path("x"), 3);
    writer->add(std::vector<float>{1, 2, 3});
  }
  EXPECT_EQ(entriesIn(directory.path()), 0u); // not finished: nothing stays
  if (fs::exists("/dev/full")) {
    auto writer = LogitsWriter::create("/dev/full", 3);
    ASSERT_TRUE(writer.ok());
    writer->add(std::vector<float>(100000));
    EXPECT_EQ(writer->finish(std::vector<int32_t>{1}).message(), "/dev/full: cannot write: No space left on device");
  }
}

TEST(AtomicDirectory, CommitOrNothing) {
  TemporaryDirectory outer;
  std::string path = outer.path("x.tqpkg");
  {
    auto directory = AtomicDirectory::create(path + "/", false);
    ASSERT_TRUE(directory.ok()) << directory.message();
    writeWhole(directory->path() + "/manifest.json", "1");
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_EQ(entriesIn(outer.path()), 0u);
  {
    auto directory = AtomicDirectory::create(path, false);
    writeWhole(directory->path() + "/manifest.json", "2");
    ASSERT_TRUE(directory->commit().ok());
  }
  EXPECT_EQ(entriesIn(outer.path()), 1u);
  EXPECT_EQ(readWhole(path + "/manifest.json"), "2");

  EXPECT_EQ(AtomicDirectory::create(path, false).message(), path + " exists; --force replaces it");
  {
    auto directory = AtomicDirectory::create(path, true);
    ASSERT_TRUE(directory.ok()) << directory.message();
    writeWhole(directory->path() + "/manifest.json", "3");
    EXPECT_EQ(readWhole(path + "/manifest.json"), "2"); // until the last moment
    ASSERT_TRUE(directory->commit().ok());
  }
  EXPECT_EQ(readWhole(path + "/manifest.json"), "3");
  EXPECT_EQ(entriesIn(outer.path()), 1u);
}

TEST(AtomicDirectory, ReplacesNothingButPackages) {
  TemporaryDirectory outer;
  for (const char *name : {"home", "file"}) {
    std::string path = outer.path(name);
    if (std::string(name) == "home") {
      fs::create_directory(path);
      writeWhole(path + "/precious", "x");
    } else {
      writeWhole(path, "x");
    }
    EXPECT_EQ(AtomicDirectory::create(path, true).message(), path + ": refusing to replace what is not a tq package");
  }
  // Not even if it came while we were writing.
  std::string late = outer.path("late");
  auto directory = AtomicDirectory::create(late, true);
  writeWhole(late, "x");
  EXPECT_EQ(directory->commit().message(), late + ": refusing to replace what is not a tq package");
  EXPECT_EQ(readWhole(late), "x");
  EXPECT_EQ(AtomicDirectory::create("/nowhere/x", false).message(),
            "/nowhere/x: cannot create: No such file or directory");
}

TEST(AtomicDirectory, RemovesWhatAKilledProcessLeft) {
  TemporaryDirectory outer;
  std::string path = outer.path("x.tqpkg");
  if (pid_t child = fork(); child == 0) {
    auto directory = AtomicDirectory::create(path, false);
    writeWhole(directory->path() + "/weights", "x");
    raise(SIGKILL);
  } else {
    waitpid(child, nullptr, 0);
  }
  EXPECT_EQ(entriesIn(outer.path()), 1u);
  auto directory = AtomicDirectory::create(path, false);
  EXPECT_EQ(entriesIn(outer.path()), 1u); // ours alone
}

TEST(AtomicDirectory, CleansUpOnInterrupt) {
  TemporaryDirectory outer;
  std::string path = outer.path("x.tqpkg");
  pid_t child = fork();
  if (child == 0) {
    AtomicDirectory::cleanUpOnInterrupt();
    auto directory = AtomicDirectory::create(path, false);
    for (int i = 0; i < 500; ++i)
      writeWhole(directory->path() + "/a-file-with-a-long-name-" + std::to_string(i), "x");
    raise(SIGINT);
    _exit(77);
  }
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  EXPECT_EQ(entriesIn(outer.path()), 0u);
}

std::string through(std::vector<std::string> stops, const std::vector<std::string> &pieces, bool &stopped) {
  StopFilter filter(std::move(stops));
  std::string shown;
  for (const std::string &piece : pieces)
    shown += filter.push(piece);
  stopped = filter.stopped();
  return shown + filter.flush();
}

TEST(StopFilter, HoldsBackUntilDecided) {
  bool stopped;
  EXPECT_EQ(through({"END"}, {"one E", "N", "two END three"}, stopped), "one ENtwo ");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(through({"END"}, {"one E", "N"}, stopped), "one EN");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(through({"aab"}, {"a", "a", "a", "b", "x"}, stopped), "a");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(through({"xyz", "yq"}, {"axy", "q"}, stopped), "ax"); // the second of two that overlap
  EXPECT_TRUE(stopped);
  EXPECT_EQ(through({"", "\n\n"}, {"a\n", "b\n\nc"}, stopped), "a\nb");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(through({}, {"abc"}, stopped), "abc");
  StopFilter filter({"END"});
  EXPECT_EQ(filter.push("one E"), "one "); // shown at once
}

} // namespace
