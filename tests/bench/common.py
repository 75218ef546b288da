"""Shared by the benchmark scripts: run tq's tools, time them, name the machine."""

import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TQ_BIN", ROOT / "build" / "bin"))
SCRATCH = pathlib.Path(os.environ.get("TQ_SCRATCH", ROOT / "build" / "bench"))
MODEL = ROOT / "tests" / "data" / "tinystories-3.7m"
TEXT = ROOT / "tests" / "data" / "text" / "tinystories-valid-400k.txt"


class ToolError(Exception):
    """A tool of ours ended with an error; the text is its own sentence."""


def run(tool, *args, timeout=1800):
    """Runs a tool; returns (stdout, seconds, peak resident bytes). Raises ToolError."""
    command = [str(BIN / tool), *map(str, args)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        try:
            p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as e:
            raise ToolError(f"{command[0]}: {e.strerror}; run ./dev build") from None
        status = None
        try:
            while status is None:
                pid, raw, usage = os.wait4(p.pid, os.WNOHANG)
                if pid:
                    status = os.waitstatus_to_exitcode(raw)
                elif time.monotonic() - start > timeout:
                    raise ToolError(f"{tool} took longer than {timeout} s")
                else:
                    time.sleep(0.005)
            p.returncode = status
        finally:
            if status is None:
                p.kill()
                p.wait()
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        if status:
            lines = [line for line in err.read().splitlines() if line.strip()]
            said = next((line for line in lines if "error" in line), lines[-1] if lines else "no message")
            ending = f"signal {-status}" if status < 0 else f"exit {status}"
            raise ToolError(f"{tool} ({ending}): {said.strip()}")
        # Linux counts KiB, macOS bytes.
        return out.read(), seconds, usage.ru_maxrss * (1 if platform.system() == "Darwin" else 1024)


def run_json(tool, *args, **kw):
    """Like run, with the one JSON object on stdout parsed."""
    text, seconds, rss = run(tool, *args, **kw)
    try:
        return json.loads(text), seconds, rss
    except ValueError:
        raise ToolError(f"{tool}: stdout is not one JSON object but {text.strip()[-100:]!r}") from None


def field(data, *path):
    """data[path[0]][path[1]]…, or a ToolError that says what is missing."""
    for key in path:
        if not isinstance(data, dict) or key not in data:
            raise ToolError(f"the JSON output has no {'.'.join(path)}")
        data = data[key]
    return data


def weight_bytes(package):
    return sum(f.stat().st_size for f in pathlib.Path(package).glob("weights-*.bin"))


def cpu():
    """(name, instruction set as far as it matters here, cores)"""
    name, flags = platform.processor() or platform.machine(), ""
    if platform.system() == "Darwin":
        name = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True).stdout.strip() or name
    elif os.path.exists("/proc/cpuinfo"):
        text = pathlib.Path("/proc/cpuinfo").read_text()
        found = re.search(r"^model name\s*: (.*)$", text, re.M)
        name = found.group(1) if found else name
        found = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.M)
        flags = set(found.group(1).split()) if found else set()
    sets = [label for flag, label in (("avx2", "AVX2"), ("avx512_vnni", "AVX-512+VNNI"), ("avx512vbmi", "VBMI"), ("avx512_fp16", "FP16"),
                                      ("amx_int8", "AMX"), ("asimddp", "NEON+dotprod")) if flag in flags]
    return name, " ".join(sets) or platform.machine(), os.cpu_count()


def table(rows, out=print):
    """Rows of strings in aligned columns; the first row is the head, the first column is left-aligned."""
    widths = [max(len(r[i]) for r in rows if i < len(r)) for i in range(max(map(len, rows)))]
    for n, r in enumerate(rows):
        out("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip())
        if n == 0:
            out("  ".join("-" * w for w in widths))
