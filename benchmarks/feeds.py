"""Inputs for models that are measured."""
import numpy as np

TYPES = {"i64": np.int64, "i32": np.int32, "bool": bool}


def feeds(model, dims):
    """Inputs of these sizes by name: ids by chance (of any vocabulary), masks of ones, other integers zero, floats by chance."""
    found, random = {}, np.random.default_rng(0)
    for tensor in model.signature.inputs:
        size = dims[tensor.name]
        if tensor.role == "ids":
            values = random.integers(0, 30, size)
        elif tensor.dtype == "f32" and tensor.role != "mask":
            values = random.standard_normal(size, np.float32)
        else:
            values = np.full(size, tensor.role == "mask")
        found[tensor.name] = values.astype(TYPES.get(tensor.dtype, np.float32))
    return found
