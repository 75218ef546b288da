//===- Embedded.cpp - Micro-kernel bitcode inside the compiler ------------===//
#include "codegen/host/microkernels/Embedded.h"

// #embed is C23; clang offers it in C++ too. The .bc files are made by this folder's CMakeLists.txt.
#pragma clang diagnostic ignored "-Wc23-extensions"

namespace {
alignas(16) constexpr unsigned char kAvx2[] = {
#embed "avx2.bc"
};
alignas(16) constexpr unsigned char kAvx512[] = {
#embed "avx512.bc"
};
alignas(16) constexpr unsigned char kAmx[] = {
#embed "amx.bc"
};
alignas(16) constexpr unsigned char kNeon[] = {
#embed "neon.bc"
};

struct Entry {
  std::string_view isa;
  std::span<const unsigned char> bitcode;
  tq::MicrokernelTarget target;
};
// prefer-256-bit is part of LLVM's tuning for Intel server CPUs; without -prefer-256-bit it would halve the vectors.
const Entry kEntries[] = {
    {"avx2", kAvx2, {"x86_64-unknown-linux-gnu", "x86-64-v3", ""}},
    {"avx512", kAvx512, {"x86_64-unknown-linux-gnu", "x86-64-v4", "+avx512vnni,+avx512vbmi,-prefer-256-bit"}},
    {"amx",
     kAmx,
     {"x86_64-unknown-linux-gnu", "x86-64-v4", "+avx512vnni,+avx512vbmi,+amx-tile,+amx-int8,-prefer-256-bit"}},
    {"neon", kNeon, {"aarch64-unknown-linux-gnu", "generic", "+v8.2a,+fullfp16,+dotprod"}},
};
const Entry *find(std::string_view isa) {
  for (const Entry &entry : kEntries)
    if (entry.isa == isa)
      return &entry;
  return nullptr;
}
} // namespace

std::span<const std::byte> tq::microkernelBitcode(std::string_view isa) {
  const Entry *entry = find(isa);
  return entry ? std::as_bytes(entry->bitcode) : std::span<const std::byte>();
}

tq::MicrokernelTarget tq::microkernelTarget(std::string_view isa) {
  const Entry *entry = find(isa);
  return entry ? entry->target : MicrokernelTarget{};
}
