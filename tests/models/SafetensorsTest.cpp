//===- SafetensorsTest.cpp - Good headers read, bad ones named ------------===//

#include "models/formats/Safetensors.h"

#include "TestFiles.h"

using namespace tq;
using namespace tq::test;

namespace {

std::span<const std::byte> asBytes(const std::string &text) {
  return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}

Result<std::vector<RawTensor>> parse(const std::string &file) {
  return parseSafetensors(asBytes(file), "x.safetensors");
}

/// The message for a header with 16 bytes of data.
std::string complaint(const std::string &header) {
  return messageOf(parse(safetensors(header, std::string(16, '\0'))));
}

/// The message for one tensor 'a.weight' with 16 bytes of data.
std::string tensorComplaint(const std::string &members) { return complaint(R"({"a.weight": {)" + members + "}}"); }

TEST(Safetensors, ReadsTensorsInFileOrder) {
  std::string file = safetensors(
      R"({"__metadata__": {"format": "mlx"},
          "b": {"dtype": "U8", "shape": [], "data_offsets": [12, 13]},
          "a": {"dtype": "F32", "shape": [1, 3], "data_offsets": [0, 12]},
          "empty": {"dtype": "I64", "shape": [0, 5], "data_offsets": [4, 4]}})",
      std::string(13, '\1'));
  auto tensors = parse(file);
  ASSERT_TRUE(tensors.ok()) << tensors.message();
  ASSERT_EQ(tensors->size(), 3u);
  const RawTensor &a = (*tensors)[0], &b = (*tensors)[2];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, DType::F32);
  EXPECT_EQ(a.shape, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(a.bytes.size(), 12u);
  EXPECT_EQ(a.fileOffset, file.size() - 13);
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.numElements(), 1);
}

TEST(Safetensors, KnowsEveryType) {
  for (std::string name : {"F32", "F16", "BF16", "F64", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL",
                           "F8_E4M3", "F8_E5M2"}) {
    auto dtype = dtypeFromName(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(dtypeName(*dtype), name);
    EXPECT_CONTAINS(dtypeNames(), name);
  }
}

TEST(Safetensors, AcceptsGaps) {
  EXPECT_TRUE(parse(safetensors(
                        R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                    "b": {"dtype": "U8", "shape": [1], "data_offsets": [9, 10]}
                   })",
                        std::string(16, '\0')))
                  .ok());
}

TEST(Safetensors, RefusesBadLengths) {
  EXPECT_CONTAINS(messageOf(parse("1234567")), "x.safetensors: 7 bytes");
  EXPECT_CONTAINS(messageOf(parse("")), "0 bytes");
  for (uint64_t length : {uint64_t{1} << 40, ~uint64_t{0}, uint64_t{3}}) {
    std::string file(reinterpret_cast<const char *>(&length), 8);
    EXPECT_CONTAINS(messageOf(parse(file + "{}")), "header of " + std::to_string(length) + " bytes, but only 2 follow");
  }
}

TEST(Safetensors, RefusesHeaderBeyondLimit) {
  EXPECT_CONTAINS(messageOf(parse(safetensors(std::string(100'000'001, ' '), ""))), "exceeds the limit of 100000000");
}

TEST(Safetensors, RefusesBrokenHeaders) {
  EXPECT_CONTAINS(complaint("\xff\xfe{{{"), "not valid JSON at line 1");
  EXPECT_CONTAINS(complaint("[]"), "expected a JSON object");
  EXPECT_CONTAINS(complaint(""), "not valid JSON");
  EXPECT_CONTAINS(complaint(R"({"a": )" + std::string(200000, '[')), "nested deeper than");
  EXPECT_CONTAINS(complaint(R"({"a": 1, "a": 2})"), "key 'a' appears twice");
  EXPECT_CONTAINS(complaint(R"({"a": 3})"), "a: unknown dtype ''");
}

TEST(Safetensors, RefusesUnknownType) {
  EXPECT_CONTAINS(tensorComplaint(R"("dtype": "F13", "shape": [4], "data_offsets": [0, 16])"),
                  "x.safetensors: a.weight: unknown dtype 'F13'; known are F32, F16");
}

TEST(Safetensors, RefusesBadShapes) {
  auto shape = [](const std::string &shape) {
    return tensorComplaint(R"("dtype": "F32", "data_offsets": [0, 16],
                              "shape": )" +
                           shape);
  };
  EXPECT_CONTAINS(shape("[9223372036854775807, 4611686018427387904]"), "exceeds 2^63-1 bytes");
  EXPECT_CONTAINS(shape("[0, 9223372036854775807, 4611686018427387904]"), "exceeds 2^63-1 bytes");
  EXPECT_CONTAINS(shape("[9223372036854775808]"), "shape is not a list");
  EXPECT_CONTAINS(shape("[1e400]"), "not valid JSON");
  EXPECT_CONTAINS(shape("[-1, 4]"), "shape is not a list");
  EXPECT_CONTAINS(shape("[2.5, 4]"), "shape is not a list");
  EXPECT_CONTAINS(shape("4"), "shape is not a list");
  EXPECT_CONTAINS(shape("[3, 5]"), "3x5 of F32 needs 60 bytes, but data_offsets give 16");
}

TEST(Safetensors, RefusesBadOffsets) {
  auto offsets = [](const std::string &offsets) {
    return tensorComplaint(R"("dtype": "F32", "shape": [4],
                              "data_offsets": )" +
                           offsets);
  };
  EXPECT_CONTAINS(offsets("[16, 0]"), "end at 0, before their begin 16");
  EXPECT_CONTAINS(offsets("[4, 20]"), "data ends at byte 20, but the file holds 16 bytes");
  EXPECT_CONTAINS(offsets("[0]"), "not a pair");
  EXPECT_CONTAINS(offsets("[0, -16]"), "not a pair");
  EXPECT_CONTAINS(offsets("[0, 18446744073709551615]"), "not a pair");
  EXPECT_CONTAINS(offsets("null"), "not a pair");
}

TEST(Safetensors, RefusesOverlaps) {
  EXPECT_CONTAINS(complaint(
                      R"({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
              "none": {"dtype": "U8", "shape": [0], "data_offsets": [4, 4]},
              "b": {"dtype": "U8", "shape": [4], "data_offsets": [7, 11]}})"),
                  ", inside a, which ends at byte");
}

/// Releasing ordinary memory would zero it.
TEST(Safetensors, OnlyMappedBytesAreReleased) {
  std::string file = safetensors({{"a", "U8", {8192}, std::string(8192, '\1')}});
  auto tensors = parse(file);
  ASSERT_TRUE(tensors.ok()) << tensors.message();
  EXPECT_FALSE(tensors->front().mapped);
  Checkpoint::releasePages(tensors->front());
  EXPECT_EQ(tensors->front().bytes[5000], std::byte{1});
}

TEST(Safetensors, EscapesNamesInMessages) {
  std::string message = complaint(R"({"evil\n\u001b[31m": {"dtype": "F13"}})");
  EXPECT_CONTAINS(message, R"(evil\x0a\x1b[31m)");
  message = complaint(R"({")" + std::string(100'000, 'n') + R"(": {"dtype": "F13"}})");
  EXPECT_LT(message.size(), 400u);
}

} // namespace
