//===- RunSelfTest.h - tq-run --metal-selftest ------------------*- C++ -*-===//

#ifndef TQ_RUNTIME_RUNSELFTEST_H
#define TQ_RUNTIME_RUNSELFTEST_H

#include "runtime/Package.h"
#include "runtime/RunOptions.h"

#include <functional>
#include <memory>

namespace tq {

/// Makes a device for the package, which by then has other entry points.
using MakeDevice = std::function<Result<std::unique_ptr<Device>>(const RunOptions &options)>;

/// Records the outputs of all kernels, or compares them with those recorded and
/// prints a table. Fails if a kernel does.
Status runSelfTest(Package &package, const RunOptions &options, const MakeDevice &makeDevice);

} // namespace tq

#endif // TQ_RUNTIME_RUNSELFTEST_H
