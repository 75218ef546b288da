//===- language.h - What Metal's compiler knows without any #include ------===//
// First header of the shim: Metal Shading Language spelled in C++ for OpenCL,
// whose address spaces obey almost the same rules. On this host all of them are
// plain memory, so the compiled kernels work on ordinary pointers.
//
// `kernel`, `constant` and `half` are words of OpenCL C++ already. Words that
// only OpenCL has become ordinary identifiers here: legal names in MSL, and an
// unknown name where somebody meant the OpenCL word.
//===----------------------------------------------------------------------===//
#pragma clang system_header
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#pragma OPENCL EXTENSION __cl_clang_non_portable_kernel_param_types : enable

#define device __global
#define threadgroup __local
#define thread __private

#define local __msl_word_local
#define global __msl_word_global
#define generic __msl_word_generic
#define read_only __msl_word_read_only
#define write_only __msl_word_write_only
#define read_write __msl_word_read_write
#define pipe __msl_word_pipe
#define event_t __msl_word_event_t
#define queue_t __msl_word_queue_t
#define clk_event_t __msl_word_clk_event_t
#define reserve_id_t __msl_word_reserve_id_t
#define sampler_t __msl_word_sampler_t
#define printf __msl_word_printf
#define memory_scope __msl_word_memory_scope
#define __OPENCL_VERSION__ __msl_word_opencl

#define __METAL__ 1
#define __HAVE_BFLOAT__ 1
#define METAL_FUNC inline __attribute__((always_inline))
#define METAL_CONST __attribute__((const))

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef signed char int8_t;
typedef uchar uint8_t;
typedef short int16_t;
typedef ushort uint16_t;
typedef int int32_t;
typedef uint uint32_t;
typedef long int64_t;
typedef ulong uint64_t;
typedef ulong size_t;
typedef long ptrdiff_t;
typedef ulong uintptr_t;
typedef __bf16 bfloat;

// A site is the line in the MSL text that a rendezvous was written on. Nothing that a text may pass becomes one.
namespace __msl {
enum class site : int {};
}
#define __MSL_SITE ::__msl::site __site = (::__msl::site) __builtin_LINE()

// The executor's side, reached through a table that it fills in when it loads the kernel (see Imports.def).
// `scope`: 0 simdgroup, 1 threadgroup, 2 quadgroup.
// nomerge: the same call in both arms of an `if` stays two calls, which is how divergence is told.
#define __MSL_MEETS __attribute__((nomerge))
extern "C" {
__MSL_MEETS void __msl_barrier(int flags, int scope, ::__msl::site site);
__MSL_MEETS float __msl_reduce_f32(float value, int op, ::__msl::site site);
__MSL_MEETS uint __msl_reduce_u32(uint value, int op, ::__msl::site site);
__MSL_MEETS ulong __msl_exchange(thread const void *value, int bytes, int scope, ::__msl::site site);
__MSL_MEETS ulong __msl_shuffle(thread const void *value, int bytes, uint lane, int scope, ::__msl::site site);
uint __msl_lane(void);
uint __msl_width(void);
/// Whether no active lane of the group has a lower number: of those that come to this place, whatever the others do.
__MSL_MEETS int __msl_is_first(int scope, ::__msl::site site);
ulong __msl_atomic(ulong address, ulong operand, ulong expected, int op, int bytes);
/// The clang handler for an access out of bounds, which the shim's own checks use.
__MSL_MEETS void __ubsan_handle_local_out_of_bounds_abort(void);
}
