#!/usr/bin/env python3
"""Speed of real shapes with random weights, one table: ./dev bench speed [--large] [--threads N] …

Through the command line only. decode: tokens per second with an empty cache, the packed weight bytes read per second, and
those as a fraction of the best plain read that tq-run measures in the same process. prefill: 512 tokens, GFLOPS of all
threads together. compile: time and peak resident memory of tq-compile from the float checkpoint (mapped pages count).
start: from process start to the first launch, with the files in the page cache. Rows "signs" are TurboQuant checkpoints
whose q/k/v and gate/up need different rotations. cache: the bytes that attention reads per token after
4096 tokens, over the time of its launches (tq-run --trace, medians), and as a fraction of the plain read.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

import common
from common import ToolError

# GB on disk: checkpoint in bf16, one package
SIZES = {"tinyllama-1.1b": (2.3, 0.9), "mistral-7b": (14.6, 4.6), "tiny": (0.1, 0.1)}


def checkpoint(shape, bits, layers):
    """Makes the random checkpoint unless a complete one is there; returns its folder."""
    folder = common.SCRATCH / (shape + (f"-signs-{bits}bit" if bits else "") + (f"-{layers}layers" if layers else ""))
    if not (folder / "config.json").exists():
        command = [sys.executable, str(common.ROOT / "tests/bench/make_checkpoint"), shape, str(folder), "--tokenizer", str(common.MODEL)]
        command += [f"--turboquant={bits}"] if bits else []
        command += [f"--layers={layers}"] if layers else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ToolError(f"make_checkpoint: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return folder


def measure(source, package, flags, threads, bench):
    """One row: compile, benchmark, start-up. Each part that fails leaves its sentence and the others are still tried."""
    row, errors = {}, []
    try:
        _, row["compile_s"], row["compile_rss"] = common.run("tq-compile", source, "-o", package, "--force", *flags)
    except ToolError as e:
        return row, [str(e)]
    row["bytes"] = common.weight_bytes(package)
    for part in bench:
        try:
            got, _, _ = common.run_json("tq-run", package, "--bench", ",".join(part), "--threads", threads, "--json")
            row.update({name: common.field(got, name) for name in part})
        except ToolError as e:
            errors.append(str(e))
    try:
        starts = []
        for _ in range(3):
            got, _, _ = common.run_json("tq-run", package, "--token-ids", "1", "-n", "1", "--temp", "0", "--threads", threads, "--json")
            starts.append(float(common.field(got, "startup_s")))
        row["startup_s"] = min(starts)
    except ToolError as e:
        errors.append(str(e))
    return row, errors


def attention(package, threads, depth=4096, tokens=16):
    """GB/s of the cache in decode: bytes of K and V at this depth over the time of the launches that read or merge them."""
    manifest = json.loads((package / "manifest.json").read_text())
    trace = package.with_suffix(".trace.json")
    prompt = ",".join(str(1 + i * 37 % (manifest["model"]["vocab"] - 1)) for i in range(depth))
    common.run("tq-run", package, "--token-ids", prompt, "-n", tokens, "--temp", "0", "--ignore-eos", "--threads", threads, "--trace", trace)
    data = json.loads(trace.read_text())
    trace.unlink()
    times = {}
    for event in data["traceEvents"] if isinstance(data, dict) else data:
        if event.get("cat") == "decode" and event["args"]["kernel"].startswith("sdpa"):
            times.setdefault((event["name"], event["args"]["kernel"]), []).append(event["dur"])
    micros = sum(statistics.median(durations) for durations in times.values())
    return sum(state["page_bytes"] / state["page_tokens"] for state in manifest["states"]) * depth / micros / 1e3


def cells(name, row, threads, pp, tg):
    def num(value, form):
        return format(value, form) if isinstance(value, (int, float)) else "-"

    p, t = row.get(pp, {}), row.get(tg, {})
    cache = row.get("cache_gb_s")
    ratio = t["weights_gb_s"] / t["read_gb_s"] if t.get("weights_gb_s") and t.get("read_gb_s") else None
    return [name, num(p.get("tok_s"), ".0f"), num(p.get("gflops"), ".0f"), num(p["gflops"] / threads if "gflops" in p else None, ".0f"),
            num(t.get("tok_s"), ".1f"), num(t.get("weights_gb_s"), ".1f"), num(t.get("read_gb_s"), ".1f"), num(ratio, ".0%"),
            num(row.get("compile_s"), ".1f"), num(row["compile_rss"] / 1e9 if "compile_rss" in row else None, ".2f"),
            num(row["bytes"] / 1e9 if "bytes" in row else None, ".3f"), num(row.get("startup_s"), ".3f"),
            num(cache, ".1f"), num(cache / t["read_gb_s"] if cache else None, ".0%")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--large", action="store_true", help="the 7B shape too (20 GB of disk)")
    p.add_argument("--shape", action="append", choices=SIZES, help="only these")
    p.add_argument("--weights", default="tq4,tq3,q4")
    p.add_argument("--signs", default="4,3", help="bits of the TurboQuant checkpoints with different signs; empty for none")
    p.add_argument("--activations", default="", help="instead of tq-compile's default")
    p.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    p.add_argument("--layers", type=int, help="fewer layers, for a quick look")
    p.add_argument("--keep", action="store_true", help="keep the packages")
    p.add_argument("--json", metavar="FILE", help="also write the figures here")
    a = p.parse_args()

    common.SCRATCH.mkdir(parents=True, exist_ok=True)
    name, isa, cores = common.cpu()
    print(f"CPU: {name}; {isa}; {cores} cores, {a.threads} threads used")
    failed, results = [], {}
    head = ["", "prefill tok/s", "GFLOPS", "per thread", "decode tok/s", "GB/s", "read GB/s", "ratio", "compile s", "peak GB", "weights GB", "start s", "cache GB/s", "ratio"]
    rows = [head]
    extra = [f"--activations={a.activations}"] if a.activations else []

    def add(label, source, flags, pp="pp512", tg="tg128", deep=False):
        print(f"{label} …", file=sys.stderr)
        package = common.SCRATCH / (label.replace(" ", "-") + ".tqpkg")
        try:
            row, errors = measure(source(), package, flags, a.threads, [[pp, tg]])
        except ToolError as e:
            row, errors = {}, [str(e)]
        if deep and not errors:
            try:
                row["cache_gb_s"] = attention(package, a.threads)
            except ToolError as e:
                errors.append(str(e))
        rows.append(cells(label, row, a.threads, pp, tg))
        results[label] = row
        failed.extend(f"{label}: {e}" for e in errors)
        if not a.keep:
            shutil.rmtree(package, ignore_errors=True)

    if not a.shape:  # its context is 256 tokens
        add("bundled tq4", lambda: common.MODEL, ["--weights=tq4", *extra], pp="pp64")
    for shape in a.shape or ["tinyllama-1.1b"] + (["mistral-7b"] if a.large else []):
        float_gb, package_gb = SIZES[shape]
        free = shutil.disk_usage(common.SCRATCH).free / 1e9
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        made = (common.SCRATCH / shape / "config.json").exists()
        if not a.layers and (free < (0 if made else float_gb) + package_gb + 1 or memory < 1.5 * package_gb):
            failed.append(f"{shape}: needs {float_gb + package_gb + 1:.0f} GB of disk and {1.5 * package_gb:.0f} GB of memory, "
                          f"but there are {free:.0f} and {memory:.0f}")
            continue
        for w in filter(None, a.weights.split(",")):
            add(f"{shape} {w}", lambda: checkpoint(shape, None, a.layers), [f"--weights={w}", *extra], deep=w == "tq4")
        if not a.activations:
            add(f"{shape} tq4 int16", lambda: checkpoint(shape, None, a.layers), ["--weights=tq4", "--activations=int16"])
        for bits in map(int, filter(None, a.signs.split(","))):
            add(f"{shape} signs {bits} bit", lambda: checkpoint(shape, bits, a.layers), extra)
    common.table(rows)
    print("bars: decode ratio 85 % (compute-bound CPUs: less); GFLOPS per thread with int8 activations: AMX 500, AVX-512+VNNI 200, AVX2 150, "
          "with exact ones (int16) 100; 1.1B: compile 60 s and 1.5 GB, start 0.3 s; bundled model: 1500 tok/s; "
          "cache AVX-512 50 %, AVX2 17 GB/s")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(dict(cpu=name, isa=isa, threads=a.threads, results=results), f, indent=1)
    for line in failed:
        print("error:", line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
