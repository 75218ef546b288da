//===- Interpreter.cpp - Runs tq IR by the book ---------------------------===//

#include "tests/reference/Interpreter.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <numeric>
#include <stdexcept>

using namespace mlir;
using namespace tq;
using namespace tq::reference;

template <class T> using ValueOf = typename Interpreter<T>::Value;

[[noreturn]] static void unknown(Operation &op) {
  throw std::runtime_error("the interpreter does not know " + op.getName().getStringRef().str());
}

template <class T> static Tensor<T> widen(const std::vector<float> &values, ArrayRef<int64_t> shape) {
  return {std::vector<int64_t>(shape.begin(), shape.end()), std::vector<T>(values.begin(), values.end())};
}

//===-- Operands ------------------------------------------------------------------------------------------------===//

template <class T> Tensor<T> Interpreter<T>::tensor(mlir::Value value, Environment &env) {
  const Value &operand = env.at(value);
  if (auto *handle = std::get_if<WeightHandle>(&operand)) {
    auto weight = cast<WeightOp>(handle->symbol);
    return widen<T>(weights.values(weight), weight.getPacked().getShape());
  }
  return std::get<Tensor<T>>(operand);
}

template <class T> const Ids &Interpreter<T>::ids(mlir::Value value, Environment &env) {
  return std::get<Ids>(env.at(value));
}

template <class T> std::vector<T> Interpreter<T>::vector(mlir::Value value, Environment &env) {
  return value ? tensor(value, env).values : std::vector<T>();
}

//===-- Ops -----------------------------------------------------------------------------------------------------===//

/// A matrix is a handle until something decodes it, a vector its numbers; a rotation by name is its signs.
template <class T> ValueOf<T> Interpreter<T>::getWeight(GetWeightOp op) {
  Operation *symbol = module.lookupSymbol(op.getSymbol());
  auto type = dyn_cast<RankedTensorType>(op.getType());
  if (!symbol)
    throw std::runtime_error("no symbol @" + op.getSymbol().str());
  if (auto rotation = dyn_cast<RotationOp>(symbol))
    return widen<T>(weights.signs(rotation), type.getShape());
  if (type)
    return widen<T>(weights.values(cast<WeightOp>(symbol)), type.getShape());
  return WeightHandle{symbol};
}

template <class T> Tensor<T> Interpreter<T>::rotated(RotateOp op, Environment &env) {
  if (auto block = op.getBlock())
    return rotate(tensor(op.getX(), env), vector(op.getSigns(), env), int64_t(*block), op.getInverse());
  auto rotation = cast<RotationOp>(module.lookupSymbol(*op.getRotation()));
  std::vector<float> signs = weights.signs(rotation);
  return rotate(tensor(op.getX(), env), std::vector<T>(signs.begin(), signs.end()), int64_t(rotation.getBlock()),
                op.getInverse());
}

template <class T, class Function> static Tensor<T> elementwise(Tensor<T> a, const Tensor<T> &b, Function function) {
  for (size_t i = 0; i < a.values.size(); ++i)
    a.values[i] = function(a.values[i], b.values[i % b.values.size()]);
  return a;
}

/// Partial results are internal to the two halves of a split attention: here the first split holds all of it.
template <class T> static Tensor<T> inFirstSplit(const Tensor<T> &y, ArrayRef<int64_t> shape) {
  auto partial = Tensor<T>::zeros({y.rows(), shape[1], shape[2], shape[3]});
  for (int64_t t = 0; t < y.rows(); ++t)
    for (int64_t i = 0; i < y.rowSize(); ++i)
      partial.row(t)[i / y.cols() * shape[3] + i % y.cols()] = y.row(t)[i];
  return partial;
}
template <class T> static Tensor<T> firstSplit(const Tensor<T> &partial, int64_t width) {
  auto y = Tensor<T>::zeros({partial.rows(), partial.shape[2], width});
  for (int64_t t = 0; t < y.rows(); ++t)
    for (int64_t i = 0; i < y.rowSize(); ++i)
      y.row(t)[i] = partial.row(t)[i / width * partial.cols() + i % width];
  return y;
}

template <class T> ValueOf<T> Interpreter<T>::result(Operation &op, Environment &env) {
  auto x = [&](int i) { return tensor(op.getOperand(i), env); };
  auto kind = [](Activation activation) { return Act(activation); };
  auto state = [&](mlir::Value value) { return std::get<StateHandle>(env.at(value)); };
  return TypeSwitch<Operation *, Value>(&op)
      .Case([&](GetWeightOp op) { return getWeight(op); })
      .Case([&](GetStateOp op) {
        return StateHandle{op.getSymbol().str(), int64_t(cast<KVType>(op.getType()).getHeads())};
      })
      .template Case<CodebookDequantOp, DequantOp, QuantizeOp>([&](auto) { return x(0); })
      .Case([&](LinearOp) { return linear(x(0), x(1)); })
      .Case([&](EmbedOp op) { return embed(x(0), ids(op.getIds(), env)); })
      .Case([&](RotateOp op) { return rotated(op, env); })
      .Case([&](RmsNormOp op) { return rmsNorm(x(0), vector(op.getW(), env), op.getEps().convertToFloat()); })
      .Case([&](ReshapeOp op) {
        Tensor<T> y = x(0);
        ArrayRef<int64_t> shape = cast<RankedTensorType>(op.getType()).getShape();
        y.shape.resize(1);
        y.shape.insert(y.shape.end(), shape.begin() + 1, shape.end());
        return y;
      })
      .Case([&](TakeRowsOp) { return takeRows(x(0), takenRows ? takenRows : x(0).rows()); })
      .Case([&](RopeOp) { return rope(x(0), x(1), x(2)); })
      .Case([&](ArgmaxOp) { return argmax(x(0)); })
      .Case([&](ActOp op) { return elementwise(x(0), x(0), [&](T a, T) { return act(kind(op.getKind()), a); }); })
      .Case([&](GluOp op) {
        return elementwise(x(0), x(1), [&](T gate, T up) { return act(kind(op.getKind()), gate) * up; });
      })
      .template Case<AddBiasOp, arith::AddFOp>([&](auto) { return elementwise(x(0), x(1), std::plus<T>()); })
      .Case([&](arith::MulFOp) { return elementwise(x(0), x(1), std::multiplies<T>()); })
      .Case([&](SdpaOp op) {
        StateHandle handle = state(op.getState());
        return sdpa(x(0), states[handle.name], handle.heads, ids(op.getPos(), env), op.getScale().convertToFloat(),
                    int64_t(op.getWindow()));
      })
      .Case([&](SdpaSplitOp op) {
        StateHandle handle = state(op.getState());
        return inFirstSplit(sdpa(x(0), states[handle.name], handle.heads, ids(op.getPos(), env),
                                 op.getScale().convertToFloat(), int64_t(op.getWindow())),
                            cast<RankedTensorType>(op.getType()).getShape());
      })
      .Case([&](SdpaMergeOp op) { return firstSplit(x(0), cast<RankedTensorType>(op.getType()).getShape()[2]); })
      .Default([&](Operation *op) -> Value { unknown(*op); });
}

template <class T> void Interpreter<T>::run(Operation &op, Environment &env) {
  if (auto append = dyn_cast<KVAppendOp>(op)) {
    const auto &handle = std::get<StateHandle>(env.at(append.getState()));
    return reference::append(states[handle.name], tensor(append.getK(), env), tensor(append.getV(), env),
                             ids(append.getPos(), env), roundStates);
  }
  if (auto table = dyn_cast<RopeTableOp>(op)) {
    Tensor<T> cos, sin;
    ropeTable(ids(table.getPos(), env), vector(table.getFrequencies(), env), table.getFactor().convertToFloat(), cos,
              sin);
    env[table.getCos()] = std::move(cos);
    env[table.getSin()] = std::move(sin);
    return;
  }
  if (auto top = dyn_cast<TopKOp>(op)) {
    Tensor<T> values;
    Ids indices;
    topK(tensor(top.getX(), env), int64_t(top.getK()), values, indices);
    env[top.getValues()] = std::move(values);
    env[top.getIndices()] = std::move(indices);
    return;
  }
  if (auto launch = dyn_cast<LaunchOp>(op)) {
    std::vector<Value> inputs;
    for (mlir::Value input : launch.getInputs())
      inputs.push_back(env.at(input));
    std::vector<Value> outputs = runBlock(launch.getBody().front(), std::move(inputs));
    for (auto [result, value] : llvm::zip(launch.getResults(), outputs))
      env[result] = std::move(value);
    return;
  }
  if (op.getNumResults() != 1)
    unknown(op);
  env[op.getResult(0)] = result(op, env);
}

//===-- Functions -----------------------------------------------------------------------------------------------===//

template <class T> std::vector<ValueOf<T>> Interpreter<T>::runBlock(Block &block, std::vector<Value> arguments) {
  Environment env;
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments))
    env[argument] = std::move(value);
  for (Operation &op : block.without_terminator())
    run(op, env);
  std::vector<Value> results;
  for (mlir::Value value : block.getTerminator()->getOperands())
    results.push_back(env.at(value));
  return results;
}

template <class T> std::vector<ValueOf<T>> Interpreter<T>::call(StringRef name, std::vector<Value> arguments) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    throw std::runtime_error("no function @" + name.str());
  return runBlock(function.getBody().front(), std::move(arguments));
}

template <class T> Tensor<T> Interpreter<T>::forward(const Ids &ids, int64_t rows, StringRef entry) {
  Ids positions(ids.size());
  std::iota(positions.begin(), positions.end(), int32_t(position));
  takenRows = rows;
  std::vector<Value> results = call(entry, {ids, positions});
  position += int64_t(ids.size());
  return std::get<Tensor<T>>(results.at(0));
}

namespace tq::reference {
template class Interpreter<float>;
template class Interpreter<double>;
} // namespace tq::reference
