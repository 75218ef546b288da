//===- StandinTest.mm - The stand-in notices what a wrong client does -----===//
// One small wrong client for each rule: a stand-in that lets one pass is worse
// than none. Objects, buffers and what systems lack; the rest is in
// StandinCommandsTest.mm.
//===----------------------------------------------------------------------===//

#include "tests/metal/standin/StandinRules.h"

#include <sys/mman.h>

using namespace tq;

namespace {

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
