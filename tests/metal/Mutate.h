//===- Mutate.h - Small faults put into a kernel's text ---------*- C++ -*-===//
// A mutant is a kernel with one fault of the kind that a code generator makes:
// a barrier too few or too weak, a wrong address space, an index, an offset or a
// loop that is off by one. Whatever judges kernels must notice nearly all of them.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_MUTATE_H
#define TQ_TESTS_METAL_MUTATE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tq::metal {

enum class Operator : uint8_t {
  BarrierRemoved,
  BarrierWeakened, ///< other memory flags, or only of the simdgroup
  Space,           ///< of a parameter, an array or the target of a cast
  Extent,          ///< an array one element smaller
  Index,           ///< of a subscript
  Offset,          ///< added to a pointer, or a matrix's stride
  Address,         ///< an integer variable that goes into subscripts, offsets, bounds or comparisons
  Term,            ///< a variable or a number within a subscript, an offset or an address
  LoopStart,
  LoopBound,
  LoopStep,
  Compare,   ///< < for <=, and so on, of integers; the number behind == or !=
  Lane,      ///< of a shuffle or broadcast
  Component, ///< of a vector
  Binding,   ///< two buffers of one type change places
};
constexpr int kOperators = 15;
const char *nameOf(Operator kind);

struct Mutant {
  std::string kernel;
  Operator kind = Operator::Index;
  int line = 0; ///< in the kernel's text
  size_t offset = 0, length = 0;
  std::string replacement;
  std::string was, is; ///< the line before and after, without indentation
  std::string next;    ///< the line that follows it, likewise
  /// Of kernel, operator, line and their number among equals: stays when other lines change.
  std::string id;
  bool dependsOnCall = false; ///< a comparison of what may differ from call to call
};

/// One kernel as a text of its own: what precedes all kernels, and the kernel.
struct KernelSource {
  std::string name, text;
};
/// The text's kernels. What stands outside of kernels is in each of them.
std::vector<KernelSource> splitKernels(std::string_view text);

/// All mutants of a text with one kernel, in the order of the text.
std::vector<Mutant> mutantsOf(const KernelSource &source);
std::string apply(const Mutant &mutant, const KernelSource &source);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_MUTATE_H
