"""Plants one violation of every rule in a small tree and expects each to be found, and no other."""
import sys
import tempfile
from pathlib import Path

import lint

CLEAN = {
    "include/qcc/Support/Diagnostics.def": '// All.\nQCC_DIAG(1001, UsageError, 2, "text")\n',
    "include/qcc/Fuse/Passes.td": '// Passes.\ndef FoldNorm : Pass<"qcc-fold-norm"> {}\n',
    "lib/Fuse/FoldNorm.cpp": '// Folds.\n#include "qcc/Support/Diagnostics.h"\n#include "Qnt/Qnt.h"\n',
    "lib/Pipeline/Pipeline.cpp": '// All stages.\n#include "qcc/Fuse/Passes.h"\n',
    "dialects/Qnt/Qnt.cpp": '// Nouns.\n#include "Qnt/Qnt.h"\n',
    "runtime/src/pool.c": "/* Threads. */\n",
    "test/Fuse/fold-norm.mlir": "// CHECK: QCC1001\n",
    "docs/page.md": "[other](page.md) [web](https://example.org)\n",
}

# (file, text that it gets, part of the message expected)
PLANTED = (
    ("lib/Fuse/FoldNorm.cpp", '// F.\n#include "qcc/Raise/Passes.h"\n', "Fuse may not include from room Raise"),
    ("lib/Fuse/FoldNorm.cpp", '// F.\n#include "qcc/Pipeline/P.h"\n', "may not include from room Pipeline"),
    ("lib/Algorithms/Gptq.cpp", '// G.\n#include "mlir/IR/Value.h"\n', "knows nothing of MLIR"),
    ("lib/Attic/Old.cpp", "// Old.\n", "room Attic is not in"),
    ("dialects/Qnt/Qnt.cpp", '// N.\n#include "qcc/Fuse/F.h"\n', "dialects may not include"),
    ("runtime/src/pool.c", '/* T. */\n#include "llvm/ADT/A.h"\n', "the runtime may not include"),
    ("include/qcc/Fuse/Passes.td", '// P.\ndef A : Pass<"qcc-no-file"> {}\n', "has no file lib/Fuse/NoFile.cpp"),
    ("include/qcc/Fuse/Passes.td", '// P.\ndef A : Pass<"qcc-no-test"> {}\n', "has no test test/Fuse/no-test.mlir"),
    ("include/qcc/Fuse/Passes.td", '// P.\ndef A : Pass<"fold"> {}\n', "must be called qcc-"),
    ("test/Fuse/fold-norm.mlir", "// nothing\n", "no test meets QCC1001"),
    ("include/qcc/Support/Diagnostics.def",
     '// All.\nQCC_DIAG(1001, UsageError, 2, "t")\nQCC_DIAG(1001, UsageError, 2, "t")\n', "must ascend"),
    ("lib/Fuse/A.cpp", "// A.\nstatic llvm::cl::opt<int> x;\n", "cl::opt belongs"),
    ("lib/Fuse/A.cpp", '// A.\nvoid f() { llvm::errs() << "x"; }\n', "not streams"),
    ("lib/Fuse/A.cpp", '// A.\nauto *x = getenv("X");\n', "environment"),
    ("lib/Fuse/A.cpp", "// A.\n  throw 1;\n", "no exceptions"),
    ("lib/Fuse/A.cpp", "// A.\n// TO" "DO: later\n", "finish it"),
    ("lib/Fuse/A.cpp", '// A.\nauto x = "/wo' 'rk/main";\n', "path of one machine"),
    ("lib/Fuse/A.cpp", "int x;\n", "first line"),
    ("docs/page.md", "[gone](gone.md)\n", "dead link gone.md"),
)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main():
    failures = []
    with tempfile.TemporaryDirectory() as work:
        clean = Path(work, "clean")
        write(clean, CLEAN)
        if found := list(lint.violations(clean)):
            failures.append(f"the clean tree has violations: {found}")
        for number, (name, text, message) in enumerate(PLANTED):
            root = Path(work, str(number))
            write(root, CLEAN | {name: text})
            if not any(message in line for line in lint.violations(root)):
                failures.append(f"not found: {message!r} in {name}")
    tested = {message for _, _, message in PLANTED}
    print("\n".join(failures) or f"all {len(tested)} planted violations found")
    return 1 if failures else 0


sys.exit(main())
