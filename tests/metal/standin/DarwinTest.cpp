//===- DarwinTest.cpp - The Metal backend for a Mac, without one ----------===//
// Compiles its files for Darwin against the stand-in's headers, and compares the
// messages in the objects with selectors.txt: what is not there, Metal may not
// have. Standard headers are this system's, which is enough to compile.
//===----------------------------------------------------------------------===//

#include "tests/runtime/ToyPackage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <sys/wait.h>

using namespace tq;

namespace {

std::string root() { return TQ_SOURCE_DIR; }
std::string standinFolder() { return root() + "/tests/metal/standin"; }

/// Output of the compiler; "" if it has nothing to say.
std::string compile(const std::string &target, const std::string &file, const std::string &output) {
  // glibc's headers and libstdc++'s, for another system: the first wants to know a processor it knows, the second calls
  // one of its instructions.
  std::string workarounds =
      "-U__nonnull -D_GNU_SOURCE -D__x86_64__ '-D__builtin_ia32_pause()=(void)0' -Wno-macro-redefined"
      " -Wno-builtin-macro-redefined";
  std::string command =
      std::string(TQ_CLANG22) + " -target " + target + " -x objective-c++ -std=c++20 -fno-objc-arc -fno-exceptions " +
      "-Wall -Wextra -Wno-unused-parameter -Werror=unguarded-availability -Werror=objc-method-access " + workarounds +
      " -nostdinc++ -I " + standinFolder() + "/include -I " + root() + TQ_DARWIN_INCLUDES + " " +
      (output.empty() ? "-fsyntax-only" : "-c -o " + output) + " " + file + " 2>&1";
  std::string text;
  FILE *pipe = popen(command.c_str(), "r"); // NOLINT(bugprone-command-processor): a command of our own
  std::array<char, 4096> part;
  while (size_t bytes = fread(part.data(), 1, part.size(), pipe))
    text.append(part.data(), bytes);
  int status = pclose(pipe);
  if (status != 0)
    text += "exit status " + std::to_string(WEXITSTATUS(status)) + "\n";
  return text;
}

template <class T> T at(const std::string &bytes, size_t offset) {
  T value{};
  if (offset + sizeof value <= bytes.size())
    memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// The messages that a 64-bit Mach-O object sends: strings of the section __objc_methname.
std::set<std::string> messagesOf(const std::string &path) {
  constexpr uint32_t kMagic = 0xfeedfacf, kSegment64 = 0x19;
  constexpr size_t kHeader = 32, kSegmentHeader = 72, kSection = 80;
  std::string bytes = readWhole(path);
  EXPECT_EQ(at<uint32_t>(bytes, 0), kMagic) << path;
  std::set<std::string> messages;
  size_t command = kHeader;
  for (uint32_t i = 0; i < at<uint32_t>(bytes, 16); ++i) {
    if (at<uint32_t>(bytes, command) == kSegment64)
      for (uint32_t s = 0; s < at<uint32_t>(bytes, command + 64); ++s) {
        size_t section = command + kSegmentHeader + s * kSection;
        if (bytes.substr(section, 15) != "__objc_methname")
          continue;
        std::istringstream strings(bytes.substr(at<uint32_t>(bytes, section + 48), at<uint64_t>(bytes, section + 40)));
        for (std::string message; std::getline(strings, message, '\0');)
          messages.insert(message);
      }
    command += at<uint32_t>(bytes, command + 4);
  }
  return messages;
}

/// selectors.txt
std::map<std::string, double> knownMessages() {
  std::map<std::string, double> known;
  std::istringstream file(readWhole(standinFolder() + "/selectors.txt"));
  std::string last;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string message;
    double version = 0;
    if (line.starts_with('#'))
      continue;
    EXPECT_TRUE(words >> message >> version && version >= 10) << line;
    EXPECT_LT(last, message) << "selectors.txt is sorted, without doubles";
    known[last = message] = version;
  }
  return known;
}

std::string unknownIn(const std::string &object) {
  auto known = knownMessages();
  std::string unknown;
  for (const std::string &message : messagesOf(object))
    if (!known.contains(message))
      unknown += message + "\n";
  return unknown;
}

/// A small file that includes the stand-in's headers.
std::string snippet(const TemporaryDirectory &folder, const std::string &body) {
  std::string path = folder.path("snippet.mm");
  writeWhole(path, "#import <Foundation/Foundation.h>\n#import <Metal/Metal.h>\nvoid f(MTLCompileOptions *options, "
                   "id<MTLDevice> device);\n" +
                       body);
  return path;
}

/// runtime/Metal*.mm
std::vector<std::filesystem::path> backend() {
  std::vector<std::filesystem::path> files;
  for (const auto &entry : std::filesystem::directory_iterator(root() + "/runtime"))
    if (entry.path().extension() == ".mm")
      files.push_back(entry.path());
  return files;
}

TEST(Darwin, EveryMessageIsKnown) {
  TemporaryDirectory folder;
  std::set<std::string> messages;
  for (const std::filesystem::path &file : backend()) {
    std::string object = folder.path(file.stem().string() + ".o");
    ASSERT_EQ(compile("x86_64-apple-macosx14", file, object), "");
    messages.merge(messagesOf(object));
    EXPECT_EQ(unknownIn(object), "") << "is this Metal's spelling? then add it to selectors.txt with its version";
  }
  EXPECT_GT(messages.size(), 40u);
  EXPECT_TRUE(messages.contains("newBufferWithBytesNoCopy:length:options:deallocator:"));
}

TEST(Darwin, CompilesForAppleSilicon) {
  EXPECT_GE(backend().size(), 5u);
  for (const std::filesystem::path &file : backend())
    EXPECT_EQ(compile("arm64-apple-macos14", file, ""), "");
}

TEST(Darwin, AnUnknownMessageIsFound) {
  TemporaryDirectory folder;
  std::string object = folder.path("snippet.o");
  std::string file = snippet(folder, "@protocol More\n- (void)newBufferWithMagic;\n@end\n"
                                     "void g(id<More> more) { [more newBufferWithMagic]; }\n");
  ASSERT_EQ(compile("x86_64-apple-macosx14", file, object), "");
  EXPECT_EQ(unknownIn(object), "newBufferWithMagic\n");
}

TEST(Darwin, AMisspeltMessageDoesNotCompile) {
  TemporaryDirectory folder;
  std::string text = compile("x86_64-apple-macosx14",
                             snippet(folder, "void g(id<MTLDevice> device) { [device newComandQueue]; }\n"), "");
  EXPECT_NE(text.find("error: instance method '-newComandQueue' not found"), std::string::npos) << text;
}

TEST(Darwin, LaterMessagesAreGuarded) {
  TemporaryDirectory folder;
  const char *const calls[] = {
      "[options setMathMode:MTLMathModeSafe];",
      "[options setMathFloatingPointFunctions:MTLMathFloatingPointFunctionsPrecise];",
      "[options setLanguageVersion:MTLLanguageVersion3_2];",
      "[device newResidencySetWithDescriptor:nil error:nullptr];",
      "[[device newCommandQueue] addResidencySet:nil];",
      "[[device newCommandQueue] removeResidencySet:nil];",
      "[MTLResidencySetDescriptor new];",
      "id<MTLResidencySet> set = nil; [set requestResidency]; [set endResidency]; [set addAllocation:nil];",
  };
  for (const char *call : calls) {
    std::string body = "void g(MTLCompileOptions *options, id<MTLDevice> device) { ";
    EXPECT_NE(
        compile("x86_64-apple-macosx14", snippet(folder, body + call + " }\n"), "").find("only available on macOS 15"),
        std::string::npos)
        << call;
    EXPECT_EQ(compile("x86_64-apple-macosx14",
                      snippet(folder, body + "if (@available(macOS 15.0, *)) { " + call + " (void)device; } }\n"), "")
                  .find("error"),
              std::string::npos)
        << call;
  }
  // Each of them is among the calls above.
  for (const auto &[message, version] : knownMessages())
    if (version > 14) {
      std::string word = message.substr(0, message.find(':'));
      EXPECT_TRUE(std::ranges::any_of(calls, [&](std::string_view call) { return call.find(word) != call.npos; }))
          << message;
    }
}

} // namespace
