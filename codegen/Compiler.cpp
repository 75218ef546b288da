//===- Compiler.cpp - All phases, from a checkpoint to a package ----------===//

#include "codegen/Compiler.h"
#include "codegen/host/KernelBuilder.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "models/Import.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tq {

static constexpr const char *kPhaseAttr = "tq.phase"; // of a dumped module: the phase it has been through

static int phaseIndex(llvm::StringRef name) {
  for (auto [index, phase] : llvm::enumerate(kPhases))
    if (name == phase)
      return int(index);
  return -1;
}

Compiler::Compiler(CompileOptions o) : options(std::move(o)), context(MLIRContext::Threading::DISABLED) {
  context.loadDialect<TQDialect, func::FuncDialect, arith::ArithDialect>();
  context.printOpOnDiagnostic(false); // a message names the tensor or the file, and the reader has no IR
  context.getDiagEngine().registerHandler([this](Diagnostic &d) { return collect(d); });
}

Compiler::~Compiler() = default;

LogicalResult Compiler::collect(Diagnostic &diagnostic) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << diagnostic;
  for (Diagnostic &note : diagnostic.getNotes())
    os << "; " << note;
  if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
    if (firstError.empty())
      firstError = text;
  } else {
    warningList.push_back(text);
  }
  return success();
}

Status Compiler::open() {
  TQ_TRY_ASSIGN(Checkpoint opened, Checkpoint::open(options.model));
  checkpoint.emplace(std::move(opened));
  TQ_TRY_ASSIGN(config, ModelConfig::of(*checkpoint));
  if (options.package.context == 0)
    options.package.context = config.maxPosition;
  if (options.package.context > config.maxPosition)
    return Error{"--context " + std::to_string(options.package.context) + " is longer than the " +
                 std::to_string(config.maxPosition) + " positions the model was made for; give at most that"};
  for (int64_t layer : options.pipeline.weights.protectLayers)
    if (layer >= config.layers)
      return Error{"--protect-layers names layer " + std::to_string(layer) + ", but the model has layers 0 to " +
                   std::to_string(config.layers - 1)};
  options.pipeline.entryPoints.context = options.package.context;
  options.package.activations = options.pipeline.activations.activations;
  if (options.cpus.empty())
    options.cpus = {"host"};
  for (const std::string &cpu : options.cpus) {
    TQ_TRY_ASSIGN(HostTarget target, findHostTarget(cpu));
    if (llvm::none_of(targets, [&](const HostTarget &t) { return t.name == target.name; }))
      targets.push_back(target);
  }
  // The runtime takes the first that runs: the best must stand first.
  llvm::sort(targets, [](const HostTarget &a, const HostTarget &b) {
    auto rank = [](const HostTarget &t) {
      return llvm::find_if(hostTargets(), [&](const HostTarget &h) { return h.name == t.name; }) -
             hostTargets().begin();
    };
    return rank(a) < rank(b);
  });
  return {};
}

Status Compiler::dump(const std::string &name) {
  (*module)->setAttr(kPhaseAttr, StringAttr::get(&context, name));
  if (options.dumpDirectory.empty())
    return {};
  if (std::error_code ec = llvm::sys::fs::create_directories(options.dumpDirectory))
    return Error{options.dumpDirectory + ": cannot create: " + ec.message()};
  std::string path = options.dumpDirectory + "/" + std::to_string(phaseIndex(name)) + "-" + name + ".mlir";
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec)
    return Error{path + ": cannot write: " + ec.message()};
  module->print(os, OpPrintingFlags().enableDebugInfo(true, false));
  os << "\n";
  os.close();
  if (os.has_error()) {
    std::string why = os.error().message();
    os.clear_error(); // else the stream ends the process
    return Error{path + ": cannot write: " + why};
  }
  return {};
}

Status Compiler::phase(const std::string &name, llvm::function_ref<void(OpPassManager &)> build) {
  PassManager pm(&context);
  build(pm);
  if (failed(pm.run(*module)))
    return Error{firstError.empty() ? "phase " + name + " failed" : firstError};
  return dump(name);
}

Status Compiler::runUntil(const std::string &last) {
  TQ_TRY(open());
  int done = 0;
  if (options.continueFrom.empty()) {
    TQ_TRY_ASSIGN(module, importModel(context, *checkpoint, config));
    TQ_TRY(dump("import"));
  } else {
    context.loadDialect<LLVM::LLVMDialect>();
    DialectRegistry registry;
    std::unique_ptr<Pass> pass = createBuildKernels(hostSkeletons());
    pass->getDependentDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = parseSourceFile<ModuleOp>(options.continueFrom, &context);
    if (!module)
      return Error{options.continueFrom + ": cannot be read: " + firstError};
    auto attr = (*module)->getAttrOfType<StringAttr>(kPhaseAttr);
    done = attr ? phaseIndex(attr.getValue()) : -1;
    if (done < 0)
      return Error{options.continueFrom + ": does not say which phase it has been through (attribute " + kPhaseAttr +
                   "); use a file that --dump-phases wrote"};
  }
  weights.emplace(*module, *checkpoint, options.scale);
  int stop = phaseIndex(last);
  auto wants = [&](const char *name) { return done < phaseIndex(name) && phaseIndex(name) <= stop; };
  if (wants("rotate"))
    TQ_TRY(phase("rotate", [&](OpPassManager &pm) { buildRotatePhase(pm, options.pipeline); }));
  if (wants("fuse"))
    TQ_TRY(phase("fuse", [&](OpPassManager &pm) { buildFusePhase(pm, options.pipeline); }));
  if (wants("schedule"))
    TQ_TRY(phase("schedule", [&](OpPassManager &pm) { buildSchedulePhase(pm, options.pipeline, hostSkeletons()); }));
  if (wants("kernels"))
    TQ_TRY(phase("kernels", [&](OpPassManager &pm) { pm.addPass(createBuildKernels(hostSkeletons())); }));
  return {};
}

Result<CompileSummary> Compiler::plan() {
  TQ_TRY(runUntil("kernels"));
  CompileSummary summary;
  for (Operation &op : *module->getBody())
    summary.kernels += op.hasAttr(kScratchBytesAttr);
  for (WeightOp w : module->getOps<WeightOp>())
    if (w.getPacked().getShape().size() > 1)
      summary.weightsByRole[w.getRole().str()] += uint64_t(w.getPacked().getRows()) * w.getPacked().getCols();
  summary.checkpointBytes = checkpoint->totalBytes();
  summary.floatOnly = llvm::none_of(module->getOps<WeightOp>(),
                                    [](WeightOp w) { return !w.getPacked().getEncoding().getLayout().isDense(); });
  TQ_TRY_ASSIGN(summary.manifest, planPackage(*module, *weights, *checkpoint, config, options.package, targets));
  return summary;
}

Result<CompileSummary> Compiler::compile() {
  TQ_TRY_ASSIGN(CompileSummary summary, plan());
  TQ_TRY_ASSIGN(summary.manifest,
                writePackage(std::move(summary.manifest), *module, *weights, *checkpoint, options.package, targets));
  return summary;
}

Result<std::string> Compiler::print() {
  TQ_TRY(runUntil(options.untilAfter));
  if (options.untilAfter == "emit")
    return printHost(*module, targets.front(), /*assembly=*/true);
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  return text + "\n";
}

} // namespace tq
