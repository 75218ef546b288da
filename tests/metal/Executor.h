//===- Executor.h - Metal Shading Language, checked and executed ----------===//
// Compiles MSL text for this host and runs its kernels, one fiber per GPU
// thread. No Apple software takes part, and nothing here needs a GPU.
//
//   TQ_TRY_ASSIGN(auto library, metal::Library::compile(text, {.name = "qmv3.metal", .checked = true}));
//   metal::Launch launch;
//   launch.threadgroups = {8, 1, 1};
//   launch.threadsPerThreadgroup = {32, 2, 1};
//   launch.buffers = {{.index = 0, .data = weights, .bytes = size}, ...};
//   TQ_TRY(library.run("qmv3", launch));
//
// The checked build finds data races, accesses outside the bound ranges, reads
// of memory that nobody wrote, barriers and simdgroup functions that not all
// threads reach, misaligned and undefined operations; the fast build finds only
// what stops the processor. A finding is an Error "FILE:LINE: error: kernel
// NAME: ...", with the line in the MSL text; findings at compile time may be
// several such lines. Nothing that a kernel does ends the process.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_EXECUTOR_H
#define TQ_TESTS_METAL_EXECUTOR_H

#include "runtime/Status.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tq::metal {

struct Parameter {
  enum Kind { Buffer, ThreadgroupMemory, Builtin } kind = Buffer;
  int index = -1; ///< of [[buffer(n)]] or [[threadgroup(n)]]
  std::string name;
  std::string type;        ///< as written, without address space and `&`: "uint", "const half*", "Params"
  std::string builtin;     ///< "thread_position_in_grid", ...
  bool isConstant = false; ///< in the constant address space
  bool isConst = false;    ///< the kernel cannot write through it
  bool isReference = false;
  uint64_t bytes = 0;          ///< of what a reference refers to; 0: not known
  bool isAbsent = false;       ///< its [[function_constant(c)]] is false
  std::string missingConstant; ///< or depends on this function constant, which has no value
  int line = 0;
};

struct Kernel {
  std::string name; ///< of [[host_name]], or else the function's with its namespaces
  int line = 0;
  uint32_t maxTotalThreads = 1024; ///< [[max_total_threads_per_threadgroup(n)]]
  std::vector<Parameter> parameters;
  uint64_t threadgroupBytes = 0; ///< declared in the kernel's body
};

/// Values of function constants by their indices, as MSL text: "3", "true", "0.5", "1, 2, 3" for a vector.
using FunctionConstants = std::map<int, std::string>;

struct CompileOptions {
  std::string name = "kernel.metal"; ///< how findings call the text
  bool checked = true;               ///< false: the fast build
  bool run = true;                   ///< kernels run afterwards: what the run finds better is left to it
  int version = 310;                 ///< MSL version: 310 for 3.1
  std::string includeFolder = {};    ///< of #include "..."; none if empty
  FunctionConstants functionConstants = {};
  bool cached = true; ///< false: built anew and not kept, for texts that nobody compiles twice
};

/// Bytes that a kernel sees at [[buffer(index)]]: what setBuffer with an offset or setBytes binds.
struct BufferBinding {
  int index = 0;
  void *data = nullptr;
  uint64_t bytes = 0;
};

struct ThreadgroupBinding {
  int index = 0;
  uint64_t bytes = 0;
};

/// The order in which threads and threadgroups run. Results must not depend on it.
struct Schedule {
  enum Kind { Forward, Reverse, Random } kind = Forward;
  uint32_t seed = 0;
  /// What uninitialised private variables and absent lanes hold (checked build) and threadgroup memory starts with.
  uint8_t poison = 0xff;
  /// Threads also take turns at atomic operations, a weak compare-exchange may fail for nothing, and a threadgroup's
  /// first atomic loads come before the threadgroup that ran just before it.
  bool interleaved = false;
};

struct Launch {
  std::array<uint32_t, 3> threadgroups = {1, 1, 1};
  std::array<uint32_t, 3> threadsPerThreadgroup = {1, 1, 1};
  /// dispatchThreads: the grid in threads, edge threadgroups smaller; all zero: whole threadgroups.
  std::array<uint32_t, 3> threads = {0, 0, 0};
  std::vector<BufferBinding> buffers;
  std::vector<ThreadgroupBinding> threadgroupMemory;
  Schedule schedule;
  int hostThreads = 0;   ///< 0: the machine's, at most 4; more than 64 are 64
  double timeLimit = 10; ///< processor seconds for one threadgroup, then it counts as an endless loop
};

struct Statistics {
  uint64_t threads = 0, switches = 0, barriers = 0, simdOperations = 0, accesses = 0;
  bool floatAtomics = false; ///< sums that may differ by rounding between schedules
  int lostUpdate = 0; ///< line of an atomic operation that passed over another thread's; interleaved schedules only
};

class LibraryImage;

class Library {
public:
  /// Lints and builds the text; a function constant's value that its type does not have is a finding, too. Builds are
  /// cached in $XDG_CACHE_HOME/tq/metal or ~/.cache/tq/metal.
  static Result<Library> compile(std::string_view text, const CompileOptions &options = {});

  const std::vector<Kernel> &kernels() const;
  const Kernel *find(std::string_view kernel) const;
  bool checked() const;
  const std::string &name() const;

  /// Runs a kernel to its end. One launch at a time per process: others wait.
  Status run(std::string_view kernel, const Launch &launch, Statistics *statistics = nullptr) const;

private:
  explicit Library(std::shared_ptr<LibraryImage> image) : image(std::move(image)) {}
  std::shared_ptr<LibraryImage> image;
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_EXECUTOR_H
