"""Checks that clang-format leaves every C and C++ source as it is; `make format` repairs."""
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
sources = [path for folder in ("benchmarks", "dialects", "examples", "include", "lib", "runtime", "test", "tools")
           for path in sorted((root / folder).rglob("*")) if path.suffix in (".h", ".c", ".cpp")]
done = subprocess.run(["clang-format-22", "--dry-run", "--Werror", "-style=file", *map(str, sources)],
                      capture_output=True, text=True)
wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
print("\n".join(f"{Path(path).relative_to(root)}: not formatted" for path in wrong))
print(f"{len(sources)} sources, {len(wrong)} not formatted")
sys.exit(done.returncode)
