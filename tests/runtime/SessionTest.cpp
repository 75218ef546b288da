//===- SessionTest.cpp - The same logits however the work is cut up -------===//

#include "runtime/Session.h"
#include "runtime/HostDevice.h"
#include "runtime/Trace.h"
#include "tests/runtime/ToyPackage.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tq;

namespace {

std::vector<int32_t> someTokens(size_t count) {
  std::mt19937 random(7);
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(random() % 64));
  return tokens;
}

/// A package with a session over it.
struct Fixture {
  explicit Fixture(SessionOptions options = {}, int threads = 2) {
    toy.write();
    auto opened = Package::open(toy.path());
    EXPECT_TRUE(opened.ok()) << opened.message();
    package.emplace(std::move(*opened));
    auto created = createHostDevice(*package, {threads, ""});
    EXPECT_TRUE(created.ok()) << created.message();
    device = std::move(*created);
    auto begun = Session::create(*package, *device, options);
    EXPECT_TRUE(begun.ok()) << begun.message();
    session = std::move(*begun);
  }
  /// Feeds and collects the rows wanted.
  std::vector<std::vector<float>> feed(std::span<const int32_t> tokens, size_t rows) {
    std::vector<std::vector<float>> result;
    size_t next = tokens.size() - std::min(rows, tokens.size());
    Status status = session->feed(tokens, rows, [&](size_t token, std::span<const float> row) {
      EXPECT_EQ(token, next++);
      result.emplace_back(row.begin(), row.end());
    });
    EXPECT_TRUE(status.ok()) << status.message();
    return result;
  }
  ToyPackage toy;
  std::optional<Package> package;
  std::unique_ptr<Device> device;
  std::unique_ptr<Session> session;
};

TEST(Session, EveryChunkAndNumberOfRows) {
  std::vector<int32_t> tokens = someTokens(70);
  for (int threads : {1, 2, 3})
    for (int64_t chunk : {0, 1, 2, 5, 8, 9, 32})
      for (size_t rows : {0, 1, 3, 4, 5, 33, 70, 99}) {
        Fixture fixture({.chunk = chunk}, threads);
        auto expected = fixture.toy.reference(tokens);
        auto got = fixture.feed(tokens, rows);
        ASSERT_EQ(got.size(), std::min<size_t>(rows, 70));
        for (size_t i = 0; i < got.size(); ++i)
          ASSERT_EQ(got[i], expected[70 - got.size() + i]) << "chunk " << chunk << " rows " << rows << " row " << i;
        EXPECT_EQ(fixture.session->position(), 70);
      }
}

TEST(Session, FeedsFollowEachOther) {
  std::vector<int32_t> tokens = someTokens(100);
  Fixture fixture({.shufflePages = 3});
  auto expected = fixture.toy.reference(tokens);
  size_t at = 0;
  for (size_t count : {7, 1, 1, 32, 40, 1, 18}) {
    fixture.feed(std::span(tokens).subspan(at, count), 1);
    at += count;
    auto logits = fixture.session->logits();
    EXPECT_EQ(std::vector(logits.begin(), logits.end()), expected[at - 1]) << at;
  }
  EXPECT_EQ(fixture.session->position(), fixture.session->context());
}

TEST(Session, Rewind) {
  std::vector<int32_t> tokens = someTokens(60), others = someTokens(60);
  std::ranges::reverse(others);
  Fixture fixture({.shufflePages = 9});
  fixture.feed(tokens, 1);
  fixture.session->rewind(20);
  EXPECT_TRUE(fixture.session->logits().empty());
  std::vector<int32_t> text(tokens.begin(), tokens.begin() + 20);
  text.insert(text.end(), others.begin(), others.end());
  auto got = fixture.feed(others, 60);
  auto expected = fixture.toy.reference(text);
  for (size_t i = 0; i < 60; ++i)
    EXPECT_EQ(got[i], expected[20 + i]);
  fixture.session->rewind(1000); // no further than it is
  EXPECT_EQ(fixture.session->position(), 80);
  // Pages come back: there are just enough for the context.
  std::vector<int32_t> all = someTokens(100);
  expected = fixture.toy.reference(all);
  for (int i = 0; i < 5; ++i) {
    fixture.session->rewind(0);
    EXPECT_EQ(fixture.feed(all, 100), expected);
  }
}

TEST(Session, Refusals) {
  Fixture fixture({.context = 50});
  EXPECT_EQ(fixture.session->feed(someTokens(51)).message(), "toy.tqpkg: 51 tokens after 0 do not fit a context of 50");
  fixture.feed(someTokens(50), 1);
  EXPECT_EQ(fixture.session->feed(someTokens(1)).message(), "toy.tqpkg: 1 tokens after 50 do not fit a context of 50");
  fixture.session->rewind(0);
  for (int32_t bad : {-1, 64})
    EXPECT_EQ(fixture.session->feed(std::vector<int32_t>{5, bad}).message(),
              "toy.tqpkg: token " + std::to_string(bad) + " is not in the vocabulary of 64");
  EXPECT_EQ(fixture.session->position(), 0);

  auto refusal = [&](SessionOptions options) {
    auto device = createHostDevice(*fixture.package, {1, ""});
    auto session = Session::create(*fixture.package, **device, options);
    return session ? "" : session.message();
  };
  EXPECT_EQ(refusal({.context = 101}), "toy.tqpkg: cannot serve a context of 101 tokens; the package allows 1 to 100");
  EXPECT_EQ(refusal({.chunk = 33}), "toy.tqpkg: cannot take chunks of 33 tokens; the package allows 1 to 32");
}

TEST(HostDevice, ScratchThatIsNotThere) {
  ToyPackage toy;
  toy.manifest.targets[0].entries[0].scratch_bytes = 1ull << 44; // the most that a manifest may say
  toy.write();
  auto package = Package::open(toy.path());
  ASSERT_TRUE(package.ok()) << package.message();
  // For 16 of them a process has not even the addresses.
  EXPECT_EQ(createHostDevice(*package, {16, ""}).message(),
            "toy.tqpkg: cannot reserve 17592186044416 bytes of scratch for each of 16 threads: Cannot allocate memory; "
            "use fewer threads");
}

TEST(Session, Cancel) {
  std::atomic<bool> cancel = true;
  Fixture fixture({.cancel = &cancel});
  EXPECT_EQ(fixture.session->feed(someTokens(5)).message(), kInterrupted);
  cancel = false;
  EXPECT_TRUE(fixture.session->feed(someTokens(5)).ok());
}

TEST(Session, Trace) {
  Trace trace;
  Fixture fixture({.trace = &trace});
  fixture.feed(someTokens(40), 1); // prefill of 32, verify of 8
  std::string path = fixture.toy.outside("trace.json");
  ASSERT_TRUE(trace.write(path).ok());
  auto json = nlohmann::json::parse(readWhole(path));
  ASSERT_EQ(json["traceEvents"].size(), 8u);
  auto head = json["traceEvents"][7];
  EXPECT_EQ(head["name"], "head");
  EXPECT_EQ(head["cat"], "verify");
  EXPECT_EQ(head["args"]["pos"], 32);
  EXPECT_EQ(head["args"]["tasks"], 4);
  EXPECT_EQ(head["args"]["weight_bytes"], 256);
  EXPECT_EQ(trace.write("/nowhere/trace.json").message(),
            "/nowhere/trace.json: cannot write: No such file or directory");
}

} // namespace
