//===- Weights.h - Where the interpreter gets weights from ------*- C++ -*-===//
#ifndef TQ_TESTS_REFERENCE_WEIGHTS_H
#define TQ_TESTS_REFERENCE_WEIGHTS_H

#include "dialect/TQ.h"
#include "models/Checkpoint.h"

#include <map>

namespace tq::reference {

class Weights {
public:
  virtual ~Weights() = default;
  /// All values of a weight, row-major, in the basis it is stored in.
  virtual std::vector<float> values(WeightOp weight) = 0;
  /// +1 or -1 for every column.
  virtual std::vector<float> signs(RotationOp rotation) = 0;
};

/// What a checkpoint holds, by reference decode. Weights that a pass gave another encoding (`stored`) are quantised as
/// the package writer does. `f16Product` rounds level * scale of codebook weights to f16, as TurboQuant-MLX does.
class CheckpointWeights : public Weights {
public:
  explicit CheckpointWeights(const Checkpoint &checkpoint, bool f16Product = true)
      : checkpoint(checkpoint), f16Product(f16Product) {}
  std::vector<float> values(WeightOp weight) override;
  std::vector<float> signs(RotationOp rotation) override;

private:
  const Checkpoint &checkpoint;
  bool f16Product;
};

/// Numbers by symbol name, for modules that no file stands behind.
class MapWeights : public Weights {
public:
  std::map<std::string, std::vector<float>> byName;
  std::vector<float> values(WeightOp weight) override;
  std::vector<float> signs(RotationOp rotation) override;
};

} // namespace tq::reference
#endif
