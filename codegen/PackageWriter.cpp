//===- PackageWriter.cpp - A scheduled module to a package ----------------===//
// Weights go through memory a few megabytes at a time: workers fill a wave of row blocks, then the wave is hashed and
// written in order, and its pages of the checkpoint are released.

#include "codegen/PackageWriter.h"
#include "codegen/gpu/BuildGpuKernels.h"
#include "codegen/host/KernelBuilder.h"
#include "codegen/metal/CompileMetal.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/AffineExpr.h"
#include "runtime/AtomicDirectory.h"
#include "runtime/Manifest.h"
#include "runtime/ReadFile.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringMap.h"
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace mlir;
namespace fs = std::filesystem;

namespace tq {

//===-- Planning ------------------------------------------------------------------------------------------------===//

namespace {
constexpr const char *kMetalLibrary = "kernels.metal";
std::string libraryOf(const HostTarget &host) { return "kernels." + host.isa + ".so"; }

/// Null on devices that have none.
gpu::GPUFuncOp findGpuKernel(ModuleOp module, llvm::StringRef name) {
  for (auto kernels : module.getOps<gpu::GPUModuleOp>())
    if (auto kernel = kernels.lookupSymbol<gpu::GPUFuncOp>(name))
      return kernel;
  return {};
}

Expr toExpr(AffineExpr e) {
  Expr expr;
  if (auto constant = dyn_cast<AffineConstantExpr>(e)) {
    expr.value = constant.getValue();
    return expr;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(e)) {
    expr.op = Expr::Op::Param;
    expr.value = symbol.getPosition();
    return expr;
  }
  auto binary = cast<AffineBinaryOpExpr>(e);
  expr.op = e.getKind() == AffineExprKind::Add   ? Expr::Op::Add
            : e.getKind() == AffineExprKind::Mul ? Expr::Op::Mul
                                                 : Expr::Op::CeilDiv;
  expr.args = {toExpr(binary.getLHS()), toExpr(binary.getRHS())};
  return expr;
}

class Planner {
public:
  explicit Planner(const Weights &weights) : weights(weights) {}
  Status run(Manifest &manifest, ModuleOp model, const std::vector<Build> &builds);

private:
  Result<uint64_t> section(PlaneAttr plane);
  Result<Entry> entry(TableOp table, ModuleOp module);
  static std::vector<Port> ports(DictionaryAttr dictionary);

  const Weights &weights;
  Manifest *manifest = nullptr;
  llvm::DenseMap<Attribute, uint64_t> sections, states;
  llvm::StringMap<uint64_t> levelTables; ///< bytes of a table -> its section
  uint64_t file = 0, fileBytes = 0;
};
} // namespace

/// The index of a plane's section; the first time it is asked for, the section gets its place in a file.
Result<uint64_t> Planner::section(PlaneAttr plane) {
  auto [it, inserted] = sections.try_emplace(plane, manifest->sections.size());
  if (!inserted)
    return it->second;
  // Most weights have one of a few tables of levels, and a section takes 16 KiB: equal ones are stored once, under the name of
  // the first weight that has them.
  if (plane.getPlane() == "levels") {
    TQ_TRY_ASSIGN(std::vector<std::byte> table, weights.smallPlane(plane.getSymbol(), plane.getPlane()));
    llvm::StringRef key(reinterpret_cast<const char *>(table.data()), table.size());
    auto [known, isNew] = levelTables.try_emplace(key, it->second);
    if (!isNew)
      return it->second = known->second;
  }
  TQ_TRY_ASSIGN(uint64_t bytes, weights.planeBytes(plane.getSymbol(), plane.getPlane()));
  if (bytes > kMaxWeightFileBytes)
    return Error{plane.getSymbol().getValue().str() + ": " + std::to_string(bytes) +
                 " bytes exceed the 4 GiB of a weights file"};
  uint64_t offset = llvm::alignTo(fileBytes, kSectionAlignment);
  if (offset + bytes > kMaxWeightFileBytes) {
    ++file;
    offset = 0;
  }
  fileBytes = offset + bytes;
  Section s;
  s.name = (plane.getSymbol().getValue() + "/" + plane.getPlane().getValue()).str();
  s.file = "weights-" + std::to_string(file) + ".bin";
  s.offset = offset;
  s.bytes = bytes;
  s.role = weights.role(plane.getSymbol());
  manifest->sections.push_back(std::move(s));
  return it->second;
}

std::vector<Port> Planner::ports(DictionaryAttr dictionary) {
  std::vector<Port> result;
  for (NamedAttribute attr : dictionary) {
    auto values = cast<DenseI64ArrayAttr>(attr.getValue());
    result.push_back({attr.getName().str(), uint64_t(values[0]), uint64_t(values[1]), uint64_t(values[2])});
  }
  return result;
}

Result<Entry> Planner::entry(TableOp table, ModuleOp module) {
  Entry entry;
  entry.name = table.getSymName().str();
  entry.max_tokens = int32_t(table.getMaxTokens());
  entry.max_out = int32_t(table.getMaxOut());
  entry.arena_bytes = table.getArenaBytes();
  entry.inputs = ports(table.getInputs());
  entry.outputs = ports(table.getOutputs());
  for (StepOp op : table.getBody().front().getOps<StepOp>()) {
    Step step;
    step.kernel = op.getKernel().str();
    step.label = op.getLabel().str();
    step.tasks = toExpr(op.getTasks().getResult(0));
    step.grain = int32_t(op.getGrain());
    step.barrier = op.getBarrier();
    step.weight_bytes = op.getWeightBytes();
    step.flops_per_token = op.getFlops();
    for (Attribute attr : op.getBindings()) {
      Binding binding;
      if (auto arena = dyn_cast<ArenaAttr>(attr)) {
        binding = {Binding::Kind::Arena, uint64_t(arena.getOffset()), uint64_t(arena.getBytes())};
      } else if (auto plane = dyn_cast<PlaneAttr>(attr)) {
        TQ_TRY_ASSIGN(uint64_t index, section(plane));
        binding = {Binding::Kind::Section, index, 0};
      } else if (auto pool = dyn_cast<PoolAttr>(attr)) {
        binding = {Binding::Kind::State, states.lookup(pool.getSymbol()), 0};
      } else {
        binding.kind = Binding::Kind::PageTable;
      }
      step.bindings.push_back(binding);
    }
    if (gpu::GPUFuncOp kernel = findGpuKernel(module, op.getKernel()))
      step.simdgroups = kernel.getKnownBlockSize()->drop_front().front();
    // A worker's scratch must serve every kernel of the entry.
    if (auto kernel = module.lookupSymbol<func::FuncOp>(op.getKernelAttr()))
      if (auto bytes = kernel->getAttrOfType<mlir::IntegerAttr>(kScratchBytesAttr))
        entry.scratch_bytes = std::max<uint64_t>(entry.scratch_bytes, bytes.getInt());
    entry.steps.push_back(std::move(step));
  }
  return entry;
}

Status Planner::run(Manifest &result, ModuleOp model, const std::vector<Build> &builds) {
  manifest = &result;
  for (StateOp op : model.getOps<StateOp>()) {
    auto kv = cast<KVType>(op.getType());
    auto bytes = [](EncodingAttrInterface encoding) { return encoding.getLayout().denseBytes(); };
    State state;
    state.name = op.getSymName().str();
    state.page_tokens = kPageTokens;
    state.page_bytes = uint64_t(kv.getHeads() * (kvKeyElements(kv.getK()) * bytes(kv.getKEncoding()) +
                                                 kvValueElements(kv.getV()) * bytes(kv.getVEncoding())));
    states[FlatSymbolRefAttr::get(op.getSymNameAttr())] = result.states.size();
    result.states.push_back(state);
  }
  for (const Build &build : builds) {
    std::vector<Entry> entries;
    ModuleOp module = build.module;
    for (TableOp table : module.getOps<TableOp>()) {
      TQ_TRY_ASSIGN(Entry e, entry(table, module));
      entries.push_back(std::move(e));
    }
    for (const HostTarget &host : build.hosts)
      result.targets.push_back({host.name, "host", host.features, libraryOf(host), build.activations, entries});
    if (build.device == "metal")
      result.targets.push_back({"metal-apple7", "metal", {}, kMetalLibrary, build.activations, std::move(entries)});
  }
  return {};
}

Result<Manifest> planPackage(ModuleOp source, const std::vector<Build> &builds, const Weights &weights,
                             const Checkpoint &checkpoint, const ModelConfig &config, const PackageOptions &options) {
  Manifest manifest;
  manifest.producer = "tq " TQ_VERSION;
  Model &model = manifest.model;
  model.type = config.modelType;
  model.source = fs::weakly_canonical(checkpoint.directory()).filename().string();
  model.vocab = config.vocab;
  model.hidden = config.hidden;
  model.layers = config.layers;
  model.context = options.context;
  for (WeightOp weight : source.getOps<WeightOp>())
    if (weight.getSource() && !weight.getSource()->ends_with("/qjl"))
      model.parameters += uint64_t(weight.getPacked().getRows()) * weight.getPacked().getCols();
  if (config.bos)
    model.bos = {*config.bos};
  model.eos = config.eos;
  const GenerationDefaults &g = config.generation;
  if (!g.doSample)
    model.generation["temperature"] = 0;
  else if (g.temperature)
    model.generation["temperature"] = *g.temperature;
  if (g.topK)
    model.generation["top_k"] = double(*g.topK);
  if (g.topP)
    model.generation["top_p"] = *g.topP;
  if (g.repetitionPenalty)
    model.generation["repetition_penalty"] = *g.repetitionPenalty;
  TQ_TRY(Planner(weights).run(manifest, source, builds));
  return manifest;
}

//===-- Writing -------------------------------------------------------------------------------------------------===//

namespace {
/// Writes weight files front to back, in whole pieces of 8 MiB: the page cache then keeps them in large folios, which the
/// runtime maps as huge pages.
class WeightFiles {
public:
  explicit WeightFiles(std::string directory) : directory(std::move(directory)) { buffer.reserve(kPiece); }
  ~WeightFiles() {
    if (fd >= 0)
      ::close(fd);
  }
  /// `offset` is at or after the end of what was written to `file`; the gap becomes zeros.
  Status write(const std::string &file, uint64_t offset, const std::byte *data, uint64_t bytes);
  Status close();

private:
  static constexpr uint64_t kPiece = 8 << 20;
  Status append(const std::byte *data, uint64_t bytes);
  Status flush();
  Status fail(const char *what) {
    return Error{directory + "/" + current + ": cannot " + what + ": " + std::strerror(errno)};
  }

  std::string directory, current;
  std::vector<std::byte> buffer; // what follows `flushed` bytes of the file
  uint64_t flushed = 0;
  int fd = -1;
};

Status WeightFiles::flush() {
  for (uint64_t done = 0; done < buffer.size();) {
    ssize_t n = ::pwrite(fd, buffer.data() + done, buffer.size() - done, off_t(flushed + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return fail("write");
    done += uint64_t(n);
  }
  flushed += buffer.size();
  buffer.clear();
  return {};
}

Status WeightFiles::append(const std::byte *data, uint64_t bytes) {
  while (bytes) {
    uint64_t n = std::min(bytes, kPiece - buffer.size());
    if (data)
      buffer.insert(buffer.end(), data, data + n);
    else
      buffer.resize(buffer.size() + n);
    data = data ? data + n : nullptr;
    bytes -= n;
    if (buffer.size() == kPiece)
      TQ_TRY(flush());
  }
  return {};
}

Status WeightFiles::write(const std::string &file, uint64_t offset, const std::byte *data, uint64_t bytes) {
  if (file != current) {
    TQ_TRY(close());
    current = file;
    flushed = 0;
    fd = ::open((directory + "/" + file).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
      return fail("create");
  }
  TQ_TRY(append(nullptr, offset - (flushed + buffer.size())));
  return append(data, bytes);
}

Status WeightFiles::close() {
  if (fd < 0)
    return {};
  Status flushedAll = flush();
  int rc = ::fsync(fd), rc2 = ::close(fd);
  fd = -1;
  TQ_TRY(flushedAll);
  return rc || rc2 ? fail("write") : Status();
}

/// Writes one stream plane.
class StreamWriter {
public:
  StreamWriter(WeightFiles &files, unsigned threads) : files(files), threads(threads) {}
  Status run(const WeightEncoding &encoding, Section &section, std::function<void(uint64_t)> wrote);

private:
  static constexpr uint64_t kWaveBytes = 32 << 20; // output of one wave
  WeightFiles &files;
  unsigned threads;
};

Status StreamWriter::run(const WeightEncoding &encoding, Section &section, std::function<void(uint64_t)> wrote) {
  const WeightShape &shape = encoding.shape();
  uint64_t blockBytes = uint64_t(encoding.layout().rowBlockBytes(shape.cols));
  int64_t perWave = std::max<int64_t>(threads, int64_t(kWaveBytes / blockBytes));
  // Chunks are small enough to balance and large enough for the quantiser's own blocking.
  int64_t perChunk = std::max<int64_t>(1, std::min<int64_t>(8, perWave / threads));
  std::vector<std::byte> buffer(std::min<uint64_t>(uint64_t(perWave), uint64_t(shape.blocks())) * blockBytes);
  XXH3_state_t hash;
  XXH3_64bits_reset(&hash);
  uint64_t offset = section.offset;
  for (int64_t first = 0; first < shape.blocks(); first += perWave) {
    int64_t count = std::min(perWave, shape.blocks() - first);
    std::atomic<int64_t> next = 0;
    std::vector<Status> results(threads);
    auto work = [&](unsigned worker) {
      for (int64_t i; results[worker].ok() && (i = next.fetch_add(perChunk)) < count;)
        results[worker] =
            encoding.repackRowBlocks(first + i, std::min(perChunk, count - i), buffer.data() + i * blockBytes);
    };
    std::vector<std::thread> helpers;
    for (unsigned worker = 1; worker < threads; ++worker)
      helpers.emplace_back(work, worker);
    work(0);
    for (std::thread &helper : helpers)
      helper.join();
    for (Status &result : results)
      if (!result.ok())
        return Error{llvm::StringRef(section.name).rsplit('/').first.str() + ": " + result.message()};
    uint64_t bytes = uint64_t(count) * blockBytes;
    XXH3_64bits_update(&hash, buffer.data(), bytes);
    TQ_TRY(files.write(section.file, offset, buffer.data(), bytes));
    offset += bytes;
    wrote(bytes);
  }
  section.hash = hashText(XXH3_64bits_digest(&hash));
  return {};
}

Result<File> describe(const std::string &directory, const std::string &name) {
  TQ_TRY_ASSIGN(std::string bytes, readFile(directory + "/" + name, kAnySize));
  return File{name, bytes.size(), hashBytes(std::as_bytes(std::span(bytes)))};
}

Status writeText(const std::string &path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out.write(text.data(), std::streamsize(text.size()));
  out.close();
  return out.good() ? Status() : Status(Error{path + ": cannot write: " + std::strerror(errno)});
}
} // namespace

Result<Manifest> writePackage(Manifest manifest, const std::vector<Build> &builds, const Weights &weights,
                              const Checkpoint &checkpoint, const PackageOptions &options) {
  TQ_TRY_ASSIGN(AtomicDirectory directory, AtomicDirectory::create(options.output, options.force));
  auto report = [&](uint64_t done, uint64_t total, const std::string &what) {
    if (options.progress)
      options.progress(done, total, what);
  };
  for (const Build &build : builds) {
    for (const HostTarget &host : build.hosts) {
      report(0, 0, "compiling kernels for " + host.name);
      TQ_TRY(compileHost(build.module, host, directory.path() + "/" + libraryOf(host)));
      TQ_TRY_ASSIGN(File file, describe(directory.path(), libraryOf(host)));
      manifest.files.push_back(file);
    }
    if (build.device == "metal") {
      TQ_TRY_ASSIGN(std::string text, printMetal(build.module));
      TQ_TRY(writeText(directory.path() + "/" + kMetalLibrary, text));
      TQ_TRY_ASSIGN(File file, describe(directory.path(), kMetalLibrary));
      manifest.files.push_back(file);
    }
  }
  for (const fs::path &text : checkpoint.textFiles()) {
    std::error_code ec;
    std::string name = text.filename().string();
    if (!fs::copy_file(text, fs::path(directory.path()) / name, ec))
      return Error{text.string() + ": cannot copy into the package: " + ec.message()};
    TQ_TRY_ASSIGN(File file, describe(directory.path(), name));
    manifest.files.push_back(file);
  }

  uint64_t total = 0, done = 0;
  for (const Section &section : manifest.sections)
    total += section.bytes;
  unsigned threads = options.threads ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  {
    WeightFiles files(directory.path());
    StreamWriter streams(files, threads);
    for (Section &section : manifest.sections) {
      auto [name, plane] = llvm::StringRef(section.name).rsplit('/');
      auto symbol = FlatSymbolRefAttr::get(builds.front().module->getContext(), name);
      auto wrote = [&](uint64_t bytes) { report(done += bytes, total, "writing weights"); };
      if (plane == "stream") {
        WeightOp op = weights.weight(symbol);
        TQ_TRY_ASSIGN(EncodingPtr encoding, weights.stream(op));
        if (encoding->packedBytes() != section.bytes)
          return Error{section.name + ": planned " + std::to_string(section.bytes) +
                       " bytes, but the encoding packs to " + std::to_string(encoding->packedBytes())};
        TQ_TRY(streams.run(*encoding, section, wrote));
        if (const WeightSource *from = weights.source(op))
          Checkpoint::releasePages(*from);
        continue;
      }
      TQ_TRY_ASSIGN(std::vector<std::byte> bytes, weights.smallPlane(symbol, plane));
      section.hash = hashBytes(bytes);
      TQ_TRY(files.write(section.file, section.offset, bytes.data(), bytes.size()));
      wrote(bytes.size());
    }
    TQ_TRY(files.close());
  }
  TQ_TRY(validateManifest(manifest, options.output));
  TQ_TRY(writeText(directory.path() + "/manifest.json", printManifest(manifest)));
  TQ_TRY(directory.commit());
  return manifest;
}

} // namespace tq
