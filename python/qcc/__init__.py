"""Compile ONNX transformers with qcc and run what comes out.

    import qcc
    path = qcc.compile("model.onnx", quantize="w8a8")
    model = qcc.load(path)
    print(model.signature)
    outputs = model(input_ids=ids, attention_mask=mask, token_type_ids=types)

Importing this package imports neither numpy nor the native library; the first use does.
"""

from .errors import CompileError, Error

__version__ = "0.1.0"
__all__ = ["CompileError", "Decoder", "Error", "Gpu", "Model", "Pool", "Session", "compile", "load",
           "register_host_op"]

_LAZY = {
    "compile": "compiler",
    "load": "runtime",
    "Model": "runtime",
    "Session": "runtime",
    "Decoder": "runtime",
    "Pool": "runtime",
    "Gpu": "runtime",
    "register_host_op": "host_ops",
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'qcc' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
