//===- CompileCache.h - tq-run on a checkpoint ------------------*- C++ -*-===//
// `tq-run MODEL_DIR` compiles the checkpoint with the tq-compile beside it into
// $XDG_CACHE_HOME/tq (~/.cache/tq) first, once: the name of the package holds a
// hash of path, size and time of the checkpoint's files and of tq-compile.
//===----------------------------------------------------------------------===//

#ifndef TQ_RUNTIME_COMPILECACHE_H
#define TQ_RUNTIME_COMPILECACHE_H

#include "runtime/Status.h"

#include <string>

namespace tq {

/// A directory with a config.json and no manifest.json.
bool isCheckpoint(const std::string &path);

/// The path of the compiled package. What tq-compile says goes to standard
/// error; if it fails it has given the reason there, and `said` becomes true.
Result<std::string> compileIntoCache(const std::string &checkpoint, bool &said);

} // namespace tq

#endif // TQ_RUNTIME_COMPILECACHE_H
