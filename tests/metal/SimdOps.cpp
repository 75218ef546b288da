//===- SimdOps.cpp - What kernels call ------------------------------------===//
// The functions of Imports.def. Their return address tells where in the kernel
// they were called: the stubs in between are jumps.
//===----------------------------------------------------------------------===//

#include "tests/metal/Imports.h"
#include "tests/metal/Worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

using namespace tq::metal;

#define TQ_CALLER __builtin_return_address(0)

namespace {

Wait waitFor(int scope) { return scope == 2 ? Wait::Quadgroup : Wait::Simdgroup; }

void importBarrier(int flags, int scope, int site) {
  Worker &w = *currentWorker();
  if (scope == 1)
    return w.barrier(flags, site, TQ_CALLER);
  ++w.statistics.barriers;
  Rendezvous &r = w.group(0);
  if (!w.arrive(r, site, TQ_CALLER))
    return w.wait(Wait::Simdgroup);
  if (w.checked)
    w.access.simdgroupBarrier(flags, w.current / kSimdWidth);
  w.release(r);
}

enum class Op : int { Sum, Max, Min, HalfSum };

/// A fixed tree, so that no schedule changes a bit of the sum.
float reduce(const float *values, int size, Op op) {
  float part[kSimdWidth];
  std::copy(values, values + size, part);
  for (int n = size; n > 1; n = (n + 1) / 2) {
    int half = (n + 1) / 2;
    for (int i = 0; i < n / 2; ++i) {
      float a = part[i], b = part[i + half];
      switch (op) {
      case Op::Sum:
        part[i] = a + b;
        break;
      case Op::HalfSum:
        part[i] = static_cast<float>(static_cast<_Float16>(a + b));
        break;
      case Op::Max: // a number, if one of them is one
        part[i] = a != a ? b : b != b ? a : std::max(a, b);
        break;
      case Op::Min:
        part[i] = a != a ? b : b != b ? a : std::min(a, b);
        break;
      }
    }
  }
  return part[0];
}

uint32_t reduce(const uint32_t *values, int size, int op) {
  uint32_t result = values[0];
  for (int i = 1; i < size; ++i) {
    uint32_t v = values[i];
    auto a = static_cast<int32_t>(result), b = static_cast<int32_t>(v);
    switch (op) {
    case 0:
      result += v;
      break;
    case 1:
      result = std::max(result, v);
      break;
    case 2:
      result = std::min(result, v);
      break;
    case 3:
      result = static_cast<uint32_t>(std::max(a, b));
      break;
    case 4:
      result = static_cast<uint32_t>(std::min(a, b));
      break;
    default:
      result |= v;
    }
  }
  return result;
}

template <class T, class O> T reduceLanes(Worker &w, T value, O op, int site, const void *code) {
  Rendezvous &r = w.group(0);
  auto *values = reinterpret_cast<T *>(r.slots[r.parity]);
  values[w.current - r.first] = value;
  if (!w.arrive(r, site, code)) {
    w.wait(Wait::Simdgroup);
    return *values; // the last lane's result; this parity's slots are reused after the next rendezvous only
  }
  T result = reduce(values, r.size, op);
  values[0] = result;
  w.release(r);
  return result;
}

float importReduceF32(float value, int op, int site) {
  return reduceLanes(*currentWorker(), value, static_cast<Op>(op), site, TQ_CALLER);
}

uint32_t importReduceU32(uint32_t value, int op, int site) {
  return reduceLanes(*currentWorker(), value, op, site, TQ_CALLER);
}

/// Puts the value down and comes back with the address of all lanes' values.
char *exchange(Worker &w, const void *value, int bytes, int scope, int site, const void *code) {
  Rendezvous &r = w.group(scope);
  char *slots = r.slots[r.parity];
  memcpy(slots + static_cast<size_t>(w.current - r.first) * kSlotBytes, value, static_cast<size_t>(bytes));
  if (w.arrive(r, site, code))
    w.release(r);
  else
    w.wait(waitFor(scope));
  return slots;
}

uint64_t importExchange(const void *value, int bytes, int scope, int site) {
  return reinterpret_cast<uint64_t>(exchange(*currentWorker(), value, bytes, scope, site, TQ_CALLER));
}

/// A lane, distance or mask must be the same in all lanes (MSL 6.9.2, 6.9.3).
void checkUniform(Worker &w, uint32_t argument, int scope, int site, const void *code) {
  Rendezvous &r = w.group(scope);
  if (r.arrived == 0)
    r.argument = argument;
  else if (r.argument != argument && r.site == site)
    w.fail(fmt::format("{} calls a {} function with another lane, distance or mask than the lanes before it ({} and "
                       "{}); only simd_shuffle and quad_shuffle may",
                       w.threadName(w.current), scope == 2 ? "quadgroup" : "simdgroup", argument & 0xffff,
                       r.argument & 0xffff),
           site, code);
}

uint64_t importExchangeUniform(const void *value, int bytes, int scope, int site, uint32_t argument) {
  Worker &w = *currentWorker();
  checkUniform(w, argument, scope, site, TQ_CALLER);
  return reinterpret_cast<uint64_t>(exchange(w, value, bytes, scope, site, TQ_CALLER));
}

uint64_t shuffle(Worker &w, const void *value, int bytes, uint32_t lane, int scope, int site, const void *code) {
  char *slots = exchange(w, value, bytes, scope, site, code);
  auto size = static_cast<uint32_t>(w.group(scope).size);
  if (lane >= size)
    w.fail(fmt::format("{} takes the value of lane {}, but its {} has {} lanes", w.threadName(w.current), lane,
                       scope == 2 ? "quadgroup" : "simdgroup", size),
           site, code);
  return reinterpret_cast<uint64_t>(slots + lane * kSlotBytes);
}

uint64_t importShuffle(const void *value, int bytes, uint32_t lane, int scope, int site) {
  return shuffle(*currentWorker(), value, bytes, lane, scope, site, TQ_CALLER);
}

uint64_t importBroadcast(const void *value, int bytes, uint32_t lane, int scope, int site) {
  Worker &w = *currentWorker();
  checkUniform(w, lane, scope, site, TQ_CALLER);
  return shuffle(w, value, bytes, lane, scope, site, TQ_CALLER);
}

uint32_t importLane() { return static_cast<uint32_t>(currentWorker()->lane()); }
uint32_t importWidth() { return static_cast<uint32_t>(currentWorker()->group(0).size); }
int importIsFirst(int scope, int site) { return currentWorker()->isFirst(scope, site); }

// --- atomics -----------------------------------------------------------------

/// As in shim/atomic.h.
enum AtomicOp { Load, Store, Exchange, Add, Sub, And, Or, Xor, UMin, UMax, SMin, SMax, FAdd, FSub, CompareExchange };

template <class T> T applied(T old, T operand, int op) {
  using S = std::make_signed_t<T>;
  auto a = static_cast<S>(old), b = static_cast<S>(operand);
  switch (op) {
  case Add:
    return old + operand;
  case Sub:
    return old - operand;
  case And:
    return old & operand;
  case Or:
    return old | operand;
  case Xor:
    return old ^ operand;
  case UMin:
    return std::min(old, operand);
  case UMax:
    return std::max(old, operand);
  case SMin:
    return static_cast<T>(std::min(a, b));
  case SMax:
    return static_cast<T>(std::max(a, b));
  default:
    return operand; // Store, Exchange
  }
}

/// On what a compare-exchange returns, as in shim/atomic.h: it has failed. There is none of 64 bits.
constexpr uint64_t kFailed = uint64_t(1) << 63;

template <class T>
uint64_t atomically(Worker &w, uint64_t address, uint64_t operand, uint64_t expected, int op, const void *code) {
  std::atomic_ref<T> object(*reinterpret_cast<T *>(address));
  T old = object.load(std::memory_order_relaxed);
  if (op == Load)
    return w.loadedAtomic(address, old);
  w.storesAtomic(address, old);
  if (op == Store)
    w.replaces(address, old, code);
  if (op == CompareExchange) {
    bool fails = old != static_cast<T>(expected) || w.failsForNothing();
    w.exchanged(!fails, code);
    if (fails)
      return old | kFailed;
  }
  for (;;) {
    if (op == CompareExchange && old != static_cast<T>(expected))
      return old | kFailed;
    T next;
    if (op == FAdd || op == FSub) {
      auto a = std::bit_cast<float>(static_cast<uint32_t>(old)),
           b = std::bit_cast<float>(static_cast<uint32_t>(operand));
      next = static_cast<T>(std::bit_cast<uint32_t>(op == FAdd ? a + b : a - b));
    } else {
      next = applied(old, static_cast<T>(operand), op);
    }
    if (object.compare_exchange_weak(old, next, std::memory_order_relaxed))
      return old;
  }
}

uint64_t importAtomic(uint64_t address, uint64_t operand, uint64_t expected, int op, int bytes) {
  Worker &w = *currentWorker();
  if (address % static_cast<uint64_t>(bytes) != 0)
    w.fail(fmt::format("{}: atomic operation on a misaligned address", w.threadName(w.current)), 0, TQ_CALLER);
  if (w.checked) {
    auto size = static_cast<size_t>(bytes);
    if (op != Store && op != Exchange)
      checkAccess(w, address, size, false, true, TQ_CALLER);
    if (op != Load)
      checkAccess(w, address, size, true, true, TQ_CALLER);
  }
  w.statistics.floatAtomics |= op == FAdd || op == FSub;
  w.lastSite = TQ_CALLER;
  w.yield();
  return bytes == 8   ? atomically<uint64_t>(w, address, operand, expected, op, TQ_CALLER)
         : bytes == 4 ? atomically<uint32_t>(w, address, operand, expected, op, TQ_CALLER)
                      : atomically<uint8_t>(w, address, operand, expected, op, TQ_CALLER);
}

// --- conversions -------------------------------------------------------------

__bf16 importTruncateBfloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    bits |= 0x400000u; // a quiet NaN
  else
    bits += 0x7fffu + ((bits >> 16) & 1); // to nearest, ties to even
  return std::bit_cast<__bf16>(static_cast<uint16_t>(bits >> 16));
}

_Float16 importTruncateHalf(float value) { return static_cast<_Float16>(value); }
float importExtendHalf(_Float16 value) { return static_cast<float>(value); }

// --- accesses ----------------------------------------------------------------

[[noreturn]] void undefined(const std::string &what, const void *code) {
  Worker &w = *currentWorker();
  w.fail(fmt::format("{}: {}", w.threadName(w.current), what), 0, code);
}

[[noreturn]] void badAddress(uint64_t address, uint64_t alignment, const void *code) {
  if (address == 0)
    undefined("null pointer", code);
  undefined(fmt::format("misaligned access: the address is no multiple of {}", alignment), code);
}
void importBadAlignment(uint64_t address, uint64_t mask) { badAddress(address, mask + 1, TQ_CALLER); }

void importNothing() {}

void importAccess(const void *p, uint64_t bytes, uint64_t write) {
  checkAccess(*currentWorker(), reinterpret_cast<uintptr_t>(p), bytes, write != 0, false, TQ_CALLER);
}

/// What clang's own check says of pointers without an address space.
void checkAlignment(uintptr_t address, uint64_t mask, const void *code) {
  if (address & mask || address == 0) [[unlikely]]
    badAddress(address, mask + 1, code);
}

// Accesses of shared memory where the text makes them: IrAccesses.cpp.
template <bool write> void importTold(uintptr_t p, uint64_t bytes, uint64_t mask) {
  Worker &w = *currentWorker();
  w.lastSite = TQ_CALLER;
  checkAlignment(p, mask, TQ_CALLER);
  checkAccess(w, p, bytes, write, false, TQ_CALLER);
}
/// Some bytes of a vector, all of which must be there.
template <bool write> void importToldPart(uintptr_t p, uint64_t bytes, uint64_t mask, uint64_t offset, uint64_t size) {
  Worker &w = *currentWorker();
  checkAlignment(p, mask, TQ_CALLER);
  checkBounds(w, p, bytes, write, TQ_CALLER);
  checkAccess(w, p + offset, size, write, false, TQ_CALLER);
}
void importBounds(uintptr_t p, uint64_t bytes, uint64_t mask) {
  checkAlignment(p, mask, TQ_CALLER);
  checkBounds(*currentWorker(), p, bytes, false, TQ_CALLER);
}
/// A member of a struct that is copied: it need not have a value.
void importPeek(uintptr_t p, uint64_t offset, uint64_t bytes, uint64_t mask) {
  checkAlignment(p, mask, TQ_CALLER);
  checkAccess(*currentWorker(), p + offset, bytes, false, false, TQ_CALLER, true);
}

void importAddRedZones(const void *p, uint64_t bytes) {
  currentWorker()->addRedZones(reinterpret_cast<uintptr_t>(p), bytes);
}
void importDropRedZones(const void *p) { currentWorker()->dropRedZones(reinterpret_cast<uintptr_t>(p)); }

template <size_t bytes> void importRead(const void *p) {
  checkAccess(*currentWorker(), reinterpret_cast<uintptr_t>(p), bytes, false, false, TQ_CALLER);
}
template <size_t bytes> void importWrite(void *p) {
  checkAccess(*currentWorker(), reinterpret_cast<uintptr_t>(p), bytes, true, false, TQ_CALLER);
}
template <size_t bytes> void importReadWrite(void *p) {
  Worker &w = *currentWorker();
  checkAccess(w, reinterpret_cast<uintptr_t>(p), bytes, false, false, TQ_CALLER);
  checkAccess(w, reinterpret_cast<uintptr_t>(p), bytes, true, false, TQ_CALLER);
}

void *importMemcpy(void *to, const void *from, size_t bytes) {
  Worker &w = *currentWorker();
  auto source = reinterpret_cast<uintptr_t>(from);
  checkAccess(w, source, bytes, false, false, TQ_CALLER, partlyWritten(w, source, bytes, TQ_CALLER));
  checkAccess(w, reinterpret_cast<uintptr_t>(to), bytes, true, false, TQ_CALLER);
  return memmove(to, from, bytes);
}

void *importMemset(void *to, int value, size_t bytes) {
  checkAccess(*currentWorker(), reinterpret_cast<uintptr_t>(to), bytes, true, false, TQ_CALLER);
  return memset(to, value, bytes);
}

// --- undefined operations ----------------------------------------------------

/// clang's descriptions, as far as they are used.
struct SourceLocation {
  const char *file;
  uint32_t line, column;
};
struct TypeDescriptor {
  uint16_t kind, info;
  char name[1];
};
struct TypeMismatchData {
  SourceLocation location;
  const TypeDescriptor *type;
  uint8_t logAlignment, checkKind;
};
struct IndexData {
  SourceLocation location;
  const TypeDescriptor *array, *index;
};

void importMisaligned(const TypeMismatchData *data, uint64_t address) {
  badAddress(address, uint64_t(1) << data->logAlignment, TQ_CALLER);
}
void importIndex(const IndexData *data, uint64_t index) {
  bool isSigned = data->index->info & 1;
  std::string shown = isSigned && data->index->info >> 1 == 5 ? std::to_string(static_cast<int32_t>(index))
                      : isSigned                              ? std::to_string(static_cast<int64_t>(index))
                                                              : std::to_string(index);
  std::string array = data->array->name; // "'__local float[128]'", or "'T' (aka '__local float[128]')"
  if (size_t other = array.find(" (aka "); other != array.npos)
    array = array.substr(other + 6, array.size() - other - 7);
  for (std::string_view word : {"__local ", "__private ", "__global ", "__constant ", "'"})
    for (size_t at = array.find(word); at != array.npos; at = array.find(word))
      array.erase(at, word.size());
  constexpr std::string_view kAtomics[][2] = {{"metal::", ""},
                                              {"atomic<unsigned int>", "atomic_uint"},
                                              {"atomic<int>", "atomic_int"},
                                              {"atomic<float>", "atomic_float"},
                                              {"atomic<bool>", "atomic_bool"},
                                              {"atomic<unsigned long>", "atomic_ulong"}};
  for (auto [from, to] : kAtomics)
    for (size_t at = array.find(from); at != array.npos; at = array.find(from))
      array.replace(at, from.size(), to);
  undefined(fmt::format("out of bounds: index {} of an array {}", shown, array), TQ_CALLER);
}
void importLocalIndex() { undefined("out of bounds of a variable", TQ_CALLER); }
void importShift() { undefined("shift by a count that is negative or not below the width", TQ_CALLER); }
void importMissingConstant(const char *message) { undefined(message, TQ_CALLER); }
void importValue(uint8_t hasValue, const char *name) {
  if (!hasValue)
    undefined(fmt::format("'{}' is read, but has no value: uninitialised private memory", name), TQ_CALLER);
}
void importBadShift(uint64_t count, uint64_t most) {
  undefined(fmt::format("shift by {} of a value of {} bits",
                        count > 0x7fffffff && most < 63 ? std::to_string(static_cast<int32_t>(count))
                                                        : std::to_string(static_cast<int64_t>(count)),
                        most + 1),
            TQ_CALLER);
}
void importBadIndex(uint64_t index, uint64_t last) {
  undefined(fmt::format("out of bounds: element {} of a vector of {}", static_cast<int64_t>(index), last + 1),
            TQ_CALLER);
}
void importDivision() { undefined("integer division by zero or overflow", TQ_CALLER); }
void importFloatCast() { undefined("a floating value does not fit the integer type", TQ_CALLER); }
void importOverflow() { undefined("signed integer overflow", TQ_CALLER); }
void importUnreachable() { undefined("control reaches a place that it must not", TQ_CALLER); }

void *const kFunctions[] = {
#define TQ_IMPORT(symbol, function) reinterpret_cast<void *>(&function),
#include "tests/metal/Imports.def"
#undef TQ_IMPORT
};

} // namespace

std::span<void *const> tq::metal::importedFunctions() { return kFunctions; }
