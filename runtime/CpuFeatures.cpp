//===- CpuFeatures.cpp - What this CPU can run ----------------------------===//

#include "runtime/CpuFeatures.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <set>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

using namespace tq;

#if defined(__x86_64__)

namespace {

// Register state that the system must save (XCR0 bits).
constexpr uint64_t kAvx = 0x6, kAvx512 = 0xe6, kAmx = 0x60000;
enum Register { EAX, EBX, ECX, EDX };

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register where;
  int bit;
  uint64_t state;
};

// Those that targets list (codegen/host/CompileHost.cpp). Intel's manual, volume 2A, CPUID.
constexpr Feature kFeatures[] = {
    {"fma", 1, 0, ECX, 12, kAvx},
    {"movbe", 1, 0, ECX, 22, 0},
    {"f16c", 1, 0, ECX, 29, kAvx},
    {"bmi1", 7, 0, EBX, 3, 0},
    {"avx2", 7, 0, EBX, 5, kAvx},
    {"bmi2", 7, 0, EBX, 8, 0},
    {"avx512f", 7, 0, EBX, 16, kAvx512},
    {"avx512dq", 7, 0, EBX, 17, kAvx512},
    {"avx512cd", 7, 0, EBX, 28, kAvx512},
    {"avx512bw", 7, 0, EBX, 30, kAvx512},
    {"avx512vl", 7, 0, EBX, 31, kAvx512},
    {"avx512_vbmi", 7, 0, ECX, 1, kAvx512},
    {"avx512_vnni", 7, 0, ECX, 11, kAvx512},
    {"amx_tile", 7, 0, EDX, 24, kAmx},
    {"amx_int8", 7, 0, EDX, 25, kAmx},
    {"abm", 0x80000001, 0, ECX, 5, 0},
};

uint64_t savedState() {
  uint32_t regs[4];
  constexpr uint32_t kOsXsave = 1u << 27;
  if (!__get_cpuid(1, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]) || !(regs[ECX] & kOsXsave))
    return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Linux hands out the 8 KB of tile registers on request, once per process;
/// threads started later inherit them. Refused, for instance, if some thread
/// has an alternate signal stack too small to save them.
bool tilesGranted() {
#if defined(__linux__)
  constexpr int kArchReqXcompPerm = 0x1023, kXfeatureXtiledata = 18;
  static const bool granted = syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
  return granted;
#else
  return false;
#endif
}

} // namespace

bool tq::cpuHas(std::string_view name) {
  auto feature = std::ranges::find(kFeatures, name, &Feature::name);
  if (feature == std::end(kFeatures))
    return false;
  uint32_t regs[4];
  if (!__get_cpuid_count(feature->leaf, feature->subleaf, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]) ||
      !(regs[feature->where] >> feature->bit & 1))
    return false;
  static const uint64_t saved = savedState();
  if ((saved & feature->state) != feature->state)
    return false;
  return feature->state != kAmx || tilesGranted();
}

#elif defined(__aarch64__)

bool tq::cpuHas(std::string_view name) {
#if defined(__linux__)
  uint64_t bit = name == "asimdhp" ? HWCAP_ASIMDHP : name == "asimddp" ? HWCAP_ASIMDDP : 0;
  return getauxval(AT_HWCAP) & bit;
#else
  return name == "asimdhp" || name == "asimddp"; // every Apple CPU with a Metal GPU of ours has both
#endif
}

#else
bool tq::cpuHas(std::string_view) { return false; }
#endif

std::string tq::missingFeatures(const std::vector<std::string> &features) {
  std::string missing;
  for (const std::string &feature : features)
    if (!cpuHas(feature))
      missing += (missing.empty() ? "" : " ") + feature;
  return missing;
}

int tq::physicalCores() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    // Hyper-threads of one core have the same first sibling. They share the
    // units that kernels are bound by.
    std::set<int> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed))
        continue;
      char path[96];
      snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
      int first = cpu;
      if (FILE *file = fopen(path, "re")) {
        if (fscanf(file, "%d", &first) != 1)
          first = cpu;
        fclose(file);
      }
      cores.insert(first);
    }
    if (!cores.empty())
      return static_cast<int>(cores.size());
  }
#elif defined(__APPLE__)
  int cores = 0;
  size_t size = sizeof(cores);
  // The fast cores alone: a slow one would hold up every barrier.
  if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &size, nullptr, 0) == 0 && cores > 0)
    return cores;
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

std::string tq::cpuModel() {
#if defined(__x86_64__)
  uint32_t brand[12];
  if (__get_cpuid_max(0x80000000, nullptr) < 0x80000004)
    return "x86-64";
  for (uint32_t i = 0; i < 3; ++i)
    __get_cpuid(0x80000002 + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2], &brand[4 * i + 3]);
  char text[sizeof(brand) + 1] = {};
  memcpy(text, brand, sizeof(brand));
  std::string_view name = text;
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  return std::string(name.substr(0, name.find_last_not_of(' ') + 1));
#else
  return "aarch64";
#endif
}
