#!/usr/bin/env python3
"""Perplexity of the bundled model in every format, one table: ./dev bench quality [--seeds N] [--only WORD] …

Through the command line only. The rule is tq-run's: windows of --ctx tokens without overlap, the second half of each scored.
A rotation seed alone moves this small model by about 1 % at 4 bits and 8 % at 2 bits: formats are compared over several.
bpw counts codes, scales and minima of the linear layers; embedding and tied head stay float in all rows.
"""

import argparse
import json
import shutil
import statistics
import sys

import common
from common import ToolError


def bpw(family, bits, group):
    """Bits per weight: a 16-bit scale per group, and for affine codes a 16-bit minimum."""
    return bits + (16 if family == "tq" else 32) / group


# name, bits per weight, flags; rows with "seed" depend on the rotation
def cases():
    yield "f16 (as trained)", 16, ["--weights=keep", "--activations=f32"]
    for bits in (4, 3, 2):
        for group in (32, 64, 128):
            yield f"tq{bits} g{group}", bpw("tq", bits, group), [f"--weights=tq{bits}", f"--group-size={group}", "--activations=f32"]
    for group in (32, 64, 128):
        yield f"q4 g{group}", bpw("q", 4, group), ["--weights=q4", f"--group-size={group}", "--activations=f32"]
    for bits in (3, 2):
        yield (f"q{bits} g64", bpw("q", bits, 64),
               ["--weights=q4", f"--attn-bits={bits}", f"--mlp-bits={bits}", "--group-size=64", "--activations=f32"])
    for attn, mlp in ((4, 3), (3, 4), (4, 2), (3, 2), (2, 3)):
        yield (f"tq attn {attn} mlp {mlp} g64", None,
               ["--weights=tq4", f"--attn-bits={attn}", f"--mlp-bits={mlp}", "--group-size=64", "--activations=f32"])
    for weights in ("tq4", "tq3", "q4"):
        for activations in ("int16", "int8"):
            yield (f"{weights} g64 {activations}", bpw(weights.rstrip("0123456789"), int(weights[-1]), 64),
                   [f"--weights={weights}", "--group-size=64", f"--activations={activations}"])
    yield "tq4 g64 rms scale", bpw("tq", 4, 64), ["--weights=tq4", "--group-size=64", "--activations=f32", "--scale=rms"]
    yield "tq4 g64 no rotation", bpw("tq", 4, 64), ["--weights=tq4", "--group-size=64", "--activations=f32", "--rotation=none"]


def mixed_bpw(config, attn, mlp, group):
    h, i, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    q, kv = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    a, m = 2 * h * q + 2 * h * kv, 3 * h * i
    return (a * bpw("tq", attn, group) + m * bpw("tq", mlp, group)) / (a + m)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default=common.MODEL)
    p.add_argument("--text", default=common.TEXT)
    p.add_argument("--ctx", default=256, type=int)
    p.add_argument("--seeds", default=3, type=int, help="rotation seeds per format (default 3)")
    p.add_argument("--only", default="", help="rows whose name contains this (f16 is always measured)")
    p.add_argument("--json", metavar="FILE", help="also write the figures here")
    a = p.parse_args()

    config = json.load(open(f"{a.model}/config.json"))
    package = common.SCRATCH / "quality.tqpkg"
    common.SCRATCH.mkdir(parents=True, exist_ok=True)
    seeds = [42, 1, 2, 3, 4, 5, 6, 7, 8, 9][:a.seeds]
    print("CPU: {}; {}; {} cores".format(*common.cpu()))
    print(f"{a.text}, windows of {a.ctx}, seeds {', '.join(map(str, seeds))}")

    results, failed, reference, tokens = {}, [], None, None
    rows = [["weights", "bits/weight", "MB", "perplexity", "+-", "vs f16", "seeds"]]
    for name, bits, flags in cases():
        if a.only not in name and reference is not None:
            continue
        if "attn" in name:
            bits = mixed_bpw(config, int(name.split()[2]), int(name.split()[4]), 64)
        values = []
        try:
            for seed in seeds if "tq" in name and "no rotation" not in name else [42]:
                print(f"\r\033[K{name}, seed {seed}", end="", file=sys.stderr) if sys.stderr.isatty() else None
                common.run("tq-compile", a.model, "-o", package, "--force", f"--seed={seed}", *flags)
                got, _, _ = common.run_json("tq-run", package, "--perplexity", a.text, "--ctx", a.ctx, "--json")
                values.append(float(common.field(got, "perplexity")))
                tokens = common.field(got, "tokens")
        except ToolError as e:
            failed.append(f"{name}: {e}")
            rows.append([name, f"{bits:.2f}", "", "failed"])
            continue
        finally:
            size = common.weight_bytes(package) if package.exists() else 0
            print("\r\033[K", end="", file=sys.stderr) if sys.stderr.isatty() else None
        mean = statistics.mean(values)
        reference = reference or mean
        results[name] = values
        rows.append([name, f"{bits:.2f}", f"{size / 1e6:.2f}", f"{mean:.4f}", f"{statistics.stdev(values):.4f}" if len(values) > 1 else "",
                     f"{100 * (mean / reference - 1):+.2f} %", " ".join(f"{v:.4f}" for v in values) if len(values) > 1 else ""])
    shutil.rmtree(package, ignore_errors=True)
    common.table(rows)
    print(f"predictions scored: {tokens}")
    for weights in ("tq4", "tq3", "q4"):
        exact, fast = results.get(f"{weights} g64"), results.get(f"{weights} g64 int8")
        if exact and fast:
            cost = statistics.mean(f / e - 1 for f, e in zip(fast, exact))
            print(f"int8 instead of f32 activations costs {weights} {100 * cost:+.2f} % perplexity (bar: below 0.5 %)")
            if cost >= 0.005:
                failed.append(f"{weights}: int8 activations cost {100 * cost:.2f} %")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(dict(cpu=common.cpu(), tokens=tokens, perplexity=results), f, indent=1)
    for line in failed:
        print("error:", line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
