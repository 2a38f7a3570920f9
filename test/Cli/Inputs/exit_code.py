"""Runs a command and checks its exit code.

usage: exit_code.py CODE [--full|--interrupt] COMMAND...
--full: stdout is a full disk. --interrupt: SIGINT after half a second.
"""
import signal
import subprocess
import sys
import time

want, *command = sys.argv[1:]
full, interrupt = command[0] == "--full", command[0] == "--interrupt"
out = open("/dev/full", "w") if full else subprocess.DEVNULL
process = subprocess.Popen(command[full or interrupt:], stdout=out,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
if interrupt:
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
got = process.wait(timeout=60)
if got != int(want):
    sys.exit(f"exit code {got}, expected {want}")
