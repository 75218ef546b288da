//===- CpuFeatures.h - What this CPU can run --------------------*- C++ -*-===//
// Feature names are those of /proc/cpuinfo, as in Target::features.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_CPUFEATURES_H
#define TQ_RUNTIME_CPUFEATURES_H

#include <string>
#include <string_view>
#include <vector>

namespace tq {

/// True if the CPU has the feature, the system saves its registers, and, for
/// amx_*, the system grants this process the tiles (asked for on the first
/// call). Unknown names are false.
bool cpuHas(std::string_view feature);

/// Those of `features` that are missing, separated by spaces.
std::string missingFeatures(const std::vector<std::string> &features);

/// Physical cores among the CPUs that this process may run on; at least 1.
int physicalCores();

/// "Intel(R) Xeon(R) Processor", for tables of measurements.
std::string cpuModel();

} // namespace tq

#endif // TQ_RUNTIME_CPUFEATURES_H
