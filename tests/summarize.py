#!/usr/bin/env python3
"""Counts the results of ./dev test: summarize.py FOLDER

FOLDER/LABEL.xml   what ctest --output-junit wrote. An entry that ran many cases (GoogleTest, lit, cargo) counts as many:
                   their own closing lines are in its output.
FOLDER/LABEL.txt   lines that begin with "passed" or "failed", one per case.
Skipped cases are counted and named: a test that did not run must be seen. The last line is "N passed, N failed"; exit 1
unless something ran and nothing failed.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ET


def number(pattern, text):
    return sum(int(n) for n in re.findall(pattern, text, re.M))


def inner_counts(text):
    """(passed, failed, skipped, failed names, skipped names) as the output itself says, or None."""
    if re.search(r"^\[=+\] \d+ tests? from .* ran\.", text, re.M):  # GoogleTest
        failed = list(dict.fromkeys(re.findall(r"^\[  FAILED  \] (\S+?)(?:,.*)? \(\d+ ms\)$", text, re.M)))
        skipped = list(dict.fromkeys(re.findall(r"^\[  SKIPPED \] (\S+?)(?:,.*)? \(\d+ ms\)$", text, re.M)))
        return number(r"^\[  PASSED  \] (\d+) tests?\.", text), len(failed), len(skipped), failed, skipped
    if re.search(r"^Total Discovered Tests: \d+", text, re.M):  # lit
        names = lambda codes: re.findall(rf"^(?:{codes}): (.*) \(\d+ of \d+\)", text, re.M)
        failed = names("FAIL|TIMEOUT|UNRESOLVED|XPASS")
        passed = number(r"^  (?:Passed|Expectedly Failed|Passed With Retry) *: (\d+)", text)
        return passed, len(failed), number(r"^  (?:Unsupported|Skipped|Excluded) *: (\d+)", text), failed, names("UNSUPPORTED|SKIPPED")
    cargo = re.findall(r"^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored", text, re.M)
    if cargo:
        p, f, i = (sum(int(row[k]) for row in cargo) for k in range(3))
        return p, f, i, re.findall(r"^test (.*) \.\.\. FAILED", text, re.M), re.findall(r"^test (.*) \.\.\. ignored", text, re.M)
    return None


def excerpt(name, text):
    """The part of the output that is about one case, or its end."""
    for begin, end in ((rf"^\[ RUN      \] {re.escape(name)}$", rf"^\[  FAILED  \] {re.escape(name)}\b"),
                       (rf"^FAIL: {re.escape(name)} \([^\n]*", r"^\*{20}$")):
        found = re.search(begin + r"\n(.*?)" + end, text, re.M | re.S) if name else None
        if found:
            return found.group(1).strip().splitlines()[:40]
    return text.strip().splitlines()[-15:]


def read_junit(path):
    passed, failed, skipped, failures, skips = 0, 0, 0, [], []
    for case in ET.parse(path).getroot().iter("testcase"):
        name, text = case.get("name"), case.findtext("system-out") or ""
        bad = case.find("failure") is not None or case.get("status") == "fail"
        idle = case.find("skipped") is not None or case.get("status") in ("notrun", "disabled")
        inner = inner_counts(text)
        if inner and sum(inner[:3]):
            p, f, s, names, idlers = inner
            if bad and f == 0:  # it crashed, or its own count is not the whole story
                f, names = 1, ["(exit status)"]
            passed, failed, skipped = passed + p, failed + f, skipped + s
            failures += [(name if n == name else f"{name}: {n}", excerpt(n, text)) for n in names]
            skips += [n if n == name else f"{name}: {n}" for n in idlers]
        elif idle:
            skipped += 1
            skips.append(name)
        elif bad:
            failed += 1
            failures.append((name, excerpt("", text)))
        else:
            passed += 1
    return passed, failed, skipped, failures, skips


def read_lines(path):
    lines = path.read_text().splitlines()
    bad = [line[len("failed "):] for line in lines if line.startswith("failed ")]
    return sum(line.startswith("passed ") for line in lines), len(bad), 0, [(line, []) for line in bad], []


def main(folder):
    passed = failed = 0
    rows, failures, skips = [], [], []
    for path in sorted(pathlib.Path(folder).glob("*")):
        if path.suffix not in (".xml", ".txt"):
            continue
        p, f, s, bad, idle = read_junit(path) if path.suffix == ".xml" else read_lines(path)
        rows.append((path.stem, p, f, s))
        failures += [(path.stem, *x) for x in bad]
        skips += [(path.stem, x) for x in idle]
        passed, failed = passed + p, failed + f
    for label, name in skips:
        print(f"skipped ({label}): {name}")
    for i, (label, name, lines) in enumerate(failures):
        print(f"FAILED ({label}): {name}")
        for line in lines if i < 20 else []:
            print(f"    {line[:200]}")
    print(f"{'':24}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for label, p, f, s in rows:
        print(f"{label:24}{p:8}{f:8}{s:9}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
