//===- Bench.h - Tokens per second, and what limits them --------*- C++ -*-===//
//   pp512   a prompt of 512 random tokens, fed at once
//   tg128   128 random tokens, fed one by one
// Either may say after how many tokens it begins, as in tg32@4096.
// Bandwidth is read between the parts of a tg, so that both see the same
// minute: a shared memory bus may be twice as fast in the next.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_BENCH_H
#define TQ_RUNTIME_BENCH_H

#include "runtime/Session.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tq {

struct BenchCase {
  bool prefill = true; ///< pp, else tg
  int64_t tokens = 0;
  int64_t depth = 0; ///< tokens in the cache before
  std::string name() const {
    return (prefill ? "pp" : "tg") + std::to_string(tokens) + (depth ? "@" + std::to_string(depth) : "");
  }
};

struct BenchResult {
  BenchCase what;
  double tokensPerSecond = 0; ///< median
  double gflops = 0;          ///< pp: of all threads together
  double weightsGBs = 0;      ///< tg: packed weights
  double readGBs = 0;         ///< tg: plain read, median of readings
  double bestReadGBs = 0;     ///< tg: the fastest of them
};

/// "pp512,tg128,tg32@4096".
Result<std::vector<BenchCase>> parseBench(std::string_view list);

using BenchProgress = std::function<void(const std::string &doing)>;

/// Refuses, before anything runs, what the context cannot hold.
Result<std::vector<BenchResult>> runBench(Session &session, Device &device, const std::vector<BenchCase> &cases,
                                          const BenchProgress &progress = {});

} // namespace tq

#endif // TQ_RUNTIME_BENCH_H
