//===- Image.cpp - A compiled text in memory ------------------------------===//

#include "tests/metal/Image.h"

#include "tests/metal/Diagnostics.h"
#include "tests/metal/Imports.h"
#include "tests/metal/Thunks.h"
#include "tests/metal/Tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace tq;
using namespace tq::metal;

Result<std::unique_ptr<Module>> Module::load(const std::string &object) {
  // A file of its own per copy: dlopen gives the same handle for the same file.
  int file = memfd_create("tq-metal-kernel", MFD_CLOEXEC);
  if (file < 0 || write(file, object.data(), object.size()) != static_cast<ssize_t>(object.size())) {
    if (file >= 0)
      close(file);
    return Error{fmt::format("cannot load a compiled kernel: {}", strerror(errno))};
  }
  std::unique_ptr<Module> module(new Module);
  module->file = file;
  module->handle = dlopen(fmt::format("/proc/self/fd/{}", file).c_str(), RTLD_NOW | RTLD_LOCAL);
  const char *why = module->handle ? nullptr : dlerror();
  if (!module->handle)
    return Error{fmt::format("cannot load a compiled kernel: {}", why ? why : "dlopen failed")};
  auto *imports = static_cast<void **>(dlsym(module->handle, "__msl_imports"));
  if (!imports)
    return Error{"cannot load a compiled kernel: no __msl_imports"};
  std::span<void *const> functions = importedFunctions();
  std::copy(functions.begin(), functions.end(), imports);
  auto table = [&](const char *name) {
    auto *count = static_cast<uint64_t *>(dlsym(module->handle, fmt::format("{}_count", name).c_str()));
    auto *entries = static_cast<const ImageVariable *>(dlsym(module->handle, name));
    return count && entries ? std::span(entries, *count) : std::span<const ImageVariable>();
  };
  module->statics = table("__msl_statics");
  module->constants = table("__msl_constants");
  module->poison = dlsym(module->handle, "__msl_poison");
  link_map *map = nullptr;
  if (dlinfo(module->handle, RTLD_DI_LINKMAP, static_cast<void *>(&map)) == 0)
    module->base = map->l_addr;
  auto *header = reinterpret_cast<const ElfW(Ehdr) *>(object.data());
  auto *segments = reinterpret_cast<const ElfW(Phdr) *>(object.data() + header->e_phoff);
  for (int i = 0; i < header->e_phnum; ++i)
    if (segments[i].p_type == PT_LOAD)
      module->size = std::max<uintptr_t>(module->size, segments[i].p_vaddr + segments[i].p_memsz);
  return module;
}

Module::~Module() {
  if (handle)
    dlclose(handle);
  if (file >= 0)
    close(file);
}

Thunk Module::thunk(const std::string &kernel) const {
  return reinterpret_cast<Thunk>(dlsym(handle, thunkName(kernel).c_str()));
}

void Module::setPoison(uint8_t byte) {
  if (poison)
    memset(poison, byte, kPoisonBytes);
}

int64_t Module::offsetOf(const void *code) const {
  auto address = reinterpret_cast<uintptr_t>(code);
  return address < base ? -1 : static_cast<int64_t>(address - base);
}

Result<Module *> LibraryImage::module(size_t worker) {
  std::lock_guard lock(mutex);
  while (modules.size() <= worker) {
    TQ_TRY_ASSIGN(auto loaded, Module::load(object));
    modules.push_back(std::move(loaded));
  }
  return modules[worker].get();
}

std::vector<std::string> LibraryImage::symbolize(const std::vector<int64_t> &offsets) {
  std::vector<std::string> found(offsets.size());
  std::string symbolizer = findSymbolizer();
  TemporaryDirectory scratch;
  if (symbolizer.empty() || !scratch.ok() || !writeBytes(scratch.path("kernel.so"), object).ok())
    return found;
  std::vector<std::string> command = {symbolizer, "--functions=none", "--inlines",
                                      "--obj=" + scratch.path("kernel.so")};
  for (int64_t offset : offsets)
    command.push_back(fmt::format("0x{:x}", offset));
  auto output = runTool(command, scratch.path());
  if (!output)
    return found;
  size_t i = 0; // an empty line ends each
  for (std::string_view rest = output->out; !rest.empty() && i < found.size();) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    // .../kernel.metal:12:7
    size_t at = line.rfind(std::string(kTextFile) + ":");
    if (line.empty())
      ++i;
    else if (at != line.npos)
      found[i] += std::string(found[i].empty() ? "" : " ") + std::string(line.substr(at + strlen(kTextFile) + 1));
  }
  return found;
}

std::string LibraryImage::place(int64_t offset) {
  std::lock_guard lock(mutex);
  if (auto known = places.find(offset); known != places.end())
    return known->second;
  return places[offset] = offset < 0 ? "" : symbolize({offset})[0];
}

int LibraryImage::lineOf(int64_t offset) {
  constexpr int64_t kFar = 64; // bytes of code
  auto first = [](const std::string &text) {
    int line = 0;
    std::from_chars(text.data(), text.data() + text.size(), line);
    return line;
  };
  if (int line = first(place(offset)))
    return line;
  std::vector<int64_t> around;
  for (int64_t d = 1; d <= kFar && d <= offset; ++d)
    around.insert(around.end(), {offset - d, offset + d});
  for (const std::string &text : symbolize(around))
    if (int line = first(text))
      return line;
  return 0;
}
