//===- MachineCode.cpp - What the optimiser makes of a text ---------------===//

#include "tests/metal/MachineCode.h"

#include "tests/metal/Build.h"

#include <cstring>

#include <elf.h>

using namespace tq;
using namespace tq::metal;

Result<std::string> tq::metal::machineCode(std::string_view text) {
  TQ_TRY_ASSIGN(BuiltLibrary library, build(text, {.checked = false, .cached = false}));
  // The linker's own output: offsets need no checks.
  const std::string &object = library.object;
  Elf64_Ehdr header;
  memcpy(&header, object.data(), sizeof(header));
  std::string code;
  for (size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    memcpy(&section, object.data() + header.e_shoff + i * header.e_shentsize, sizeof(section));
    if (section.sh_type == SHT_PROGBITS && (section.sh_flags & SHF_ALLOC))
      code += object.substr(section.sh_offset, section.sh_size);
  }
  return code;
}
