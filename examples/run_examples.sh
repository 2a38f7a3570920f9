#!/bin/sh
# Compiles two encoders, builds both examples against the runtime and runs them.
#
#   run_examples.sh QCC MODEL_A.onnx MODEL_B.onnx OUTDIR
#
# QCC is the compiler; its libraries are looked for in ../lib beside it. CC, CXX,
# QCC_RUNTIME_LIBRARY and QCC_INCLUDE_DIR override what is used.
set -eu
if [ $# -ne 4 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
qcc=$1 first=$2 second=$3 out=$4
here=$(cd "$(dirname "$0")" && pwd)
library=${QCC_RUNTIME_LIBRARY:-$(dirname "$qcc")/../lib/libqcc-runtime.a}
include=${QCC_INCLUDE_DIR:-$here/../runtime/include}
mkdir -p "$out"

"$qcc" "$first" -o "$out/encoder.so"
"$qcc" "$first" --name=a -o "$out/model_a.a"
"$qcc" "$second" --name=b -o "$out/model_b.a"

${CC:-cc} -std=c99 -O2 -Wall -Wextra -pedantic -I"$include" "$here/c/embed.c" "$library" -pthread -ldl \
  -o "$out/embed"
${CXX:-c++} -std=c++17 -O2 -Wall -Wextra -pedantic -I"$include" -I"$out" "$here/cpp/two_models.cpp" \
  "$out/model_a.a" "$out/model_b.a" "$library" -pthread -ldl -o "$out/two_models"

"$out/embed" "$out/encoder.so"
"$out/embed" "$out/encoder.so" 101 7592 102
"$out/two_models"
