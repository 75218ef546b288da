//===- BugsTest.cpp - Every seeded bug must be found ----------------------===//
// Each bug is a small change to a kernel of cases/ that GoodCases.cpp knows to be
// right. The finding must name the kernel or function, the line, and the rule.
//===----------------------------------------------------------------------===//

#include "tests/metal/CaseRun.h"
#include "tests/metal/GoodCases.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

using namespace tq;
using namespace tq::metal;

namespace {

/// Lines: the one where the change begins, the kernel's own, or the one that holds a text.
constexpr char kHere[] = "<here>";
constexpr char kKernel[] = "<kernel>";

struct Bug {
  const char *name;
  const char *kernel; ///< whose launch is run
  const char *from, *to;
  const char *rule; ///< must be in the message
  const char *line = kHere;
  void (*change)(Case &) = nullptr; ///< the bug may be in the launch
};

const Bug kBugs[] = {
#include "tests/metal/Bugs.inc"
};

size_t lineAt(const std::string &text, size_t offset) {
  return 1 + static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

class Bugs : public testing::TestWithParam<Bug> {};

TEST_P(Bugs, isFound) {
  const Bug &bug = GetParam();
  const GoodCase &good = goodCase(bug.kernel);
  std::string text = caseText(good.file);
  size_t at = 0;
  if (*bug.from) {
    // Kernels of one file share lines: look from this one's declaration first.
    size_t own = text.find(fmt::format("void {}(", bug.kernel));
    ASSERT_NE(own, std::string::npos);
    at = text.find(bug.from, own);
    if (at == std::string::npos)
      at = text.find(bug.from);
    ASSERT_NE(at, std::string::npos) << "the text to replace is not in " << good.file;
    text.replace(at, strlen(bug.from), bug.to);
  }
  size_t line = lineAt(text, at);
  if (bug.line == std::string_view(kKernel))
    line = lineAt(text, text.find(fmt::format("void {}(", bug.kernel)));
  else if (bug.line != std::string_view(kHere)) {
    size_t found = text.find(bug.line, text.find(fmt::format("void {}(", bug.kernel)));
    found = found == std::string::npos ? text.find(bug.line) : found;
    ASSERT_NE(found, std::string::npos);
    line = lineAt(text, found);
  }

  std::string message;
  auto library = Library::compile(text, {.name = good.file});
  if (!library) {
    message = library.message();
  } else {
    Case launch = good.launch();
    launch.kernel = bug.kernel;
    if (bug.change)
      bug.change(launch);
    Status status = runCase(*library, launch, {.timeLimit = 1});
    ASSERT_FALSE(status.ok()) << "not found";
    message = status.error().message;
  }
  EXPECT_NE(message.find(bug.rule), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with(fmt::format("{}:{}: error: ", good.file, line)))
      << "line " << line << ": " << message;
  EXPECT_TRUE(message.find("kernel ") != std::string::npos || message.find("function ") != std::string::npos ||
              bug.line == std::string_view("#include"))
      << message;
  EXPECT_EQ(message.find("/tmp"), std::string::npos) << message;
  EXPECT_EQ(message.find("__msl"), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(Seeded, Bugs, testing::ValuesIn(kBugs),
                         [](const testing::TestParamInfo<Bug> &info) { return std::string(info.param.name); });

class Good : public testing::TestWithParam<GoodCase> {};

TEST_P(Good, isAccepted) {
  const GoodCase &good = GetParam();
  auto library = Library::compile(caseText(good.file), {.name = good.file});
  ASSERT_TRUE(library.ok()) << library.message();
  Case launch = good.launch();
  launch.kernel = good.kernel;
  Status status = runCase(*library, launch);
  EXPECT_TRUE(status.ok()) << status.error().message;
}

/// The fast build gives the checked build's bits, on one host thread and on several.
TEST_P(Good, isTheSameFast) {
  const GoodCase &good = GetParam();
  Case launch = good.launch();
  std::vector<std::vector<char>> results;
  for (bool checked : {true, false}) {
    auto library = Library::compile(caseText(good.file), {.name = good.file, .checked = checked});
    ASSERT_TRUE(library.ok()) << library.message();
    for (int threads : {1, 3}) {
      auto buffers = launch.buffers;
      Launch l;
      l.threadgroups = launch.threadgroups;
      l.threadsPerThreadgroup = launch.threadsPerThreadgroup;
      l.hostThreads = threads;
      for (auto &[index, bytes] : buffers)
        l.buffers.push_back({index, bytes.data(), bytes.size()});
      for (auto [index, bytes] : launch.threadgroupMemory)
        l.threadgroupMemory.push_back({index, bytes});
      Status status = library->run(good.kernel, l);
      ASSERT_TRUE(status.ok()) << status.error().message;
      results.push_back(buffers.at(launch.expected.begin()->first));
    }
  }
  for (size_t i = 1; i < results.size(); ++i)
    EXPECT_EQ(results[0], results[i]) << (i < 2 ? "checked" : "fast") << ", several host threads: " << i % 2;
  const Expectation &want = launch.expected.begin()->second;
  for (size_t i = 0; i < want.values.size() / bytesOf(want.element); ++i)
    EXPECT_NEAR(elementAt(results[2], want.element, i), elementAt(want.values, want.element, i),
                want.tolerance * (1 + std::abs(elementAt(want.values, want.element, i))));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Good, testing::ValuesIn(goodCases()),
                         [](const testing::TestParamInfo<GoodCase> &info) { return std::string(info.param.kernel); });

/// A body of `kernel void f(device float *out, device const float *in, uint i)` over 32 threads and 64 ones in `in`,
/// and what it becomes with a bug; both start on line 5 behind one line of declarations.
struct Snippet {
  const char *name, *before, *right, *wrong, *rule;
  int line = 5;
};

const Snippet kSnippets[] = {
    {"array_at_the_end_of_a_struct", "struct B { half d; uchar q[16]; };",
     "out[i] = ((device const B *)in)[0].q[in[i] > 2 ? 16 : 15];",
     "out[i] = ((device const B *)in)[0].q[in[i] > 2 ? 15 : 16];", "out of bounds: index 16"},
    {"array_of_a_struct_by_reference",
     "struct S { float v[2]; }; static float g(thread S &s, int j) { return s.v[j]; }",
     "S s = {{1, 2}};\nout[i] = g(s, int(in[i]));", "S s = {{1, 2}};\nout[i] = g(s, int(in[i]) + 1);",
     "out of bounds: index 2", 3},
    {"far_beyond_a_buffer", "", "out[i] = in[i + 32];", "out[i] = in[i + 16384];", "byte 65536 of buffer(1) 'in'"},
    {"far_before_a_buffer", "", "out[i] = in[int(i) + 1];", "out[i] = in[int(i) - 20000];", "before buffer(1) 'in'"},
    {"next_constant",
     "constant float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}; float pick(constant float *p, uint k) { "
     "return p[k]; }",
     "out[i] = pick(a, i % 4) + pick(b, 3);", "out[i] = pick(a, i % 4 + 1) + pick(b, 3);", "constant 'a'", 3},
    {"next_threadgroup_array", "",
     "threadgroup float s[32], t[32]; s[i] = t[i] = 1;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "threadgroup float *p = s; out[i] = p[i] + t[i];",
     "threadgroup float s[32], t[32]; s[i] = t[i] = 1;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "threadgroup float *p = s; out[i] = p[i + 96] + t[i];",
     "threadgroup variable", 7},
    {"private_struct",
     "struct A { float lo[4], hi[4]; }; float sum(thread const float *p, int n) { float s = 0; for (int "
     "j = 0; j < n; ++j) s += p[j]; return s; }",
     "A a = {{1, 2, 3, 4}, {1, 2, 3, 4}};\nout[i] = sum(a.hi, 4);",
     "A a = {{1, 2, 3, 4}, {1, 2, 3, 4}};\nout[i] = sum(a.hi, 5);", "private array or variable", 3},
    {"private_vector", "", "float4 v = float4(in[i]);\nout[i] = ((thread float *)&v)[3];",
     "float4 v = float4(in[i]);\nout[i] = ((thread float *)&v)[4];", "private array or variable", 6},
    {"private_scalar", "", "float x = in[i];\nout[i] = (&x)[0];", "float x = in[i];\nout[i] = (&x)[1];",
     "private array or variable", 6},
    {"private_row", "", "float a[2][4] = {};\nthread float *p = a[1];\nout[i] = p[3];",
     "float a[2][4] = {};\nthread float *p = a[1];\nout[i] = p[4];", "private array or variable", 7},
    {"lane_of_a_broadcast", "", "out[i] = simd_broadcast(in[i], 3);", "out[i] = simd_broadcast(in[i], i / 2);",
     "another lane, distance or mask"},
    {"distance_of_a_shuffle", "", "out[i] = simd_shuffle_down(in[i], 1);", "out[i] = simd_shuffle_down(in[i], i & 1);",
     "another lane, distance or mask"},
    {"mask_of_a_shuffle", "", "out[i] = simd_shuffle_xor(in[i], 1);", "out[i] = simd_shuffle_xor(in[i], i & 3);",
     "another lane, distance or mask"},
    {"distance_of_a_rotation", "", "out[i] = simd_shuffle_rotate_up(in[i], 1);",
     "out[i] = simd_shuffle_rotate_up(in[i], i & 1);", "another lane, distance or mask"},
    {"distance_of_a_fill", "", "out[i] = simd_shuffle_and_fill_up(in[i], 0.0f, 2, 8);",
     "out[i] = simd_shuffle_and_fill_up(in[i], 0.0f, 2, i < 9 ? 8 : 16);", "another lane, distance or mask"},
    {"lane_in_a_quadgroup", "", "out[i] = quad_broadcast(in[i], (i / 4) & 3) + simd_shuffle(in[i], i ^ 1);",
     "out[i] = quad_broadcast(in[i], i & 3);", "another lane, distance or mask"},
    {"bfloat_times_half", "", "out[i] = float(bfloat(in[i])) * float(2.0h);", "out[i] = float(bfloat(in[i]) * 2.0h);",
     "do not mix bfloat and half"},
    {"garbage_of_any_value", "", "float a[4];\na[0] = a[2] = in[i];\nout[i] = a[0] + (a[2] > 1e30f ? 1 : 0);",
     "float a[4];\na[0] = in[i];\nout[i] = a[0] + (a[2] > 1e30f ? 1 : 0);", "uninitialised private memory", 4},
    {"half_of_a_vector", "", "half4 a;\na.xy = half2(1);\nout[i] = a.x + a.y;",
     "half4 a;\na.x = 1;\nout[i] = a.x + a.y;", "uninitialised private memory", 4},
    {"elements_in_a_loop", "",
     "float4 s;\nfor (int j = 0; j < 4; ++j) s[j] = in[j];\nfloat4 r = fma(s, s, s);\nout[i] = r.w;",
     "float4 s;\nfor (int j = 0; j < 3; ++j) s[j] = in[j];\nfloat4 r = fma(s, s, s);\nout[i] = r.w;",
     "uninitialised private memory", 4},
    {"first_of_a_loop", "",
     "float m; bool have = false;\nfor (uint j = 0; j <= i; ++j) { if (!have || in[j] > m) { m = in[j]; have = true; } "
     "}\n"
     "out[i] = m;",
     "float m; bool have = false;\nfor (uint j = 0; j < i; ++j) { if (!have || in[j] > m) { m = in[j]; have = true; } "
     "}\n"
     "out[i] = m;",
     "'m' is read, but has no value", 7},
    {"sum_of_a_loop", "", "float m = 0;\nfor (uint j = 0; j < 3; ++j)\n  m = m + in[j];\nout[i] = m;",
     "float m; if (in[i] > 2) m = 0;\nfor (uint j = 0; j < 3; ++j)\n  m = m + in[j];\nout[i] = m;", "uninitialized", 7},
    {"shift_of_a_cast", "", "ulong x = i; uint y = i >> 3;\nout[i] = float((ulong)1 << 40) + float(x << 33 >> 33) + y;",
     "ulong x = i; uint y = i >> 3;\nout[i] = float(1 << 40) + float(x << 33 >> 33) + y;", "shift by 40", 6},
    {"function_without_a_body", "static float g(float x) { return x; } float h(float x);", "out[i] = g(in[i]);",
     "out[i] = 1;\nout[i] = h(in[i]);", "'h(float)' is declared, but not defined", 6},
    {"last_statement_atomic", "",
     "out[i] = 1;\natomic_fetch_add_explicit((device atomic_uint *)out + 40, 1u, memory_order_relaxed);",
     "out[i] = 1;\natomic_fetch_add_explicit((device atomic_uint *)out + 64, 1u, memory_order_relaxed);",
     "out of bounds", 6},
    {"endless_loop", "", "uint k = i + uint(in[0]);\nout[i] = 0;\nwhile (k == 0) { k |= 1; }\nout[i] = k;",
     "uint k = i + uint(in[0]);\nout[i] = 0;\nwhile (k != 0) { k |= 1; }\nout[i] = k;", "endless loop", 7},
    {"scalar_beside_a_vector", "",
     "half4 h = half4(in[i]); uchar4 u = uchar4(9);\nh = h * 2.0f - 1.0f;\nu = (u & 0x0F) - 8;\n"
     "out[i] = all(half4(h * 1.5f) > 1.0f) && all(u == 1) ? 1 : 0;",
     "half4 h = half4(in[i]); short4 u = short4(9);\nh = h * 2.0f - 1.0f;\nu = u * 2.5f;\nout[i] = h.x;",
     "greater rank", 7},
    {"prefetch_beyond_the_end", "",
     "float next = in[i], sum = 0;\nfor (uint j = 1; j <= 2; ++j) {\n  const float now = next;\n  if (j < 2)\n"
     "    next = in[j * 32 + i];\n  sum += now;\n}\nout[i] = sum;",
     "float next = in[i], sum = 0;\nfor (uint j = 1; j <= 2; ++j) {\n  const float now = next;\n"
     "  next = in[j * 32 + i];\n  sum += now;\n}\nout[i] = sum;",
     "byte 256 of buffer(1)", 8},
    {"read_for_nothing", "", "const float spare = in[i + 32];\nout[i] = in[i];",
     "const float spare = in[i + 33];\nout[i] = in[i];", "byte 256 of buffer(1)"},
    {"condition_for_nothing", "", "if (in[63 - i] > 2.0f) {}\nout[i] = 1;",
     "if (in[31 - 2 * int(i)] > 2.0f) {}\nout[i] = 1;", "before buffer(1)"},
    {"discarded_element", "", "(void)in[i + 32];\nout[i] = 1;", "(void)in[i + 40];\nout[i] = 1;",
     "byte 256 of buffer(1)"},
    {"letter_of_a_string", "", "constant const char *s = \"abc\";\nout[i] = s[i % 4];",
     "constant const char *s = \"abc\";\nout[i] = s[i % 4 + i / 31];", "constant 'string'", 6},
    {"choice_of_two_equals", "",
     "threadgroup float s[33];\nif (i < 2) s[i] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "out[i] = s[i & 1] > 0 ? 2.0f : 2.0f;",
     "threadgroup float s[33];\nif (i < 2) s[i] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "out[i] = s[i & 2] > 0 ? 2.0f : 2.0f;",
     "no thread has written", 8},
    {"store_of_the_same", "",
     "threadgroup float s[32];\ns[i] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\ns[i] = s[i];\nout[i] "
     "= "
     "s[i];",
     "threadgroup float s[32];\ns[i] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\ns[7] = s[7];\nout[i] "
     "= "
     "s[i];",
     "data race", 8},
    {"copy_for_nothing", "struct S { half a; float b, spare; };",
     "threadgroup S s[32];\ns[i].a = half(i); s[i].b = in[i];\nS mine = s[i];\nmine.a = 1;\nout[i] = float(mine.a);",
     "threadgroup S s[32];\ns[i].a = half(i); s[i].b = in[i];\nS mine = s[i ^ 1];\nmine.a = 1;\nout[i] = "
     "float(mine.a);",
     "data race", 6},
    {"copy_with_padding", "struct S { float3 p; uchar tag; }; struct T { S s[2]; };",
     "threadgroup T t[32];\nt[i].s[1].p = float3(1); t[i].s[1].tag = 2;\nt[i].s[0] = t[i].s[1];\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nT mine = t[i ^ 1];\nout[i] = mine.s[i & 1].p.y;",
     "threadgroup T t[32];\nt[i].s[1].p = float3(1); t[i].s[1].tag = 2;\nt[i].s[1] = t[i].s[0];\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nT mine = t[i ^ 1];\nout[i] = mine.s[i & 1].p.y;",
     "no thread has written", 7},
    {"element_of_a_vector", "",
     "threadgroup float4 s[8];\ns[i / 4][i % 4] = in[i];\nif (i % 4 == 3) s[i / 4].w += 1;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = s[i / 4][3 - i % 4];",
     "threadgroup float4 s[8];\ns[i / 4][i % 4] = in[i];\nif (i % 4 == 3) s[i / 4].z += 1;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = s[i / 4][3 - i % 4];",
     "data race", 7},
    {"half_of_a_shared_vector", "",
     "threadgroup float4 s[16];\nif (i & 1) s[i / 2].xz = float2(in[i]); else s[i / 2].wy = float2(in[i]);\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nfloat4 v = s[i / 2];\nout[i] = dot(v, v);",
     "threadgroup float4 s[16];\nif (i & 1) s[i / 2].xz = float2(in[i]); else s[i / 2].wx = float2(in[i]);\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nfloat4 v = s[i / 2];\nout[i] = dot(v, v);",
     "data race", 6},
    {"vector_changed_and_stored", "", "device float4 *o = (device float4 *)out + i / 4;\n(*o)[i % 4] = in[i];",
     "device float4 *o = (device float4 *)out + i / 4;\nfloat4 v = *o; v[i % 4] = in[i];\n*o = v;", "data race", 6},
    {"elements_of_threes", "",
     "threadgroup uint3 s[12];\ns[i / 3][i % 3] = i;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "uint3 v = s[i / 4];\nout[i] = float(v.x + v.y + v.z);",
     "threadgroup uint3 s[12];\ns[i / 3][i % 3] = i;\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "uint3 v = s[i / 3];\nout[i] = float(v.x + v.y + v.z);",
     "no thread has written", 8},
    {"misaligned_vector", "", "out[i] = ((device const float4 *)(in + 4))->y;",
     "out[i] = ((device const float4 *)(in + 6))->y;", "no multiple of 16"},
    {"load_and_store_of_an_atomic", "",
     "device atomic_uint *n = (device atomic_uint *)out + i % 8;\natomic_fetch_add_explicit(n, i, "
     "memory_order_relaxed);",
     "device atomic_uint *n = (device atomic_uint *)out + i % 8;\natomic_store_explicit(n, atomic_load_explicit(n, "
     "memory_order_relaxed) + i, memory_order_relaxed);",
     "can lose another thread's update", 6},
    {"compare_exchange_once", "",
     "device atomic_uint *n = (device atomic_uint *)out + i % 8;\nuint old = 0;\n"
     "while (!atomic_compare_exchange_weak_explicit(n, &old, old + i, memory_order_relaxed, memory_order_relaxed)) {}",
     "device atomic_uint *n = (device atomic_uint *)out + i % 8;\nuint old = atomic_load_explicit(n, "
     "memory_order_relaxed);\n"
     "atomic_compare_exchange_weak_explicit(n, &old, old + i, memory_order_relaxed, memory_order_relaxed);",
     "can lose another thread's update", 7},
    {"compare_exchange_without_rival", "",
     "device atomic_uint *n = (device atomic_uint *)out + i;\nuint old = 0;\n"
     "while (!atomic_compare_exchange_weak_explicit(n, &old, i, memory_order_relaxed, memory_order_relaxed)) old = 0;",
     "device atomic_uint *n = (device atomic_uint *)out + i;\nuint old = 0;\n"
     "atomic_compare_exchange_weak_explicit(n, &old, i, memory_order_relaxed, memory_order_relaxed);",
     "can lose another thread's update", 7},
    {"endless_wait", "",
     "device atomic_uint *n = (device atomic_uint *)out + 40;\natomic_fetch_add_explicit(n, 1u, "
     "memory_order_relaxed);\n"
     "threadgroup_barrier(mem_flags::mem_device);\n"
     "while (atomic_load_explicit(n, memory_order_relaxed) < 32u) {}\nout[i] = 1;",
     "device atomic_uint *n = (device atomic_uint *)out + 40;\natomic_fetch_add_explicit(n, 1u, "
     "memory_order_relaxed);\n"
     "threadgroup_barrier(mem_flags::mem_device);\n"
     "while (atomic_load_explicit(n, memory_order_relaxed) < 33u) {}\nout[i] = 1;",
     "endless loop", 8},
    {"endless_shuffles", "",
     "float sum = in[i];\nfor (uint step = 1; step < 32; step *= 2)\n  sum += simd_shuffle_xor(sum, step);\nout[i] = "
     "sum;",
     "float sum = in[i];\nfor (uint step = 0; step < 32; step *= 2)\n  sum += simd_shuffle_xor(sum, step);\nout[i] = "
     "sum;",
     "endless loop", 7},
    {"scalar_of_a_threadgroup", "",
     "threadgroup float s; threadgroup uint4 n;\nif (i == 0) s = in[9];\nif (i == 7) n = uint4(3);\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = s * n.y;",
     "threadgroup float s; threadgroup uint4 n;\nif (i == 0) s = in[9];\nif (i == 77) n = uint4(3);\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = s * n.y;",
     "no thread has written", 9},
    {"scalar_of_a_threadgroup_without_a_barrier", "",
     "threadgroup bool all;\nswitch (i) { case 3: all = in[i] > 0; break; }\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = all ? 1 : 2;",
     "threadgroup bool all;\nswitch (i) { case 3: all = in[i] > 0; break; }\n\nout[i] = all ? 1 : 2;",
     "threadgroup variable 'all'", 8},
    {"same_condition_for_value_and_use", "",
     "float v;\nif (i < 9 && in[i] > 0) v = in[i];\nfloat r = 0;\nif (i < 9)\n  if (in[i] > 0)\n    r = v;\nout[i] = "
     "r;",
     "float v;\nif (i < 9 && in[i] > 0) v = in[i];\nfloat r = 0;\nif (i < 10)\n  if (in[i] > 0)\n    r = v;\nout[i] = "
     "r;",
     "'v' may be uninitialized", 10},
    {"condition_that_changes", "", "uint k, t = i;\nif (t < 9) k = t;\nout[i] = 0;\nout[i] += t < 9 ? float(k) : 0;",
     "uint k, t = i;\nif (t < 9) k = t;\nout[i] = 0; t -= 3;\nout[i] += t < 9 ? float(k) : 0;",
     "'k' may be uninitialized", 8},
    {"another_use_without_the_condition", "",
     "uint k; bool live = i < 9;\nif (live) k = i;\nout[i] = live ? k : 0;\nif (live) out[i] += k;",
     "uint k; bool live = i < 9;\nif (live) k = i;\nout[i] = live ? k : 0;\nif (i > 3) out[i] += k;",
     "'k' may be uninitialized", 7},
    {"flag_beside_the_value", "",
     "uint k; bool have = false;\nif (i < 9) { k = i; have = true; }\nout[i] = 0;\nif (have)\n  out[i] = k;",
     "uint k; bool have = false;\nif (i < 9) { k = i; have = true; }\nif (i == 11) have = true;\nif (have)\n  out[i] = "
     "k;",
     "'k' may be uninitialized", 9},
    {"flag_of_an_earlier_round", "",
     "uint k; bool have = false;\nfor (uint j = 0; j < 3; ++j) {\nif (j == 1) { k = i; have = true; }\nif (have)\n  "
     "out[i] = k; }",
     "bool have = false;\nfor (uint j = 0; j < 3; ++j) { uint k;\nif (j == 1) { k = i; have = true; }\nif (have)\n  "
     "out[i] = k; }",
     "'k' may be uninitialized", 9},
    {"loop_that_never_runs", "", "uint k;\nfor (uint j = 0; j <= i; ++j) k = 5;\nout[i] = k == 5 ? 1 : 1 + 0 * in[i];",
     "uint k;\nfor (uint j = 0; j < i; ++j) k = 5;\nout[i] = k == 5 ? 1 : 1 + 0 * in[i];",
     "'k' is read, but has no value", 7},
    {"lane_without_a_value", "", "uint k;\nif (i < 16)\n  k = i;\nout[i] = simd_shuffle(float(k), 3);",
     "uint k;\nif (i < 16)\n  k = i;\nout[i] = simd_shuffle(in[i], k & 3);", "'k' is used uninitialized", 6},
    {"broadcast_of_an_element", "", "uint k;\nif (i == 0)\n  k = 1;\nout[i] = in[simd_broadcast(k, 0)];",
     "uint k;\nif (i == 0)\n  k = 1;\nout[i] = simd_broadcast(in[k], 0);", "'k' is used uninitialized", 6},
    {"fill_before_a_sum", "",
     "float a = simd_shuffle_and_fill_up(in[i] * i, -1.0f, 1), b = quad_shuffle_and_fill_down(a, 8.0f, 2);\n"
     "float c = simd_sum(i), d = simd_shuffle_and_fill_down(b, c, 31, 32);\n"
     "out[i + (a == (i ? i - 1.0f : -1.0f) && b == ((i & 3) > 1 ? 8 : i + 1.0f) && d == (i ? c : 8) ? 0 : 64)] = 1;",
     "float a = simd_shuffle_and_fill_up(in[i] * i, -2.0f, 1), b = quad_shuffle_and_fill_down(a, 8.0f, 2);\n"
     "float c = simd_sum(i), d = simd_shuffle_and_fill_down(b, c, 31, 32);\n"
     "out[i + (a == (i ? i - 1.0f : -1.0f) && b == ((i & 3) > 1 ? 8 : i + 1.0f) && d == (i ? c : 8) ? 0 : 64)] = 1;",
     "out of bounds", 7},
    {"first_of_the_active_lanes", "",
     "if (i < 5)\n  return;\nfor (uint j = 0; j < i; ++j)\n  if (simd_is_first())\n    out[j] = i;",
     "if (i < 5)\n  return;\nfor (uint j = 0; j < i; ++j)\n  if (!simd_is_first())\n    out[j] = i;", "data race", 9},
    {"leaders_of_quadgroups", "",
     "if ((i & 3) > 1) {\n  if (quad_is_first())\n    out[i / 4] = 1;\n  if (simd_is_first())\n    out[40] = i; }",
     "if ((i & 3) > 1) {\n  if (quad_is_first())\n    out[i / 4] = 1;\n  if (quad_is_first())\n    out[40] = i; }",
     "data race", 9},
    {"argument_too_many", "", "out[i] = simd_sum(in[i]) + simd_shuffle_xor(in[i], 1);",
     "out[i] = simd_sum(in[i]) + simd_shuffle_xor(in[i], 1, 32);",
     "no matching function for call to 'simd_shuffle_xor'"},
    {"flags_too_many", "", "threadgroup_barrier(mem_flags::mem_none);\nout[i] = simd_any(i > 3) + quad_sum(1);",
     "threadgroup_barrier(mem_flags::mem_none, 32);\nout[i] = simd_any(i > 3) + quad_sum(1);",
     "no matching function for call to 'threadgroup_barrier'"},
    {"table_of_a_constexpr_function", "constexpr int lg(uint n) { return n <= 1 ? 0 : 1 + lg(n / 2); }",
     "float a[lg(8)] = {1, 2, 3};\nout[i] = a[lg(4)];", "float a[lg(8)] = {1, 2, 3};\nout[i] = a[lg(i / 32 + 4)];",
     "function lg: calls itself", 3},
    {"vector_of_a_vector", "", "float2 v = {1, 2};\nfloat4 w = {v, 3};\nout[i + uint(w.w) + uint(w.z - 3)] = w.y;",
     "float2 v = {1, 2};\nfloat4 w = {v, 35};\nout[i + uint(w.w) + uint(w.z)] = w.y;", "out of bounds", 7},
    {"unnamed_struct_of_a_threadgroup", "",
     "threadgroup struct { float v; uint n[2]; } s[32], t;\ns[i].v = 1; s[i].n[0] = i;\nif (i == 0) t.v = 2;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = s[31 - i].v + s[i].n[0] + t.v;",
     "threadgroup struct { float v; uint n[2]; } s[32], t;\ns[i].v = 1; s[i].n[0] = i;\nif (i == 0) t.v = 2;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = s[31 - i].v + s[i].n[1] + t.v;",
     "no thread has written", 9},
    {"scalar_in_a_template", "template <class T> T twice(T v) { return v * 2.0f; }",
     "out[i] = twice(half4(1)).x + twice(in[i]);", "out[i + 64] = twice(half4(1)).x + twice(in[i]);", "out of bounds"},
    // Components are memory locations of their own.
    {"indexed_components", "",
     "threadgroup float4 t[8];\nt[i / 4][i & 3] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "out[i] = t[i / 4][i & 3];",
     "threadgroup float4 t[8];\nt[i / 4][i & 2] = in[i];\nthreadgroup_barrier(mem_flags::mem_threadgroup);\n"
     "out[i] = t[i / 4][i & 3];",
     "data race on threadgroup variable 't'", 6},
    {"index_of_a_component", "", "device float4 *v = (device float4 *)out;\nv[i / 4][i & 3] = 1;",
     "device float4 *v = (device float4 *)out;\nv[i / 4][i & 7] = 1;", "out of bounds: index 4", 6},
    {"named_components", "",
     "device float4 *v = (device float4 *)out;\nif (i < 8)\n  v[i].x = 1;\nif (i >= 24)\n  v[i - 24].y += 2;",
     "device float4 *v = (device float4 *)out;\nif (i < 8)\n  v[i].x = 1;\nif (i >= 24)\n  v[i - 24].x += 2;",
     "data race", 9},
    {"swizzled_components", "",
     "device half4 *v = (device half4 *)out;\nif (i < 8)\n  v[i].xz = half2(1);\nif (i >= 24)\n  v[i - 24].wy = "
     "half2(2, 3);",
     "device half4 *v = (device half4 *)out;\nif (i < 8)\n  v[i].xz = half2(1);\nif (i >= 24)\n  v[i - 24].wx = "
     "half2(2, 3);",
     "data race", 9},
    {"components_that_are_read", "",
     "device float4 *v = (device float4 *)out;\nif (i & 1)\n  v[i / 2].x = 1;\nelse\n  v[i / 2].w = v[i / 2].y + "
     "dot(v[i / 2].yz, float2(1));",
     "device float4 *v = (device float4 *)out;\nif (i & 1)\n  v[i / 2].x = 1;\nelse\n  v[i / 2].w = v[i / 2].y + "
     "dot(v[i / 2].xz, float2(1));",
     "data race", 7},
    {"components_nobody_wrote", "",
     "threadgroup half3 t[16];\nif (i & 1) t[i / 2].x = 1; else t[i / 2].z = 2;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = t[i / 2].x + t[i / 2].z;",
     "threadgroup half3 t[16];\nif (i & 1) t[i / 2].x = 1; else t[i / 2].z = 2;\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = t[i / 2].x + t[i / 2].y;",
     "no thread has written", 8},
    {"columns_of_a_matrix", "",
     "threadgroup float2x2 m[8];\nm[i / 4][i >> 1 & 1][i & 1] = in[i];\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = m[i / 4][0].y;",
     "threadgroup float2x2 m[8];\nm[i / 4][i >> 1 & 1][1] = in[i];\n"
     "threadgroup_barrier(mem_flags::mem_threadgroup);\nout[i] = m[i / 4][0].y;",
     "data race", 6},
    // What real kernels do beside that.
    {"vector_with_fewer_values", "", "float4 v = {in[i]}, w = {float2(2), 3};\nout[i] = v.x + v.w + w.z + w.w;",
     "float4 v = {in[i]}, w = {float3(2), float2(3)};\nout[i] = v.x + v.w + w.z + w.w;", "too many elements"},
    {"vector_of_vectors", "constant float4 kV = {float2(1), 2, 3};", "float4 v = {kV.xy, kV.z};\nout[i] = v.z + kV.w;",
     "float4 v = {half2(kV.xy), kV.z};\nout[i] = v.z + kV.w;", "mixed element types"},
    {"constexpr_table_by_pointer",
     "constexpr constant float kTable[2] = {1, 2}; static float pick(constant float *p, int i) { return p[i]; }",
     "out[i] = pick(kTable, 1);", "out[i] = pick(kTable, 2);", "constant 'kTable'", 3},
    {"fraction_in_a_template", "template <class T> T third(T v) { return v * 0.1 + 0.2; }",
     "out[i] = third(1.0f) == 1.0f * 0.1f + 0.2f ? 1 : in[i + 64];",
     "out[i] = third(1.0f) == 1.0f * 0.1f + 0.3f ? 1 : in[i + 64];", "out of bounds"},
    {"threadgroup_initialiser", "", "threadgroup float s[2];\nif (i < 2) s[i] = 0;\nout[i] = i < 2 ? s[i] : 1;",
     "threadgroup float s[2] = {0};\nout[i] = i < 2 ? s[i] : 1;", "initialisers of threadgroup variables are not run"},
};

class Snippets : public testing::TestWithParam<Snippet> {};

std::string check(const Snippet &snippet, const char *body) {
  std::string text = fmt::format("#include <metal_stdlib>\nusing namespace metal;\n{}\nkernel void f(device float *out "
                                 "[[buffer(0)]], device const float *in [[buffer(1)]], uint i "
                                 "[[thread_position_in_grid]]) {{\n{}\n}}\n",
                                 snippet.before, body);
  auto library = Library::compile(text, {.name = "k.metal"});
  if (!library)
    return library.message();
  Case launch;
  launch.kernel = "f";
  launch.threadsPerThreadgroup = {32, 1, 1};
  launch.buffers = {{0, std::vector<char>(256)}, {1, bytesOf(std::vector<float>(64, 1.0f))}};
  Status status = runCase(*library, launch, {.timeLimit = 0.5});
  return status.ok() ? "" : status.error().message;
}

TEST_P(Snippets, areJudged) {
  const Snippet &snippet = GetParam();
  EXPECT_EQ(check(snippet, snippet.right), "");
  std::string message = check(snippet, snippet.wrong);
  EXPECT_NE(message.find(snippet.rule), std::string::npos) << message;
  EXPECT_TRUE(message.starts_with(fmt::format("k.metal:{}: error: ", snippet.line))) << message;
}

INSTANTIATE_TEST_SUITE_P(Pairs, Snippets, testing::ValuesIn(kSnippets),
                         [](const testing::TestParamInfo<Snippet> &info) { return std::string(info.param.name); });

} // namespace
