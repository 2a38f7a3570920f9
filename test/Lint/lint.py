#!/usr/bin/env python3
"""Checks that the source keeps its own rules; prints each violation as PATH:LINE: MESSAGE.

Each rule is a function from the tree to violations, listed in RULES. A budget is a warning: it is
printed and does not fail. selftest.py plants a violation of every rule and expects it to be found.
"""
import re
import sys
from pathlib import Path

# --- Layering ----------------------------------------------------------------------------------
# What a room of lib/ and include/qcc/ may include besides itself and dialects/. Rooms are listed in
# the order data flows; a room that is not listed is a violation, so that the list stays true.
PLAIN = {"Support", "Algorithms", "Target"}  # know nothing of any stage
ROOMS = {
    "Support": set(),
    "Target": {"Support"},
    "Algorithms": {"Support"},
    "Recipe": {"Support"},
    "Onnx": PLAIN,
    "Reference": PLAIN,
    "Import": PLAIN | {"Onnx", "Reference"},
    "Raise": PLAIN | {"Reference"},
    "Rotate": PLAIN,
    "Calibrate": PLAIN,
    "Transform": PLAIN,
    "AssignBits": PLAIN | {"Recipe"},
    "Quantize": PLAIN | {"Reference"},
    "Fuse": PLAIN,
    "Pack": PLAIN | {"Kernels", "Reference"},
    "Kernels": PLAIN,
    "Gpu": PLAIN | {"Kernels"},
    "Simt": PLAIN,
    "Export": PLAIN | {"Onnx", "Pack", "Kernels"},
    "Lower": PLAIN | {"Kernels"},
    "Emit": PLAIN,
    "Data": PLAIN | {"Onnx"},
    "Quality": PLAIN | {"Data"},
    "Pipeline": None,  # sees all
    "Inspect": None,
    "Driver": None,
    "Cli": PLAIN | {"Data", "Quality", "Onnx", "Reference", "Pipeline", "Recipe"},
}
NO_MLIR = {"Support", "Target", "Algorithms", "Recipe", "Onnx", "Data", "Quality"}

CODE = (".h", ".c", ".cpp", ".td", ".def", ".inc")
TEXT = CODE + (".py", ".sh", ".md", ".mlir", ".test", ".txt", ".cmake", ".toml", ".in", ".yaml")
FOLDERS = ("benchmarks", "cmake", "dialects", "docs", "examples", "include", "lib", "python", "runtime",
           "scripts", "test", "tools", ".ci")
SKIPPED = {"__pycache__", "build", "native", "node_modules"}


class Tree:
    """The files under check, read once."""

    def __init__(self, root):
        self.root, self._lines = Path(root), {}

    def files(self, folder, suffixes=TEXT):
        for path in sorted((self.root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file() and not SKIPPED & set(path.parts):
                yield path

    def sources(self):
        for folder in FOLDERS:
            yield from self.files(folder)
        yield from (p for p in sorted(self.root.glob("*")) if p.suffix in TEXT or p.name == "Makefile")

    def lines(self, path):
        if path not in self._lines:
            self._lines[path] = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return self._lines[path]

    def matches(self, paths, pattern):
        """(path, line number, match) of each line that the pattern is found in."""
        pattern = re.compile(pattern)
        for path in paths:
            for number, line in enumerate(self.lines(path), 1):
                if found := pattern.search(line):
                    yield path, number, found


def room_of(tree, path):
    parts = path.relative_to(tree.root).parts
    if parts[0] == "lib" and len(parts) > 2:
        return parts[1]
    return parts[2] if parts[:2] == ("include", "qcc") and len(parts) > 3 else None


def layering(tree):
    """A room includes only what ROOMS grants; nouns include no verbs; plain rooms no MLIR."""
    paths = [p for folder in ("lib", "include") for p in tree.files(folder, CODE)]
    known = set()
    for path in paths:
        room = room_of(tree, path)
        if room and room not in ROOMS and room not in known:
            known.add(room)
            yield path, 1, f"room {room} is not in test/Lint/lint.py's list"
    for path, line, found in tree.matches(paths, r'^\s*#include "qcc/(\w+)/'):
        room, other = room_of(tree, path), found[1]
        if room in ROOMS and ROOMS[room] is not None and other != room and other not in ROOMS[room]:
            yield path, line, f"room {room} may not include from room {other}"
    plain = [p for p in paths if room_of(tree, p) in NO_MLIR]
    for path, line, _ in tree.matches(plain, r'^\s*#include ["<](mlir|Qnt|Tile)/'):
        yield path, line, f"room {room_of(tree, path)} knows nothing of MLIR"
    for path, line, found in tree.matches(tree.files("dialects", CODE), r'^\s*#include "qcc/(\w+)/'):
        yield path, line, f"dialects may not include from room {found[1]}"
    for path, line, found in tree.matches(tree.files("runtime", CODE),
                                          r'^\s*#include ["<]((?:llvm|mlir)/|qcc/\w+/)'):
        yield path, line, f"the runtime may not include {found[1]}"


def mirroring(tree):
    """Pass qcc-verb-object of stage S lies in lib/S/VerbObject.cpp, its test in test/S/."""
    pattern = r'^\s*def \w+\s*:\s*Pass<"([^"]+)"'
    passes = [p for p in tree.files("include", (".td",)) if p.name == "Passes.td"]
    for path, line, found in tree.matches(passes, pattern):
        flag, stage = found[1], path.parent.name
        if not flag.startswith("qcc-"):
            yield path, line, f"pass {flag} must be called qcc-<verb>-<object>"
            continue
        verb = flag.removeprefix("qcc-")
        file = "".join(word.capitalize() for word in verb.split("-")) + ".cpp"
        present = {p.name.lower() for p in (tree.root / "lib" / stage).glob("*.cpp")}
        if file.lower() not in present:
            yield path, line, f"pass {flag} has no file lib/{stage}/{file}"
        if not (tree.root / "test" / stage / f"{verb}.mlir").exists():
            yield path, line, f"pass {flag} has no test test/{stage}/{verb}.mlir"


def diagnostics(tree):
    """Numbers ascend, occur once, and each is met by some test, by number or by name."""
    path = tree.root / "include/qcc/Support/Diagnostics.def"
    if not path.exists():
        return
    tests = "\n".join("\n".join(tree.lines(p)) for p in tree.files("test") if p.parent.name != "Lint")
    last = 0
    for path, line, found in tree.matches([path], r"^QCC_DIAG\((\d+), (\w+),"):
        number, name = int(found[1]), found[2]
        if number <= last:
            yield path, line, f"number {number} follows {last}; they must ascend"
        last = number
        if f"QCC{number}" not in tests and not re.search(rf"Diag::{name}\b", tests):
            yield path, line, f"no test meets QCC{number} ({name})"


def habits(tree):
    """No globals behind options, no writing past the diagnostics, no exceptions, no notes to self."""
    libraries = [*tree.files("lib", CODE), *tree.files("include", CODE), *tree.files("dialects", CODE)]
    inner = [p for p in libraries if room_of(tree, p) != "Cli"]
    for paths, pattern, message in (
        (libraries, r"\bcl::(opt|list|alias)\b", "cl::opt belongs in tools/"),
        (inner, r"\b(llvm::)?(errs|dbgs)\(\)|\bstd::(cerr|cout)\b|\bf?printf\(",
         "libraries report through diagnostics, not streams"),
        (inner, r"\bgetenv\b", "only the driver and the runtime read the environment"),
        (libraries, r"^\s*(throw\b|try \{)", "the compiler uses no exceptions"),
        (list(tree.sources()), r"\b(TO" r"DO|FIX" r"ME|HA" r"CK|XX" r"X)\b", "finish it or leave it out"),
        (list(tree.sources()), r"(?<![\w.}])/(wo" r"rk|ro" r"ot|ho" r"me|tm" r"p)/\w", "a path of one machine"),
    ):
        for path, line, _ in tree.matches(paths, pattern):
            yield path, line, message


def first_lines(tree):
    """The first line of a source says what the file is."""
    comment = {".h": ("//", "/*"), ".c": ("//", "/*"), ".cpp": ("//", "/*"), ".td": ("//",),
               ".def": ("//",), ".py": ('"""', "#"), ".sh": ("#",), ".cmake": ("#",)}
    for folder in ("dialects", "include", "lib", "runtime", "tools", "python", "scripts", "test"):
        for path in tree.files(folder, tuple(comment)):
            lines = tree.lines(path)
            if lines and not lines[0].startswith(comment[path.suffix]):
                yield path, 1, "the first line must say what this file is"


def links(tree):
    """Relative links in the documentation lead somewhere."""
    pages = [*tree.files("docs", (".md",)), *tree.files("dialects", (".md",)), *tree.root.glob("*.md")]
    for path, line, _ in tree.matches(pages, r"\]\("):
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", tree.lines(path)[line - 1]):
            if "://" not in target and not (path.parent / target).exists():
                yield path, line, f"dead link {target}"


RULES = (layering, mirroring, diagnostics, habits, first_lines, links)


def budgets(tree):
    """Warnings: a pass file over 300 lines is usually two passes, any file over 600 hides one."""
    for folder in ("dialects", "include", "lib", "runtime", "tools"):
        for path in tree.files(folder, (".h", ".c", ".cpp")):
            if (count := len(tree.lines(path))) > 600:
                yield path, count, f"{count} lines, the budget is 600"


def violations(root):
    tree = Tree(root)
    for rule in RULES:
        for path, line, message in rule(tree):
            yield f"{path.relative_to(tree.root)}:{line}: {message} [{rule.__name__}]"


def main():
    root = Path(sys.argv[1])
    tree = Tree(root)
    for path, line, message in budgets(tree):
        print(f"warning: {path.relative_to(root)}:{line}: {message}")
    found = list(violations(root))
    print("\n".join(found))
    print(f"{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
