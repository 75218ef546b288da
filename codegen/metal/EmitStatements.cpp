//===- EmitStatements.cpp - Ops that are statements -----------------------===//

#include "codegen/metal/KernelPrinter.h"
#include "dialect/TQ.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tq::msl {

/// Longer expressions are cut in two: a line should be readable.
static constexpr unsigned kMaxWeight = 12;

raw_ostream &KernelPrinter::line() { return os.indent(indent); }

/// The name that a value was given, or one that an index cast of it has: the text has one variable for both.
static StringRef givenName(Value value) {
  auto ownName = [](Value value) {
    Operation *op = value.getDefiningOp();
    auto name = op ? op->getAttrOfType<StringAttr>("tq.name") : StringAttr();
    return name ? name.getValue() : nameOf(value.getLoc());
  };
  auto isCast = [](Operation *op) { return isa_and_nonnull<arith::IndexCastOp, arith::IndexCastUIOp>(op); };
  StringRef name = ownName(value);
  if (name.empty() && isCast(value.getDefiningOp()))
    name = ownName(value.getDefiningOp()->getOperand(0));
  for (Operation *user : value.getUsers())
    if (name.empty() && isCast(user))
      name = ownName(user->getResult(0));
  return name;
}

raw_ostream &KernelPrinter::declare(Value value, StringRef wish) {
  if (wish.empty())
    wish = givenName(value);
  std::string name = names.take(wish);
  variables[value] = name;
  return line() << typeName(value.getType()) << " " << name;
}

void KernelPrinter::printBlock(Block &block) {
  for (Operation &op : block) {
    if (!isExpression(&op)) {
      printStatement(&op);
      continue;
    }
    if (op.use_empty())
      continue;
    if (isInlined(&op)) {
      bool isLeaf = op.getNumOperands() == 0;
      unsigned weight = isLeaf ? 0 : 1;
      for (Value operand : op.getOperands())
        if (!isNamed(operand))
          weight += weights.lookup(operand.getDefiningOp());
      weights[&op] = weight;
      if (weight <= kMaxWeight || !op.hasOneUse())
        continue;
      inlined[&op] = false;
    }
    Value result = op.getResult(0);
    std::string text = compute(&op, 0).text;
    declare(result) << " = " << text << ";\n";
  }
}

void KernelPrinter::printStatement(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<scf::ForOp>([&](auto loop) { printFor(loop); })
      .Case<scf::IfOp>([&](auto branch) { printIf(branch); })
      .Case<scf::WhileOp>([&](auto loop) { printWhile(loop); })
      .Case<memref::StoreOp>([&](memref::StoreOp store) {
        std::string value = expression(store.getValue()).text;
        line() << element(store.getMemref(), store.getIndices()).text << " = " << value << ";\n";
      })
      .Case<vector::StoreOp>([&](vector::StoreOp store) {
        std::string value = expression(store.getValueToStore()).text;
        line() << vectorElement(store.getBase(), store.getIndices(), store.getVectorType(), false).text << " = "
               << value << ";\n";
      })
      .Case<gpu::BarrierOp>([&](auto) {
        line() << "threadgroup_barrier(mem_flags::mem_threadgroup"
               << (sharesDeviceMemory() ? " | mem_flags::mem_device" : "") << ");\n";
      })
      .Case<SubgroupBarrierOp>([&](auto) {
        line() << "simdgroup_barrier(mem_flags::mem_threadgroup"
               << (sharesDeviceMemory() ? " | mem_flags::mem_device" : "") << ");\n";
      })
      .Case<gpu::SubgroupReduceOp>([&](auto reduce) { printReduce(reduce); })
      .Case<gpu::ShuffleOp>([&](gpu::ShuffleOp shuffle) {
        if (shuffle.use_empty())
          return;
        StringRef suffix =
            shuffle.getMode() == gpu::ShuffleMode::IDX ? "" : gpu::stringifyShuffleMode(shuffle.getMode());
        std::string text = call("simd_shuffle" + (suffix.empty() ? "" : "_" + suffix.str()),
                                {expression(shuffle.getValue()), expression(shuffle.getOffset())})
                               .text;
        declare(shuffle.getShuffleResult()) << " = " << text << ";\n";
      })
      .Case<vector::InsertOp>([&](auto insert) { printInsert(insert); })
      .Case<memref::AtomicRMWOp>([&](auto atomic) { printAtomic(atomic); })
      .Case<gpu::SubgroupMmaLoadMatrixOp>([&](auto load) { printMatrixLoad(load); })
      .Case<gpu::SubgroupMmaStoreMatrixOp>([&](auto store) { printMatrixStore(store); })
      .Case<gpu::SubgroupMmaComputeOp>([&](auto compute) { printMatrixCompute(compute); })
      .Case<gpu::SubgroupMmaConstantMatrixOp>([&](gpu::SubgroupMmaConstantMatrixOp fill) {
        std::string value = expression(fill.getValue()).text;
        if (!fill.use_empty())
          declare(fill.getResult()) << " = make_filled_simdgroup_matrix<" << typeName(fill.getType().getElementType())
                                    << ", 8, 8>(" << value << ");\n";
      })
      .Case<gpu::ReturnOp, scf::YieldOp>([](auto) {}); // yields are assignments of their parents
}

//===-- control flow --------------------------------------------------------------------------------------------===//

void KernelPrinter::assign(ArrayRef<Value> targets, ValueRange values) {
  SmallVector<std::pair<Value, Value>> waiting;
  for (auto [target, value] : llvm::zip_equal(targets, values))
    if (!isNamed(value) || variables[value] != variables[target])
      waiting.push_back({target, value});
  while (!waiting.empty()) {
    auto isReadByOthers = [&](const auto &assignment) {
      return llvm::any_of(waiting, [&](const auto &other) {
        return other.first != assignment.first && reads(other.second, assignment.first);
      });
    };
    auto *next = llvm::find_if_not(waiting, isReadByOthers);
    if (next == waiting.end()) {
      // A cycle (a swap, for one): one value goes through a variable of its own.
      next = waiting.begin();
      std::string text = expression(next->second).text;
      std::string name = names.take("next_" + variables[next->first]);
      line() << typeName(next->first.getType()) << " " << name << " = " << text << ";\n";
      // What waits must not read the old variable any more; all others are assigned first, then this one.
      auto [target, value] = *next;
      waiting.erase(next);
      SmallVector<Value> otherTargets;
      SmallVector<Value> otherValues;
      for (auto [otherTarget, otherValue] : waiting) {
        otherTargets.push_back(otherTarget);
        otherValues.push_back(otherValue);
      }
      assign(otherTargets, otherValues);
      line() << variables[target] << " = " << name << ";\n";
      return;
    }
    std::string text = expression(next->second).text;
    line() << variables[next->first] << " = " << text << ";\n";
    waiting.erase(next);
  }
}

/// The name of a loop-carried value: of the loop's tq.names, or as a builder named the argument. Builders that name nothing leave
/// the location of the initial value.
static StringRef carriedName(Operation *loop, unsigned i, BlockArgument argument, Value init) {
  if (auto given = loop->getAttrOfType<ArrayAttr>("tq.names"); given && i < given.size())
    if (auto name = dyn_cast<StringAttr>(given[i]))
      return name;
  StringRef name = nameOf(argument.getLoc());
  return argument.getLoc() == init.getLoc() && matchPattern(init, m_Constant()) ? StringRef() : name;
}

void KernelPrinter::printFor(scf::ForOp loop) {
  SmallVector<Value> carried;
  auto yield = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  auto outer = dyn_cast<scf::ForOp>(loop->getParentOp());
  for (auto [i, argument, init] : llvm::enumerate(loop.getRegionIterArgs(), loop.getInitArgs())) {
    Value result = loop.getResult(i);
    // A variable that nothing else reads carries on: of the loop around this one, or a matrix that was just filled.
    bool carriesOn = isNamed(init) && init.hasOneUse() && init.getParentBlock() == loop->getBlock() &&
                     !(outer && init == outer.getInductionVar());
    if (carriesOn) {
      variables[argument] = variables[init];
    } else {
      std::string value = expression(init).text;
      declare(argument, carriedName(loop, i, argument, init)) << " = " << value << ";\n";
    }
    variables[result] = variables[argument];
    carried.push_back(argument);
  }

  Value variable = loop.getInductionVar();
  Expr lower = expression(loop.getLowerBound()), upper = expression(loop.getUpperBound());
  Expr step = expression(loop.getStep());
  if (loop->hasAttr("tq.unroll"))
    line() << "#pragma clang loop unroll(full)\n";
  openBlock();
  StringRef wish = nameOf(variable.getLoc());
  if (auto given = loop->getAttrOfType<StringAttr>("tq.name"))
    wish = given;
  else if (wish.empty())
    wish = nameOf(loop.getLoc());
  std::string name = wish.empty() ? names.takeCounter() : names.take(wish);
  variables[variable] = name;
  // Bounds are signed in the IR; for what is known not to be negative, unsigned is the same.
  Expr condition;
  if (loop.getUnsignedCmp() || (isNonNegative(loop.getLowerBound()) && isNonNegative(loop.getUpperBound())))
    condition = binary({name}, "<", Precedence::Relational, upper);
  else
    condition = binary(signedExpression(variable), "<", Precedence::Relational, signedExpression(loop.getUpperBound()));
  os.indent(indent - 2) << "for (" << typeName(variable.getType()) << " " << name << " = " << lower.text << "; "
                        << condition.text << "; " << name << " += " << step.text << ") {\n";
  printBlock(*loop.getBody());
  assign(carried, yield.getOperands());
  closeBlock();
  line() << "}\n";
}

/// The branch that is all there is in the other one's else.
static scf::IfOp elseIf(scf::IfOp branch) {
  if (!branch.elseBlock() || !llvm::hasSingleElement(branch.elseBlock()->without_terminator()))
    return {};
  auto next = dyn_cast<scf::IfOp>(branch.elseBlock()->front());
  return next && branch.getNumResults() == 0 && next.getNumResults() == 0 ? next : scf::IfOp();
}

void KernelPrinter::printIf(scf::IfOp branch) {
  std::string condition = expression(branch.getCondition()).text;
  SmallVector<Value> results(branch.getResults());
  for (Value result : results)
    declare(result) << ";\n";
  auto print = [&](Block &block) {
    openBlock();
    printBlock(block);
    assign(results, block.getTerminator()->getOperands());
    closeBlock();
  };
  line() << "if (" << condition << ") {\n";
  print(*branch.thenBlock());
  for (scf::IfOp next; (next = elseIf(branch)); branch = next) {
    line() << "} else if (" << expression(next.getCondition()).text << ") {\n";
    print(*next.thenBlock());
  }
  if (branch.elseBlock() && (!results.empty() || !branch.elseBlock()->without_terminator().empty())) {
    line() << "} else {\n";
    print(*branch.elseBlock());
  }
  line() << "}\n";
}

void KernelPrinter::printWhile(scf::WhileOp loop) {
  SmallVector<Value> before(loop.getBeforeArguments().begin(), loop.getBeforeArguments().end());
  SmallVector<Value> after(loop.getAfterArguments().begin(), loop.getAfterArguments().end());
  for (auto [i, argument, init] : llvm::enumerate(loop.getBeforeArguments(), loop.getInits())) {
    std::string value = expression(init).text;
    declare(argument, carriedName(loop, i, argument, init)) << " = " << value << ";\n";
  }
  scf::ConditionOp condition = loop.getConditionOp();
  for (auto [result, argument, value] : llvm::zip_equal(loop.getResults(), after, condition.getArgs())) {
    if (llvm::is_contained(before, value)) // passed on as it is
      variables[argument] = variables[value];
    else
      declare(argument) << ";\n";
    variables[result] = variables[argument];
  }
  line() << "while (true) {\n";
  openBlock();
  printBlock(*loop.getBeforeBody());
  std::string test = operand(condition.getCondition(), Precedence::Unary);
  assign(after, condition.getArgs());
  line() << "if (!" << test << ") {\n";
  line() << "  break;\n";
  line() << "}\n";
  printBlock(*loop.getAfterBody());
  assign(before, loop.getYieldOp().getOperands());
  closeBlock();
  line() << "}\n";
}

} // namespace tq::msl
