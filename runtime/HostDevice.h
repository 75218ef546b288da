//===- HostDevice.h - Launches on the CPU -----------------------*- C++ -*-===//
// Picks the package's first target that this CPU can run, loads its shared
// object, and runs each launch as a range of tasks on a ThreadPool.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_HOSTDEVICE_H
#define TQ_RUNTIME_HOSTDEVICE_H

#include "runtime/Device.h"
#include "runtime/Package.h"

#include <memory>
#include <string>

namespace tq {

struct HostOptions {
  int threads = 0; ///< 0: physical cores that this process may use
  std::string cpu; ///< name of a target to use instead of the best one
};

/// `package` must outlive the device. One device serves one session at a time.
Result<std::unique_ptr<Device>> createHostDevice(const Package &package, const HostOptions &options);

} // namespace tq

#endif // TQ_RUNTIME_HOSTDEVICE_H
