//===- BuildCache.cpp - Finished builds and the precompiled shim ----------===//
// Everything appears under its final name by a rename, so that processes that
// build the same thing at the same time never see half of it.

#include "tests/metal/BuildCache.h"

#include "runtime/ReadFile.h"
#include "tests/metal/ShimFiles.h"
#include "tests/metal/Tools.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>

#include <unistd.h>

using namespace tq;
using namespace tq::metal;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// Empty if there is no folder to write to.
std::string cacheFolder() {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  fs::path folder;
  if (cache && *cache == '/') // a relative one does not count, as in runtime/CompileCache.cpp
    folder = fs::path(cache) / "tq" / "metal";
  else if (home && *home)
    folder = fs::path(home) / ".cache" / "tq" / "metal";
  else
    return "";
  std::error_code error;
  fs::create_directories(folder, error);
  return access(folder.c_str(), W_OK) == 0 ? folder.string() : "";
}

/// The folder that lasts as long as the process, for want of a cache.
std::string processFolder() {
  static TemporaryDirectory folder;
  return folder.ok() ? folder.path() : "";
}

/// -march=native means another thing on another processor.
std::string processor() {
  auto info = readFile("/proc/cpuinfo", kAnySize);
  if (!info)
    return "";
  std::string out;
  for (std::string_view key : {"model name", "flags", "Features", "CPU part"})
    if (size_t at = info->find(key); at != std::string::npos)
      out += info->substr(at, info->find('\n', at) - at);
  return out;
}

std::string uniqueSuffix() {
  static std::atomic<int> count = 0;
  return fmt::format(".{}.{}", getpid(), count++);
}

Status putFile(const std::string &path, std::string_view bytes) {
  std::string part = path + uniqueSuffix();
  std::error_code error;
  TQ_TRY(writeBytes(part, bytes));
  fs::rename(part, path, error);
  if (error)
    return Error{fmt::format("{}: {}", path, error.message())};
  return Status();
}

Status writeShim(const std::string &folder) {
  std::error_code error;
  fs::create_directories(folder + "/headers/simd", error);
  for (const ShimFile &file : shimFiles())
    TQ_TRY(writeBytes(fmt::format("{}/{}", folder, file.name), file.text));
  for (std::string_view header : metalHeaders())
    TQ_TRY(writeBytes(fmt::format("{}/headers/{}", folder, header), "#pragma once\n"));
  return Status();
}

json toJson(const Kernel &kernel) {
  json parameters = json::array();
  for (const Parameter &p : kernel.parameters)
    parameters.push_back({{"kind", static_cast<int>(p.kind)},
                          {"index", p.index},
                          {"name", p.name},
                          {"type", p.type},
                          {"builtin", p.builtin},
                          {"constant", p.isConstant},
                          {"const", p.isConst},
                          {"reference", p.isReference},
                          {"bytes", p.bytes},
                          {"absent", p.isAbsent},
                          {"missing", p.missingConstant},
                          {"line", p.line}});
  return {{"name", kernel.name},
          {"line", kernel.line},
          {"threads", kernel.maxTotalThreads},
          {"bytes", kernel.threadgroupBytes},
          {"parameters", parameters}};
}

Kernel fromJson(const json &j) {
  Kernel kernel;
  kernel.name = j.value("name", "");
  kernel.line = j.value("line", 0);
  kernel.maxTotalThreads = j.value("threads", 1024u);
  kernel.threadgroupBytes = j.value("bytes", uint64_t(0));
  for (const json &q : j.at("parameters")) {
    Parameter p;
    p.kind = static_cast<Parameter::Kind>(q.value("kind", 0));
    p.index = q.value("index", -1);
    p.name = q.value("name", "");
    p.type = q.value("type", "");
    p.builtin = q.value("builtin", "");
    p.isConstant = q.value("constant", false);
    p.isConst = q.value("const", false);
    p.isReference = q.value("reference", false);
    p.bytes = q.value("bytes", uint64_t(0));
    p.isAbsent = q.value("absent", false);
    p.missingConstant = q.value("missing", "");
    p.line = q.value("line", 0);
    kernel.parameters.push_back(std::move(p));
  }
  return kernel;
}

} // namespace

std::string tq::metal::hashOf(std::string_view bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

Result<Shim> tq::metal::installShim() {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  static std::string hash = [] {
    std::string all = processor();
    for (const ShimFile &file : shimFiles())
      all += file.text;
    for (std::string_view header : metalHeaders())
      all += header;
    return hashOf(all).substr(0, 16);
  }();
  for (const std::string &parent : {cacheFolder(), processFolder()}) {
    if (parent.empty())
      continue;
    std::string folder = parent + "/shim-" + hash;
    std::error_code error;
    if (fs::exists(folder, error))
      return Shim{folder, hash};
    std::string part = folder + uniqueSuffix();
    if (writeShim(part).ok()) {
      fs::rename(part, folder, error); // fails where another process was first, which is as good
      if (error)
        fs::remove_all(part, error);
      if (fs::exists(folder, error))
        return Shim{folder, hash};
    }
    fs::remove_all(part, error);
  }
  return Error{"cannot compile Metal text: no folder for temporary files can be written"};
}

Result<std::string> tq::metal::precompiledShim(const Shim &shim, const std::vector<std::string> &command,
                                               std::string_view flavour) {
  std::string all;
  for (const std::string &word : command)
    all += word + "\n";
  std::string name = fmt::format("{}-{}.pch", flavour, hashOf(all).substr(0, 8));
  std::string path = shim.folder + "/" + name;
  if (access(path.c_str(), R_OK) == 0)
    return path;
  TemporaryDirectory scratch;
  std::string part = path + uniqueSuffix();
  auto arguments = command;
  for (const char *word : {"-w", "-Xclang", "-fno-pch-timestamp", "-Xclang", "-emit-pch", "-c"})
    arguments.push_back(word);
  arguments.push_back(shim.folder + "/msl.h");
  arguments.push_back("-o");
  arguments.push_back(part);
  TQ_TRY_ASSIGN(auto output, runTool(arguments, scratch.path()));
  std::error_code error;
  if (output.code != 0) {
    fs::remove(part, error);
    return Error{fmt::format("cannot precompile the MSL shim: {}", output.error.substr(0, output.error.find('\n')))};
  }
  fs::rename(part, path, error);
  if (error)
    return Error{fmt::format("{}: {}", path, error.message())};
  return path;
}

std::optional<BuiltLibrary> tq::metal::loadBuild(const std::string &key) {
  std::string folder = cacheFolder();
  if (folder.empty())
    return std::nullopt;
  auto text = readFile(fmt::format("{}/{}.json", folder, key), kAnySize);
  auto object = readFile(fmt::format("{}/{}.so", folder, key), kAnySize);
  if (!text || !object)
    return std::nullopt;
  json j = json::parse(*text, nullptr, false);
  if (!j.is_object() || j.value("hash", "") != hashOf(*object) || !j.contains("kernels"))
    return std::nullopt; // damaged: built again
  BuiltLibrary library;
  for (const json &kernel : j["kernels"])
    library.kernels.push_back(fromJson(kernel));
  library.object = *std::move(object);
  library.deviceShift = j.value("deviceShift", 0);
  library.threadgroupShift = j.value("threadgroupShift", 0);
  return library;
}

void tq::metal::storeBuild(const std::string &key, const BuiltLibrary &library) {
  std::string folder = cacheFolder();
  if (folder.empty())
    return;
  json kernels = json::array();
  for (const Kernel &kernel : library.kernels)
    kernels.push_back(toJson(kernel));
  json j = {{"hash", hashOf(library.object)},
            {"kernels", kernels},
            {"deviceShift", library.deviceShift},
            {"threadgroupShift", library.threadgroupShift}};
  if (putFile(fmt::format("{}/{}.so", folder, key), library.object).ok())
    (void)putFile(fmt::format("{}/{}.json", folder, key), j.dump());
}
