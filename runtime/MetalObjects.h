//===- MetalObjects.h - Objective-C objects in C++ --------------*- C++ -*-===//
// Manual retain and release: every object that alloc, new... or Create gave is
// held by an Own; all others live until the @autoreleasepool around each entry
// into the Metal backend ends. Texts are copied out of Objective-C objects at
// once.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_METALOBJECTS_H
#define TQ_RUNTIME_METALOBJECTS_H

#include "runtime/PackageFormat.h"
#include "runtime/Printable.h"

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace tq::apple {

constexpr int kSimdWidth = 32;
/// Buffers of a kernel, the parameter block among them: an Apple GPU has so
/// many slots.
constexpr size_t kBufferSlots = 31;

/// An object that alloc, new... or Create gave, released at the end.
template <class T> class Own {
public:
  Own() = default;
  explicit Own(T object) : object(object) {}
  Own(Own &&other) noexcept : object(std::exchange(other.object, nil)) {}
  Own &operator=(Own &&other) noexcept {
    std::swap(object, other.object);
    return *this;
  }
  ~Own() { [object release]; }
  operator T() const { return object; }

private:
  T object = nil;
};

inline Own<NSString *> text(std::string_view bytes) {
  return Own<NSString *>([[NSString alloc] initWithBytes:bytes.data()
                                                  length:bytes.size()
                                                encoding:NSUTF8StringEncoding]);
}

inline NSURL *fileUrl(const std::string &path) { return [NSURL fileURLWithPath:text(path)]; }

/// The first lines of what the system says, fit for a message.
inline std::string sentence(NSError *error) {
  const char *words = [[error localizedDescription] UTF8String];
  std::istringstream lines(words ? words : "no reason given");
  std::string result, line;
  for (int i = 0; i < 3 && std::getline(lines, line); ++i)
    if (!line.empty())
      result += (result.empty() ? "" : " | ") + printable(line);
  return result;
}

inline uint64_t megabytes(uint64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }
/// Rounded up to whole pages of 16 KiB, the page of Apple's processors.
inline uint64_t pages(uint64_t bytes) {
  return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

} // namespace tq::apple

#endif // TQ_RUNTIME_METALOBJECTS_H
