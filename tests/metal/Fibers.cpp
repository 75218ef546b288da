//===- Fibers.cpp - One stack per GPU thread ------------------------------===//

#include "tests/metal/Fibers.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace tq::metal;

#if defined(__x86_64__)
asm(R"(
.text
.globl tq_metal_switch
.hidden tq_metal_switch
.type tq_metal_switch,@function
tq_metal_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tq_metal_switch, .-tq_metal_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl tq_metal_switch
.hidden tq_metal_switch
.type tq_metal_switch,%function
tq_metal_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size tq_metal_switch, .-tq_metal_switch
)");
#else
#error "no fiber switch for this processor"
#endif

namespace {

constexpr int kMost = 1024;           ///< threads of a threadgroup
constexpr size_t kUsable = 128 << 10; ///< private memory of a thread; only what is touched costs
/// Stack tops at the same place in their pages would share a few cache sets, which costs a factor of 2 to 3 from 256
/// threads on; multiples of five cache lines spread them.
constexpr size_t kColour = 320;

} // namespace

FiberStacks::~FiberStacks() {
  if (base)
    munmap(base, span);
}

bool FiberStacks::prepare(int count) {
  if (!base) {
    guard = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    stride = kUsable + guard;
    void *memory = mmap(nullptr, stride * kMost, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      return false;
    base = static_cast<char *>(memory);
    low = reinterpret_cast<uintptr_t>(memory);
    span = stride * kMost;
  }
  for (; prepared < count; ++prepared)
    if (mprotect(base + static_cast<size_t>(prepared) * stride + guard, kUsable, PROT_READ | PROT_WRITE) != 0)
      return false;
  return true;
}

void *FiberStacks::start(int i, void (*entry)()) const {
  char *top = base + static_cast<size_t>(i + 1) * stride - static_cast<size_t>(i) * kColour % 4096;
  auto *words = reinterpret_cast<void **>(top);
#if defined(__x86_64__)
  *--words = nullptr; // where entry would return to; also aligns its frame
  *--words = reinterpret_cast<void *>(entry);
  for (int r = 0; r < 6; ++r)
    *--words = nullptr;
#else
  words -= 20;
  for (int r = 0; r < 20; ++r)
    words[r] = nullptr;
  words[11] = reinterpret_cast<void *>(entry); // x30
#endif
  return words;
}
