//===- IrComponents.h - Components of vectors in memory ---------*- C++ -*-===//
// Components are memory locations of their own: threads may write v.x and v.y at
// the same time. Clang loads and stores the whole vector:
//
//   %1 = load <4 x float>, ptr %v                       %at = getelementptr inbounds float, ptr %v, i64 0
//   %2 = insertelement <4 x float> %1, float %x, i64 0  store float %x, ptr %at
//   store <4 x float> %2, ptr %v
//
// and likewise for v.zw = u, v[i] = x, and where components are read.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_IRCOMPONENTS_H
#define TQ_TESTS_METAL_IRCOMPONENTS_H

#include <string>
#include <string_view>
#include <vector>

namespace tq::metal {

/// The instructions of a function with that done; private variables stay as they are. In a checked build an index that
/// is no constant is compared with the number of elements.
std::vector<std::string> splitComponents(const std::vector<std::string_view> &lines, bool checked);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRCOMPONENTS_H
