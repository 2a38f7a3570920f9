"""Operators that the application computes: Python functions in the place of ONNX nodes.

    # model.onnx has a node of my::TopP, which qcc does not know

    so = qcc.compile("model.onnx", options=["--host-op=my::TopP=like(0)"])
    qcc.register_host_op("my::TopP", top_p)        # before the first run
    qcc.load(so)(logits=x)
"""

import ctypes
import json

from . import _capi
from .errors import Error

_kept = {}  # (domain, op): the C function, which must outlive every session that has it


def register_host_op(name, function):
    """Registers `function` for nodes of `name`, "DOMAIN::OP" ("OP" for ONNX's own domain).

    It is called as function(*inputs, **attributes): inputs are read-only arrays, or None where an
    optional one is absent, and attributes are those of the node. It returns the output, or a tuple
    of them, with the types and shapes that the model was compiled for. What it raises is the
    message that the run fails with.

    It must depend on its arguments alone, and is called by all threads that run sessions. The
    interpreter lock is taken for the call. function=None takes the operator away; models that ran
    already keep what they found.
    """
    domain, separator, op = name.rpartition("::")
    if not op:
        raise Error("invalid_argument", f"'{name}' names no operator")
    key = (domain.encode(), op.encode())
    entry = _callback(function) if function is not None else _capi.HOST_OP()
    _capi.call("qcc_register_host_op", *key, entry, None)
    if function is not None:
        _kept.setdefault(key, []).append(entry)


def _callback(function):
    import numpy

    types = {code: numpy.dtype(name) for code, (_, name) in _capi.DTYPES.items()}

    def entry(_, call, error):
        try:
            info = call.contents
            inputs = [_array(numpy, types, info.inputs[i], False) for i in range(info.n_inputs)]
            outputs = [_array(numpy, types, info.outputs[i], True) for i in range(info.n_outputs)]
            results = function(*inputs, **json.loads(info.attributes))
            _store(numpy, outputs, results)
        except BaseException as problem:  # nothing may pass through C
            text = f"{type(problem).__name__}: {problem}".encode("utf-8", "replace")
            error.contents.message = text[:500]
            return _capi.HOST_FAILED
        return _capi.OK

    return _capi.HOST_OP(entry)


def _array(numpy, types, tensor, writeable):
    """The tensor's memory as an array; None for an input that is absent."""
    if not tensor.dtype:
        return None
    shape = tuple(tensor.dims[axis] for axis in range(tensor.rank))
    if 0 in shape:
        return numpy.empty(shape, types[tensor.dtype])
    memory = (ctypes.c_uint8 * tensor.bytes).from_address(tensor.data)
    array = numpy.frombuffer(memory, types[tensor.dtype]).reshape(shape)
    array.flags.writeable = writeable
    return array


def _store(numpy, outputs, results):
    results = results if isinstance(results, (tuple, list)) else (results,)
    if len(results) != len(outputs):
        raise ValueError(f"{len(results)} results, the node has {len(outputs)} outputs")
    for i, (output, result) in enumerate(zip(outputs, results)):
        result = numpy.asarray(result)
        if result.shape != output.shape or not numpy.can_cast(result.dtype, output.dtype, "same_kind"):
            raise ValueError(f"result {i} is {result.dtype} {result.shape}, "
                             f"the model wants {output.dtype} {output.shape}")
        numpy.copyto(output, result, casting="same_kind")
