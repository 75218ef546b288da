//===- LinearVariants.h - The linear micro-kernels of each build *- C++ -*-===//
#ifndef TQ_TESTS_CODEGEN_MICROKERNELS_LINEARVARIANTS_H
#define TQ_TESTS_CODEGEN_MICROKERNELS_LINEARVARIANTS_H

#include "codegen/host/microkernels/Microkernels.h"
#include <ostream>
#include <string>
#include <vector>

namespace tq::test {

/// Which bytes of the LevelTable linear_i8 multiplies.
enum class ByteLevels { S8, U6 };

struct LinearVariant {
  std::string name;
  ByteLevels levels;
  decltype(&tq_linear_f32) f32;
  decltype(&tq_linear_i8) i8;
  decltype(&tq_linear_i16) i16;
  decltype(&tq_decode_row) decodeRow;
};

/// How GoogleTest names a variant in its messages.
inline void PrintTo(const LinearVariant &v, std::ostream *os) { *os << v.name; }

/// All builds this CPU can run: the native ones it has instructions for, and every portable one.
std::vector<LinearVariant> linearVariants();

} // namespace tq::test
#endif
