//===- ShimFiles.cpp - The shim's headers inside the library --------------===//

#include "tests/metal/ShimFiles.h"

// #embed is C23; clang offers it in C++ too.
#pragma clang diagnostic ignored "-Wc23-extensions"

using namespace tq::metal;

namespace {

constexpr char kLanguage[] = {
#embed "language.h" suffix(, 0)
};
constexpr char kTypes[] = {
#embed "types.h" suffix(, 0)
};
constexpr char kTraits[] = {
#embed "traits.h" suffix(, 0)
};
constexpr char kMath[] = {
#embed "math.h" suffix(, 0)
};
constexpr char kInteger[] = {
#embed "integer.h" suffix(, 0)
};
constexpr char kAtomic[] = {
#embed "atomic.h" suffix(, 0)
};
constexpr char kCompute[] = {
#embed "compute.h" suffix(, 0)
};
constexpr char kMatrix[] = {
#embed "matrix.h" suffix(, 0)
};
constexpr char kAll[] = {
#embed "msl.h" suffix(, 0)
};

constexpr ShimFile kFiles[] = {
    {"language.h", kLanguage}, {"types.h", kTypes},     {"traits.h", kTraits},
    {"math.h", kMath},         {"integer.h", kInteger}, {"atomic.h", kAtomic},
    {"compute.h", kCompute},   {"matrix.h", kMatrix},   {"msl.h", kAll},
};

constexpr std::string_view kHeaders[] = {
    "metal_stdlib",      "metal_simdgroup", "metal_simdgroup_matrix", "metal_atomic",          "metal_math",
    "metal_types",       "metal_common",    "metal_compute",          "metal_geometric",       "metal_integer",
    "metal_matrix",      "metal_pack",      "metal_quadgroup",        "metal_relational",      "metal_limits",
    "metal_type_traits", "metal_array",     "metal_config",           "metal_extended_vector", "metal_utility",
    "simd/simd.h",       "metal_logging",   "metal_numeric",          "metal_uniform",
};

} // namespace

std::span<const ShimFile> tq::metal::shimFiles() { return kFiles; }
std::span<const std::string_view> tq::metal::metalHeaders() { return kHeaders; }
