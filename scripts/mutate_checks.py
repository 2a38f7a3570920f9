#!/usr/bin/env python3
"""Deletes checks one at a time and sees whether a test notices.

usage: mutate_checks.py [--seed N] [--count 30] [--work DIR] [--jobs 2] [--list] [PATH...]

A check is a statement that refuses: `return emitOpError(…)`, `return makeError(…)` and the like under
an `if`, `notifyMatchFailure`, a `faultIf(…)` in a kernel. They are picked at random by the seed. A copy
of the checkout is built once, in which a file turns off any one of them; with each turned off in turn,
those tests of its room run in which it refuses something. A check whose loss no test notices has
survived: a test is missing, or the check is. The checkout itself is never changed. PATH restricts the
choice to files beneath it. Checks for faults of qcc itself, which no input reaches, are left out.

Without its check, a refused output is written: tests must not name devices of the machine as outputs.

--work DIR keeps the copy and its build for the next run, whatever its seed. The exit status is 1 when a
check survived.
"""
import argparse
import importlib.util
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

REFUSALS = (r"(?:\w+(?:\.|->))?emit(?:Op)?Error\(", r"(?:\w+(?:\.|->))?emitRemark\(", r"makeError\(", r"bad\w*\(",
            r"(?:\w+(?:\.|->))?notifyMatchFailure\(", r"(?:\w+(?:\.|->))?fail(?:With)?\(", r"refuse\w*\(")
REFUSAL = re.compile(r"^(\s*)return (?:%s)" % "|".join(REFUSALS))
FAULT = re.compile(r"^(\s*)(?:\w+(?:\.|->))?faultIf\w*\(")
MEMORY = 24 << 30  # bytes of address space for each test
GUARD = re.compile(r"^\s*(?:\} )?(?:else )?if (?:constexpr )?\(")

# What shows that a room works: unit binaries, lit folders and pytest files, cheapest first.
BAD_INPUT = "pytest:test/BadInput"
TESTS = {
    "dialects": ["unit:QccDialectsTests", "lit:Dialects", "unit:QccReferenceTests", "lit:Import"],
    "Support": ["unit:QccSupportTests", "unit:QccCliTests", "unit:QccDataTests"],
    "Target": ["unit:QccTargetTests", "lit:Cli"],
    "Algorithms": ["unit:QccAlgorithmsTests", "unit:QccPackTests"],
    "Recipe": ["unit:QccRecipeTests", "lit:AssignBits", "lit:Cli"],
    "Onnx": ["unit:QccOnnxTests", BAD_INPUT],
    "Import": ["unit:QccImportTests", "lit:Import", BAD_INPUT, "pytest:test/Execution/test_host_ops.py"],
    "Reference": ["unit:QccReferenceTests", "lit:Reference"],
    "Emit": ["unit:QccEmitTests"],
    "Data": ["unit:QccDataTests", "lit:Cli"],
    "Quality": ["unit:QccQualityTests", "lit:Quality", "lit:Cli"],
    "Driver": ["unit:QccDriverTests", "lit:Driver", "lit:Cli"],
    "Cli": ["unit:QccCliTests", "lit:Cli"],
    "Kernels": ["unit:QccKernelsTests", "lit:Kernels"],
    "Lower": ["lit:Lower", "unit:QccLowerTests"],
    "Pipeline": ["unit:QccPipelineTests", "lit:Pipeline"],
    "Export": ["unit:QccExportTests", "pytest:test/Export"],
}
OTHERWISE = ["unit:Qcc{room}Tests", "lit:{room}"]


@dataclass
class Check:
    """A statement of a file, from a line to the column behind it on another; lines count from 0."""

    path: str
    first: int
    last: int
    end: int
    text: str
    number: int  # of the switch

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
    # Numbers that hold while other files change, so that those are not built again.
    number = zlib.crc32(path.encode()) * 1000
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
            number += 1
            yield Check(path, first, last, end, text[:110], number)


def all_checks(root):
    files = sorted(p for folder in ("dialects", "lib") for p in (root / folder).rglob("*.cpp"))
    skipped = own_faults(root)
    return [check for p in files for check in checks_of(root, str(p.relative_to(root)), skipped)]


# --- the copy -----------------------------------------------------------------------------------
SWITCH = """// Which check is turned off: its number, in a file. Where the other file exists, the numbers of checks
// that refuse are added to it.
#pragma once
#include <cstdio>
#include <mutex>
#include <set>
struct QccCheckSwitch {
  QccCheckSwitch() {
    if (std::FILE *file = std::fopen("%s", "r")) {
      if (std::fscanf(file, "%%lld", &turnedOff) != 1)
        turnedOff = 0;
      std::fclose(file);
    }
    if (std::FILE *file = std::fopen("%s", "r")) {
      std::fclose(file);
      refused = std::fopen("%s", "a");
    }
  }
  bool stands(long long number) {
    std::lock_guard<std::mutex> lock(mutex);
    if (refused && seen.insert(number).second) {
      std::fprintf(refused, "%%lld\\n", number);
      std::fflush(refused);
    }
    return number != turnedOff;
  }
  long long turnedOff = 0;
  std::FILE *refused = nullptr;
  std::mutex mutex;
  std::set<long long> seen;
};
inline QccCheckSwitch qccCheckSwitch;
"""


def instrumented(text, checks):
    """The text of a file with each of its checks behind the switch."""
    lines = text.splitlines()
    for check in sorted(checks, key=lambda c: -c.first):
        end, start = lines[check.last], lines[check.first]
        lines[check.last] = end[:check.end] + " }" + end[check.end:]
        code = lines[check.first].lstrip()
        switch = f"{{ if (qccCheckSwitch.stands({check.number})) "
        lines[check.first] = start[:len(start) - len(start.lstrip())] + switch + code
    return "\n".join(['#include "qcc/CheckSwitch.h"', *lines]) + "\n"


def copy_tree(source, target, checks, chosen, switch, refused):
    """Everything that git tracks or would track. In the files of the chosen checks, and in those where an
    earlier run did so, all checks go behind the switch. Only what changed is written, so that builds stay
    incremental."""
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=source,
                             check=True, capture_output=True).stdout
    wanted = {name for name in os.fsdecode(listing).split("\0") if name and (source / name).is_file()}
    changed = {"include/qcc/CheckSwitch.h": SWITCH % (switch, refused, refused)}
    def behind_switch(path):
        return (target / path).exists() and "qccCheckSwitch" in (target / path).read_text()

    for path in {c.path for c in chosen} | {c.path for c in checks if behind_switch(c.path)}:
        changed[path] = instrumented((source / path).read_text(), [c for c in checks if c.path == path])
    present = {str(p.relative_to(target)) for p in target.rglob("*")
               if p.is_file() and "build" not in p.relative_to(target).parts[:1]}
    for name in present - wanted - set(changed):
        (target / name).unlink()
    for name in wanted | set(changed):
        into = target / name
        content = changed[name].encode() if name in changed else (source / name).read_bytes()
        if not into.exists() or into.read_bytes() != content:
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_bytes(content)
            if name in wanted:
                shutil.copymode(source / name, into)


def prepare_process():
    """Background jobs inherit that they ignore Ctrl-C, which tests of it would notice. Checks of sizes
    stand between an input and all of the machine's memory."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class Copy:
    """A checkout of its own with its build."""

    def __init__(self, folder, jobs):
        self.root, self.build, self.jobs = folder, folder / "build", jobs
        self.switch, self.refused = self.build / "check-turned-off", self.build / "checks-that-refused"

    def run(self, *command, timeout=1800):
        environment = dict(os.environ, QCC_BUILD=str(self.build), PYTHONPATH=str(self.root / "python"),
                           PYTHONDONTWRITEBYTECODE="1")
        process = subprocess.Popen([str(c) for c in command], cwd=self.root, env=environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                                   start_new_session=True, preexec_fn=prepare_process)
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
        patterns = ("*.test", "*.mlir") if kind == "lit" else ("test_*.py",)
        return folder.is_file() or any(any(folder.rglob(p)) for p in patterns)

    def make(self, suites):
        targets = {"qcc", "qcc-opt", "libqcc-runtime.so"}
        targets |= {s.split(":")[1] for s in suites if s.startswith("unit:")}
        return self.run("ninja", "-C", self.build, "-j", self.jobs, *sorted(targets))

    def cases(self, suite):
        """What of a suite can run by itself: tests of a binary, files of lit."""
        kind, name = suite.split(":")
        if kind == "pytest":
            return [name]
        if kind == "lit":
            folder = self.root / "test" / name
            files = sorted(p for p in folder.rglob("*") if p.suffix in (".test", ".mlir") and "Inputs" not in p.parts)
            return [str(p.relative_to(self.root / "test")) for p in files]
        _, listing = self.run(self.build / "unit" / name, "--gtest_list_tests")
        cases, group = [], ""
        for line in listing.splitlines():
            if line.startswith("  "):
                cases.append(group + line.split()[0])
            elif line.split("#")[0].strip().endswith("."):
                group = line.split()[0]
        return cases

    def test(self, suite, cases, timeout=1800):
        kind, name = suite.split(":")
        if kind == "unit":
            return self.run(self.build / "unit" / name, "--gtest_brief=1", "--gtest_fail_fast",
                            "--gtest_filter=" + ":".join(cases), timeout=timeout)
        if kind == "lit":
            return self.run(sys.executable, "-c", "from lit.main import main; main()", "-q", "--max-failures=1",
                            *(self.build / "test" / case for case in cases), timeout=timeout)
        return self.run(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                        *(self.root / case for case in cases), timeout=timeout)


class Suite:
    """Tests of which each has run with every check on, to see that it passes and which checks refuse. A
    test in which a check never refuses cannot notice that it is gone."""

    def __init__(self, name):
        self.name, self.refused, self.seconds = name, None, {}

    def observe(self, copy):
        self.refused = {}
        for case in copy.cases(self.name):
            copy.refused.write_text("")
            start = time.monotonic()
            try:
                status, output = copy.test(self.name, [case])
                numbers = {int(n) for n in copy.refused.read_text().split()}
            finally:
                copy.refused.unlink()
            if status:
                print(f"left out: {self.name} {case} fails with every check on ({first_failure(output)})", flush=True)
            else:
                self.refused[case], self.seconds[case] = numbers, time.monotonic() - start

    def notices(self, copy, check):
        """How the loss of the check shows, or None."""
        if self.refused is None:
            self.observe(copy)
        cases = [case for case, numbers in self.refused.items() if check.number in numbers]
        if not cases:
            return None
        copy.switch.write_text(str(check.number))
        # What is not refused may run for ever.
        timeout = 60 + 10 * sum(self.seconds[case] for case in cases)
        try:
            status, output = copy.test(self.name, cases, timeout)
        finally:
            copy.switch.unlink()
        return first_failure(output) if status else None


# --- the experiment -----------------------------------------------------------------------------
def try_without(copy, check, suites):
    """'killed by …' or 'SURVIVED'."""
    for suite in suites:
        if (found := suite.notices(copy, check)) is not None:
            return f"killed by {suite.name}: {found}"
    return "SURVIVED"


def first_failure(output):
    for pattern in (r"^FAILED (\S+)", r"\[  FAILED  \] (\S+)", r"^\s*(qcc :: \S+)", r"Failure\n"):
        if found := re.search(pattern, output, re.MULTILINE):
            return found[1] if found.groups() else ""
    lines = output.strip().splitlines()
    return lines[-1][:100] if lines else ""


def experiment(copy, checks):
    copy.configure()
    for left in (copy.switch, copy.refused):
        left.unlink(missing_ok=True)
    suites = {name: Suite(name) for check in checks for name in copy.suites(check.room)}
    status, output = copy.make(suites)
    if status:
        sys.exit("the copy does not build:\n" + output[-4000:])
    survived = []
    for check in checks:
        start = time.monotonic()
        result = try_without(copy, check, [suites[name] for name in copy.suites(check.room)])
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
    lacking = [name for name in ("lit", "pytest", "numpy") if importlib.util.find_spec(name) is None]
    if lacking and not options.list:
        sys.exit(f"this Python lacks {', '.join(lacking)}: use the one of .venv, else most checks would seem to survive")
    checks = all_checks(ROOT)
    beneath = tuple(path.rstrip("/") for path in options.paths)
    chosen = [c for c in checks if not beneath or c.path.startswith(beneath)]
    random.Random(options.seed).shuffle(chosen)
    print(f"{len(chosen)} checks, seed {options.seed}", flush=True)
    chosen = chosen[:options.count]
    if options.list:
        print("\n".join(str(c) for c in chosen))
        return 0
    with tempfile.TemporaryDirectory(prefix="qcc-mutants-") as temporary:
        copy = Copy((options.work or Path(temporary)).resolve(), options.jobs)
        copy.root.mkdir(parents=True, exist_ok=True)
        copy_tree(ROOT, copy.root, checks, chosen, copy.switch, copy.refused)
        return experiment(copy, chosen)


if __name__ == "__main__":
    sys.exit(main())
