//===- Explain.cpp - What a Metal target will cost, without a Mac ---------===//

#include "codegen/metal/Explain.h"
#include "codegen/metal/KernelCost.h"
#include "dialect/TQ.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace tq;
using llvm::formatv;

namespace {
/// DRAM bandwidth in GB/s and FP32 TFLOP/s (128 fused multiply-adds per core and cycle at 1.3 to 1.6 GHz).
struct Chip {
  const char *name;
  double bandwidth, teraflops;
};
constexpr Chip kChips[] = {{"M1", 68, 2.6},       {"M1 Max", 400, 10.6}, {"M1 Ultra", 800, 21}, {"M2", 100, 3.6},
                           {"M2 Max", 400, 13.6}, {"M3", 100, 3.5},      {"M3 Max", 400, 14},   {"M3 Ultra", 819, 28},
                           {"M4", 120, 4},        {"M4 Pro", 273, 8},    {"M4 Max", 546, 17.5}, {"M5", 153, 4},
                           {"M5 Max", 614, 16}};
/// A good matrix-vector product reads at this share of the nominal bandwidth; a dispatch behind a barrier costs this much.
constexpr double kReachable = 0.85, kDispatchMicros = 1.5;

/// A core of Apple7 and Apple8 (from Apple9 on registers and threadgroup memory are given out as a kernel goes).
constexpr int64_t kCoreRegisterBytes = 208 << 10, kCoreThreadgroupBytes = 60 << 10, kHidingSimdgroups = 24;

struct Launches {
  int64_t count = 0, groups = 0, weightBytes = 0; // groups and bytes of one launch
};

/// Tasks of a step for one token at position 0.
int64_t tasksOf(StepOp step) {
  MLIRContext *context = step.getContext();
  SmallVector<Attribute> params;
  for (int64_t value : {1, 0, 1}) // n_tokens, pos, n_out
    params.push_back(mlir::IntegerAttr::get(IndexType::get(context), value));
  SmallVector<Attribute> result;
  if (failed(step.getTasks().constantFold(params, result)))
    return 1;
  return cast<mlir::IntegerAttr>(result.front()).getInt();
}

std::string bytesOf(double bytes) {
  return bytes < 1e4   ? formatv("{0:f0} B", bytes).str()
         : bytes < 1e7 ? formatv("{0:f1} KB", bytes / 1e3).str()
                       : formatv("{0:f1} MB", bytes / 1e6).str();
}

/// Simdgroups of this kernel that fit a core at once, and what stops there from being more.
std::pair<int64_t, const char *> occupancy(const KernelCost &cost) {
  int64_t perGroup = cost.threads / 32;
  int64_t byRegisters = kCoreRegisterBytes / std::max<int64_t>(1, cost.registers * 4 * 32);
  int64_t byMemory = cost.threadgroupBytes ? kCoreThreadgroupBytes / cost.threadgroupBytes * perGroup : byRegisters;
  int64_t fit = std::min(byRegisters, byMemory) / perGroup * perGroup;
  return {fit, fit >= kHidingSimdgroups ? "" : byMemory < byRegisters ? "threadgroup memory" : "registers"};
}

/// Bytes per weight of a layout in blocks of 16 rows x 128 columns, and of the same codes and scales in plain rows.
void explainLayouts(llvm::raw_ostream &os) {
  os << "\nBits per weight, 4096 x 4096, scales included\n"
     << formatv("{0,-16}{1,12}{2,12}\n", "layout", "16 x 64", "row-major");
  for (auto kind : {Layout::Kind::Codebook, Layout::Kind::Affine})
    for (int bits : {2, 3, 4, 8}) {
      bool affine = kind == Layout::Kind::Affine;
      if (!affine && bits == 8)
        continue;
      constexpr int64_t n = 4096, group = 64;
      double blocks = double(Layout{kind, bits, group}.bytes(n, n)) * 8 / double(n * n);
      // Codes of a row packed into whole 32-bit words, one 16-bit scale (and minimum) per group.
      double rows = double((n * bits + 31) / 32 * 32) / double(n) + (affine ? 32.0 : 16.0) / double(group);
      os << formatv("{0,-16}{1,12:f3}{2,12:f3}\n", formatv("{0} {1} bit", affine ? "affine" : "codebook", bits).str(),
                    blocks, rows);
    }
}
} // namespace

std::string tq::explainMetal(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::MapVector<StringRef, KernelCost> costs;
  for (auto kernels : module.getOps<gpu::GPUModuleOp>())
    for (auto kernel : kernels.getOps<gpu::GPUFuncOp>())
      costs[kernel.getName()] = costOf(kernel);

  for (TableOp table : module.getOps<TableOp>()) {
    llvm::MapVector<StringRef, Launches> launches;
    for (StepOp step : table.getBody().front().getOps<StepOp>()) {
      Launches &of = launches[step.getKernel()];
      ++of.count;
      of.groups = tasksOf(step);
      of.weightBytes = step.getWeightBytes();
    }
    os << "\nEntry " << table.getSymName()
       << ": kernels, per threadgroup (* loops over tokens or positions count once)\n"
       << formatv("{0,-58}{1,8}{2,8}{3,8}{4,11}{5,11}{6,11}{7,10}{8,9}{9,9}{10,6}  {11}\n", "kernel", "launches",
                  "groups", "threads", "read", "written", "flops", "int ops", "barriers", "tg mem", "regs",
                  "simdgroups per core");
    double weightBytes = 0, otherBytes = 0, flops = 0;
    int64_t steps = 0;
    for (auto &[name, of] : launches) {
      const KernelCost &c = costs[name];
      auto [fit, limit] = occupancy(c);
      os << formatv("{0,-58}{1,8}{2,8}{3,8}{4,11}{5,11}{6,11}{7,10}{8,9}{9,9}{10,6}  {11}{12}\n",
                    (name + (c.dynamicLoops ? " *" : "")).str(), of.count, of.groups, c.threads, bytesOf(c.readBytes),
                    bytesOf(c.writtenBytes), c.flops, c.integerOps, c.barriers, bytesOf(c.threadgroupBytes),
                    c.registers, fit, *limit ? formatv(" (limit: {0})", limit).str() : "");
      steps += of.count;
      weightBytes += double(of.count) * double(of.weightBytes);
      double asked = double(of.count) * double(of.groups) * double(c.readBytes + c.writtenBytes);
      otherBytes += of.weightBytes ? double(of.count) * double(of.groups) * double(c.writtenBytes) : asked;
      flops += double(of.count) * double(of.groups) * double(c.flops);
    }
    if (table.getMaxTokens() != 1)
      continue;
    os << formatv(
              "\nOne token at the start: {0} of weights and {1} else in {2} launches; predicted from {3:f0} % of the "
              "bandwidth and {4:f1} us per launch\n",
              bytesOf(weightBytes), bytesOf(otherBytes), steps, 100 * kReachable, kDispatchMicros)
       << formatv("{0,-10}{1,8}{2,12}{3,12}\n", "chip", "GB/s", "ms/token", "tokens/s");
    for (const Chip &chip : kChips) {
      double memory = (weightBytes + otherBytes) / (chip.bandwidth * 1e3 * kReachable); // microseconds
      double micros = std::max(memory, flops / (chip.teraflops * 1e6)) + double(steps) * kDispatchMicros;
      os << formatv("{0,-10}{1,8:f0}{2,12:f2}{3,12:f0}\n", chip.name, chip.bandwidth, micros / 1e3, 1e6 / micros);
    }
  }
  explainLayouts(os);
  return text;
}
