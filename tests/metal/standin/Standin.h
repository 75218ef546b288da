//===- Standin.h - The stand-in of Metal, as tests see it -------*- C++ -*-===//
// A test chooses the machine and its failures, runs the real backend,
// runtime/Metal*.mm (or a wrong client), and asks which rules of Metal were
// broken. Rules are those of Metal's API validation, plus what no validation on
// a Mac reports: missing barriers, results read too early, objects that leak.
//
// The stand-in does not stop at a broken rule: it notes a sentence, leaves the
// call without effect where it must, and goes on.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_STANDIN_H
#define TQ_TESTS_METAL_STANDIN_STANDIN_H

#include "tests/metal/Executor.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tq::standin {

/// Memory that a dispatch binds: a setBuffer has an offset, but no length.
struct Bound {
  std::string_view kernel;
  int index;
  const std::byte *address;
  uint64_t offset; ///< in the buffer
  uint64_t bytes;  ///< from there to the buffer's end
};

struct Settings {
  // The machine.
  bool hasDevice = true;
  std::string deviceName = "Apple M1";
  int family = 7; ///< MTLGPUFamilyApple<n>
  int macos = 15; ///< later messages and classes are not there
  uint64_t maxBufferLength = 1ull << 30, workingSet = 4ull << 30;
  uint64_t maxThreads = 1024, simdWidth = 32; ///< of every pipeline
  bool canCapture = true;

  // How it works.
  bool late = false;   ///< nothing runs before waitUntilCompleted
  bool checked = true; ///< kernels run in the executor's checked build
  metal::Schedule schedule;
  /// How much of a binding the kernel may touch; none: all of it. Kernels are held to it, and what overlaps is judged
  /// by it.
  std::function<uint64_t(const Bound &)> extent;

  // What goes wrong.
  int refuseBuffer = -1;      ///< this many more buffers are given out, then one is refused
  std::string refusePipeline; ///< name of a kernel
  bool refuseQueue = false, refuseResidency = false, refuseArchiveWrites = false;
  int failCommandBuffer = -1; ///< this many more complete, then one fails with the error
  int errorCode = 0;          ///< an MTLCommandBufferError
};

/// What was asked of the stand-in since reset().
struct Counts {
  uint64_t buffers = 0, commandBuffers = 0, encoders = 0, dispatches = 0, barriers = 0;
  uint64_t librariesFromSource = 0, librariesFromFile = 0, pipelines = 0, pipelinesFromArchive = 0;
  uint64_t residencySets = 0, residencyRequests = 0, captures = 0;
  uint64_t fastMathLibraries = 0, olderLibraries = 0; ///< fast math allowed; a language before MSL 3.1
};

Settings &settings();
Counts counts();

/// The rules broken since the last call, a sentence each.
std::vector<std::string> takeViolations();

/// Objective-C objects that nobody has released, by class: "NSString, 2 MTLBuffer"; "" if there are none.
std::string liveObjects();

/// Forgets everything, including objects that leaked.
void reset();

} // namespace tq::standin

#endif // TQ_TESTS_METAL_STANDIN_STANDIN_H
