//===- CaseFile.h - One launch as JSON --------------------------*- C++ -*-===//
// {"kernel": "qmv3", "threadgroups": [8, 1, 1], "threads_per_threadgroup": [32, 2, 1],
//  "threadgroup_memory": {"0": 32},
//  "buffers": {"0": {"file": "w.bin"}, "3": {"size": 256, "fill": "nan"}, "4": {"u32": [1024, 64]}},
//  "expect": {"3": {"f32_file": "y.bin", "tolerance": 1e-4}}}
//
// Paths are relative to the file. Numbers may be u8, i8, u16, i16, u32, i32, u64, i64, f16, f32; expectations the same
// with or without _file. "threads": [x, y, z] in place of "threadgroups" asks for a grid in threads.
// "function_constants": {"0": 3, "1": true, "2": 0.5, "3": [1, 2]} gives values to function constants by their indices.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_CASEFILE_H
#define TQ_TESTS_METAL_CASEFILE_H

#include "tests/metal/Executor.h"

#include <map>

namespace tq::metal {

enum class Element { U8, I8, U16, I16, U32, I32, U64, I64, F16, F32 };
size_t bytesOf(Element element);
/// Element i of these bytes.
double elementAt(const std::vector<char> &bytes, Element element, size_t i);

struct Expectation {
  Element element = Element::F32;
  std::vector<char> values;
  double tolerance = 0; ///< |got - want| <= tolerance * (1 + |want|)
};

struct Case {
  std::string kernel;
  std::array<uint32_t, 3> threadgroups = {1, 1, 1}, threadsPerThreadgroup = {1, 1, 1}, threads = {0, 0, 0};
  std::map<int, uint64_t> threadgroupMemory;
  std::map<int, std::vector<char>> buffers;
  std::map<int, Expectation> expected;
  FunctionConstants functionConstants; ///< for Library::compile
};

Result<Case> readCase(const std::string &path);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_CASEFILE_H
