//===- StandinCommandsTest.mm - Likewise for commands and dispatches ------===//
// As StandinTest.mm: one small wrong client for each rule.
//===----------------------------------------------------------------------===//

#include "tests/metal/standin/StandinRules.h"

using namespace tq;

namespace {

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

} // namespace
