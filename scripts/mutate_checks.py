#!/usr/bin/env python3
"""Deletes checks one at a time and sees whether a test notices.

usage: mutate_checks.py [--seed N] [--count 30] [--work DIR] [--jobs 2] [--list] [PATH...]

A check is a statement that refuses: `return emitOpError(…)`, `return makeError(…)` and the like under
an `if`, `notifyMatchFailure`, a `faultIf(…)` in a kernel. They are picked at random by the seed. A copy
of the checkout is built once, in which a file turns off one of them; with each turned off in turn, the
tests of its room run. A check whose loss no test notices has survived: a test is missing, or the check
is. The checkout itself is never changed. PATH restricts the choice to files beneath it. Checks for
faults of qcc itself, which no input reaches, are left out.

--work DIR keeps the copy and its build for the next run. The exit status is 1 when a check survived.
"""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

REFUSALS = (r"(?:\w+(?:\.|->))?emit(?:Op)?Error\(", r"(?:\w+(?:\.|->))?emitRemark\(", r"makeError\(", r"bad\w*\(",
            r"(?:\w+(?:\.|->))?notifyMatchFailure\(", r"(?:\w+(?:\.|->))?fail(?:With)?\(", r"refuse\w*\(")
REFUSAL = re.compile(r"^(\s*)return (?:%s)" % "|".join(REFUSALS))
FAULT = re.compile(r"^(\s*)(?:\w+(?:\.|->))?faultIf\w*\(")
GUARD = re.compile(r"^\s*(?:\} )?(?:else )?if (?:constexpr )?\(")

# What shows that a room works: unit binaries, lit folders and pytest files, cheapest first.
COMMON = ["pytest:test/Execution/test_zoo.py"]
TESTS = {
    "dialects": ["lit:Dialects", "unit:QccReferenceTests", "lit:Import"],
    "Support": ["unit:QccSupportTests", "unit:QccCliTests", "unit:QccDataTests"],
    "Target": ["unit:QccTargetTests", "lit:Cli"],
    "Algorithms": ["unit:QccAlgorithmsTests", "unit:QccPackTests"],
    "Onnx": ["unit:QccOnnxTests", "pytest:test/BadInput"],
    "Import": ["unit:QccImportTests", "lit:Import", "pytest:test/BadInput"],
    "Reference": ["unit:QccReferenceTests", "lit:Reference"],
    "Emit": ["unit:QccEmitTests", "pytest:test/BadInput"],
    "Data": ["unit:QccDataTests", "lit:Cli", "pytest:test/BadInput"],
    "Quality": ["unit:QccQualityTests", "lit:Cli"],
    "Cli": ["unit:QccCliTests", "lit:Cli", "pytest:test/BadInput"],
    "Kernels": ["unit:QccKernelsTests", "lit:Kernels", *COMMON],
    "Lower": ["unit:QccLowerTests", "lit:Lower", "pytest:test/BadInput", *COMMON],
    "Pipeline": ["unit:QccPipelineTests", "lit:Pipeline", "pytest:test/BadInput", *COMMON],
}
OTHERWISE = ["unit:Qcc{room}Tests", "lit:{room}", *COMMON]


@dataclass
class Check:
    """A statement of a file, from a line to the column behind it on another; lines count from 0."""

    path: str
    first: int
    last: int
    end: int
    text: str

    @property
    def room(self):
        parts = Path(self.path).parts
        return parts[1] if parts[0] == "lib" else parts[0]

    def __str__(self):
        return f"{self.path}:{self.first + 1}: {self.text}"


# --- finding checks -----------------------------------------------------------------------------
def statement_end(lines, first):
    """Line and column behind the statement begun on line `first`; strings and comments are skipped."""
    depth = 0
    for number in range(first, min(first + 12, len(lines))):
        code = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|//.*', lambda m: " " * len(m[0]), lines[number])
        for column, character in enumerate(code):
            depth += (character in "([{") - (character in ")]}")
            if character == ";" and depth == 0:
                return number, column + 1
    return None


def guarded(lines, first):
    """Whether the statement on line `first` stands under an if, so that the code goes on without it. The
    line that it belongs to is the nearest one above that is indented less."""
    def indent(line):
        return len(line) - len(line.lstrip())

    for number in range(first - 1, max(-1, first - 40), -1):
        if lines[number].strip() and indent(lines[number]) < indent(lines[first]):
            return bool(GUARD.match(lines[number]))
    return False


def own_faults(root):
    """Diagnostics of faults of qcc itself (exit 70): no input leads there, so no test can."""
    text = (root / "include/qcc/Support/Diagnostics.def").read_text()
    return re.compile(r"Diag::(?:%s)\b" % "|".join(re.findall(r"^QCC_DIAG\(\d+, (\w+), 70,", text, re.M)))


def checks_of(root, path, skipped):
    lines = (root / path).read_text().splitlines()
    for first, line in enumerate(lines):
        fault, refusal = FAULT.match(line), REFUSAL.match(line)
        found = fault or refusal
        if not found or refusal and not guarded(lines, first):
            continue
        behind = statement_end(lines, first)
        if behind is None:
            continue
        last, end = behind
        text = " ".join(l.strip() for l in lines[first:last + 1])
        if not skipped.search(text):
            yield Check(path, first, last, end, text[:110])


def all_checks(root, only):
    files = sorted(p for folder in ("dialects", "lib") for p in (root / folder).rglob("*.cpp"))
    names = [str(p.relative_to(root)) for p in files]
    chosen = [n for n in names if not only or any(n.startswith(o.rstrip("/")) for o in only)]
    skipped = own_faults(root)
    return [check for name in chosen for check in checks_of(root, name, skipped)]


# --- the copy -----------------------------------------------------------------------------------
def copy_tree(source, target):
    """Everything that git tracks or would track, changed files only, so that builds stay incremental."""
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=source,
                             check=True, capture_output=True).stdout
    wanted = {name for name in os.fsdecode(listing).split("\0") if name and (source / name).is_file()}
    present = {str(p.relative_to(target)) for p in target.rglob("*")
               if p.is_file() and "build" not in p.relative_to(target).parts[:1]}
    for name in present - wanted:
        (target / name).unlink()
    for name in wanted:
        into = target / name
        if not into.exists() or into.read_bytes() != (source / name).read_bytes():
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, into)
            os.utime(into)


SWITCH = """// Which check is turned off: its number, in a file.
#pragma once
#include <cstdio>
inline const int qccCheckTurnedOff = [] {
  int number = 0;
  if (std::FILE *file = std::fopen("%s", "r")) {
    if (std::fscanf(file, "%%d", &number) != 1)
      number = 0;
    std::fclose(file);
  }
  return number;
}();
"""


def instrumented(lines, numbered):
    """The lines of a file with each of its (number, check) behind the switch."""
    lines = list(lines)
    for number, check in sorted(numbered, key=lambda n: -n[1].first):
        end, start = lines[check.last], lines[check.first]
        lines[check.last] = end[:check.end] + " }" + end[check.end:]
        code = lines[check.first].lstrip()
        lines[check.first] = f"{start[:len(start) - len(start.lstrip())]}{{ if (qccCheckTurnedOff != {number}) {code}"
    return ['#include "qcc/CheckSwitch.h"', *lines]


def attend_to_interrupts():
    """Background jobs inherit that they ignore Ctrl-C, which tests of it would notice."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Copy:
    """A checkout of its own with its build."""

    def __init__(self, folder, jobs):
        self.root, self.build, self.jobs = folder, folder / "build", jobs
        self.switch = folder / "build" / "check-turned-off"

    def run(self, *command, timeout=1800):
        environment = dict(os.environ, QCC_BUILD=str(self.build), PYTHONPATH=str(self.root / "python"),
                           PYTHONDONTWRITEBYTECODE="1")
        process = subprocess.Popen([str(c) for c in command], cwd=self.root, env=environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                                   start_new_session=True, preexec_fn=attend_to_interrupts)
        try:
            output, _ = process.communicate(timeout=timeout)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            return -1, f"ran longer than {timeout} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()

    def configure(self):
        status, output = self.run("cmake", "--preset", "default", "-B", self.build)
        if status:
            sys.exit(output)
        _, listing = self.run("ninja", "-C", self.build, "-t", "targets", "all")
        self.targets = {line.split(":")[0] for line in listing.splitlines()}

    def suites(self, room):
        """The suites of a room that exist."""
        found = [s.format(room=room) for s in TESTS.get(room, OTHERWISE)]
        return [s for s in found if self.exists(s)]

    def exists(self, suite):
        kind, name = suite.split(":")
        if kind == "unit":
            return name in self.targets
        folder = self.root / ("test/" + name if kind == "lit" else name)
        return folder.is_file() or folder.is_dir() and any(folder.rglob("*.test" if kind == "lit" else "test_*.py")) \
            or kind == "lit" and any(folder.rglob("*.mlir"))

    def make(self, suites):
        targets = {"qcc", "qcc-opt", "libqcc-runtime.so"}
        targets |= {s.split(":")[1] for s in suites if s.startswith("unit:")}
        return self.run("nice", "ninja", "-C", self.build, "-j", self.jobs, *sorted(targets))

    def test(self, suite):
        kind, name = suite.split(":")
        if kind == "unit":
            return self.run(self.build / "unit" / name, "--gtest_brief=1", "--gtest_fail_fast", timeout=600)
        if kind == "lit":
            return self.run(sys.executable, "-c", "from lit.main import main; main()", "-q", "--max-failures=1",
                            self.build / "test" / name)
        return self.run(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", self.root / name)


    def instrument(self, checks):
        """Puts checks behind the switch: number i + 1 turns off checks[i]."""
        header = self.root / "include/qcc/CheckSwitch.h"
        header.write_text(SWITCH % self.switch)
        for path in {check.path for check in checks}:
            numbered = [(i + 1, check) for i, check in enumerate(checks) if check.path == path]
            file = self.root / path
            file.write_text("\n".join(instrumented(file.read_text().splitlines(), numbered)) + "\n")


# --- the experiment -----------------------------------------------------------------------------
def try_without(copy, number, suites):
    """'killed by …' or 'SURVIVED'."""
    copy.switch.write_text(str(number))
    try:
        for suite in suites:
            status, output = copy.test(suite)
            if status:
                return f"killed by {suite}: {first_failure(output)}"
        return "SURVIVED"
    finally:
        copy.switch.unlink()


def first_failure(output):
    for pattern in (r"^FAILED (\S+)", r"\[  FAILED  \] (\S+)", r"^\s*(qcc :: \S+)", r"Failure\n"):
        if found := re.search(pattern, output, re.MULTILINE):
            return found[1] if found.groups() else ""
    lines = output.strip().splitlines()
    return lines[-1][:100] if lines else ""


def sound_suites(copy, rooms):
    """Builds the copy as it is; leaves out suites that fail without any change."""
    suites = sorted({s for room in rooms for s in copy.suites(room)})
    status, output = copy.make(suites)
    if status:
        sys.exit("the unchanged copy does not build:\n" + output[-4000:])
    good = set()
    for suite in suites:
        status, output = copy.test(suite)
        if status == 0:
            good.add(suite)
        else:
            print(f"left out: {suite} fails on the unchanged copy ({first_failure(output)})", flush=True)
    return good


def experiment(copy, options):
    checks = all_checks(copy.root, options.paths)
    random.Random(options.seed).shuffle(checks)
    print(f"{len(checks)} checks, seed {options.seed}", flush=True)
    if options.list:
        print("\n".join(str(c) for c in checks[:options.count]))
        return 0
    checks = checks[:options.count]
    copy.configure()
    copy.switch.unlink(missing_ok=True)
    copy.instrument(checks)
    good = sound_suites(copy, {c.room for c in checks})
    survived = []
    for number, check in enumerate(checks, 1):
        suites = [s for s in copy.suites(check.room) if s in good]
        start = time.monotonic()
        result = try_without(copy, number, suites)
        print(f"{result} [{time.monotonic() - start:.0f} s] {check}", flush=True)
        if result == "SURVIVED":
            survived.append(check)
    print(f"{len(checks)} checks deleted, {len(checks) - len(survived)} noticed, {len(survived)} survived")
    for check in survived:
        print(f"  survived {check}")
    return 1 if survived else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--work", type=Path, help="keep the copy and its build here")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--list", action="store_true", help="print the choice and stop")
    parser.add_argument("paths", nargs="*", help="only checks in files beneath these")
    options = parser.parse_args()
    if options.list:
        return experiment(Copy(ROOT, options.jobs), options)
    with tempfile.TemporaryDirectory(prefix="qcc-mutants-") as temporary:
        folder = (options.work or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        copy_tree(ROOT, folder)
        return experiment(Copy(folder, options.jobs), options)


if __name__ == "__main__":
    sys.exit(main())
