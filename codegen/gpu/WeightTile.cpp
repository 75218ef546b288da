//===- WeightTile.cpp - From packed words to weights ----------------------===//

#include "codegen/gpu/WeightTile.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace mlir;
using namespace tq;
using namespace tq::kernels;

static int64_t unitCols(int64_t bits) { return bits == 2 ? 16 : bits == 3 ? 32 : 8; }
/// 32-bit words of one row in a unit, not counting the shared high bits of 6-bit codes.
static int64_t unitWords(int64_t bits) { return bits == 3 ? 3 : bits == 8 ? 2 : 1; }

LaneMap::LaneMap(const Layout &layout, int64_t spanCols)
    : spanCols(spanCols), unitCols(::unitCols(layout.bits)), rows(spanCols / (2 * unitCols)) {
  assert(!layout.isDense() && (rows == 1 || rows == 2 || rows == 4));
}

WeightTile::WeightTile(GpuBuilder &k, Value weight, int64_t spanCols, Value levels)
    : map(layoutOf(weight), spanCols), firstRow((k.lane() % map.rowParts() * map.rows).named("row0")),
      unit((k.lane() / map.rowParts()).named("unit")), k(k), layout(layoutOf(weight)),
      cols(cast<PackedType>(weight.getType()).getCols()), stream(k.memory(BindingKind::Stream, weight)),
      levels(levels) {}

//===-- Reading -------------------------------------------------------------------------------------------------===//

static Type withRows(Type element, int64_t rows) {
  return rows == 1 ? element : Type(VectorType::get({rows}, element));
}

Value WeightTile::wordsAt(Index at, const Twine &name) { return GpuBuilder::named(k.load(stream, at, map.rows), name); }

/// f16 values of this lane's rows, two in a word, widened. `word` is that of row 0 of the block.
Value WeightTile::readHalves(Index word) {
  OpBuilder &b = k.b;
  Type half = b.getF16Type();
  if (map.rows == 1) {
    Value pair = k.load(stream, word + firstRow / 2);
    Value shift = arith::IndexCastUIOp::create(b, k.loc, b.getI32Type(), firstRow % 2 * 16);
    Value bits = arith::TruncIOp::create(b, k.loc, b.getI16Type(), arith::ShRUIOp::create(b, k.loc, pair, shift));
    return k.extend(arith::BitcastOp::create(b, k.loc, half, bits));
  }
  int64_t count = map.rows / 2;
  Value pairs = k.load(stream, word + firstRow / 2, count);
  if (count == 1)
    pairs = vector::BroadcastOp::create(b, k.loc, VectorType::get({1}, b.getI32Type()), pairs);
  return k.extend(vector::BitCastOp::create(b, k.loc, VectorType::get({map.rows}, half), pairs));
}

void WeightTile::read(Index block, Index span) {
  int64_t superWords = layout.superBytes() / 4, header = layout.headerBytes() / 4;
  bool half = map.spanCols == kGroupCols; // a span is half a superblock
  Index super = half ? span / 2 : span;
  Index base = (block * (layout.rowBlockBytes(cols) / 4) + super * superWords).named("base");
  Index codes = base + header;
  if (half)
    codes = codes + span % 2 * (layout.groupBytes() / 4);
  int64_t vectorWords = kBlockRows; // a byte vector has a word for each row
  words.clear();
  const char *names[] = {"words", "words1", "words2"};
  for (int64_t i = 0; i < unitWords(layout.bits); ++i)
    words.push_back(
        wordsAt(codes + unit * (unitWords(layout.bits) * vectorWords) + firstRow + i * vectorWords, names[i]));
  if (layout.bits == 6) {
    // Two units share a vector of high bits; the second has the upper half of each byte.
    Value high = wordsAt(codes + 8 * vectorWords + unit / 2 * vectorWords + firstRow, "high");
    Value shift = arith::IndexCastUIOp::create(k.b, k.loc, k.b.getI32Type(), unit % 2 * 4);
    words.push_back(GpuBuilder::named(arith::ShRUIOp::create(k.b, k.loc, high, k.splat(shift, map.rows)), "high"));
  }

  // Scales (and biases) of the groups of columns that the unit has a part in.
  Index group = map.unitCols >= layout.group  ? unit * (map.unitCols / layout.group)
                : map.spanCols > layout.group ? unit / (layout.group / map.unitCols)
                                              : k.index(0);
  if (half)
    group = group + span % 2 * (kGroupCols / layout.group);
  int64_t groups = std::max<int64_t>(1, map.unitCols / layout.group);
  int64_t groupWords = kBlockRows / 2, planeWords = kSuperCols / layout.group * groupWords;
  scales.clear(), biases.clear();
  for (int64_t i = 0; i < groups; ++i) {
    Index at = base + group * groupWords + i * groupWords;
    scales.push_back(GpuBuilder::named(readHalves(at), "scale"));
    if (layout.kind == Layout::Kind::Affine)
      biases.push_back(GpuBuilder::named(readHalves(at + planeWords), "bias"));
  }
}

//===-- Codes ---------------------------------------------------------------------------------------------------===//

SmallVector<WeightTile::Piece, 2> WeightTile::piecesOf(int64_t column) const {
  int64_t kb = column / 4, byte = column % 4 * 8;
  switch (layout.bits) {
  case 2:
    return {{0, byte + kb * 2, 2, 0}};
  case 3:
    if (kb < 6)
      return {{int(kb / 2), byte + (kb == 5 ? 4 : kb % 2 * 3), 3, 0}};
    return {{int(kb - 6), byte + 6, 2, 0}, {2, byte + (kb == 6 ? 3 : 7), 1, 2}};
  case 4:
    return {{0, byte + kb * 4, 4, 0}};
  case 6:
    return {{0, byte + kb * 4, 4, 0}, {1, byte + kb * 2, 2, 4}};
  default:
    return {{int(kb), byte, 8, 0}};
  }
}

Value WeightTile::code(int64_t column) {
  OpBuilder &b = k.b;
  Value code;
  for (const Piece &piece : piecesOf(column)) {
    Value part = words[piece.plane];
    auto constant = [&](int64_t value) { return k.constant(value, part.getType()); };
    if (piece.shift > piece.place)
      part = arith::ShRUIOp::create(b, k.loc, part, constant(piece.shift - piece.place));
    else if (piece.shift < piece.place)
      part = arith::ShLIOp::create(b, k.loc, part, constant(piece.place - piece.shift));
    part = arith::AndIOp::create(b, k.loc, part, constant(((int64_t(1) << piece.bits) - 1) << piece.place));
    code = code ? arith::OrIOp::create(b, k.loc, code, part).getResult() : part;
  }
  return GpuBuilder::named(code, "code");
}

Value WeightTile::level(Value code) {
  SmallVector<Value> components;
  for (int64_t i = 0; i < map.rows; ++i)
    components.push_back(k.load(levels, k.toIndex(k.at(code, i))));
  return GpuBuilder::named(k.join(components), "level");
}

Value WeightTile::weight(int64_t column) {
  size_t group = groupOf(column);
  if (layout.kind == Layout::Kind::Codebook)
    return k.extend(k.truncate(k.mul(level(code(column)), scales[group]), k.b.getF16Type())); // as Layout.h says
  Value number = arith::UIToFPOp::create(k.b, k.loc, withRows(k.b.getF32Type(), map.rows), code(column));
  return k.fma(number, scales[group], biases[group]);
}

/// Affine codes are not shifted to bit 0: a masked word is the code times a power of two, by which x is divided instead, once
/// for all rows. Shifts are among the slow operations of a GPU.
void WeightTile::multiply(int64_t column, ArrayRef<GpuBuilder::Values> x, GpuBuilder::Values &acc) {
  size_t group = groupOf(column), tokens = x.size();
  Type rowsType = withRows(k.b.getF32Type(), map.rows);
  GpuBuilder::Values dots(tokens);
  auto accumulate = [&](Value weight, size_t t, Value factor) {
    Value wide = k.splat(factor, map.rows);
    dots[t] = GpuBuilder::named(dots[t] ? k.fma(weight, wide, dots[t]) : k.mul(weight, wide), "dot");
  };
  bool codebook = layout.kind == Layout::Kind::Codebook;
  for (int64_t i = 0; i < 8; ++i) {
    if (codebook) {
      Value value = level(code(column + i));
      for (size_t t = 0; t < tokens; ++t)
        accumulate(value, t, x[t][i]);
      continue;
    }
    for (const Piece &piece : piecesOf(column + i)) {
      Value mask = k.constant(((int64_t(1) << piece.bits) - 1) << piece.shift, words[piece.plane].getType());
      Value bits = arith::AndIOp::create(k.b, k.loc, words[piece.plane], mask);
      Value number = arith::UIToFPOp::create(k.b, k.loc, rowsType, bits);
      for (size_t t = 0; t < tokens; ++t) {
        int64_t power = piece.place - piece.shift;
        accumulate(number, t, power == 0 ? x[t][i] : k.mul(x[t][i], std::ldexp(1.0f, int(power))));
      }
    }
  }
  for (size_t t = 0; t < tokens; ++t) {
    acc[t] = GpuBuilder::named(k.fma(dots[t], scales[group], acc[t]), "sum");
    if (codebook)
      continue;
    Value low = k.add(k.add(x[t][0], x[t][1]), k.add(x[t][2], x[t][3]));
    Value high = k.add(k.add(x[t][4], x[t][5]), k.add(x[t][6], x[t][7]));
    acc[t] = GpuBuilder::named(k.fma(biases[group], k.splat(k.add(low, high), map.rows), acc[t]), "sum");
  }
}

//===-- One element ---------------------------------------------------------------------------------------------===//

/// A byte of the codes: word `at`, shifted so that the byte of the column is in the low bits.
static Value byteOf(GpuBuilder &k, Value stream, Index at, Value shift) {
  return arith::ShRUIOp::create(k.b, k.loc, k.load(stream, at), shift);
}

static Value halfOf(GpuBuilder &k, Value stream, Index half) {
  OpBuilder &b = k.b;
  Value shift = arith::IndexCastUIOp::create(b, k.loc, b.getI32Type(), half % 2 * 16);
  Value bits = arith::TruncIOp::create(b, k.loc, b.getI16Type(), byteOf(k, stream, half / 2, shift));
  return k.extend(arith::BitcastOp::create(b, k.loc, b.getF16Type(), bits));
}

/// Code of row `row` (0..15) and column `column` (0..63) of the group that starts at word `group`.
static Value codeOf(GpuBuilder &k, int64_t bits, Value stream, Index group, Index row, Index column) {
  OpBuilder &b = k.b;
  auto toI32 = [&](Index x) -> Value { return arith::IndexCastUIOp::create(b, k.loc, b.getI32Type(), x); };
  auto shr = [&](Value x, Value y) -> Value { return arith::ShRUIOp::create(b, k.loc, x, y); };
  auto mask = [&](Value x, int64_t m) -> Value { return arith::AndIOp::create(b, k.loc, x, k.i32(m)); };
  auto word = [&](Index vector) { return group + vector * kBlockRows + row; };
  Value byte = toI32(column % 4 * 8);
  Index kb = column / 4;
  switch (bits) {
  case 2:
    return mask(shr(byteOf(k, stream, word(kb / 4), byte), toI32(kb % 4 * 2)), 3);
  case 3: {
    // k-blocks 0..5 of a triple lie in A, A, B, B, C, C at bits 0, 3, 0, 3, 0, 4; 6 and 7 in the rest of A and B, and of C.
    Index triple = kb / 8 * 3, j = kb % 8;
    Value late = k.b.createOrFold<arith::CmpIOp>(k.loc, arith::CmpIPredicate::ugt, j, k.index(5));
    Index plane(k, k.select(late, j - 6, j / 2));
    Value five = j == 5;
    Index early(k, k.select(five, k.index(4), j % 2 * 3));
    Index shift(k, k.select(late, k.index(6), early));
    Value low = mask(shr(byteOf(k, stream, word(triple + plane), byte), toI32(shift)), 7);
    Index topShift(k, k.select(j == 6, k.index(3), k.index(7)));
    Value top = mask(shr(byteOf(k, stream, word(triple + 2), byte), toI32(topShift)), 1);
    Value joined = arith::OrIOp::create(b, k.loc, mask(low, 3), arith::ShLIOp::create(b, k.loc, top, k.i32(2)));
    return k.select(late, joined, low);
  }
  case 4:
    return mask(shr(byteOf(k, stream, word(kb / 2), byte), toI32(kb % 2 * 4)), 15);
  case 6: {
    Value low = mask(shr(byteOf(k, stream, word(kb / 2), byte), toI32(kb % 2 * 4)), 15);
    Value high = mask(shr(byteOf(k, stream, word(kb / 4 + 8), byte), toI32(kb % 4 * 2)), 3);
    return arith::OrIOp::create(b, k.loc, low, arith::ShLIOp::create(b, k.loc, high, k.i32(4)));
  }
  default:
    return mask(byteOf(k, stream, word(kb), byte), 255);
  }
}

Value tq::kernels::decodeElement(GpuBuilder &k, Value weight, Index row, Index column) {
  auto packed = cast<PackedType>(weight.getType());
  Layout layout = layoutOf(weight);
  Value stream = k.memory(BindingKind::Stream, weight);
  Index block = row / kBlockRows, r = row % kBlockRows;
  if (layout.isDense())
    return k.extend(k.load(stream, (block * packed.getCols() + column) * kBlockRows + r));
  Index super = block * (layout.rowBlockBytes(packed.getCols()) / 4) + column / kSuperCols * (layout.superBytes() / 4);
  Index inSuper = column % kSuperCols;
  Index group = super + layout.headerBytes() / 4 + inSuper / kGroupCols * (layout.groupBytes() / 4);
  Value code = codeOf(k, layout.bits, stream, group, r, inSuper % kGroupCols);
  Index half = super * 2 + inSuper / layout.group * kBlockRows + r;
  Value scale = halfOf(k, stream, half);
  if (layout.kind == Layout::Kind::Affine) {
    Value bias = halfOf(k, stream, half + kSuperCols / layout.group * kBlockRows);
    return k.fma(arith::UIToFPOp::create(k.b, k.loc, k.b.getF32Type(), code), scale, bias);
  }
  Value level = k.load(k.memory(BindingKind::Levels, weight), k.toIndex(code));
  return k.extend(k.truncate(k.mul(level, scale), k.b.getF16Type())); // as the formats' own tools round
}
