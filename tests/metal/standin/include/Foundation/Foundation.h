//===- Foundation.h - What the Metal backend uses of Foundation -----------===//
// For two compilers: clang on Linux with GCC's Objective-C runtime, where
// Objects.mm implements it, and clang for a Darwin target, where it only has to
// compile. Spellings and types are Apple's; what the backend does not use is
// not here.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_STANDIN_FOUNDATION_H
#define TQ_TESTS_METAL_STANDIN_FOUNDATION_H

// NOLINTBEGIN: the spellings are Apple's, and the language is Objective-C

#include <stddef.h>
#include <stdint.h>

#ifdef __APPLE__
typedef bool BOOL;
#define YES true
#define NO false
#define nil nullptr
/// An unguarded use of something later than the deployment target is an error.
#define TQ_MACOS(VERSION) __attribute__((availability(macos, introduced = VERSION)))
#else
#include <objc/objc.h>
#include <objc/runtime.h>
#define TQ_MACOS(VERSION)
#endif

typedef unsigned long NSUInteger;
typedef long NSInteger;
#define NS_ENUM(TYPE, NAME)                                                                                            \
  enum NAME : TYPE NAME;                                                                                               \
  enum NAME : TYPE
// An enumeration without a name: so that A | B is an integer, which converts.
#define NS_OPTIONS(TYPE, NAME)                                                                                         \
  TYPE NAME;                                                                                                           \
  enum : TYPE

@class NSString;

@protocol NSObject
- (instancetype)retain;
- (oneway void)release;
- (instancetype)autorelease;
- (NSUInteger)retainCount;
- (BOOL)respondsToSelector:(SEL)selector;
@end

__attribute__((objc_root_class))
@interface NSObject<NSObject> {
  Class isa;
#ifndef __APPLE__
@public // with this runtime a class's variables stand in its @interface
  long references;
  void *state; // what the stand-in keeps for an object; Internal.h
#endif
}
+ (instancetype)alloc;
+ (instancetype)new;
+ (Class)class;
- (instancetype)init;
- (void)dealloc;
@end

typedef NS_ENUM(NSUInteger, NSStringEncoding) { NSUTF8StringEncoding = 4 };

@interface NSString : NSObject
- (instancetype)initWithBytes:(const void *)bytes length:(NSUInteger)length encoding:(NSStringEncoding)encoding;
- (const char *)UTF8String;
@end

#ifndef __APPLE__
/// The class of @"..."; the compiler lays out the object itself.
@interface NSConstantString : NSString
@end
#endif

@interface NSError : NSObject
@property(readonly) NSInteger code;
@property(readonly, copy) NSString *localizedDescription;
@end

@interface NSURL : NSObject
+ (instancetype)fileURLWithPath:(NSString *)path;
@end

@interface NSArray : NSObject
+ (instancetype)arrayWithObject:(id)object;
@end

#ifndef __APPLE__
/// What @autoreleasepool makes with this runtime.
@interface NSAutoreleasePool : NSObject
- (void)drain;
@end
#endif

// NOLINTEND

#endif // TQ_TESTS_METAL_STANDIN_FOUNDATION_H
