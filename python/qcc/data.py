"""Text to token arrays, through the `tokenizers` package.

An .npz holds input_ids, attention_mask and token_type_ids, int64 [samples, longest]; pairs hold
a_input_ids, a_attention_mask, b_… and gold. An .npy holds all tokens in one row.
"""

import csv
import json
from pathlib import Path


def read(path, columns):
    """Yields one tuple of fields per sample."""
    path = Path(path)
    with open(path, encoding="utf-8", newline="") as f:
        if path.suffix == ".csv":
            rows = csv.DictReader(f)
        elif path.suffix == ".jsonl":
            rows = (json.loads(line) for line in f if line.strip())
        elif path.suffix == ".txt":
            if len(columns) > 1:
                raise ValueError(f"{path}: pairs need .csv or .jsonl, a .txt file has no columns")
            rows = ({columns[0]: line.rstrip("\r\n")} for line in f if line.strip())
        else:
            raise ValueError(f"{path}: expected .txt, .jsonl or .csv")
        for number, row in enumerate(rows, 1):
            if missing := [c for c in columns if c not in row]:
                raise ValueError(f"{path}: sample {number} has no column {missing[0]!r}; "
                                 f"it has {', '.join(map(str, row))}")
            yield tuple(row[c] for c in columns)


def load_tokenizer(path, length=0):
    """A tokenizer without the padding and truncation that its file may ask for."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise RuntimeError("the tokenizers package is needed: pip install tokenizers") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises bare Exception
        raise ValueError(f"{path}: not a tokenizer: {error}") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if length:
        tokenizer.enable_truncation(length)
    return tokenizer


def encode(tokenizer, texts):
    """{input_ids, attention_mask, token_type_ids} of a list of texts, padded on the right."""
    import numpy as np

    encodings = tokenizer.encode_batch(list(texts))
    longest = max((len(e.ids) for e in encodings), default=0)
    arrays = {name: np.zeros((len(encodings), longest), np.int64)
              for name in ("input_ids", "attention_mask", "token_type_ids")}
    for row, e in enumerate(encodings):
        arrays["input_ids"][row, :len(e.ids)] = e.ids
        arrays["attention_mask"][row, :len(e.ids)] = 1
        arrays["token_type_ids"][row, :len(e.ids)] = e.type_ids
    return arrays


def write(options):
    """The command `python -m qcc data`."""
    import numpy as np

    columns = options.pairs.split(",") if options.pairs else [options.column]
    if options.pairs and len(columns) not in (2, 3):
        raise ValueError(f"--pairs names {len(columns)} columns, expected two or three")
    suffix = Path(options.output).suffix
    if suffix not in (".npz", ".npy") or suffix == ".npy" and options.pairs:
        raise ValueError(f"{options.output}: expected .npz" + ("" if options.pairs else " or .npy"))
    samples = list(read(options.file, columns))[:options.samples or None]
    if not samples:
        raise ValueError(f"{options.file}: no samples in it")
    tokenizer = load_tokenizer(options.tokenizer, options.length)

    if suffix == ".npy":
        ids = [e.ids for e in tokenizer.encode_batch([text for (text,) in samples])]
        np.save(options.output, np.concatenate([np.asarray(i, np.int64) for i in ids]))
        return
    if not options.pairs:
        arrays = encode(tokenizer, [text for (text,) in samples])
    else:
        arrays = {}
        for side, prefix in enumerate(("a_", "b_")):
            part = encode(tokenizer, [sample[side] for sample in samples])
            arrays |= {prefix + name: array for name, array in part.items()}
        if len(columns) == 3:
            arrays["gold"] = np.asarray([float(sample[2]) for sample in samples], np.float32)
    np.savez(options.output, **arrays)
