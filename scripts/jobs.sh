#!/usr/bin/env bash
# Prints how many compile jobs to run: one per processor, but never more than memory allows at
# 1.5 GB each, the most that one file over MLIR takes.
set -euo pipefail
processors=$(nproc)
by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1572864) }' /proc/meminfo)
jobs=$((by_memory < processors ? by_memory : processors))
echo $((jobs < 1 ? 1 : jobs))
