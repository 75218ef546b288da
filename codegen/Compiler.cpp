//===- Compiler.cpp - All phases, from a checkpoint to a package ----------===//

#include "codegen/Compiler.h"
#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/host/KernelBuilder.h"
#include "codegen/metal/CompileMetal.h"
#include "codegen/metal/Explain.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "models/Import.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace tq {

// Of a dumped module: the phase it has been through, and from fuse on the device it is for.
static constexpr const char *kPhaseAttr = "tq.phase", *kDeviceAttr = "tq.device";

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
  if (options.devices.empty())
    options.devices = {"host"};
  if (options.cpus.empty())
    options.cpus = {"host"};
  for (const std::string &device : options.devices) {
    Build build;
    build.device = device;
    // Activations are quantised for the integer units of CPUs; a GPU multiplies floats.
    build.activations = device == "host" ? options.pipeline.activations.activations : "f32";
    if (device == "host")
      for (const std::string &cpu : options.cpus) {
        TQ_TRY_ASSIGN(HostTarget host, findHostTarget(cpu));
        if (llvm::none_of(build.hosts, [&](const HostTarget &h) { return h.name == host.name; }))
          build.hosts.push_back(host);
      }
    // The runtime takes the first that runs: the best must stand first.
    llvm::sort(build.hosts, [](const HostTarget &a, const HostTarget &b) {
      auto rank = [](const HostTarget &t) {
        return llvm::find_if(hostTargets(), [&](const HostTarget &h) { return h.name == t.name; }) -
               hostTargets().begin();
      };
      return rank(a) < rank(b);
    });
    builds.push_back(std::move(build));
  }
  return {};
}

Status Compiler::dump(ModuleOp module, const std::string &name) {
  module->setAttr(kPhaseAttr, StringAttr::get(&context, name));
  if (options.dumpDirectory.empty())
    return {};
  if (std::error_code ec = llvm::sys::fs::create_directories(options.dumpDirectory))
    return Error{options.dumpDirectory + ": cannot create: " + ec.message()};
  std::string path = options.dumpDirectory + "/" + std::to_string(phaseIndex(name)) + "-" + name;
  auto device = module->getAttrOfType<StringAttr>(kDeviceAttr);
  path += (builds.size() > 1 && device ? "." + device.str() : "") + ".mlir";
  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec)
    return Error{path + ": cannot write: " + ec.message()};
  module.print(os, OpPrintingFlags().enableDebugInfo(true, false));
  os << "\n";
  os.close();
  if (os.has_error()) {
    std::string why = os.error().message();
    os.clear_error(); // else the stream ends the process
    return Error{path + ": cannot write: " + why};
  }
  return {};
}

Status Compiler::phase(ModuleOp module, const std::string &name, llvm::function_ref<void(OpPassManager &)> build) {
  PassManager pm(&context);
  build(pm);
  if (failed(pm.run(module)))
    return Error{firstError.empty() ? "phase " + name + " failed" : firstError};
  return dump(module, name);
}

/// Kernels with a body, of either device.
static uint64_t kernelCount(ModuleOp module) {
  uint64_t count = 0;
  for (Operation &op : *module.getBody())
    count += op.hasAttr(kScratchBytesAttr);
  for (auto gpu : module.getOps<gpu::GPUModuleOp>())
    count += llvm::range_size(gpu.getOps<gpu::GPUFuncOp>());
  return count;
}

Status Compiler::runUntil(const std::string &last) {
  TQ_TRY(open());
  int done = 0;
  if (options.continueFrom.empty()) {
    TQ_TRY_ASSIGN(model, importModel(context, *checkpoint, config));
    TQ_TRY(dump(*model, "import"));
  } else {
    context.loadDialect<LLVM::LLVMDialect>();
    DialectRegistry registry;
    createBuildKernels(hostSkeletons())->getDependentDialects(registry);
    createBuildGpuKernels(gpuSkeletons())->getDependentDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    model = parseSourceFile<ModuleOp>(options.continueFrom, &context);
    if (!model)
      return Error{options.continueFrom + ": cannot be read: " + firstError};
    auto attr = (*model)->getAttrOfType<StringAttr>(kPhaseAttr);
    done = attr ? phaseIndex(attr.getValue()) : -1;
    if (done < 0)
      return Error{options.continueFrom + ": does not say which phase it has been through (attribute " + kPhaseAttr +
                   "); use a file that --dump-phases wrote"};
    if (auto device = (*model)->getAttrOfType<StringAttr>(kDeviceAttr))
      if (builds.size() != 1 || builds.front().device != device)
        return Error{options.continueFrom + ": is made for device " + device.str() + "; give --target=" + device.str()};
  }
  weights.emplace(*model, *checkpoint, options.scale);
  int stop = phaseIndex(last);
  auto wants = [&](const char *name) { return done < phaseIndex(name) && phaseIndex(name) <= stop; };
  if (wants("rotate"))
    TQ_TRY(phase(*model, "rotate", [&](OpPassManager &pm) { buildRotatePhase(pm, options.pipeline); }));
  if (stop <= phaseIndex("rotate"))
    return {};
  for (Build &build : builds) {
    ModuleOp module = *deviceModules.emplace_back(model->clone());
    build.module = module;
    module->setAttr(kDeviceAttr, StringAttr::get(&context, build.device));
    bool host = build.device == "host";
    SkeletonList skeletons = host ? hostSkeletons() : gpuSkeletons();
    PipelineOptions pipeline = options.pipeline;
    pipeline.activations.activations = build.activations;
    if (wants("fuse"))
      TQ_TRY(phase(module, "fuse", [&](OpPassManager &pm) { buildFusePhase(pm, pipeline); }));
    if (wants("schedule"))
      TQ_TRY(phase(module, "schedule", [&](OpPassManager &pm) { buildSchedulePhase(pm, pipeline, skeletons); }));
    if (wants("kernels"))
      TQ_TRY(phase(module, "kernels", [&](OpPassManager &pm) {
        pm.addPass(host ? createBuildKernels(skeletons) : createBuildGpuKernels(skeletons));
      }));
  }
  return {};
}

Result<CompileSummary> Compiler::plan() {
  TQ_TRY(runUntil("kernels"));
  CompileSummary summary;
  summary.kernels = kernelCount(builds.front().module);
  for (WeightOp w : model->getOps<WeightOp>())
    if (w.getPacked().getShape().size() > 1)
      summary.weightsByRole[w.getRole().str()] += uint64_t(w.getPacked().getRows()) * w.getPacked().getCols();
  summary.checkpointBytes = checkpoint->totalBytes();
  summary.floatOnly = llvm::none_of(model->getOps<WeightOp>(),
                                    [](WeightOp w) { return !w.getPacked().getEncoding().getLayout().isDense(); });
  TQ_TRY_ASSIGN(summary.manifest, planPackage(*model, builds, *weights, *checkpoint, config, options.package));
  return summary;
}

Result<CompileSummary> Compiler::compile() {
  TQ_TRY_ASSIGN(CompileSummary summary, plan());
  TQ_TRY_ASSIGN(summary.manifest,
                writePackage(std::move(summary.manifest), builds, *weights, *checkpoint, options.package));
  return summary;
}

Result<std::string> Compiler::explain() {
  TQ_TRY(runUntil("kernels"));
  auto build = llvm::find_if(builds, [](const Build &b) { return b.device == "metal"; });
  if (build == builds.end())
    return Error{"--explain is about GPU kernels; give --target=metal"};
  return explainMetal(build->module);
}

Result<std::string> Compiler::print() {
  if (options.devices.size() > 1 && phaseIndex(options.untilAfter) > phaseIndex("rotate"))
    return Error{"--until-after=" + options.untilAfter + " prints the IR of one device; give one --target"};
  TQ_TRY(runUntil(options.untilAfter));
  ModuleOp module = builds.front().module ? builds.front().module : *model;
  if (options.untilAfter == "emit")
    return builds.front().device == "host" ? printHost(module, builds.front().hosts.front()) : printMetal(module);
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  return text + "\n";
}

} // namespace tq
