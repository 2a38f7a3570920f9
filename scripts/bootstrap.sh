#!/usr/bin/env bash
# Sets up a development machine: installs the Debian packages and the Python environment that are
# missing, says what it does, and does nothing when all is there. Safe to run again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '[setup] %s\n' "$*" >&2; }
die() { printf '[setup] error: %s\n' "$*" >&2; exit 1; }

# --- Debian packages --------------------------------------------------------------------------
mapfile -t wanted < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' scripts/debian-packages.txt)
missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done

if ((${#missing[@]})); then
  as_root=()
  if ((EUID != 0)); then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      die "these Debian packages are missing and installing them needs root: ${missing[*]}
        run as root: apt-get install ${missing[*]}"
    fi
  fi
  command -v apt-get >/dev/null || die "no apt-get here; install by hand: ${missing[*]}"
  log=$(mktemp)
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  if ! {
    "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get failed; the whole output is in $log"
  fi
  rm -f "$log"
fi

# --- Python environment -----------------------------------------------------------------------
lock=python/requirements.lock
stamp=.venv/.lock
if ! cmp -s "$lock" "$stamp"; then
  python=${PYTHON:-python3}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version 2>&1) is too old: Python 3.11 or newer is needed (PYTHON=... chooses one)"
  say "setting up .venv from $lock"
  # A half-made environment is worth nothing: start over unless pip works in it.
  .venv/bin/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; "$python" -m venv .venv; }
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r "$lock" ||
    die "pip could not install $lock; is the package index reachable?"
  cp "$lock" "$stamp"
fi
