//===- Objects.mm - Foundation: objects, pools, strings -------------------===//
// Counts references as Foundation does, but an object that is gone becomes a
// zombie instead of free memory: a later message to it is a broken rule with a
// name, not a crash somewhere else.
//===----------------------------------------------------------------------===//

#include "tests/metal/standin/Internal.h"

#include <mutex>
#include <unordered_map>

using namespace tq::standin;

namespace {

std::mutex mutex;
std::unordered_map<const void *, Class> alive;
std::unordered_map<const void *, Class> zombies; // with their class in life

/// Pools of this thread, innermost last.
thread_local std::vector<std::vector<id>> pools;

std::string nameOf(Class type) {
  std::string_view name = class_getName(type);
  constexpr std::string_view prefix = "Standin";
  return name.starts_with(prefix) ? "MTL" + std::string(name.substr(prefix.size())) : std::string(name);
}

} // namespace

/// What an object turns into.
__attribute__((objc_root_class))
@interface StandinZombie {
  Class isa;
}
@end

@implementation StandinZombie
- (id)complain:(SEL)selector {
  Class type = nil;
  {
    std::lock_guard lock(mutex);
    if (auto found = zombies.find(self); found != zombies.end())
      type = found->second;
  }
  violation(fmt::format("message {} to a released {}", sel_getName(selector), type ? nameOf(type) : "object"));
  return nil;
}
- (id)retain {
  [self complain:_cmd];
  return self;
}
- (oneway void)release {
  [self complain:_cmd];
}
- (id)autorelease {
  [self complain:_cmd];
  return self;
}
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wmissing-selector-name"
/// GCC's runtime sends whatever is not implemented here.
- (id)forward:(SEL)selector:(void *)arguments {
  return [self complain:selector];
}
#pragma clang diagnostic pop
@end

@implementation NSObject
+ (void)initialize {
}
+ (Class)class {
  return self;
}
+ (instancetype)alloc {
  NSObject *object = class_createInstance(self, 0);
  object->references = 1;
  std::lock_guard lock(mutex);
  alive[object] = self;
  return object;
}
+ (instancetype)new {
  return [[self alloc] init];
}
- (instancetype)init {
  return self;
}
- (void)dealloc {
  delete static_cast<ObjectState *>(state);
  state = nullptr;
  std::lock_guard lock(mutex);
  alive.erase(self);
  zombies[self] = object_getClass(self);
  object_setClass(self, objc_getClass("StandinZombie"));
}
- (instancetype)retain {
  __atomic_add_fetch(&references, 1, __ATOMIC_RELAXED);
  return self;
}
- (oneway void)release {
  if (__atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL) == 0)
    [self dealloc];
}
- (instancetype)autorelease {
  if (require(!pools.empty(), "autorelease of a {} without an @autoreleasepool: it leaks",
              nameOf(object_getClass(self))))
    pools.back().push_back(self);
  return self;
}
- (NSUInteger)retainCount {
  return references;
}
- (BOOL)respondsToSelector:(SEL)selector {
  return class_respondsToSelector(object_getClass(self), selector) && systemHas(sel_getName(selector));
}
@end

//===-- Pools -------------------------------------------------------------===//

@implementation NSAutoreleasePool
- (instancetype)init {
  pools.emplace_back();
  return self;
}
- (void)drain {
  // What is released may autorelease again.
  while (!pools.back().empty()) {
    id object = pools.back().back();
    pools.back().pop_back();
    [object release];
  }
  pools.pop_back();
  [self release];
}
@end

//===-- Strings, errors, URLs, arrays -------------------------------------===//

namespace {
struct Text final : ObjectState {
  std::string text;
};
struct ErrorState final : ObjectState {
  NSInteger code = 0;
  Ref<NSString *> message;
};
struct Elements final : ObjectState {
  std::vector<Ref<id>> all;
};
} // namespace

@implementation NSString
- (instancetype)initWithBytes:(const void *)bytes length:(NSUInteger)length encoding:(NSStringEncoding)encoding {
  state = newState<Text>();
  stateOf<Text>(self).text.assign(static_cast<const char *>(bytes), length);
  return self;
}
- (const char *)UTF8String {
  return stateOf<Text>(self).text.c_str();
}
@end

@implementation NSConstantString
// What the compiler lays out is the class, the characters, their number.
- (const char *)UTF8String {
  return *reinterpret_cast<char *const *>(reinterpret_cast<const char *>(self) + sizeof(Class));
}
- (instancetype)retain {
  return self;
}
- (oneway void)release {
}
- (instancetype)autorelease {
  return self;
}
@end

@implementation NSError
- (instancetype)init {
  state = newState<ErrorState>();
  return self;
}
- (NSInteger)code {
  return stateOf<ErrorState>(self).code;
}
- (NSString *)localizedDescription {
  return stateOf<ErrorState>(self).message;
}
@end

@implementation NSURL
+ (instancetype)fileURLWithPath:(NSString *)path {
  NSURL *url = [[self new] autorelease];
  url->state = newState<Text>();
  stateOf<Text>(url).text = toString(path);
  return url;
}
@end

@implementation NSArray
+ (instancetype)arrayWithObject:(id)object {
  NSArray *array = [[self new] autorelease];
  array->state = newState<Elements>();
  if (require(object != nil, "arrayWithObject: nil"))
    stateOf<Elements>(array).all.emplace_back(object);
  return array;
}
@end

namespace tq::standin {

bool requireSystem(SEL selector) {
  return require(systemHas(sel_getName(selector)), "macOS {} has no message {}", settings().macos,
                 sel_getName(selector));
}

bool isAlive(const void *object) {
  std::lock_guard lock(mutex);
  return alive.contains(object);
}

std::string liveObjects() {
  std::map<std::string, int> classes;
  {
    std::lock_guard lock(mutex);
    for (auto &[object, type] : alive) // NOLINT(bugprone-nondeterministic-pointer-iteration-order): only counted
      ++classes[nameOf(type)];
  }
  std::string result;
  for (auto &[name, number] : classes)
    result += fmt::format("{}{}{}", result.empty() ? "" : ", ", number > 1 ? fmt::format("{} ", number) : "", name);
  return result;
}

void forgetObjects() {
  std::lock_guard lock(mutex);
  for (auto &[object, type] : zombies) // NOLINT(bugprone-nondeterministic-pointer-iteration-order): all go
    free(const_cast<void *>(object));
  // Leaked objects stay where they are: somebody may still point to them.
  zombies.clear();
  alive.clear();
}

std::string toString(NSString *string) { return string ? [string UTF8String] : ""; }

NSString *toNSString(const std::string &text) {
  return [[[NSString alloc] initWithBytes:text.data() length:text.size() encoding:NSUTF8StringEncoding] autorelease];
}

const std::string &pathOf(NSURL *url) { return stateOf<Text>(url).text; }

NSError *makeError(NSInteger code, const std::string &message) {
  NSError *error = [[NSError new] autorelease];
  stateOf<ErrorState>(error).code = code;
  stateOf<ErrorState>(error).message = Ref<NSString *>(toNSString(message));
  return error;
}

void fail(NSError **error, NSInteger code, const std::string &message) {
  if (error)
    *error = makeError(code, message);
}

const std::vector<Ref<id>> &elements(NSArray *array) {
  static const std::vector<Ref<id>> none;
  return array ? stateOf<Elements>(array).all : none;
}

} // namespace tq::standin
