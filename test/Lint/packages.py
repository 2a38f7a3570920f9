"""Checks that scripts/debian-packages.txt is complete.

Everything the build found (CMake's packages, libraries and programs, and every system header that
a compile read) must belong to a listed package or to what a listed package depends on.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path


def listed(source):
    lines = (source / "scripts/debian-packages.txt").read_text().splitlines()
    return {line.split("#")[0].strip() for line in lines} - {""}


def with_dependencies(names):
    """The installed packages that installing `names` brings."""
    query = ["dpkg-query", "-W", "-f", "${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\t${db:Status-Status}\n"]
    depends, providers = {}, {}
    for line in subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines():
        package, provides, needs, status = line.split("\t")
        if status != "installed":
            continue
        # Of alternatives a fresh machine gets the first.
        depends[package] = [re.sub(r"[ :(|].*", "", part.strip()) for part in needs.split(",")]
        for name in [package, *(re.sub(r"[ :(].*", "", p.strip()) for p in provides.split(","))]:
            providers.setdefault(name, set()).add(package)
    reached, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        for package in providers.get(name, ()) if name else ():
            if package not in reached:
                reached.add(package)
                waiting += depends[package]
    return reached


def found_by_cmake(build):
    """Paths that the cache holds for packages, libraries and programs."""
    pattern = re.compile(r"^(\w+(?:_DIR|_LIBRARY|_LIBRARY_RELEASE|_INCLUDE_DIR|_COMPILER|_PROGRAM|_LINKER|_AR)"
                         r"|CCACHE):(?:PATH|FILEPATH|STRING|INTERNAL|UNINITIALIZED)=(/.*)$")
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if found := pattern.match(line):
            yield found[2]


def read_by_compiles(build):
    done = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True)
    return {line.strip() for line in done.stdout.splitlines() if line.startswith("    /usr/")}


def called_by_scripts():
    """Programs that the Makefile, the scripts and the tests call by name."""
    tools = Path("/usr/lib/llvm-22/bin")
    for name in ("FileCheck", "not", "count", "llvm-objdump", "llvm-readelf", "llvm-nm", "mlir-tblgen"):
        yield str(tools / name)
    for name in ("clang-22", "clang++-22", "clang-format-22", "clang-tidy-22", "ld.lld-22", "cmake", "ninja",
                 "make", "git"):
        yield shutil.which(name) or f"{name} (not installed)"
    for name in ("asan", "ubsan_standalone"):
        yield from map(str, Path("/usr/lib/llvm-22/lib/clang/22/lib/linux").glob(f"libclang_rt.{name}-x86_64.a"))


def owners(paths):
    """{path: packages}; a file may be known under its own name or that behind its links."""
    names = {}
    for path in paths:
        real = str(Path(path).resolve())
        for name in {str(path), real, path.replace("/usr/lib/", "/lib/", 1), real.removeprefix("/usr")}:
            names.setdefault(name, path)
    result, every = {path: set() for path in paths}, sorted(names)
    for begin in range(0, len(every), 2000):
        done = subprocess.run(["dpkg", "-S", *every[begin:begin + 2000]], capture_output=True, text=True)
        for line in done.stdout.splitlines():
            packages, _, name = line.rpartition(": ")
            if name in names:
                result[names[name]] |= {p.split(":")[0] for p in packages.split(", ")}
    return result


def main():
    source, build = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = listed(source)
    allowed = with_dependencies(wanted)
    # Generated parts of the build and of this checkout, and Python, which may be anyone's.
    own = (str(build), str(source))
    paths = {p for p in {*found_by_cmake(build), *read_by_compiles(build), *called_by_scripts()}
             if Path(p).exists() and not p.startswith(own) and "python" not in p.lower()}
    missing = {}
    for path, packages in owners(sorted(paths)).items():
        if not packages & allowed:
            missing.setdefault(", ".join(sorted(packages)) or "no package", []).append(path)
    for package, where in sorted(missing.items()):
        print(f"{package} is not listed, and the build uses {where[0]} ({len(where)} files)")
    print(f"{len(paths)} paths checked, {len(missing)} packages missing")
    return 1 if missing or len(paths) < 10 else 0


sys.exit(main())
