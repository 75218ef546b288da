"""lit configuration: *.mlir and *.test below tests/, run with the tools of the build folder that lit was pointed at.

Substitutions: %tq_source (the repository), %data (tests/data), %model (the bundled model), %t, %s, %S as usual.
Features (for REQUIRES and UNSUPPORTED): text, asan, metal, and the instruction sets avx2, avx512vnni, amx, aarch64.
"""

import os
import platform
import shutil
import sys

import lit.formats

config.name = "tq"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "bench", "corpus", "data", "goldens"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.tq_build, "tests")

path = [config.tq_tools, config.llvm_tools, config.environment.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TQ_THREADS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# TQ_CHECK_ROUNDTRIP=1: every run of tq-opt also verifies that what it reads survives print and parse.
if os.environ.get("TQ_CHECK_ROUNDTRIP") == "1":
    config.substitutions.append((r"(?<![-\w/])tq-opt\b", "tq-opt --verify-roundtrip"))

data = os.path.join(config.test_source_root, "data")
config.substitutions += [
    ("%tq_source", config.tq_source),
    ("%model", os.path.join(data, "tinystories-3.7m")),
    ("%data", data),
    ("%python", next((p for p in (sys.executable, "/usr/bin/python3") if os.system(f"{p} -c 'import numpy' 2>/dev/null") == 0), sys.executable)),
]

# A tool that is missing must fail its tests, never skip them: FileCheck and not are looked for here, ours are built.
for tool in ("FileCheck", "not", "count", "split-file"):
    if not shutil.which(tool, path=config.environment["PATH"]):
        lit_config.fatal(f"{tool} is missing: run ./dev setup")

if config.text:
    config.available_features.add("text")
if config.sanitized:
    config.available_features.add("asan")
if platform.machine() in ("aarch64", "arm64"):
    config.available_features.add("aarch64")
if platform.system() == "Darwin":
    config.available_features.add("metal")
try:
    with open("/proc/cpuinfo") as f:
        flags = set(next((line for line in f if line.startswith("flags")), "").split())
except OSError:
    flags = set()
for feature, flag in (("avx2", "avx2"), ("avx512vnni", "avx512_vnni"), ("amx", "amx_int8")):
    if flag in flags:
        config.available_features.add(feature)
