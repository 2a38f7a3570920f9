#!/usr/bin/env bash
# Measures models and kernels on an NVIDIA GPU, on a machine that has nothing but Python with numpy, and a driver.
#
# usage: gpu.sh prepare DIR [gpu.py's options]   on a machine with a build: artifacts, without their weights
#        gpu.sh run DIR [gpu.py's options]       on the machine with the GPU, DIR and this checkout: Markdown, gpu.json
#        PYTHON=… names another python3
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -lt 2 ]]; then
  sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
step=$1 folder=$2
shift 2
python=${PYTHON:-python3}
[[ -x $here/../.venv/bin/python ]] && python=${PYTHON:-$here/../.venv/bin/python}
[[ $step == run ]] && export QCC_BUILD=$folder
PYTHONPATH=$here/../python exec "$python" "$here/gpu.py" "$step" "$folder" "$@"
