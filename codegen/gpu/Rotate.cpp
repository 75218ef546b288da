//===- Rotate.cpp - The block Hadamard transform in registers -------------===//
// An element's index is, from the lowest bits: component of a chunk, lane, simdgroup, chunk. Butterflies at a distance within a
// chunk or across chunks are in a thread, those across lanes are shuffles, those across simdgroups go through threadgroup
// memory. The m x m factor of a block of m * 2^k mixes chunks. Blocks too small for that go through memory altogether.

#include "codegen/gpu/Rowwise.h"
#include "dialect/encodings/Hadamard.h"
#include <cmath>

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

HadamardShape::HadamardShape(int64_t block) : base(hadamardBase(block)), points(block / base) {}

/// Floats exchanged between simdgroups at once.
static constexpr int64_t kExchange = 2048;

static bool inRegisters(const Spread &s, int64_t block) {
  int64_t points = HadamardShape(block).points;
  return points % (s.width * s.threads) == 0 && s.isWhole();
}

int64_t tq::kernels::rotationBytes(const Spread &s, int64_t block) {
  if (!inRegisters(s, block))
    return s.elements * 4;
  return s.threads == kSimd ? 0 : std::min(s.elements, std::max(kExchange, s.width * s.threads)) * 4;
}

void tq::kernels::overRow(GpuBuilder &k, const Spread &s, function_ref<void(Index, Index)> body) {
  k.unrolled("r", s.chunks(), [&](Index r) {
    Index element = ((r * s.threads + k.thread()) * s.width).named("e");
    if (s.isWhole())
      return body(r * s.width, element);
    k.ifThen(element < s.elements, [&] { body(r * s.width, element); });
  });
}

namespace {
class Rotation {
public:
  Rotation(GpuBuilder &k, const Spread &s, Value row, int64_t block)
      : k(k), s(s), row(row), block(block), shape(block) {}
  void scale(Value signs, bool scales);
  void throughRegisters(bool inverse);
  void throughMemory(bool inverse);

private:
  void butterfly(Value memory, Index i, Index j);
  void withinChunks();
  void acrossLanes();
  void acrossSimdgroups();
  void acrossChunks();
  /// y[r] = sum over c of H[r][c] x[c] of the values at first + c * stride.
  void mix(Value memory, Index first, int64_t stride, bool inverse);

  GpuBuilder &k;
  const Spread &s;
  Value row;
  int64_t block;
  HadamardShape shape;
};
} // namespace

/// Multiplies by the signs, and by 1 / sqrt(block).
void Rotation::scale(Value signs, bool scales) {
  if (!signs && !scales)
    return;
  overRow(k, s, [&](Index at, Index element) {
    Value x = k.load(row, at, s.width);
    if (scales)
      x = k.mul(x, 1.0f / std::sqrt(float(block)));
    if (signs)
      x = k.mul(x, k.load(signs, element, s.width));
    k.store(x, row, at);
  });
}

void Rotation::butterfly(Value memory, Index i, Index j) {
  Value a = GpuBuilder::named(k.load(memory, i), "a"), b = GpuBuilder::named(k.load(memory, j), "b");
  k.store(k.add(a, b), memory, i);
  k.store(k.sub(a, b), memory, j);
}

void Rotation::withinChunks() {
  for (int64_t h = 1; h < s.width; h *= 2)
    k.unrolled("p", s.registers() / 2, [&](Index p) {
      Index i = (p / h * (2 * h) + p % h).named("i");
      butterfly(row, i, i + h);
    });
}

void Rotation::acrossLanes() {
  for (int64_t mask = 1; mask < kSimd; mask *= 2) {
    Value lower = GpuBuilder::named((k.lane() & mask) == 0, "lower");
    k.unrolled("r", s.registers(), [&](Index r) {
      Value mine = GpuBuilder::named(k.load(row, r), "mine");
      Value other = GpuBuilder::named(k.shuffleXor(mine, mask), "other");
      k.store(k.add(other, k.select(lower, mine, k.negate(mine))), row, r);
    });
  }
}

void Rotation::acrossSimdgroups() {
  if (s.threads == kSimd)
    return;
  // A part of the chunks at a time; all levels of a part before the next.
  int64_t chunk = s.width * s.threads, together = std::max<int64_t>(1, std::min(s.chunks(), kExchange / chunk));
  while (s.chunks() % together != 0)
    --together;
  Value exchange = k.shared("exchange", together * chunk);
  for (int64_t h = 1; h < k.simdgroups; h *= 2) {
    Value lower = GpuBuilder::named((k.simdgroup() & h) == 0, "lower");
    Index partner = ((k.simdgroup() ^ h) * kSimd + k.lane()).named("partner");
    for (int64_t first = 0; first < s.chunks(); first += together) {
      k.barrier();
      k.unrolled("r", together, [&](Index r) {
        k.store(k.load(row, (r + first) * s.width, s.width), exchange, (r * s.threads + k.thread()) * s.width);
      });
      k.barrier();
      k.unrolled("r", together, [&](Index r) {
        Index at = (r + first) * s.width;
        Value mine = GpuBuilder::named(k.load(row, at, s.width), "mine");
        Value other = k.load(exchange, (r * s.threads + partner) * s.width, s.width);
        k.store(k.add(other, k.select(lower, mine, k.negate(mine))), row, at);
      });
    }
  }
}

void Rotation::acrossChunks() {
  int64_t count = shape.points / (s.width * s.threads); // chunks of a thread in 2^k points
  for (int64_t h = 1; h < count; h *= 2)
    k.unrolled("p", s.registers() / 2, [&](Index p) {
      Index i = (p / (h * s.width) * (2 * h * s.width) + p % (h * s.width)).named("i");
      butterfly(row, i, i + h * s.width);
    });
}

void Rotation::mix(Value memory, Index first, int64_t stride, bool inverse) {
  SmallVector<Value> x;
  for (int64_t c = 0; c < shape.base; ++c)
    x.push_back(GpuBuilder::named(k.load(memory, first + c * stride), "x" + Twine(c)));
  for (int64_t r = 0; r < shape.base; ++r) {
    Value sum;
    for (int64_t c = 0; c < shape.base; ++c) {
      bool plus = (inverse ? hadamardEntry(shape.base, c, r) : hadamardEntry(shape.base, r, c)) > 0;
      if (!sum)
        sum = plus ? x[c] : k.negate(x[c]);
      else
        sum = plus ? k.add(sum, x[c]) : k.sub(sum, x[c]);
      GpuBuilder::named(sum, c == 0 && plus ? "x0" : "sum");
    }
    k.store(sum, memory, first + r * stride);
  }
}

void Rotation::throughRegisters(bool inverse) {
  withinChunks();
  acrossLanes();
  acrossSimdgroups();
  acrossChunks();
  if (shape.base == 1)
    return;
  int64_t stride = shape.points / s.threads; // registers of a thread in 2^k points
  k.unrolled("column", s.registers() / shape.base, [&](Index column) {
    mix(row, column / stride * (stride * shape.base) + column % stride, stride, inverse);
  });
}

void Rotation::throughMemory(bool inverse) {
  Value memory = k.shared("transform", s.elements);
  overRow(k, s, [&](Index at, Index element) { k.store(k.load(row, at, s.width), memory, element); });
  for (int64_t h = 1; h < shape.points; h *= 2) {
    k.barrier();
    k.loop("p", k.thread(), k.index(s.elements / 2), s.threads, [&](Index p) {
      Index i = (p / h * (2 * h) + p % h).named("i");
      butterfly(memory, i, i + h);
    });
  }
  k.barrier();
  if (shape.base > 1) {
    k.loop("column", k.thread(), k.index(s.elements / shape.base), s.threads, [&](Index column) {
      mix(memory, column / shape.points * block + column % shape.points, shape.points, inverse);
    });
    k.barrier();
  }
  overRow(k, s, [&](Index at, Index element) { k.store(k.load(memory, element, s.width), row, at); });
}

void tq::kernels::rotateRow(GpuBuilder &k, const Spread &spread, Value row, Value signs, int64_t block, bool inverse) {
  Rotation rotation(k, spread, row, block);
  if (!inverse)
    rotation.scale(signs, false);
  if (inRegisters(spread, block))
    rotation.throughRegisters(inverse);
  else
    rotation.throughMemory(inverse);
  rotation.scale(inverse ? signs : Value(), true);
}
