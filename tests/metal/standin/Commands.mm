//===- Commands.mm - Queues, command buffers, encoders --------------------===//
// A dispatch is checked when it is encoded, as Metal's validation does, and run
// when its command buffer is: at its commit, or with Settings::late at the last
// moment that Metal allows.
//===----------------------------------------------------------------------===//

#include "tests/metal/standin/Internal.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>

using namespace tq;
using namespace tq::standin;

namespace {

constexpr size_t kSlots = 31, kMaxBytes = 4096, kMaxThreadgroupMemory = 32768, kMaxInFlight = 64, kMaxSets = 32;

/// What is bound to one index: a buffer, bytes, or nothing.
struct Slot {
  StandinBuffer *buffer = nil;
  uint64_t offset = 0;
  std::shared_ptr<std::vector<std::byte>> bytes;
};

struct Command {
  enum Kind { Dispatch, Barrier, EndEncoder } kind;
  Ref<StandinPipeline *> pipeline;
  std::array<Slot, kSlots> slots;
  metal::Launch launch;
};

struct QueueState;

struct CommandsState final : ObjectState {
  MTLCommandBufferStatus status = MTLCommandBufferStatusNotEnqueued;
  Ref<StandinQueue *> queue;
  bool retains = true;
  id encoder = nil; // open; not counted
  std::vector<Command> all;
  std::vector<Ref<StandinBuffer *>> retained;
  Ref<NSError *> error;
  double begin = 0, end = 0;
};

struct QueueState final : ObjectState {
  std::deque<Ref<id>> committed; ///< not yet run
  size_t open = 0;               ///< made, but not committed
  std::vector<Ref<id>> sets;
  Hazards hazards;
};

struct EncoderState final : ObjectState {
  Ref<id> commands;
  bool concurrent = true, ended = false;
  Ref<StandinPipeline *> pipeline;
  std::array<Slot, kSlots> slots;
  std::array<uint64_t, kSlots> threadgroupMemory = {};
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Natural alignment of what a pointer parameter points to ("const half4*": 8), at least 1.
uint64_t alignmentOf(std::string_view type) {
  static const std::map<std::string_view, uint64_t> scalars = {
      {"char", 1},   {"uchar", 1}, {"bool", 1}, {"short", 2}, {"ushort", 2}, {"half", 2},
      {"bfloat", 2}, {"int", 4},   {"uint", 4}, {"float", 4}, {"long", 8},   {"ulong", 8}};
  for (std::string_view word : {"const ", "volatile "})
    if (type.starts_with(word))
      type.remove_prefix(word.size());
  type = type.substr(0, type.find_first_of(" *&"));
  uint64_t lanes = 1;
  if (!type.empty() && type.back() >= '2' && type.back() <= '4') {
    lanes = type.back() == '2' ? 2 : 4;
    type.remove_suffix(1);
  }
  auto found = scalars.find(type);
  return found == scalars.end() ? 1 : found->second * lanes;
}

/// What the slot binds, as far as the kernel may touch it.
metal::BufferBinding bindingOf(const std::string &kernel, int index, const Slot &slot, bool &exact) {
  if (slot.bytes)
    return {index, slot.bytes->data(), slot.bytes->size()};
  auto &buffer = stateOf<BufferState>(slot.buffer);
  metal::BufferBinding binding = {index, buffer.data + slot.offset, buffer.bytes - slot.offset};
  exact = static_cast<bool>(settings().extent);
  if (exact)
    binding.bytes = std::min(binding.bytes,
                             settings().extent({kernel, index, buffer.data + slot.offset, slot.offset, binding.bytes}));
  return binding;
}

/// Fills in the launch's buffers; false if the dispatch may not run.
bool bind(Command &command) {
  const metal::Kernel &kernel = *stateOf<PipelineState>(command.pipeline).kernel;
  bool fine = true;
  for (const metal::Parameter &parameter : kernel.parameters) {
    if (parameter.kind == metal::Parameter::ThreadgroupMemory) {
      bool given = std::ranges::any_of(command.launch.threadgroupMemory, [&](const metal::ThreadgroupBinding &memory) {
        return memory.index == parameter.index;
      });
      fine &= require(given, "kernel {}: no threadgroup memory at index {}", kernel.name, parameter.index);
    }
    if (parameter.kind != metal::Parameter::Buffer)
      continue;
    const Slot &slot = command.slots[parameter.index];
    if (!require(slot.buffer || slot.bytes, "kernel {}: nothing is bound to buffer {} ({})", kernel.name,
                 parameter.index, parameter.name)) {
      fine = false;
      continue;
    }
    if (slot.bytes) {
      fine &= require(parameter.isConst || parameter.isConstant, "kernel {} writes to buffer {}, which is setBytes",
                      kernel.name, parameter.index);
      continue;
    }
    uint64_t alignment = alignmentOf(parameter.type);
    require(slot.offset % alignment == 0, "kernel {}: buffer {} ({}) at offset {}, not a multiple of {}", kernel.name,
            parameter.index, parameter.type, slot.offset, alignment);
    if (!parameter.isConst && !parameter.isConstant)
      fine &= require(stateOf<BufferState>(slot.buffer).writable,
                      "kernel {} writes to buffer {}, which is a read-only mapping", kernel.name, parameter.index);
  }
  return fine;
}

/// Accesses of a dispatch, for Hazards; fills in the launch.
std::vector<Access> resolve(Command &command, bool &exact) {
  const metal::Kernel &kernel = *stateOf<PipelineState>(command.pipeline).kernel;
  std::vector<Access> accesses;
  for (const metal::Parameter &parameter : kernel.parameters) {
    if (parameter.kind != metal::Parameter::Buffer)
      continue;
    const Slot &slot = command.slots[parameter.index];
    metal::BufferBinding binding = bindingOf(kernel.name, parameter.index, slot, exact);
    command.launch.buffers.push_back(binding);
    auto begin = reinterpret_cast<uintptr_t>(binding.data);
    if (slot.buffer)
      accesses.push_back({begin, begin + binding.bytes, !parameter.isConst && !parameter.isConstant,
                          stateOf<BufferState>(slot.buffer).tracked, parameter.index});
  }
  return accesses;
}

void runDispatch(Command &command, QueueState &queue, CommandsState &commands) {
  auto &pipeline = stateOf<PipelineState>(command.pipeline);
  for (const Slot &slot : command.slots)
    if (slot.buffer &&
        !require(isAlive(slot.buffer), "kernel {}: a buffer was released before the GPU was done with it",
                 pipeline.kernel->name))
      return;
  bool exact = false;
  std::vector<Access> accesses = resolve(command, exact);
  for (std::string &complaint : queue.hazards.dispatch(pipeline.kernel->name, accesses, exact))
    violation(std::move(complaint));
  if (commands.error)
    return; // a GPU does not go on after a fault either
  command.launch.schedule = settings().schedule;
  Status status = pipeline.kernels->run(pipeline.kernel->name, command.launch);
  if (!status.ok())
    commands.error = Ref<NSError *>(makeError(MTLCommandBufferErrorPageFault, status.message()));
}

/// Does the machine fail this command buffer?
void failOnPurpose(CommandsState &commands) {
  int &left = settings().failCommandBuffer;
  if (left == 0)
    commands.error = Ref<NSError *>(makeError(settings().errorCode, "the command buffer failed on purpose"));
  if (left >= 0)
    --left;
}

void runCommands(id object) {
  auto &commands = stateOf<CommandsState>(object);
  auto &queue = stateOf<QueueState>(commands.queue);
  @autoreleasepool {
    commands.begin = now();
    failOnPurpose(commands);
    for (Command &command : commands.all)
      switch (command.kind) {
      case Command::Dispatch:
        runDispatch(command, queue, commands);
        break;
      case Command::Barrier:
        queue.hazards.barrier();
        break;
      case Command::EndEncoder:
        queue.hazards.endEncoder();
        break;
      }
    commands.end = now();
    commands.status = commands.error ? MTLCommandBufferStatusError : MTLCommandBufferStatusCompleted;
    commands.all.clear();
    commands.retained.clear();
  }
}

/// Runs what was committed, in order, up to and with `last`.
void drain(QueueState &queue, id last) {
  while (!queue.committed.empty()) {
    Ref<id> commands = queue.committed.front();
    queue.committed.pop_front();
    runCommands(commands);
    if (commands == last)
      break;
  }
}

} // namespace

//===-- Encoder -----------------------------------------------------------===//

@interface StandinEncoder : NSObject <MTLComputeCommandEncoder>
@end

@implementation StandinEncoder
- (instancetype)init {
  state = newState<EncoderState>();
  return self;
}
- (void)dealloc {
  auto &encoder = stateOf<EncoderState>(self);
  if (!require(encoder.ended, "an encoder was released without endEncoding"))
    stateOf<CommandsState>(encoder.commands).encoder = nil;
  [super dealloc];
}
- (BOOL)isOpenFor:(SEL)selector {
  return require(!stateOf<EncoderState>(self).ended, "{} after endEncoding", sel_getName(selector));
}
- (void)setComputePipelineState:(id<MTLComputePipelineState>)pipeline {
  if ([self isOpenFor:_cmd] && require(pipeline != nil, "setComputePipelineState: nil"))
    stateOf<EncoderState>(self).pipeline = Ref<StandinPipeline *>(pipeline);
}
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index {
  if (![self isOpenFor:_cmd] || !require(index < kSlots, "setBuffer: index {}, but there are {} slots", index, kSlots))
    return;
  Slot &slot = stateOf<EncoderState>(self).slots[index];
  slot = {};
  if (!buffer ||
      !require(offset < [buffer length], "setBuffer: offset {} in a buffer of {} bytes", offset, [buffer length]))
    return;
  slot.buffer = static_cast<StandinBuffer *>(buffer);
  slot.offset = offset;
}
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index {
  if (![self isOpenFor:_cmd] || !require(index < kSlots, "setBytes: index {}, but there are {} slots", index, kSlots) ||
      !require(bytes && length > 0 && length <= kMaxBytes, "setBytes: {} bytes, 1 to {} are allowed", length,
               kMaxBytes))
    return;
  auto *begin = static_cast<const std::byte *>(bytes);
  stateOf<EncoderState>(self).slots[index] = {nil, 0, std::make_shared<std::vector<std::byte>>(begin, begin + length)};
}
- (void)setThreadgroupMemoryLength:(NSUInteger)length atIndex:(NSUInteger)index {
  if ([self isOpenFor:_cmd] && require(index < kSlots, "setThreadgroupMemoryLength: index {}", index) &&
      require(length % 16 == 0, "setThreadgroupMemoryLength: {} is not a multiple of 16", length))
    stateOf<EncoderState>(self).threadgroupMemory[index] = length;
}
- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads {
  auto &encoder = stateOf<EncoderState>(self);
  if (![self isOpenFor:_cmd] || !require(static_cast<bool>(encoder.pipeline), "a dispatch without a pipeline"))
    return;
  auto &pipeline = stateOf<PipelineState>(encoder.pipeline);
  const std::string &name = pipeline.kernel->name;
  NSUInteger perGroup = threads.width * threads.height * threads.depth;
  if (!require(groups.width && groups.height && groups.depth, "kernel {}: a grid of {} x {} x {}", name, groups.width,
               groups.height, groups.depth) ||
      !require(std::max({groups.width, groups.height, groups.depth}) <= UINT32_MAX, "kernel {}: a grid beyond 32 bits",
               name) ||
      !require(perGroup > 0 && perGroup <= pipeline.maxThreads,
               "kernel {}: {} threads per threadgroup, 1 to {} are "
               "allowed",
               name, perGroup, pipeline.maxThreads) ||
      !require(!pipeline.wholeSimdgroups || perGroup % settings().simdWidth == 0,
               "kernel {}: {} threads per threadgroup, but its pipeline promises a multiple of {}", name, perGroup,
               settings().simdWidth))
    return;
  Command command{Command::Dispatch, encoder.pipeline, encoder.slots, {}};
  auto narrow = [](MTLSize size) {
    return std::array{static_cast<uint32_t>(size.width), static_cast<uint32_t>(size.height),
                      static_cast<uint32_t>(size.depth)};
  };
  command.launch.threadgroups = narrow(groups);
  command.launch.threadsPerThreadgroup = narrow(threads);
  uint64_t shared = pipeline.kernel->threadgroupBytes;
  for (size_t i = 0; i < kSlots; ++i)
    if (uint64_t bytes = encoder.threadgroupMemory[i]) {
      command.launch.threadgroupMemory.push_back({static_cast<int>(i), bytes});
      shared += bytes;
    }
  if (!require(shared <= kMaxThreadgroupMemory, "kernel {}: {} bytes of threadgroup memory, at most {} are allowed",
               name, shared, kMaxThreadgroupMemory) ||
      !bind(command))
    return;
  auto &commands = stateOf<CommandsState>(encoder.commands);
  if (commands.retains)
    for (const Slot &slot : command.slots)
      if (slot.buffer)
        commands.retained.emplace_back(slot.buffer);
  commands.all.push_back(std::move(command));
  if (!encoder.concurrent)
    commands.all.push_back({Command::Barrier, {}, {}, {}});
  count(&Counts::dispatches);
}
- (void)memoryBarrierWithScope:(MTLBarrierScope)scope {
  if (![self isOpenFor:_cmd] || !require(scope & MTLBarrierScopeBuffers, "a barrier that is not for buffers"))
    return;
  stateOf<CommandsState>(stateOf<EncoderState>(self).commands).all.push_back({Command::Barrier, {}, {}, {}});
  count(&Counts::barriers);
}
- (void)endEncoding {
  if (![self isOpenFor:_cmd])
    return;
  auto &encoder = stateOf<EncoderState>(self);
  encoder.ended = true;
  auto &commands = stateOf<CommandsState>(encoder.commands);
  commands.encoder = nil;
  commands.all.push_back({Command::EndEncoder, {}, {}, {}});
}
@end

//===-- Command buffer ----------------------------------------------------===//

@interface StandinCommandBuffer : NSObject <MTLCommandBuffer>
@end

@implementation StandinCommandBuffer
- (instancetype)init {
  state = newState<CommandsState>();
  return self;
}
- (void)dealloc {
  auto &commands = stateOf<CommandsState>(self);
  if (commands.status < MTLCommandBufferStatusCommitted)
    --stateOf<QueueState>(commands.queue).open;
  [super dealloc];
}
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type {
  auto &commands = stateOf<CommandsState>(self);
  if (!require(!commands.encoder, "a second encoder while one is open") ||
      !require(commands.status < MTLCommandBufferStatusCommitted, "an encoder for a committed command buffer"))
    return nil;
  StandinEncoder *object = [[StandinEncoder new] autorelease];
  auto &encoder = stateOf<EncoderState>(object);
  encoder.commands = Ref<id>(self);
  encoder.concurrent = type == MTLDispatchTypeConcurrent;
  commands.encoder = object;
  count(&Counts::encoders);
  return object;
}
- (void)commit {
  auto &commands = stateOf<CommandsState>(self);
  if (!require(!commands.encoder, "commit while an encoder is open") ||
      !require(commands.status < MTLCommandBufferStatusCommitted, "commit of a committed command buffer"))
    return;
  auto &queue = stateOf<QueueState>(commands.queue);
  for (const Ref<id> &set : queue.sets)
    require(!stateOf<ResidencyState>(set).changed, "commit with a residency set whose changes are not committed");
  commands.status = MTLCommandBufferStatusCommitted;
  --queue.open;
  queue.committed.emplace_back(self);
  if (!settings().late)
    drain(queue, self);
}
- (void)waitUntilCompleted {
  auto &commands = stateOf<CommandsState>(self);
  if (!require(commands.status >= MTLCommandBufferStatusCommitted, "waitUntilCompleted before commit"))
    return;
  auto &queue = stateOf<QueueState>(commands.queue);
  if (commands.status == MTLCommandBufferStatusCommitted)
    drain(queue, self);
  if (queue.committed.empty())
    queue.hazards.completed();
}
- (MTLCommandBufferStatus)status {
  return stateOf<CommandsState>(self).status;
}
- (NSError *)error {
  return stateOf<CommandsState>(self).error;
}
- (double)GPUStartTime {
  return stateOf<CommandsState>(self).begin;
}
- (double)GPUEndTime {
  return stateOf<CommandsState>(self).end;
}
@end

//===-- Queue -------------------------------------------------------------===//

@implementation StandinQueue
- (instancetype)init {
  state = newState<QueueState>();
  return self;
}
- (id<MTLCommandBuffer>)commandBuffer {
  auto &queue = stateOf<QueueState>(self);
  require(queue.open < kMaxInFlight, "{} command buffers are open: Metal would wait for ever", queue.open);
  // Metal waits until one of those in flight has completed.
  if (queue.open + queue.committed.size() >= kMaxInFlight && !queue.committed.empty())
    drain(queue, queue.committed.front());
  ++queue.open;
  count(&Counts::commandBuffers);
  StandinCommandBuffer *commands = [[StandinCommandBuffer new] autorelease];
  stateOf<CommandsState>(commands).queue = Ref<StandinQueue *>(self);
  return commands;
}
- (id<MTLCommandBuffer>)commandBufferWithUnretainedReferences {
  id<MTLCommandBuffer> commands = [self commandBuffer];
  stateOf<CommandsState>(commands).retains = false;
  return commands;
}
- (void)addResidencySet:(id<MTLResidencySet>)set {
  requireSystem(_cmd);
  auto &queue = stateOf<QueueState>(self);
  if (require(queue.sets.size() < kMaxSets, "a queue takes {} residency sets", kMaxSets))
    queue.sets.emplace_back(set);
}
- (void)removeResidencySet:(id<MTLResidencySet>)set {
  requireSystem(_cmd);
  auto &sets = stateOf<QueueState>(self).sets;
  auto found = std::ranges::find_if(sets, [&](const Ref<id> &member) { return static_cast<id>(member) == set; });
  if (require(found != sets.end(), "removeResidencySet: the queue does not have it"))
    sets.erase(found);
}
@end

namespace tq::standin {
id<MTLCommandQueue> makeQueue() { return settings().refuseQueue ? nil : [StandinQueue new]; }
} // namespace tq::standin
