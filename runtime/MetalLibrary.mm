//===- MetalLibrary.mm - A GPU with one library of kernels ----------------===//

#include "runtime/MetalLibrary.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

using namespace tq;
using namespace tq::apple;

Gpu::~Gpu() {
  @autoreleasepool {
    saveArchive();
    pipelines.clear();
    archive = {};
    library = {};
    queue = {};
    device = {};
  }
}

Status Gpu::open() {
  device = Own<id<MTLDevice>>(MTLCreateSystemDefaultDevice());
  if (!device)
    return Error{title + ": there is no GPU that Metal can use (a virtual machine may have none); use --device=host"};
  queue = Own<id<MTLCommandQueue>>([device newCommandQueue]);
  if (!queue)
    return Error{
        fmt::format("{}: {} gives no command queue; close other programs or use --device=host", title, name())};
  return Status();
}

Status Gpu::compile(const std::string &source, const std::string &what) {
  Own<MTLCompileOptions *> how([MTLCompileOptions new]);
  [how setLanguageVersion:MTLLanguageVersion3_1];
  // As written: results must not depend on what the compiler reassociates.
  bool modern = false;
  if (@available(macOS 15.0, *)) {
    if ([how respondsToSelector:@selector(setMathMode:)]) {
      [how setMathMode:MTLMathModeSafe];
      [how setMathFloatingPointFunctions:MTLMathFloatingPointFunctionsPrecise];
      modern = true;
    }
  }
  if (!modern)
    [how setFastMathEnabled:NO];
  NSError *error = nil;
  // The error may hold warnings although the library is there.
  library = Own<id<MTLLibrary>>([device newLibraryWithSource:text(source) options:how error:&error]);
  if (!library)
    return Error{
        fmt::format("{}: {} does not compile on this system: {}; recompile with tq-compile, and report this if "
                    "it stays",
                    title, what, sentence(error))};
  return Status();
}

Status Gpu::loadBinary(const std::string &path) {
  NSError *error = nil;
  library = Own<id<MTLLibrary>>([device newLibraryWithURL:fileUrl(path) error:&error]);
  if (!library)
    return Error{sentence(error)};
  return Status();
}

void Gpu::openArchive(const std::string &key) {
  if (options.archiveDirectory.empty())
    return;
  std::error_code failure;
  std::filesystem::create_directories(options.archiveDirectory, failure);
  archivePath = fmt::format("{}/{}.metalarchive", options.archiveDirectory, key);
  Own<MTLBinaryArchiveDescriptor *> descriptor([MTLBinaryArchiveDescriptor new]);
  NSError *error = nil;
  if (access(archivePath.c_str(), R_OK) == 0) {
    [descriptor setUrl:fileUrl(archivePath)];
    archive = Own<id<MTLBinaryArchive>>([device newBinaryArchiveWithDescriptor:descriptor error:&error]);
    if (archive)
      return;
    // Of another version of the system, most likely.
    notes.push_back(fmt::format("{} is made anew: {}", archivePath, sentence(error)));
    [descriptor setUrl:nil];
  }
  archive = Own<id<MTLBinaryArchive>>([device newBinaryArchiveWithDescriptor:descriptor error:&error]);
  if (!archive)
    notes.push_back(fmt::format("compiled kernels are not kept: {}", sentence(error)));
}

void Gpu::saveArchive() {
  if (!archiveGrew)
    return;
  archiveGrew = false;
  @autoreleasepool {
    // Under another name first: a second process may read it now.
    std::string partial = fmt::format("{}.{}", archivePath, getpid());
    NSError *error = nil;
    std::string reason;
    if (![archive serializeToURL:fileUrl(partial) error:&error])
      reason = sentence(error);
    else if (rename(partial.c_str(), archivePath.c_str()) != 0)
      reason = strerror(errno);
    else
      return;
    unlink(partial.c_str());
    notes.push_back(fmt::format("{}: cannot write: {}; kernels will be compiled again", archivePath, reason));
  }
}

size_t Gpu::addPipeline(const std::string &kernel, int simdgroups) {
  auto same = [&](const Pipeline &p) { return p.kernel == kernel && p.simdgroups == simdgroups; };
  auto found = std::ranges::find_if(pipelines, same);
  if (found == pipelines.end())
    found = pipelines.insert(found, Pipeline{kernel, simdgroups, {}});
  return found - pipelines.begin();
}

Own<id<MTLComputePipelineState>> Gpu::fromArchive(MTLComputePipelineDescriptor *descriptor) {
  if (!archive)
    return {};
  [descriptor setBinaryArchives:[NSArray arrayWithObject:archive]];
  return Own<id<MTLComputePipelineState>>([device
      newComputePipelineStateWithDescriptor:descriptor
                                    options:MTLPipelineOptionFailOnBinaryArchiveMiss
                                 reflection:nullptr
                                      error:nullptr]);
}

Status Gpu::make(Pipeline &pipeline) {
  if (pipeline.state)
    return Status();
  Own<id<MTLFunction>> function([library newFunctionWithName:text(pipeline.kernel)]);
  if (!function)
    return Error{fmt::format("{}: the library has no kernel '{}'; recompile with tq-compile", title,
                             printable(pipeline.kernel))};
  NSUInteger threads = kSimdWidth * pipeline.simdgroups;
  Own<MTLComputePipelineDescriptor *> descriptor([MTLComputePipelineDescriptor new]);
  [descriptor setLabel:text(pipeline.kernel)];
  [descriptor setComputeFunction:function];
  [descriptor setThreadGroupSizeIsMultipleOfThreadExecutionWidth:YES];
  [descriptor setMaxTotalThreadsPerThreadgroup:threads]; // so the compiler knows how many registers a thread may have
  pipeline.state = fromArchive(descriptor);
  NSError *error = nil;
  if (!pipeline.state) {
    pipeline.state =
        Own<id<MTLComputePipelineState>>([device newComputePipelineStateWithDescriptor:descriptor
                                                                               options:MTLPipelineOptionNone
                                                                            reflection:nullptr
                                                                                 error:&error]);
    if (!pipeline.state)
      return Error{fmt::format("{}: {} refuses kernel '{}': {}; update macOS, or report this", title, name(),
                               pipeline.kernel, sentence(error))};
    if (archive && [archive addComputePipelineFunctionsWithDescriptor:descriptor error:&error])
      archiveGrew = true;
  }
  NSUInteger width = [pipeline.state threadExecutionWidth], most = [pipeline.state maxTotalThreadsPerThreadgroup];
  if (width != kSimdWidth || most < threads) {
    pipeline.state = {};
    return Error{fmt::format("{}: kernel '{}' needs {} threads in simdgroups of {}, but {} runs it with at most {} in "
                             "simdgroups of {}; report this",
                             title, pipeline.kernel, threads, kSimdWidth, name(), most, width)};
  }
  return Status();
}
