//===- StandinRules.h - A client of the stand-in ----------------*- C++ -*-===//
// What tests of the stand-in's rules have in common: they do one thing wrong and ask for violation().
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_STANDINRULES_H
#define TQ_TESTS_METAL_STANDIN_STANDINRULES_H

#include "tests/metal/standin/MetalToy.h"

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

namespace tq {

inline constexpr char kRuleKernels[] = R"(#include <metal_stdlib>
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
        NSString *source = [[[NSString alloc] initWithBytes:kRuleKernels
                                                     length:sizeof kRuleKernels - 1
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

} // namespace tq

#endif // TQ_TESTS_METAL_STANDIN_STANDINRULES_H
