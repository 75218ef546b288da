//===- StandinTest.mm - The stand-in notices what a wrong client does -----===//
// One small wrong client for each rule: a stand-in that lets one pass is worse
// than none.
//===----------------------------------------------------------------------===//

#include "tests/metal/standin/MetalToy.h"

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <sys/mman.h>

using namespace tq;

namespace {

constexpr char kSource[] = R"(#include <metal_stdlib>
using namespace metal;
kernel void add(device const uint *a [[buffer(0)]], device uint *b [[buffer(1)]], constant uint &n [[buffer(2)]],
                uint lane [[thread_index_in_threadgroup]]) {
  if (lane < n)
    b[lane] = a[lane] + 1u;
}
kernel void vectors(device const uint4 *a [[buffer(0)]], device uint *b [[buffer(1)]],
                    uint lane [[thread_index_in_threadgroup]]) {
  if (lane == 0)
    b[0] = a[0].x;
}
kernel void shared(device uint *a [[buffer(0)]], threadgroup uint *t [[threadgroup(0)]],
                   uint lane [[thread_index_in_threadgroup]]) {
  t[lane] = lane;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  a[lane] = t[31u - lane];
}
)";

/// A client with a device, a queue, two buffers, and a pool of its own for each test body.
class StandinRules : public StandinTest {
protected:
  void SetUp() override {
    device = MTLCreateSystemDefaultDevice();
    queue = [device newCommandQueue];
    a = [device newBufferWithLength:256 options:MTLResourceStorageModeShared];
    b = [device newBufferWithLength:256 options:MTLResourceStorageModeShared];
  }
  void TearDown() override {
    for (id object : {(id)library, (id)pipeline, (id)a, (id)b, (id)queue, (id)device})
      [object release];
    StandinTest::TearDown();
  }

  id<MTLComputePipelineState> make(const char *name, bool whole = false) {
    @autoreleasepool {
      if (!library) {
        NSError *error = nil;
        MTLCompileOptions *options = [[MTLCompileOptions new] autorelease];
        [options setLanguageVersion:MTLLanguageVersion3_1];
        NSString *source = [[[NSString alloc] initWithBytes:kSource
                                                     length:sizeof kSource - 1
                                                   encoding:NSUTF8StringEncoding] autorelease];
        library = [device newLibraryWithSource:source options:options error:&error];
        EXPECT_TRUE(library != nil) << [[error localizedDescription] UTF8String];
      }
      MTLComputePipelineDescriptor *descriptor = [[MTLComputePipelineDescriptor new] autorelease];
      NSString *string = [[[NSString alloc] initWithBytes:name length:strlen(name)
                                                 encoding:NSUTF8StringEncoding] autorelease];
      id<MTLFunction> function = [library newFunctionWithName:string];
      [descriptor setComputeFunction:function];
      [descriptor setThreadGroupSizeIsMultipleOfThreadExecutionWidth:whole];
      [function release];
      [pipeline release];
      pipeline = [device newComputePipelineStateWithDescriptor:descriptor
                                                       options:MTLPipelineOptionNone
                                                    reflection:nullptr
                                                         error:nullptr];
      return pipeline;
    }
  }
  /// An encoder with `add` and everything it wants.
  id<MTLComputeCommandEncoder> begin(id<MTLCommandBuffer> commands, MTLDispatchType type = MTLDispatchTypeConcurrent) {
    id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoderWithDispatchType:type];
    [encoder setComputePipelineState:make("add")];
    uint32_t n = 32;
    [encoder setBuffer:a offset:0 atIndex:0];
    [encoder setBuffer:b offset:0 atIndex:1];
    [encoder setBytes:&n length:4 atIndex:2];
    return encoder;
  }
  static void go(id<MTLComputeCommandEncoder> encoder, MTLSize groups = {1, 1, 1}, MTLSize threads = {32, 1, 1}) {
    [encoder dispatchThreadgroups:groups threadsPerThreadgroup:threads];
  }
  static void finish(id<MTLCommandBuffer> commands, id<MTLComputeCommandEncoder> encoder) {
    [encoder endEncoding];
    [commands commit];
    [commands waitUntilCompleted];
  }
  uint32_t *words(id<MTLBuffer> buffer) { return static_cast<uint32_t *>([buffer contents]); }

  id<MTLDevice> device = nil;
  id<MTLCommandQueue> queue = nil;
  id<MTLLibrary> library = nil;
  id<MTLComputePipelineState> pipeline = nil;
  id<MTLBuffer> a = nil, b = nil;
};

//===-- Objects -----------------------------------------------------------===//

TEST_F(StandinRules, ARightClient) {
  @autoreleasepool {
    memset(words(a), 0, 256);
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    go(encoder);
    finish(commands, encoder);
    EXPECT_EQ([commands status], MTLCommandBufferStatusCompleted);
    EXPECT_TRUE([commands error] == nil);
    EXPECT_GE([commands GPUEndTime], [commands GPUStartTime]);
    EXPECT_EQ(words(b)[31], 1u);
    EXPECT_STREQ([@"constant" UTF8String], "constant");
    NSString *constant = @"constant";
    EXPECT_EQ([[constant retain] autorelease], constant);
    [constant release];
  }
}

TEST_F(StandinRules, Leaks) {
  id<MTLBuffer> leaked = [device newBufferWithLength:16 options:MTLResourceStorageModeShared];
  EXPECT_EQ(standin::liveObjects(), "3 MTLBuffer, MTLDevice, MTLQueue");
  [leaked release];
}

TEST_F(StandinRules, ReleasedTooOften) {
  id<MTLBuffer> buffer = [device newBufferWithLength:16 options:MTLResourceStorageModeShared];
  [buffer release];
  [buffer release];
  EXPECT_EQ(violation(), "message release to a released MTLBuffer");
  (void)[buffer length];
  EXPECT_EQ(violation(), "message length to a released MTLBuffer");
  (void)[buffer retain];
  EXPECT_EQ(violation(), "message retain to a released MTLBuffer");
}

TEST_F(StandinRules, AutoreleasedAndReleased) {
  @autoreleasepool {
    id<MTLBuffer> buffer = [[device newBufferWithLength:16 options:MTLResourceStorageModeShared] autorelease];
    [buffer release];
  }
  EXPECT_EQ(violation(), "message release to a released MTLBuffer");
}

TEST_F(StandinRules, AutoreleaseWithoutAPool) {
  NSString *name = [device name];
  EXPECT_EQ(violation(), "autorelease of a NSString without an @autoreleasepool: it leaks");
  [name release];
}

//===-- Buffers -----------------------------------------------------------===//

TEST_F(StandinRules, BufferSizes) {
  EXPECT_TRUE([device newBufferWithLength:0 options:MTLResourceStorageModeShared] == nil);
  EXPECT_EQ(violation(), "a buffer of 0 bytes");
  standin::settings().maxBufferLength = 1000;
  EXPECT_TRUE([device newBufferWithLength:1001 options:MTLResourceStorageModeShared] == nil);
  EXPECT_EQ(violation(), "a buffer of 1001 bytes, but maxBufferLength is 1000");
}

TEST_F(StandinRules, FreshMemoryIsNotZero) { EXPECT_NE(words(a)[0], 0u); }

TEST_F(StandinRules, PrivateMemoryIsNotTheHosts) {
  id<MTLBuffer> buffer = [device newBufferWithLength:16 options:MTLResourceStorageModePrivate];
  EXPECT_EQ([buffer contents], nullptr);
  [buffer release];
}

TEST_F(StandinRules, WrappedMemory) {
  auto *memory =
      static_cast<char *>(mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char *page = memory + (16384 - reinterpret_cast<uintptr_t>(memory) % 16384) % 16384;
  auto wrap = [&](char *pointer, NSUInteger length, MTLResourceOptions options = MTLResourceStorageModeShared) {
    return [device newBufferWithBytesNoCopy:pointer length:length options:options deallocator:nullptr];
  };
  EXPECT_TRUE(wrap(page + 4096, 16384) == nil);
  EXPECT_EQ(violation(), "newBufferWithBytesNoCopy: the pointer is not a multiple of the page, 16384");
  EXPECT_TRUE(wrap(page, 4096) == nil);
  EXPECT_EQ(violation(), "newBufferWithBytesNoCopy: the length 4096 is not a multiple of the page, 16384");
  EXPECT_TRUE(wrap(page, 16384, MTLResourceStorageModePrivate) == nil);
  EXPECT_EQ(violation(), "newBufferWithBytesNoCopy: private storage");
  id<MTLBuffer> buffer = wrap(page, 16384);
  EXPECT_EQ([buffer contents], page);
  EXPECT_EQ([buffer length], 16384u);
  munmap(memory, 1 << 16);
  [buffer release];
  EXPECT_EQ(violation(), "memory was unmapped while a buffer had it");
  EXPECT_TRUE(wrap(page, 16384) == nil);
  EXPECT_EQ(violation(), "newBufferWithBytesNoCopy: the memory is not mapped");
}

TEST_F(StandinRules, WritingToAReadOnlyMapping) {
  @autoreleasepool {
    auto *memory = static_cast<char *>(mmap(nullptr, 1 << 16, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *page = memory + (16384 - reinterpret_cast<uintptr_t>(memory) % 16384) % 16384;
    id<MTLBuffer> weights = [device newBufferWithBytesNoCopy:page
                                                      length:16384
                                                     options:MTLResourceStorageModeShared
                                                 deallocator:nil];
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    [encoder setBuffer:weights offset:0 atIndex:0];
    go(encoder); // reading is fine
    [encoder setBuffer:weights offset:0 atIndex:1];
    go(encoder);
    EXPECT_EQ(violation(), "kernel add writes to buffer 1, which is a read-only mapping");
    finish(commands, encoder);
    [weights release];
    munmap(memory, 1 << 16);
  }
}

//===-- Command buffers and encoders --------------------------------------===//

TEST_F(StandinRules, OneEncoderAtATime) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    EXPECT_TRUE([commands computeCommandEncoderWithDispatchType:MTLDispatchTypeSerial] == nil);
    EXPECT_EQ(violation(), "a second encoder while one is open");
    [commands commit];
    EXPECT_EQ(violation(), "commit while an encoder is open");
    [commands waitUntilCompleted];
    EXPECT_EQ(violation(), "waitUntilCompleted before commit");
    finish(commands, encoder);
    EXPECT_TRUE([commands computeCommandEncoderWithDispatchType:MTLDispatchTypeSerial] == nil);
    EXPECT_EQ(violation(), "an encoder for a committed command buffer");
    [commands commit];
    EXPECT_EQ(violation(), "commit of a committed command buffer");
  }
}

TEST_F(StandinRules, NothingAfterTheEndOfAnEncoder) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    [encoder endEncoding];
    uint32_t n = 1;
    [encoder setComputePipelineState:pipeline];
    EXPECT_EQ(violation(), "setComputePipelineState: after endEncoding");
    [encoder setBuffer:a offset:0 atIndex:0];
    EXPECT_EQ(violation(), "setBuffer:offset:atIndex: after endEncoding");
    [encoder setBytes:&n length:4 atIndex:0];
    EXPECT_EQ(violation(), "setBytes:length:atIndex: after endEncoding");
    [encoder setThreadgroupMemoryLength:16 atIndex:0];
    EXPECT_EQ(violation(), "setThreadgroupMemoryLength:atIndex: after endEncoding");
    go(encoder);
    EXPECT_EQ(violation(), "dispatchThreadgroups:threadsPerThreadgroup: after endEncoding");
    [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
    EXPECT_EQ(violation(), "memoryBarrierWithScope: after endEncoding");
    [encoder endEncoding];
    EXPECT_EQ(violation(), "endEncoding after endEncoding");
    [commands commit];
  }
}

TEST_F(StandinRules, AnEncoderIsEnded) {
  @autoreleasepool {
    begin([queue commandBuffer]);
  }
  EXPECT_EQ(violation(), "an encoder was released without endEncoding");
}

TEST_F(StandinRules, TooManyOpenCommandBuffers) {
  @autoreleasepool {
    for (int i = 0; i < 64; ++i)
      [queue commandBuffer];
    EXPECT_EQ(standin::takeViolations().size(), 0u);
    [queue commandBuffer];
    EXPECT_EQ(violation(), "64 command buffers are open: Metal would wait for ever");
  }
}

TEST_F(StandinRules, LateMeansLate) {
  standin::settings().late = true;
  @autoreleasepool {
    words(b)[0] = 77;
    words(a)[0] = 1;
    id<MTLCommandBuffer> first = [queue commandBuffer], second = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(first);
    go(encoder);
    [encoder endEncoding];
    [first commit];
    EXPECT_EQ([first status], MTLCommandBufferStatusCommitted);
    EXPECT_EQ(words(b)[0], 77u);
    encoder = begin(second);
    go(encoder);
    finish(second, encoder); // the first has then completed, too
    EXPECT_EQ([first status], MTLCommandBufferStatusCompleted);
    EXPECT_EQ(words(b)[0], 2u);
  }
}

TEST_F(StandinRules, CommandsThatNobodyWaitsForStay) {
  standin::settings().late = true;
  id<MTLCommandBuffer> commands = nil;
  @autoreleasepool {
    commands = [queue commandBuffer];
    [commands commit];
  }
  EXPECT_EQ(standin::liveObjects(), "2 MTLBuffer, MTLCommandBuffer, MTLDevice, MTLQueue");
  [commands waitUntilCompleted];
}

TEST_F(StandinRules, ABufferReleasedTooEarly) {
  standin::settings().late = true;
  @autoreleasepool {
    for (bool retained : {true, false}) {
      id<MTLBuffer> buffer = [device newBufferWithLength:256 options:MTLResourceStorageModeShared];
      id<MTLCommandBuffer> commands = retained ? [queue commandBuffer] : [queue commandBufferWithUnretainedReferences];
      id<MTLComputeCommandEncoder> encoder = begin(commands);
      [encoder setBuffer:buffer offset:0 atIndex:0];
      go(encoder);
      [buffer release];
      finish(commands, encoder);
      if (!retained)
        EXPECT_EQ(violation(), "kernel add: a buffer was released before the GPU was done with it");
    }
  }
}

//===-- Dispatches --------------------------------------------------------===//

TEST_F(StandinRules, Bindings) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = [commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
    go(encoder);
    EXPECT_EQ(violation(), "a dispatch without a pipeline");
    [encoder setComputePipelineState:nil];
    EXPECT_EQ(violation(), "setComputePipelineState: nil");
    [encoder setComputePipelineState:make("add")];
    [encoder setBuffer:a offset:0 atIndex:31];
    EXPECT_EQ(violation(), "setBuffer: index 31, but there are 31 slots");
    [encoder setBuffer:a offset:256 atIndex:0];
    EXPECT_EQ(violation(), "setBuffer: offset 256 in a buffer of 256 bytes");
    std::vector<char> block(4097);
    [encoder setBytes:block.data() length:4097 atIndex:2];
    EXPECT_EQ(violation(), "setBytes: 4097 bytes, 1 to 4096 are allowed");
    [encoder setBytes:block.data() length:0 atIndex:2];
    EXPECT_EQ(violation(), "setBytes: 0 bytes, 1 to 4096 are allowed");
    [encoder setBytes:block.data() length:4 atIndex:31];
    EXPECT_EQ(violation(), "setBytes: index 31, but there are 31 slots");
    [encoder setBuffer:a offset:0 atIndex:0];
    [encoder setBytes:block.data() length:4 atIndex:2];
    go(encoder);
    EXPECT_EQ(violation(), "kernel add: nothing is bound to buffer 1 (b)");
    [encoder setBytes:block.data() length:4 atIndex:1];
    go(encoder);
    EXPECT_EQ(violation(), "kernel add writes to buffer 1, which is setBytes");
    finish(commands, encoder);
  }
}

TEST_F(StandinRules, OffsetsAreAligned) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    [encoder setComputePipelineState:make("vectors")];
    [encoder setBuffer:a offset:16 atIndex:0];
    go(encoder);
    [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
    [encoder setBuffer:a offset:8 atIndex:0];
    go(encoder);
    EXPECT_EQ(violation(), "kernel vectors: buffer 0 (const uint4*) at offset 8, not a multiple of 16");
    [encoder endEncoding];
  }
}

TEST_F(StandinRules, Grids) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    go(encoder, {0, 1, 1});
    EXPECT_EQ(violation(), "kernel add: a grid of 0 x 1 x 1");
    go(encoder, {1ul << 32, 1, 1});
    EXPECT_EQ(violation(), "kernel add: a grid beyond 32 bits");
    go(encoder, {1, 1, 1}, {32, 33, 1});
    EXPECT_EQ(violation(), "kernel add: 1056 threads per threadgroup, 1 to 1024 are allowed");
    go(encoder, {1, 1, 1}, {0, 1, 1});
    EXPECT_EQ(violation(), "kernel add: 0 threads per threadgroup, 1 to 1024 are allowed");
    [encoder setComputePipelineState:make("add", /*whole=*/true)];
    go(encoder, {1, 1, 1}, {16, 1, 1});
    EXPECT_EQ(violation(), "kernel add: 16 threads per threadgroup, but its pipeline promises a multiple of 32");
    finish(commands, encoder);
  }
}

TEST_F(StandinRules, ThreadgroupMemory) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    [encoder setComputePipelineState:make("shared")];
    go(encoder);
    EXPECT_EQ(violation(), "kernel shared: no threadgroup memory at index 0");
    [encoder setThreadgroupMemoryLength:100 atIndex:0];
    EXPECT_EQ(violation(), "setThreadgroupMemoryLength: 100 is not a multiple of 16");
    [encoder setThreadgroupMemoryLength:16 atIndex:31];
    EXPECT_EQ(violation(), "setThreadgroupMemoryLength: index 31");
    [encoder setThreadgroupMemoryLength:32784 atIndex:0];
    go(encoder);
    EXPECT_EQ(violation(), "kernel shared: 32784 bytes of threadgroup memory, at most 32768 are allowed");
    [encoder setThreadgroupMemoryLength:128 atIndex:0];
    go(encoder);
    finish(commands, encoder);
    EXPECT_EQ(words(a)[0], 31u);
  }
}

TEST_F(StandinRules, MissingBarriers) {
  @autoreleasepool {
    for (auto type : {MTLDispatchTypeSerial, MTLDispatchTypeConcurrent})
      for (bool barrier : {false, true}) {
        id<MTLCommandBuffer> commands = [queue commandBuffer];
        id<MTLComputeCommandEncoder> encoder = begin(commands, type);
        go(encoder);
        if (barrier)
          [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
        [encoder setBuffer:b offset:0 atIndex:0];
        [encoder setBuffer:a offset:0 atIndex:1];
        go(encoder);
        finish(commands, encoder);
        if (type == MTLDispatchTypeConcurrent && !barrier) {
          std::vector<std::string> all = standin::takeViolations();
          ASSERT_EQ(all.size(), 2u); // each reads what the other writes
          EXPECT_NE(all[0].find("missing barrier: dispatch"), std::string::npos);
        }
      }
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    [encoder memoryBarrierWithScope:MTLBarrierScopeTextures];
    EXPECT_EQ(violation(), "a barrier that is not for buffers");
    [encoder endEncoding];
  }
}

TEST_F(StandinRules, UntrackedBuffersBetweenEncoders) {
  @autoreleasepool {
    for (auto options : {MTLResourceStorageModeShared, MTLResourceHazardTrackingModeUntracked}) {
      id<MTLBuffer> buffer = [device newBufferWithLength:256 options:options];
      id<MTLCommandBuffer> commands = [queue commandBuffer];
      id<MTLComputeCommandEncoder> encoder = begin(commands);
      [encoder setBuffer:buffer offset:0 atIndex:1];
      go(encoder);
      [encoder endEncoding];
      encoder = begin(commands);
      [encoder setBuffer:buffer offset:0 atIndex:0];
      go(encoder);
      finish(commands, encoder);
      if (options != MTLResourceStorageModeShared)
        EXPECT_NE(violation().find("missing fence: dispatch"), std::string::npos);
      [buffer release];
    }
  }
}

TEST_F(StandinRules, KernelsKeepToWhatIsBound) {
  @autoreleasepool {
    id<MTLCommandBuffer> commands = [queue commandBuffer];
    id<MTLComputeCommandEncoder> encoder = begin(commands);
    [encoder setBuffer:a offset:252 atIndex:0];
    go(encoder);
    finish(commands, encoder);
    EXPECT_EQ([commands status], MTLCommandBufferStatusError);
    EXPECT_EQ([[commands error] code], NSInteger(MTLCommandBufferErrorPageFault));
    const char *words = [[[commands error] localizedDescription] UTF8String];
    EXPECT_NE(std::string(words ? words : "").find("kernel add"), std::string::npos);
  }
}

//===-- Systems, residency, captures --------------------------------------===//

TEST_F(StandinRules, WhatThisSystemLacks) {
  standin::settings().macos = 14;
  @autoreleasepool {
    EXPECT_FALSE([device respondsToSelector:@selector(newResidencySetWithDescriptor:error:)]);
    EXPECT_TRUE([device respondsToSelector:@selector(newBinaryArchiveWithDescriptor:error:)]);
    MTLResidencySetDescriptor *descriptor = [[MTLResidencySetDescriptor new] autorelease];
    EXPECT_EQ(violation(), "macOS 14 has no class MTLResidencySetDescriptor");
    id set = [[device newResidencySetWithDescriptor:descriptor error:nullptr] autorelease];
    EXPECT_EQ(violation(), "macOS 14 has no message newResidencySetWithDescriptor:error:");
    [queue addResidencySet:set];
    EXPECT_EQ(violation(), "macOS 14 has no message addResidencySet:");
    [queue removeResidencySet:set];
    EXPECT_EQ(violation(), "macOS 14 has no message removeResidencySet:");
    MTLCompileOptions *options = [[MTLCompileOptions new] autorelease];
    EXPECT_FALSE([options respondsToSelector:@selector(setMathMode:)]);
    [options setMathMode:MTLMathModeSafe];
    EXPECT_EQ(violation(), "macOS 14 has no message setMathMode:");
    [options setMathFloatingPointFunctions:MTLMathFloatingPointFunctionsPrecise];
    EXPECT_EQ(violation(), "macOS 14 has no message setMathFloatingPointFunctions:");
    [options setLanguageVersion:MTLLanguageVersion3_2];
    EXPECT_EQ(violation(), "macOS 14 has no MSL later than 3.1");
  }
}

TEST_F(StandinRules, ResidencySets) {
  @autoreleasepool {
    MTLResidencySetDescriptor *descriptor = [[MTLResidencySetDescriptor new] autorelease];
    id<MTLResidencySet> set = [[device newResidencySetWithDescriptor:descriptor error:nullptr] autorelease];
    [set addAllocation:nil];
    EXPECT_EQ(violation(), "addAllocation: nil");
    [set addAllocation:a];
    [set requestResidency];
    EXPECT_EQ(violation(), "requestResidency before commit: what was added is not in the set");
    [queue addResidencySet:set];
    [[queue commandBuffer] commit];
    EXPECT_EQ(violation(), "commit with a residency set whose changes are not committed");
    [set commit];
    for (int i = 1; i < 33; ++i)
      [queue addResidencySet:set];
    EXPECT_EQ(violation(), "a queue takes 32 residency sets");
    for (int i = 0; i < 33; ++i)
      [queue removeResidencySet:set];
    EXPECT_EQ(violation(), "removeResidencySet: the queue does not have it");
  }
}

TEST_F(StandinRules, PipelineDescriptors) {
  @autoreleasepool {
    MTLComputePipelineDescriptor *descriptor = [[MTLComputePipelineDescriptor new] autorelease];
    EXPECT_TRUE([device newComputePipelineStateWithDescriptor:descriptor
                                                      options:MTLPipelineOptionNone
                                                   reflection:nullptr
                                                        error:nullptr] == nil);
    EXPECT_EQ(violation(), "a pipeline descriptor without a function");
    EXPECT_TRUE([device newComputePipelineStateWithDescriptor:nil
                                                      options:MTLPipelineOptionNone
                                                   reflection:nullptr
                                                        error:nullptr] == nil);
    EXPECT_EQ(violation(), "a nil pipeline descriptor");
    [descriptor setMaxTotalThreadsPerThreadgroup:1025];
    EXPECT_EQ(violation(), "maxTotalThreadsPerThreadgroup is 1025, at most 1024 are allowed");
    EXPECT_TRUE([device newLibraryWithSource:nil options:nil error:nullptr] == nil);
    EXPECT_EQ(violation(), "newLibraryWithSource: nil");
  }
}

TEST_F(StandinRules, FastMathIsSeen) {
  @autoreleasepool {
    make("add"); // with default options
    EXPECT_EQ(standin::counts().fastMathLibraries, 1u);
    EXPECT_EQ(standin::counts().olderLibraries, 0u);
  }
}

TEST_F(StandinRules, Captures) {
  @autoreleasepool {
    MTLCaptureManager *manager = [MTLCaptureManager sharedCaptureManager];
    [manager stopCapture];
    EXPECT_EQ(violation(), "stopCapture without a capture");
    TemporaryDirectory folder;
    std::string path = folder.path("a.gputrace");
    NSString *string = [[[NSString alloc] initWithBytes:path.data() length:path.size()
                                               encoding:NSUTF8StringEncoding] autorelease];
    MTLCaptureDescriptor *descriptor = [[MTLCaptureDescriptor new] autorelease];
    [descriptor setCaptureObject:queue];
    [descriptor setDestination:MTLCaptureDestinationGPUTraceDocument];
    [descriptor setOutputURL:[NSURL fileURLWithPath:string]];
    EXPECT_TRUE([manager startCaptureWithDescriptor:descriptor error:nullptr]);
    NSError *error = nil;
    EXPECT_FALSE([manager startCaptureWithDescriptor:descriptor error:&error]);
    EXPECT_STREQ([[error localizedDescription] UTF8String], "Already capturing");
    [manager stopCapture];
    EXPECT_FALSE([manager startCaptureWithDescriptor:descriptor error:nullptr]); // it exists now
  }
}

} // namespace
