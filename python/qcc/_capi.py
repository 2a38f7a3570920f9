"""The C interface of libqcc-runtime (qcc/runtime.h) as ctypes declarations."""

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from . import _native
from .errors import Error

OK, CAPACITY, HOST_FAILED = 0, 9, 15

# qcc_dtype to (qcc's name, numpy's name). numpy has no bfloat16 and no 8-bit floats: their bits come
# as unsigned integers.
DTYPES = {
    1: ("f32", "float32"), 2: ("u8", "uint8"), 3: ("i8", "int8"), 4: ("u16", "uint16"),
    5: ("i16", "int16"), 6: ("i32", "int32"), 7: ("i64", "int64"), 9: ("bool", "bool"),
    10: ("f16", "float16"), 11: ("f64", "float64"), 12: ("u32", "uint32"), 13: ("u64", "uint64"),
    16: ("bf16", "uint16"), 17: ("f8e4m3fn", "uint8"), 18: ("f8e4m3fnuz", "uint8"),
    19: ("f8e5m2", "uint8"), 20: ("f8e5m2fnuz", "uint8"), 24: ("f8e8m0", "uint8"),
}


class CError(Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 512)]


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("dtype", c_uint32), ("rank", c_uint32),
                ("dims", POINTER(c_int64)), ("bytes", c_size_t)]


class _Sized(Structure):
    """Structs whose first field is their size."""

    def __init__(self, **fields):
        super().__init__(struct_size=ctypes.sizeof(self), **fields)


class ModelOptions(_Sized):
    _fields_ = [("struct_size", c_uint64), ("force_level", c_char_p), ("weights_path", c_char_p),
                ("verify_weights", c_uint32), ("reserved", c_uint32)]


class ModelInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("name", c_char_p), ("arch", c_uint32),
                ("abi_major", c_uint32), ("abi_minor", c_uint32), ("n_entries", c_uint32),
                ("n_levels", c_uint32), ("n_kernels", c_uint32), ("level", c_char_p),
                ("level_index", c_uint32), ("reserved", c_uint32), ("manifest", c_void_p),
                ("manifest_bytes", c_uint64), ("weights_bytes", c_uint64),
                ("weights_sha256", c_void_p), ("n_gpu_codes", c_uint32), ("reserved_gpu", c_uint32)]


class EntryInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("name", c_char_p), ("n_inputs", c_uint32),
                ("n_outputs", c_uint32), ("n_symbols", c_uint32), ("n_kv", c_uint32),
                ("n_segments", c_uint32), ("reserved", c_uint32), ("n_host_ops", c_uint32),
                ("reserved_host", c_uint32)]


class TensorInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("name", c_char_p), ("dtype", c_uint32),
                ("rank", c_uint32), ("dims", POINTER(c_char_p)), ("role", c_char_p)]


class HostOpInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("domain", c_char_p), ("op", c_char_p),
                ("node", c_char_p), ("attributes", c_char_p), ("n_inputs", c_uint32),
                ("n_outputs", c_uint32), ("registered", c_uint32), ("reserved", c_uint32)]


class HostCall(Structure):
    _fields_ = [("struct_size", c_uint64), ("domain", c_char_p), ("op", c_char_p),
                ("node", c_char_p), ("attributes", c_char_p), ("inputs", POINTER(Tensor)),
                ("outputs", POINTER(Tensor)), ("n_inputs", c_uint32), ("n_outputs", c_uint32)]


# status (context, call, error)
HOST_OP = ctypes.CFUNCTYPE(ctypes.c_int, c_void_p, POINTER(HostCall), POINTER(CError))


class LevelInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("name", c_char_p), ("features", c_uint64),
                ("usable", c_uint32), ("reserved", c_uint32)]


class PoolOptions(_Sized):
    _fields_ = [("struct_size", c_uint64), ("threads", c_uint32), ("spin_us", c_uint32)]


class SessionOptions(_Sized):
    _fields_ = [("struct_size", c_uint64), ("max_dims", POINTER(c_int64)),
                ("n_max_dims", c_uint32), ("reserved", c_uint32), ("gpu", c_void_p)]


class MemoryInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("arena_bytes", c_uint64), ("scratch_bytes", c_uint64),
                ("output_bytes", c_uint64), ("kv_bytes", c_uint64), ("device_bytes", c_uint64)]


class DecoderOptions(_Sized):
    _fields_ = [("struct_size", c_uint64), ("max_step", c_int64), ("logits_rows", c_int64),
                ("gpu", c_void_p)]


class GpuCodeInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("name", c_char_p), ("major", c_uint32), ("minor", c_uint32),
                ("exact", c_uint32), ("reserved", c_uint32), ("ptx", c_void_p), ("ptx_bytes", c_uint64)]


class GpuInfo(_Sized):
    _fields_ = [("struct_size", c_uint64), ("name", c_char_p), ("index", c_uint32), ("major", c_uint32),
                ("minor", c_uint32), ("multiprocessors", c_uint32), ("driver_version", c_uint32),
                ("reserved", c_uint32), ("memory_bytes", c_uint64)]


_HANDLE, _ERR, _TENSORS = c_void_p, POINTER(CError), POINTER(Tensor)
_I64S = POINTER(c_int64)

# Calls that return a status.
_CALLS = {
    "qcc_model_open": [c_char_p, POINTER(ModelOptions), POINTER(_HANDLE), _ERR],
    "qcc_model_get_info": [_HANDLE, POINTER(ModelInfo), _ERR],
    "qcc_model_entry": [_HANDLE, c_uint32, POINTER(EntryInfo), _ERR],
    "qcc_model_input": [_HANDLE, c_uint32, c_uint32, POINTER(TensorInfo), _ERR],
    "qcc_model_output": [_HANDLE, c_uint32, c_uint32, POINTER(TensorInfo), _ERR],
    "qcc_model_level": [_HANDLE, c_uint32, POINTER(LevelInfo), _ERR],
    "qcc_model_host_op": [_HANDLE, c_uint32, c_uint32, POINTER(HostOpInfo), _ERR],
    "qcc_model_gpu_code": [_HANDLE, c_uint32, POINTER(GpuCodeInfo), _ERR],
    "qcc_gpu_open": [c_uint32, POINTER(_HANDLE), _ERR],
    "qcc_gpu_get_info": [_HANDLE, POINTER(GpuInfo), _ERR],
    "qcc_register_host_op": [c_char_p, c_char_p, HOST_OP, c_void_p, _ERR],
    "qcc_pool_create": [POINTER(PoolOptions), POINTER(_HANDLE), _ERR],
    "qcc_session_create": [_HANDLE, c_uint32, _HANDLE, POINTER(SessionOptions), POINTER(_HANDLE), _ERR],
    "qcc_session_run": [_HANDLE, _TENSORS, c_uint32, _TENSORS, c_uint32, _ERR],
    "qcc_session_output": [_HANDLE, c_uint32, _TENSORS, _ERR],
    "qcc_session_infer_shapes": [_HANDLE, _TENSORS, c_uint32, _TENSORS, c_uint32, _ERR],
    "qcc_session_memory": [_HANDLE, POINTER(MemoryInfo), _ERR],
    "qcc_decoder_create": [_HANDLE, c_uint32, _HANDLE, c_int64, c_int64, POINTER(DecoderOptions),
                           POINTER(_HANDLE), _ERR],
    "qcc_decoder_step": [_HANDLE, _I64S, c_int64, _TENSORS, _ERR],
    "qcc_decoder_step_masked": [_HANDLE, _I64S, c_int64, _I64S, _I64S, _TENSORS, _ERR],
    "qcc_decoder_truncate": [_HANDLE, c_int64, _ERR],
    "qcc_decoder_reorder": [_HANDLE, _I64S, _ERR],
    "qcc_decoder_reset": [_HANDLE, _ERR],
}
_OTHERS = {
    "qcc_status_name": ([ctypes.c_int], c_char_p),
    "qcc_runtime_version": ([], c_char_p),
    "qcc_model_close": ([_HANDLE], None),
    "qcc_gpu_close": ([_HANDLE], None),
    "qcc_pool_destroy": ([_HANDLE], None),
    "qcc_pool_workers": ([_HANDLE], c_uint32),
    "qcc_default_threads": ([], c_uint32),
    "qcc_session_destroy": ([_HANDLE], None),
    "qcc_decoder_destroy": ([_HANDLE], None),
    "qcc_decoder_length": ([_HANDLE], c_int64),
    "qcc_decoder_session": ([_HANDLE], _HANDLE),
}

_library = None


def library():
    """The loaded library; loaded once, at the first call."""
    global _library
    if _library is None:
        path = _native.runtime_library()
        if path is None:
            raise Error("io", "libqcc-runtime.so is neither in this package nor in a build folder")
        loaded = ctypes.CDLL(str(path))
        for name, arguments in _CALLS.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        for name, (arguments, result) in _OTHERS.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = arguments, result
        _library = loaded
    return _library


def fail(error):
    """Raises what a call reported."""
    name = library().qcc_status_name(error.code).decode()
    raise Error(name, error.message.decode("utf-8", "replace"))


def call(name, *arguments):
    """Calls a function that takes a qcc_error last; raises on any status but ok."""
    error = CError()
    if getattr(library(), name)(*arguments, byref(error)) != OK:
        fail(error)
