#!/usr/bin/env python3
"""How throughput and memory grow when N threads of one process share a model.

usage: sessions.py MODEL.so [--shape input_ids=1x128 ...] [--sessions N] [--seconds S] [--rounds R] [--json FILE]

Each round runs, one after the other, for S seconds:

  sessions    N threads with a session of one worker each, over one loaded model
  processes   N processes with one such session each
  one session one session with N workers

N is the number of cores unless given. Memory is what the process holds (Pss where the kernel says it) with one and
with N sessions. Prints Markdown; needs PYTHONPATH=python and a built qcc.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

import peers
from feeds import feeds

WAYS = ("sessions", "processes", "one session")


def dims_of(model, shapes):
    """Sizes of inputs; those that have none share the first one's."""
    given = {}
    for text in shapes:
        name, _, dims = text.partition("=")
        given[name] = [int(d) for d in dims.split("x")]
    first = next(iter(given.values()))
    return {tensor.name: given.get(tensor.name, first) for tensor in model.signature.inputs}


def run_for(session, inputs, seconds):
    """Runs a second."""
    session(**inputs)
    runs, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        session(**inputs)
        runs += 1
    return runs / (time.perf_counter() - start)


def resident():
    """Bytes of memory that are this process's own."""
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def by_threads(make, inputs, count, seconds):
    sessions, rates = [make() for _ in range(count)], [0.0] * count
    barrier = threading.Barrier(count)

    def work(i):
        sessions[i](**inputs)
        barrier.wait()
        rates[i] = run_for(sessions[i], inputs, seconds)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def by_processes(options):
    command = [sys.executable, __file__, options.model, "--worker", "--seconds", str(options.seconds)]
    for shape in options.shape:
        command += ["--shape", shape]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for _ in range(options.sessions)]
    for worker in workers:  # loaded and warm
        worker.stdout.readline()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return sum(float(worker.communicate()[0]) for worker in workers)


def worker(options):
    import qcc

    model = qcc.load(options.model, threads=1)
    session, inputs = model.session(), feeds(model, dims_of(model, options.shape))
    session(**inputs)
    print("ready", flush=True)
    sys.stdin.readline()
    print(run_for(session, inputs, options.seconds))


def memory(model, make, inputs, count):
    sessions = [make()]
    sessions[0](**inputs)
    one = resident()
    sessions += [make() for _ in range(count - 1)]
    for session in sessions:
        session(**inputs)
    return {"one": one, "all": resident(), "session": sessions[0].memory, "weights": model.weights_bytes}


def compare(options):
    import qcc

    model = qcc.load(options.model)
    inputs = feeds(model, dims_of(model, options.shape))
    make = lambda: model.session(pool=qcc.Pool(1))
    rates = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        rates["sessions"].append(by_threads(make, inputs, options.sessions, options.seconds))
        rates["processes"].append(by_processes(options))
        whole = model.session(pool=qcc.Pool(options.sessions))
        rates["one session"].append(run_for(whole, inputs, options.seconds))
    return {way: statistics.median(each) for way, each in rates.items()}, memory(model, make, inputs, options.sessions)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--shape", action="append", default=None)
    parser.add_argument("--sessions", type=int, default=peers.cores())
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.shape = options.shape or ["input_ids=1x128"]
    if options.worker:
        return worker(options)
    rates, held = compare(options)
    n = options.sessions
    print(f"| {n} cores, {' '.join(options.shape)} | runs a second | sessions / this |\n|---|---:|---:|")
    for way, rate in rates.items():
        name = {"sessions": f"{n} sessions of one thread", "processes": f"{n} processes of one thread",
                "one session": f"one session of {n} threads"}[way]
        print(f"| {name} | {rate:.1f} | {rates['sessions'] / rate:.2f}x |")
    grown = (held["all"] - held["one"]) / 2**20
    print(f"\nmemory of its own: {held['one'] / 2**20:.1f} MiB with one session, {grown:+.1f} MiB with {n}; a session has "
          f"{held['session']['arena'] / 2**20:.1f} MiB for tensors, the weights take {held['weights'] / 2**20:.1f}")
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"schema": "qcc.sessions/1", "runs_per_second": rates, "memory": held, **peers.machine()}, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
