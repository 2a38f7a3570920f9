#!/usr/bin/env python3
"""Runs every test of the project and closes with one line: 'N passed, N failed'.

Three kinds of test, each run once: the GoogleTest binaries in BUILD/unit, lit over test/, and
pytest over the Python tests beneath test/. Failures are printed in full, skipped tests with their reason.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 8  # binaries, folders or files of tests that are named with the time they took


@dataclass
class Outcome:
    """Counts of one kind of test, with what a reader needs to know about the rest."""

    kind: str
    passed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    seconds: collections.Counter = field(default_factory=collections.Counter)  # by binary, folder or file


def run_unit_binary(binary: Path, timeout: int) -> Outcome:
    outcome = Outcome("unit")
    with tempfile.TemporaryDirectory(prefix="qcc-unit-") as work:
        report = Path(work, "report.xml")
        command = [str(binary), f"--gtest_output=xml:{report}", "--gtest_brief=1"]
        try:
            process = subprocess.run(
                command, cwd=work, capture_output=True, text=True, errors="replace", timeout=timeout
            )
            output, status = process.stdout + process.stderr, process.returncode
        except subprocess.TimeoutExpired:
            output, status = f"ran longer than {timeout} s", -1
        if not report.exists():
            # A crash takes the report with it; the output still says how far the binary came.
            outcome.failures.append((binary.name, f"no report, exit status {status}\n{output}"))
            return outcome
        # Its JSON leaves out why a test was skipped; its XML does not.
        cases = 0
        for test in ElementTree.parse(report).iter("testcase"):
            name = f"{binary.name}/{test.get('classname')}.{test.get('name')}"
            outcome.seconds[binary.name] += float(test.get("time") or 0)
            cases += 1
            if failures := test.findall("failure"):
                text = "\n".join(f.text or f.get("message") or "" for f in failures)
                outcome.failures.append((name, text))
            elif (skipped := test.find("skipped")) is not None:
                outcome.skipped.append((name, skip_reason(skipped.get("message") or "")))
            elif test.get("status") == "run":
                outcome.passed += 1
        if status != 0 and not outcome.failures:
            outcome.failures.append((binary.name, f"exit status {status}\n{output}"))
        if cases == 0 and not outcome.failures:
            outcome.failures.append((binary.name, "holds no test"))
    return outcome


def run_unit(build: Path, jobs: int, timeout: int) -> Outcome:
    total = Outcome("unit")
    folder = build / "unit"
    binaries = sorted(p for p in folder.glob("*") if p.is_file() and os.access(p, os.X_OK))
    if not binaries:
        total.failures.append(("unit", f"no test binaries in {folder}"))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for one in pool.map(lambda b: run_unit_binary(b, timeout), binaries):
            total.passed += one.passed
            total.failures += one.failures
            total.skipped += one.skipped
            total.seconds += one.seconds
    return total


def skip_reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def run_lit(build: Path, jobs: int, timeout: int, only: list[str]) -> Outcome:
    outcome = Outcome("lit")
    site = build / "test"
    if not (site / "lit.site.cfg.py").exists():
        outcome.failures.append(("lit", f"{site}/lit.site.cfg.py is missing: configure first"))
        return outcome
    with tempfile.TemporaryDirectory(prefix="qcc-lit-") as work:
        report = Path(work, "report.json")
        command = [sys.executable, "-c", "from lit.main import main; main()", "-q", f"-j{jobs}"]
        command += [f"--timeout={timeout}", "--output", str(report)]
        command += [str(site / path) for path in only] or [str(site)]
        process = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if not report.exists():
            outcome.failures.append(("lit", process.stdout + process.stderr))
            return outcome
        for test in json.loads(report.read_text())["tests"]:
            outcome.seconds[test["name"].split("::")[-1].strip().split("/")[0]] += test.get("elapsed") or 0
            if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
                outcome.passed += 1
            elif test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED"):
                outcome.skipped.append((test["name"], skip_reason(test["output"])))
            else:
                outcome.failures.append((f"{test['name']} ({test['code']})", test["output"]))
    return outcome


def sanitizer_library(build: Path) -> str:
    """What Python must preload to load a sanitized library; "" in a build without sanitizers."""
    cache = build / "CMakeCache.txt"
    if not cache.exists() or "QCC_SANITIZE:STRING=address" not in cache.read_text():
        return ""
    command = ["clang-22", "-print-file-name=libclang_rt.asan.so"]
    found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if not os.path.isabs(found):
        command[1] = f"-print-file-name=libclang_rt.asan-{os.uname().machine}.so"
        found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return found


def run_pytest(build: Path, jobs: int) -> Outcome:
    outcome = Outcome("pytest")
    environment = dict(os.environ, QCC_BUILD=str(build), PYTHONPATH=str(ROOT / "python"))
    if library := sanitizer_library(build):
        environment |= {"LD_PRELOAD": library, "QCC_SANITIZED": "1"}
    with tempfile.TemporaryDirectory(prefix="qcc-pytest-") as work:
        report = Path(work, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"-n{jobs}", "--dist=loadfile"]  # a file's tests share what it compiled
        command += [f"--junitxml={report}", str(ROOT / "test")]
        process = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, errors="replace"
        )
        output = process.stdout + process.stderr
        if not report.exists():
            outcome.failures.append(("pytest", output))
            return outcome
        for case in ElementTree.parse(report).iter("testcase"):
            file = (case.get("classname") or "").split("test.", 1)[-1]
            name = f"{file}.{case.get('name')}"
            outcome.seconds[file] += float(case.get("time") or 0)
            broken = case.find("failure") if case.find("failure") is not None else case.find("error")
            if broken is not None:
                outcome.failures.append((name, broken.text or broken.get("message") or ""))
            elif (skipped := case.find("skipped")) is not None:
                outcome.skipped.append((name, skipped.get("message") or "no reason given"))
            else:
                outcome.passed += 1
        if process.returncode not in (0, 1) and not outcome.failures:
            outcome.failures.append(("pytest", f"exit status {process.returncode}\n{output}"))
    return outcome


def show(outcome: Outcome, seconds: float) -> None:
    for name, text in outcome.failures:
        print(f"\n--- FAILED {name}\n{text.rstrip()}")
    for name, reason in outcome.skipped:
        print(f"    skipped {name}: {' '.join(reason.split())}")
    longest = [f"{name} {spent:.0f} s" for name, spent in outcome.seconds.most_common(LONGEST) if spent >= 1]
    if longest:
        print(f"    longest: {', '.join(longest)}")
    counts = f"{outcome.passed} passed, {len(outcome.failures)} failed"
    print(f"[{outcome.kind}] {counts}, {len(outcome.skipped)} skipped in {seconds:.1f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=Path, help="build folder")
    parser.add_argument("--kinds", default="unit,lit,pytest", help="comma list of what to run")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=int, default=900, help="seconds for one lit test or binary")
    parser.add_argument("only", nargs="*", help="lit: only these folders or files beneath test/")
    options = parser.parse_args()
    build = options.build.resolve()

    runs = {
        "unit": lambda: run_unit(build, options.jobs, options.timeout),
        "lit": lambda: run_lit(build, options.jobs, options.timeout, options.only),
        "pytest": lambda: run_pytest(build, options.jobs),
    }
    outcomes = []
    for kind in options.kinds.split(","):
        start = time.monotonic()
        outcomes.append(runs[kind]())
        show(outcomes[-1], time.monotonic() - start)

    passed = sum(o.passed for o in outcomes)
    failed = sum(len(o.failures) for o in outcomes)
    skipped = sum(len(o.skipped) for o in outcomes)
    if failed:
        print("\nfailed:")
        for outcome in outcomes:
            for name, _ in outcome.failures:
                print(f"  [{outcome.kind}] {name}")
    if skipped:
        print(f"{skipped} skipped, reasons above")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
