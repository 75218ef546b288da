//===- Fibers.h - One stack per GPU thread ----------------------*- C++ -*-===//
// A switch between two stacks costs about as much as a call: the registers that
// a function must preserve, and nothing else. Stacks are kept between launches.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_FIBERS_H
#define TQ_TESTS_METAL_FIBERS_H

#include <cstddef>
#include <cstdint>

extern "C" {
/// Saves the running stack's pointer in *save and goes on where `to` was saved.
void tq_metal_switch(void **save, void *to);
}

namespace tq::metal {

class FiberStacks {
public:
  FiberStacks() = default;
  ~FiberStacks();
  FiberStacks(const FiberStacks &) = delete;
  FiberStacks &operator=(const FiberStacks &) = delete;

  /// False if the system has no memory for this many stacks.
  bool prepare(int count);
  /// What to switch to for fiber i to begin with entry(). It must not return.
  void *start(int i, void (*entry)()) const;

  bool contains(uintptr_t address) const { return address - low < span; }
  /// The address lies in the stack of fiber i.
  bool contains(int i, uintptr_t address) const { return address - low - static_cast<size_t>(i) * stride < stride; }
  /// The address lies in the unusable page below some stack.
  bool isGuard(uintptr_t address) const { return contains(address) && (address - low) % stride < guard; }

private:
  char *base = nullptr;
  uintptr_t low = 0, span = 0;
  size_t stride = 0, guard = 0;
  int prepared = 0;
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_FIBERS_H
