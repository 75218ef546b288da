//===- tq_runtime.cpp - The C interface over the C++ one ------------------===//

#include "runtime/tq_runtime.h"

#include "runtime/HostDevice.h"
#include "runtime/Sampler.h"
#include "runtime/Session.h"
#include "runtime/ThreadPool.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

using namespace tq;

struct tq_model {
  Package package;
};

struct tq_session {
  const tq_model *model;
  std::unique_ptr<Device> device;
  std::unique_ptr<Session> session;
  std::optional<Sampler> sampler;
};

namespace {

thread_local std::string lastError;

tq_status fail(tq_status code, std::string sentence) {
  lastError = std::move(sentence);
  return code;
}

bool isThreads(int threads) { return threads >= 0 && threads <= kMaxThreads; }

std::string threadsFault(const char *function, int threads) {
  return fmt::format("{}: {} threads, but there can be 1 to {}, or 0 for the default", function, threads, kMaxThreads);
}

Sampler makeSampler(const Model &model, const tq_sampling &sampling) {
  SamplerOptions how = samplerDefaults(model);
  how.temperature = sampling.temperature;
  how.topK = sampling.top_k;
  how.topP = sampling.top_p;
  how.minP = sampling.min_p;
  how.repetitionPenalty = sampling.repetition_penalty;
  how.repetitionContext = std::min(sampling.repetition_context, model.context);
  how.minTokens = sampling.min_tokens;
  how.seed = sampling.seed;
  return Sampler(how, model.vocab);
}

} // namespace

const char *tq_last_error(void) { return lastError.c_str(); }
const char *tq_version(void) { return TQ_VERSION; }

tq_status tq_open(const char *path, const tq_open_options *options, tq_model **model) {
  if (!path || !model)
    return fail(TQ_ERROR_ARGUMENT, "tq_open: path or model is null");
  OpenOptions how;
  if (options) {
    if (!isThreads(options->threads))
      return fail(TQ_ERROR_ARGUMENT, threadsFault("tq_open", options->threads));
    how.verify = options->verify != 0;
    how.threads = options->threads ? options->threads : how.threads;
  }
  auto package = Package::open(path, how);
  if (!package)
    return fail(TQ_ERROR_PACKAGE, package.message());
  *model = new tq_model{std::move(*package)};
  return TQ_OK;
}

void tq_close(tq_model *model) { delete model; }

int64_t tq_vocab(const tq_model *model) { return model->package.manifest().model.vocab; }
int64_t tq_max_context(const tq_model *model) { return model->package.manifest().model.context; }
int tq_is_end(const tq_model *model, int32_t token) {
  const auto &eos = model->package.manifest().model.eos;
  return std::ranges::find(eos, token) != eos.end();
}
int32_t tq_bos(const tq_model *model) {
  const auto &bos = model->package.manifest().model.bos;
  return bos.empty() ? -1 : static_cast<int32_t>(bos[0]);
}

tq_status tq_session_open(tq_model *model, const tq_session_options *options, tq_session **session) {
  if (!model || !session)
    return fail(TQ_ERROR_ARGUMENT, "tq_session_open: model or session is null");
  HostOptions host;
  SessionOptions how;
  if (options) {
    if (!isThreads(options->threads))
      return fail(TQ_ERROR_ARGUMENT, threadsFault("tq_session_open", options->threads));
    host.threads = options->threads;
    host.cpu = options->cpu ? options->cpu : "";
    how.context = options->context;
    how.chunk = options->chunk;
  }
  auto device = createHostDevice(model->package, host);
  if (!device)
    return fail(TQ_ERROR_DEVICE, device.message());
  auto created = Session::create(model->package, **device, how);
  if (!created)
    return fail(TQ_ERROR_ARGUMENT, created.message());
  auto result = std::make_unique<tq_session>();
  result->model = model;
  result->device = std::move(*device);
  result->session = std::move(*created);
  result->sampler.emplace(samplerDefaults(model->package.manifest().model), tq_vocab(model));
  *session = result.release();
  return TQ_OK;
}

void tq_session_close(tq_session *session) {
  if (!session)
    return;
  // The session's memory is the device's.
  session->session.reset();
  delete session;
}

tq_status tq_feed(tq_session *session, const int32_t *tokens, size_t count) {
  if (!session || (!tokens && count))
    return fail(TQ_ERROR_ARGUMENT, "tq_feed: session or tokens is null");
  Status status = session->session->feed({tokens, count});
  if (!status)
    return fail(TQ_ERROR_TOKENS, status.message());
  for (size_t i = 0; i < count; ++i)
    session->sampler->accept(tokens[i]);
  return TQ_OK;
}

const float *tq_logits(const tq_session *session) { return session->session->logits().data(); }
int64_t tq_position(const tq_session *session) { return session->session->position(); }

tq_status tq_rewind(tq_session *session, int64_t position) {
  if (!session || position < 0 || position > session->session->position())
    return fail(TQ_ERROR_ARGUMENT, "tq_rewind: the position is not one of the sequence");
  session->session->rewind(position);
  return TQ_OK;
}

tq_sampling tq_default_sampling(const tq_model *model) {
  SamplerOptions defaults = samplerDefaults(model->package.manifest().model);
  return {.temperature = defaults.temperature,
          .top_k = defaults.topK,
          .top_p = defaults.topP,
          .min_p = defaults.minP,
          .repetition_penalty = defaults.repetitionPenalty,
          .repetition_context = defaults.repetitionContext,
          .min_tokens = defaults.minTokens,
          .seed = defaults.seed};
}

tq_status tq_set_sampling(tq_session *session, const tq_sampling *sampling) {
  auto within = [](double value, double low, double high) { return value >= low && value <= high; }; // not if NaN
  if (!session || !sampling || !within(sampling->temperature, 0, kMostTemperature) || sampling->top_k < 0 ||
      !(sampling->top_p >= 0) || !within(sampling->min_p, 0, 1) ||
      !within(sampling->repetition_penalty, kLeastPenalty, kMostPenalty) || sampling->repetition_context < 0)
    return fail(TQ_ERROR_ARGUMENT, "tq_set_sampling: a setting is out of range");
  session->sampler.emplace(makeSampler(session->model->package.manifest().model, *sampling));
  return TQ_OK;
}

tq_status tq_sample(tq_session *session, int32_t *token) {
  if (!session || !token)
    return fail(TQ_ERROR_ARGUMENT, "tq_sample: session or token is null");
  if (session->session->logits().empty())
    return fail(TQ_ERROR_NO_LOGITS, "there are no logits: feed a token first");
  *token = session->sampler->sample(session->session->logits());
  return TQ_OK;
}
