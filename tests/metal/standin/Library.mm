//===- Library.mm - Libraries, pipelines, binary archives -----------------===//
// MSL text goes to the executor. A "metallib" is a text file of ours: a first
// line, then MSL. A binary archive is a list of the kernels in it.
//===----------------------------------------------------------------------===//

#include "tests/metal/standin/Internal.h"

#include "runtime/Manifest.h"

#include <fstream>
#include <sstream>

using namespace tq;
using namespace tq::standin;

namespace {

constexpr char kBinaryMagic[] = "stand-in metallib", kArchiveMagic[] = "stand-in archive of macOS";

struct OptionsState final : ObjectState {
  bool fastMath = true, precise = false;
  MTLLanguageVersion version = MTLLanguageVersion3_0;
  MTLMathMode mode = MTLMathModeFast;
};

struct FunctionState final : ObjectState {
  std::shared_ptr<const metal::Library> kernels;
  const metal::Kernel *kernel = nullptr;
  std::string hash;
};

struct PipelineDescription final : ObjectState {
  Ref<NSString *> label;
  Ref<id<MTLFunction>> function;
  Ref<NSArray *> archives;
  bool wholeSimdgroups = false;
  uint64_t maxThreads = 0;
};

struct ArchiveDescription final : ObjectState {
  Ref<NSURL *> url;
};

struct ArchiveState final : ObjectState {
  std::set<std::string> entries;
};

std::string entryOf(MTLComputePipelineDescriptor *descriptor) {
  auto &function = stateOf<FunctionState>([descriptor computeFunction]);
  return fmt::format("{} {} {}", function.kernel->name, function.hash, [descriptor maxTotalThreadsPerThreadgroup]);
}

bool describesFunction(MTLComputePipelineDescriptor *descriptor) {
  return require(descriptor != nil, "a nil pipeline descriptor") &&
         require([descriptor computeFunction] != nil, "a pipeline descriptor without a function");
}

id<MTLLibrary> buildLibrary(const std::string &source, int version, NSError **error) {
  metal::CompileOptions how;
  how.name = "program_source";
  how.checked = settings().checked;
  how.version = version;
  auto built = metal::Library::compile(source, how);
  if (!built.ok()) {
    fail(error, 3, built.message());
    return nil;
  }
  StandinLibrary *object = [StandinLibrary new];
  auto &library = stateOf<LibraryState>(object);
  library.kernels = std::make_shared<const metal::Library>(std::move(*built));
  library.hash = hashBytes(std::as_bytes(std::span(source)));
  return object;
}

} // namespace

//===-- Descriptions ------------------------------------------------------===//

@implementation MTLCompileOptions
- (instancetype)init {
  state = newState<OptionsState>();
  return self;
}
- (BOOL)fastMathEnabled {
  return stateOf<OptionsState>(self).fastMath;
}
- (void)setFastMathEnabled:(BOOL)enabled {
  auto &options = stateOf<OptionsState>(self);
  options.fastMath = enabled;
  options.mode = enabled ? MTLMathModeFast : MTLMathModeSafe;
  options.precise = !enabled;
}
- (MTLLanguageVersion)languageVersion {
  return stateOf<OptionsState>(self).version;
}
- (void)setLanguageVersion:(MTLLanguageVersion)version {
  require(version <= MTLLanguageVersion3_1 || settings().macos >= 15, "macOS {} has no MSL later than 3.1",
          settings().macos);
  stateOf<OptionsState>(self).version = version;
}
- (MTLMathMode)mathMode {
  return stateOf<OptionsState>(self).mode;
}
- (void)setMathMode:(MTLMathMode)mode {
  requireSystem(_cmd);
  stateOf<OptionsState>(self).mode = mode;
}
- (MTLMathFloatingPointFunctions)mathFloatingPointFunctions {
  return stateOf<OptionsState>(self).precise ? MTLMathFloatingPointFunctionsPrecise : MTLMathFloatingPointFunctionsFast;
}
- (void)setMathFloatingPointFunctions:(MTLMathFloatingPointFunctions)functions {
  requireSystem(_cmd);
  stateOf<OptionsState>(self).precise = functions == MTLMathFloatingPointFunctionsPrecise;
}
@end

@implementation MTLComputePipelineDescriptor
- (instancetype)init {
  state = newState<PipelineDescription>();
  return self;
}
- (NSString *)label {
  return stateOf<PipelineDescription>(self).label;
}
- (void)setLabel:(NSString *)label {
  stateOf<PipelineDescription>(self).label = Ref<NSString *>(label);
}
- (id<MTLFunction>)computeFunction {
  return stateOf<PipelineDescription>(self).function;
}
- (void)setComputeFunction:(id<MTLFunction>)function {
  stateOf<PipelineDescription>(self).function = Ref<id<MTLFunction>>(function);
}
- (BOOL)threadGroupSizeIsMultipleOfThreadExecutionWidth {
  return stateOf<PipelineDescription>(self).wholeSimdgroups;
}
- (void)setThreadGroupSizeIsMultipleOfThreadExecutionWidth:(BOOL)multiple {
  stateOf<PipelineDescription>(self).wholeSimdgroups = multiple;
}
- (NSUInteger)maxTotalThreadsPerThreadgroup {
  return stateOf<PipelineDescription>(self).maxThreads;
}
- (void)setMaxTotalThreadsPerThreadgroup:(NSUInteger)threads {
  require(threads <= 1024, "maxTotalThreadsPerThreadgroup is {}, at most 1024 are allowed", threads);
  stateOf<PipelineDescription>(self).maxThreads = threads;
}
- (NSArray *)binaryArchives {
  return stateOf<PipelineDescription>(self).archives;
}
- (void)setBinaryArchives:(NSArray *)archives {
  stateOf<PipelineDescription>(self).archives = Ref<NSArray *>(archives);
}
@end

@implementation MTLBinaryArchiveDescriptor
- (instancetype)init {
  state = newState<ArchiveDescription>();
  return self;
}
- (NSURL *)url {
  return stateOf<ArchiveDescription>(self).url;
}
- (void)setUrl:(NSURL *)url {
  stateOf<ArchiveDescription>(self).url = Ref<NSURL *>(url);
}
@end

//===-- Libraries and pipelines -------------------------------------------===//

@interface StandinFunction : NSObject <MTLFunction>
@end
@implementation StandinFunction
- (instancetype)init {
  state = newState<FunctionState>();
  return self;
}
- (NSString *)name {
  return toNSString(stateOf<FunctionState>(self).kernel->name);
}
@end

@implementation StandinLibrary
- (instancetype)init {
  state = newState<LibraryState>();
  return self;
}
- (id<MTLFunction>)newFunctionWithName:(NSString *)name {
  auto &library = stateOf<LibraryState>(self);
  const metal::Kernel *kernel = library.kernels->find(toString(name));
  if (!kernel)
    return nil;
  StandinFunction *object = [StandinFunction new];
  auto &function = stateOf<FunctionState>(object);
  function.kernels = library.kernels;
  function.kernel = kernel;
  function.hash = library.hash;
  return object;
}
@end

@implementation StandinPipeline
- (instancetype)init {
  state = newState<PipelineState>();
  return self;
}
- (NSUInteger)maxTotalThreadsPerThreadgroup {
  return stateOf<PipelineState>(self).maxThreads;
}
- (NSUInteger)threadExecutionWidth {
  return settings().simdWidth;
}
@end

@implementation StandinArchive
- (instancetype)init {
  state = newState<ArchiveState>();
  return self;
}
- (BOOL)addComputePipelineFunctionsWithDescriptor:(MTLComputePipelineDescriptor *)descriptor error:(NSError **)error {
  if (!describesFunction(descriptor))
    return NO;
  stateOf<ArchiveState>(self).entries.insert(entryOf(descriptor));
  return YES;
}
- (BOOL)serializeToURL:(NSURL *)url error:(NSError **)error {
  std::ofstream file(pathOf(url));
  file << kArchiveMagic << ' ' << settings().macos << '\n';
  for (const std::string &entry : stateOf<ArchiveState>(self).entries)
    file << entry << '\n';
  file.close();
  if (file && !settings().refuseArchiveWrites)
    return YES;
  fail(error, 4, "the archive cannot be written");
  return NO;
}
@end

namespace tq::standin {

id<MTLLibrary> compileLibrary(NSString *source, MTLCompileOptions *options, NSError **error) {
  if (!require(source != nil, "newLibraryWithSource: nil"))
    return nil;
  count(&Counts::librariesFromSource);
  if (!options || [options mathMode] != MTLMathModeSafe ||
      [options mathFloatingPointFunctions] != MTLMathFloatingPointFunctionsPrecise)
    count(&Counts::fastMathLibraries);
  NSUInteger version = options ? [options languageVersion] : MTLLanguageVersion3_0;
  if (version < MTLLanguageVersion3_1)
    count(&Counts::olderLibraries);
  return buildLibrary(toString(source), static_cast<int>((version >> 16) * 100 + (version & 0xffff) * 10), error);
}

id<MTLLibrary> loadLibrary(NSURL *url, NSError **error) {
  count(&Counts::librariesFromFile);
  std::ifstream file(pathOf(url), std::ios::binary);
  std::string first;
  std::ostringstream source;
  if (!std::getline(file, first) || first != kBinaryMagic) {
    fail(error, 1, "Invalid library file");
    return nil;
  }
  source << file.rdbuf();
  return buildLibrary(source.str(), 310, error);
}

id<MTLComputePipelineState> makePipeline(MTLComputePipelineDescriptor *descriptor, MTLPipelineOption options,
                                         NSError **error) {
  if (!describesFunction(descriptor))
    return nil;
  auto &function = stateOf<FunctionState>([descriptor computeFunction]);
  if (function.kernel->name == settings().refusePipeline) {
    fail(error, 3, "Compiler encountered an internal error");
    return nil;
  }
  bool found = false;
  for (const Ref<id> &archive : elements([descriptor binaryArchives]))
    found |= stateOf<ArchiveState>(archive).entries.contains(entryOf(descriptor));
  if (!found && (options & MTLPipelineOptionFailOnBinaryArchiveMiss)) {
    fail(error, 2, "not in the binary archive");
    return nil;
  }
  count(found ? &Counts::pipelinesFromArchive : &Counts::pipelines);
  StandinPipeline *object = [StandinPipeline new];
  auto &pipeline = stateOf<PipelineState>(object);
  pipeline.kernels = function.kernels;
  pipeline.kernel = function.kernel;
  pipeline.wholeSimdgroups = [descriptor threadGroupSizeIsMultipleOfThreadExecutionWidth];
  pipeline.maxThreads = std::min<uint64_t>(settings().maxThreads, function.kernel->maxTotalThreads);
  if (uint64_t wanted = [descriptor maxTotalThreadsPerThreadgroup])
    pipeline.maxThreads = std::min(pipeline.maxThreads, wanted);
  return object;
}

id<MTLBinaryArchive> openArchive(MTLBinaryArchiveDescriptor *descriptor, NSError **error) {
  StandinArchive *object = [StandinArchive new];
  if (!descriptor || ![descriptor url])
    return object;
  std::ifstream file(pathOf([descriptor url]));
  std::string line;
  if (!std::getline(file, line) || line != fmt::format("{} {}", kArchiveMagic, settings().macos)) {
    fail(error, 1, "Invalid binary archive");
    [object release];
    return nil;
  }
  while (std::getline(file, line))
    stateOf<ArchiveState>(object).entries.insert(line);
  return object;
}

} // namespace tq::standin
