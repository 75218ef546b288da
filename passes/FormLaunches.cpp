//===- FormLaunches.cpp - Every op into a tq.launch -----------------------===//
// Before:  %n = tq.rms_norm %h, %g   %r = tq.rotate %n by @r   %y = tq.linear %r, %w   %s = arith.addf %h, %y
// After:   %r = tq.launch "…" (%a = %h, %b = %g, %s = %signs) { tq.rms_norm; tq.rotate block; tq.yield }
//          %s = tq.launch "…" (%a = %r, %b = %w, %c = %h) { tq.linear; arith.addf; tq.yield }
// A row op in the prologue of a root would be paid again by every task, so row ops form launches of their own; tasks of those
// are tokens. Groups are numbered as they are created, and an op joins only the last of its producers' groups or comes after
// it: the numbers stay a topological order. States order their writers and readers.
// Expects joined dequants. Examples: tests/passes/form-launches.mlir

#include "passes/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace tq {
#define GEN_PASS_DEF_FORMLAUNCHES
#include "passes/Passes.h.inc"
} // namespace tq

using namespace mlir;
using namespace tq;

namespace {
enum class GroupKind { Row, Linear, Closed }; // closed: a root that nothing joins

struct Group {
  GroupKind kind;
  bool outRows; // rows are n_out, not n_tokens
  SmallVector<Operation *> ops;
};

class Former {
public:
  explicit Former(func::FuncOp func) : func(func) {}
  LogicalResult run();
  int64_t size() const { return groups.size(); }

private:
  void eraseBases();
  LogicalResult assign(Operation *op);
  void materialise(int index);
  int lastProducer(Operation *op);
  int start(GroupKind kind, bool outRows) {
    groups.push_back({kind, outRows, {}});
    return int(groups.size()) - 1;
  }

  func::FuncOp func;
  SmallVector<Group> groups;
  DenseMap<Operation *, int> groupOf;
  DenseMap<Value, int> stateTouched; // the last group that reads or writes a state
  DenseSet<Value> outRows;           // values with n_out rows
  IRMapping launched;                // values of the function -> results of launches
};
} // namespace

/// Rotations get explicit signs and block; types forget their bases, which have been verified up to here.
void Former::eraseBases() {
  OpBuilder b = OpBuilder::atBlockBegin(&func.getBody().front());
  DenseMap<Attribute, Value> signs;
  SmallVector<RotateOp> rotates;
  func.walk([&](RotateOp op) {
    if (op.getRotationAttr())
      rotates.push_back(op);
  });
  for (RotateOp op : rotates) {
    auto rotation = SymbolTable::lookupNearestSymbolFrom<RotationOp>(op, op.getRotationAttr());
    Value &vector = signs[op.getRotationAttr()];
    if (!vector)
      vector = GetWeightOp::create(b, op.getLoc(), RankedTensorType::get({int64_t(rotation.getDim())}, b.getF32Type()),
                                   op.getRotationAttr());
    op.setBlockAttr(b.getI64IntegerAttr(rotation.getBlock()));
    op.getSignsMutable().assign(vector);
    op.removeRotationAttr();
  }
  func.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      if (auto tensor = dyn_cast<RankedTensorType>(result.getType()))
        result.setType(eraseBasis(tensor));
      else if (auto packed = dyn_cast<PackedType>(result.getType()))
        result.setType(
            PackedType::get(packed.getContext(), packed.getShape(), packed.getElementType(), packed.getEncoding(), {}));
    }
  });
}

/// The latest group that computes an operand of `op`, looking through free ops; -1 if none does.
int Former::lastProducer(Operation *op) {
  int last = -1;
  for (Value operand : op->getOperands()) {
    if (isa<KVType>(operand.getType())) {
      auto it = stateTouched.find(operand);
      if (it != stateTouched.end())
        last = std::max(last, it->second);
      continue;
    }
    Operation *def = operand.getDefiningOp();
    if (!def)
      continue;
    auto it = groupOf.find(def);
    last = std::max(last, it != groupOf.end() ? it->second : lastProducer(def));
  }
  return last;
}

LogicalResult Former::assign(Operation *op) {
  std::optional<Role> role = getRole(op);
  if (!role)
    return op->emitError() << "no launch can hold this op: it is neither a tq op nor elementwise";
  bool rowsOut = isa<TakeRowsOp>(op) || llvm::any_of(op->getOperands(), [&](Value v) { return outRows.contains(v); });
  if (rowsOut)
    for (Value result : op->getResults())
      outRows.insert(result);
  if (*role == Role::Free)
    return success();

  int last = lastProducer(op), group = -1;
  bool joins = last >= 0 && groups[last].outRows == rowsOut;
  switch (*role) {
  case Role::Root:
    group = start(isa<LinearOp>(op) ? GroupKind::Linear : GroupKind::Closed, rowsOut);
    break;
  case Role::Pointwise:
    // An epilogue works on the root's tile, so its shape is the linear's; anything else runs by rows.
    if (joins && groups[last].kind != GroupKind::Closed &&
        (groups[last].kind == GroupKind::Row || llvm::all_of(op->getOperands(), [&](Value v) {
           Operation *def = v.getDefiningOp();
           return cast<RankedTensorType>(v.getType()).getRank() == 1 || !def || getRole(def) != Role::Free;
         }))) {
      group = last;
      break;
    }
    [[fallthrough]];
  case Role::Row:
  case Role::State:
    if (joins && groups[last].kind == GroupKind::Row)
      group = last;
    else if (last < 0 && !groups.empty() && groups[0].kind == GroupKind::Row && groups[0].outRows == rowsOut)
      group = 0;
    else
      group = start(GroupKind::Row, rowsOut);
    break;
  case Role::Free:
    break;
  }
  groups[group].ops.push_back(op);
  groupOf[op] = group;
  for (Value operand : op->getOperands())
    if (isa<KVType>(operand.getType()))
      stateTouched[operand] = std::max(stateTouched.lookup(operand), group);
  return success();
}

static StringRef labelOf(Location loc) {
  StringRef label = "launch";
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner)) {
      label = name.getName().getValue();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return label;
}

/// Builds the launch of a group at the end of the function.
void Former::materialise(int index) {
  Group &group = groups[index];
  llvm::SetVector<Value> inputs, outputs;
  SmallVector<Operation *> body; // with the views it reads
  DenseSet<Operation *> inside;
  std::function<void(Operation *)> add = [&](Operation *op) {
    if (!inside.insert(op).second)
      return;
    for (Value operand : op->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (def && isa<ReshapeOp>(def))
        add(def); // a view is cloned into every launch that needs it
      else if (!def || !llvm::is_contained(group.ops, def))
        inputs.insert(operand);
    }
    body.push_back(op);
  };
  for (Operation *op : group.ops)
    add(op);
  std::function<bool(Value)> usedOutside = [&](Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      if (isa<ReshapeOp>(user))
        return usedOutside(user->getResult(0));
      return !llvm::is_contained(group.ops, user);
    });
  };
  for (Operation *op : group.ops)
    for (Value result : op->getResults())
      if (usedOutside(result))
        outputs.insert(result);

  Operation *root = group.ops.front();
  for (Operation *op : group.ops)
    if (getRole(op) == Role::Root)
      root = op;
  OpBuilder b(func.getBody().front().getTerminator());
  SmallVector<Value> operands;
  for (Value input : inputs)
    operands.push_back(launched.lookupOrDefault(input));
  auto launch = LaunchOp::create(b, root->getLoc(), TypeRange(ValueRange(outputs.getArrayRef())), operands,
                                 b.getStringAttr(labelOf(root->getLoc())), StringAttr(), DictionaryAttr());
  if (group.outRows)
    launch->setAttr("out_rows", b.getUnitAttr());
  Block *block = &launch.getBody().emplaceBlock();
  IRMapping map;
  for (Value input : inputs)
    map.map(input, block->addArgument(input.getType(), input.getLoc()));
  b.setInsertionPointToStart(block);
  for (Operation *op : body)
    b.clone(*op, map);
  SmallVector<Value> yielded;
  for (Value output : outputs)
    yielded.push_back(map.lookup(output));
  YieldOp::create(b, root->getLoc(), yielded);
  for (auto [output, result] : llvm::zip(outputs, launch.getResults()))
    launched.map(output, result);
}

LogicalResult Former::run() {
  if (!llvm::hasSingleElement(func.getBody()))
    return func.emitError() << "must have a body of one block";
  eraseBases();
  Block &block = func.getBody().front();
  SmallVector<Operation *> old;
  for (Operation &op : block.without_terminator()) {
    if (failed(assign(&op)))
      return failure();
    old.push_back(&op);
  }
  for (int i = 0; i < int(groups.size()); ++i)
    materialise(i);
  Operation *terminator = block.getTerminator();
  for (OpOperand &operand : terminator->getOpOperands()) {
    Value value = operand.get();
    if (auto reshape = value.getDefiningOp<ReshapeOp>())
      return reshape.emitError() << "a function cannot return a view; return the value it looks at";
    operand.set(launched.lookupOrDefault(value));
  }
  for (Operation *op : llvm::reverse(old))
    if (op->use_empty() && !isa<GetWeightOp, GetStateOp>(op))
      op->erase();
  return success();
}

namespace {
struct FormLaunchesPass : tq::impl::FormLaunchesBase<FormLaunchesPass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Former former(func);
      if (failed(former.run()))
        return signalPassFailure();
      numLaunches += former.size();
    }
  }
};
} // namespace
