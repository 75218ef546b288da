//===- KernelReader.h - What an MSL text says of a kernel -------*- C++ -*-===//

#ifndef TQ_TESTS_METAL_KERNELREADER_H
#define TQ_TESTS_METAL_KERNELREADER_H

#include "tests/metal/Constants.h"
#include "tests/metal/Reflect.h"

namespace tq::metal {

/// A kernel or a template of kernels.
struct KernelDeclaration {
  size_t begin = 0, name = 0; ///< the first token behind `template <...>`; the function's name
  TokenRange body;            ///< `{` to `}`
  bool isTemplate = false;
  TokenRange templateParameters;  ///< between `<` and `>`
  std::vector<std::string> scope; ///< the namespaces around it
};

/// template [[host_name("k_half")]] [[kernel]] void k<half>(...);
struct KernelInstantiation {
  size_t begin = 0, name = 0, end = 0; ///< `template`, the function's name, the semicolon
  TokenRange arguments;                ///< between `<` and `>`
  std::vector<std::string> scope;
};

/// Reads a kernel: its name, attributes and parameters, those of an instance from its template.
/// Says in `findings` what is wrong with them.
KernelText readKernel(const Tokens &tokens, const Constants &constants, const KernelDeclaration &declaration,
                      const KernelInstantiation *instance, std::vector<Finding> &findings);

} // namespace tq::metal

#endif // TQ_TESTS_METAL_KERNELREADER_H
