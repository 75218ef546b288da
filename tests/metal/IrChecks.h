//===- IrChecks.h - What the checked build does at run time -----*- C++ -*-===//
// Before an instruction: what it must not do. IrAccesses.h and ThreadSanitizer's pass, which comes later, see to plain
// accesses.
//===----------------------------------------------------------------------===//

#ifndef TQ_TESTS_METAL_IRCHECKS_H
#define TQ_TESTS_METAL_IRCHECKS_H

#include "tests/metal/IrText.h"
#include "tests/metal/Reflect.h"

#include <set>

namespace tq::metal {

class IrChecks {
public:
  /// Writes to `out`, and what is wrong in any case to `findings`.
  IrChecks(const IrMetadata &metadata, const Reflection &reflection, std::string &out, std::vector<Finding> &findings)
      : metadata(metadata), reflection(reflection), out(out), findings(findings) {}

  /// The instructions of the next function.
  void function(std::string_view name, const std::vector<std::string_view> &lines);
  /// An instruction of it, with what comes before it or in its place.
  void instruction(std::string_view line);
  /// What the checks call, where `ir` does not declare it.
  void definitions(std::string_view ir);

private:
  void put(std::string_view line) { (out += line) += '\n'; }
  void pad(std::string_view line, const std::string &variable);
  bool poison(std::string_view line);
  void missingConstant(std::string_view line);
  void shift(std::string_view line);
  void element(std::string_view line);
  void zeroDivisor(std::string_view line);
  void wide(std::string_view line);

  const IrMetadata &metadata;
  const Reflection &reflection;
  std::string &out;
  std::vector<Finding> &findings;
  std::vector<std::string> allocas;                    ///< of the function
  std::set<std::string, std::less<>> pointedVariables; ///< likewise: those reached through a pointer
  std::map<std::string, std::string> declarations;     ///< of intrinsics
  int fresh = 0;
  bool usesMemset = false;
};

} // namespace tq::metal

#endif // TQ_TESTS_METAL_IRCHECKS_H
