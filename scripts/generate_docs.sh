#!/usr/bin/env bash
# Writes the dialect and pass reference from their definitions into the folder that is given.
# test/Lint/docs.test checks that docs/generated is what this writes.
set -euo pipefail
out=$(realpath -m "${1:?usage: generate_docs.sh FOLDER}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tblgen=${MLIR_TBLGEN:-/usr/lib/llvm-22/bin/mlir-tblgen}
include=(-I /usr/lib/llvm-22/include -I include -I dialects)
mkdir -p "$out"

for folder in dialects/*/; do
  name=$(basename "$folder")
  [[ -f $folder/${name}Ops.td ]] || continue
  "$tblgen" -gen-dialect-doc "-dialect=${name,,}" "${include[@]}" -I "$folder" \
    "$folder/${name}Ops.td" >"$out/$name.md"
done
for passes in include/qcc/*/Passes.td; do
  [[ -f $passes ]] || continue
  "$tblgen" -gen-pass-doc "${include[@]}" "$passes" >"$out/$(basename "$(dirname "$passes")")Passes.md"
done
