//===- ApiTest.cpp - The C interface --------------------------------------===//

#include "runtime/tq_runtime.h"
#include "tests/runtime/ToyPackage.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace tq;

namespace {

TEST(Api, FeedSampleRewind) {
  ToyPackage toy;
  toy.manifest.model.generation = {{"temperature", 0}};
  toy.write();
  tq_model *model = nullptr;
  ASSERT_EQ(tq_open(toy.path().c_str(), nullptr, &model), TQ_OK) << tq_last_error();
  EXPECT_EQ(tq_vocab(model), 64);
  EXPECT_EQ(tq_max_context(model), 100);
  EXPECT_EQ(tq_bos(model), 1);
  EXPECT_TRUE(tq_is_end(model, 3));
  EXPECT_FALSE(tq_is_end(model, 4));
  EXPECT_EQ(tq_default_sampling(model).temperature, 0);

  tq_session_options options = {.context = 40, .chunk = 0, .threads = 2, .cpu = nullptr};
  tq_session *session = nullptr;
  ASSERT_EQ(tq_session_open(model, &options, &session), TQ_OK) << tq_last_error();
  int32_t token;
  EXPECT_EQ(tq_sample(session, &token), TQ_ERROR_NO_LOGITS);
  EXPECT_STREQ(tq_last_error(), "there are no logits: feed a token first");
  EXPECT_EQ(tq_logits(session), nullptr);

  std::vector<int32_t> tokens = {5, 17, 3};
  ASSERT_EQ(tq_feed(session, tokens.data(), tokens.size()), TQ_OK);
  for (int i = 0; i < 30; ++i) {
    auto expected = toy.reference(tokens).back();
    EXPECT_EQ(std::vector<float>(tq_logits(session), tq_logits(session) + 64), expected);
    ASSERT_EQ(tq_sample(session, &token), TQ_OK);
    EXPECT_EQ(token, std::ranges::max_element(expected) - expected.begin());
    tokens.push_back(token);
    ASSERT_EQ(tq_feed(session, &token, 1), TQ_OK);
  }
  EXPECT_EQ(tq_position(session), 33);
  EXPECT_EQ(tq_feed(session, tokens.data(), 8), TQ_ERROR_TOKENS);
  EXPECT_STREQ(tq_last_error(), "toy.tqpkg: 8 tokens after 33 do not fit a context of 40");
  EXPECT_EQ(tq_rewind(session, 34), TQ_ERROR_ARGUMENT);
  EXPECT_EQ(tq_rewind(session, 0), TQ_OK);

  tq_sampling sampling = tq_default_sampling(model);
  sampling.min_p = 2;
  EXPECT_EQ(tq_set_sampling(session, &sampling), TQ_ERROR_ARGUMENT);
  sampling.min_p = 0;
  for (double penalty : {0.0, 1e-4, 1e4, -1.0}) {
    sampling.repetition_penalty = penalty;
    EXPECT_EQ(tq_set_sampling(session, &sampling), TQ_ERROR_ARGUMENT) << penalty;
  }
  sampling.repetition_penalty = 1.5;
  EXPECT_EQ(tq_set_sampling(session, &sampling), TQ_OK);
  tq_session_close(session);
  tq_close(model);
}

TEST(Api, DefaultsAreInRange) {
  ToyPackage toy;
  toy.manifest.model.generation = {
      {"temperature", -1}, {"top_k", 1000}, {"top_p", 2}, {"min_p", -3}, {"repetition_penalty", 0}};
  toy.write();
  tq_model *model = nullptr;
  ASSERT_EQ(tq_open(toy.path().c_str(), nullptr, &model), TQ_OK) << tq_last_error();
  tq_sampling sampling = tq_default_sampling(model);
  EXPECT_EQ(sampling.temperature, 0);
  EXPECT_EQ(sampling.top_k, 64);
  EXPECT_EQ(sampling.top_p, 1);
  EXPECT_EQ(sampling.min_p, 0);
  EXPECT_EQ(sampling.repetition_penalty, 1e-3);
  EXPECT_EQ(sampling.repetition_context, 64);
  tq_session *session = nullptr;
  ASSERT_EQ(tq_session_open(model, nullptr, &session), TQ_OK) << tq_last_error();
  EXPECT_EQ(tq_set_sampling(session, &sampling), TQ_OK) << tq_last_error();
  tq_session_close(session);
  tq_close(model);
}

TEST(Api, Errors) {
  tq_model *model = nullptr;
  EXPECT_EQ(tq_open("/nowhere", nullptr, &model), TQ_ERROR_PACKAGE);
  EXPECT_STREQ(tq_last_error(), "/nowhere: cannot open: No such file or directory");
  EXPECT_EQ(tq_open(nullptr, nullptr, &model), TQ_ERROR_ARGUMENT);
  tq_close(nullptr);
  tq_session_close(nullptr);

  ToyPackage toy;
  toy.write();
  ASSERT_EQ(tq_open(toy.path().c_str(), nullptr, &model), TQ_OK);
  tq_session *session = nullptr;
  tq_session_options options = {};
  options.cpu = "pdp11";
  EXPECT_EQ(tq_session_open(model, &options, &session), TQ_ERROR_DEVICE);
  for (int threads : {-1, 1025}) {
    options = {};
    options.threads = threads;
    EXPECT_EQ(tq_session_open(model, &options, &session), TQ_ERROR_ARGUMENT);
    std::string sentence =
        ": " + std::to_string(threads) + " threads, but there can be 1 to 1024, or 0 for the default";
    EXPECT_EQ(tq_last_error(), "tq_session_open" + sentence);
    tq_open_options how = {.verify = 0, .threads = threads};
    tq_model *other = nullptr;
    EXPECT_EQ(tq_open(toy.path().c_str(), &how, &other), TQ_ERROR_ARGUMENT);
    EXPECT_EQ(tq_last_error(), "tq_open" + sentence);
  }
  options = {};
  options.context = 101;
  EXPECT_EQ(tq_session_open(model, &options, &session), TQ_ERROR_ARGUMENT);
  tq_close(model);
}

} // namespace
