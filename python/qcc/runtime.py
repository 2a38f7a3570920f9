"""Models, sessions and decoders over libqcc-runtime.

Data goes in and out without a copy: inputs are read where they lie when they have the signature's
type and are contiguous, outputs are computed straight into new numpy arrays.

Threads: a Model may be used by any number of threads at once, a Session or Decoder by one at a
time. The interpreter lock is released while a model runs.
"""

import ctypes
import json
import os
from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass
from functools import cached_property

from . import _capi
from .errors import Error


@dataclass(frozen=True)
class TensorInfo:
    """One input or output. dims are texts: "batch", "s + p", "64"."""

    name: str
    dtype: str
    dims: tuple
    role: str

    def __str__(self):
        note = f"  ({self.role})" if self.role else ""
        return f"{self.name}: {self.dtype}[{', '.join(self.dims)}]{note}"


@dataclass(frozen=True)
class Signature:
    """What an entry point takes and gives, in order."""

    entry: str
    inputs: tuple
    outputs: tuple
    caches: int

    def __str__(self):
        lines = [f"{self.entry}:"]
        lines += [f"  in   {tensor}" for tensor in self.inputs]
        lines += [f"  out  {tensor}" for tensor in self.outputs]
        return "\n".join(lines)


class Pool:
    """Worker threads, shared by the sessions that are given it. `threads` counts the caller's."""

    def __init__(self, threads=0):
        self._handle = c_void_p()
        options = _capi.PoolOptions(threads=threads)
        _capi.call("qcc_pool_create", byref(options), byref(self._handle))
        self.threads = _capi.library().qcc_pool_workers(self._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            _capi.library().qcc_pool_destroy(self._handle)


class Gpu:
    """A GPU that sessions run on, by its number; Error("device") says what is missing."""

    def __init__(self, index=0):
        self._handle = c_void_p()
        _capi.call("qcc_gpu_open", index, byref(self._handle))
        info = _capi.GpuInfo()
        _capi.call("qcc_gpu_get_info", self._handle, byref(info))
        self.index, self.name = index, info.name.decode()
        self.capability, self.memory_bytes = (info.major, info.minor), info.memory_bytes

    def __del__(self):
        if getattr(self, "_handle", None):
            _capi.library().qcc_gpu_close(self._handle)

    def __repr__(self):
        return f"<qcc.Gpu {self.index}: {self.name}>"


def load(path, *, threads=None, level=None, verify=False, gpu=None):
    """Loads a compiled model (.so). It is native code: load only what you trust.

    threads  worker threads of this model's own pool; None: one pool for the whole process
    level    forces a feature level such as "x86-avx512-vnni"; None picks the best that works here
    verify   checks the hash of all weights first
    gpu      a Gpu, or the number of one, that sessions run on where they are given no other; None: the
             CPU, or the first GPU if the model has no code for CPUs
    """
    return Model(path, threads=threads, level=level, verify=verify, gpu=gpu)


class Model:
    """A loaded model. Call it with inputs by name or in order; the result is a dict of arrays."""

    def __init__(self, path, *, threads=None, level=None, verify=False, gpu=None):
        # The library takes a bare name as one in the current directory, and so does this.
        self.path = os.fspath(path)
        self._handle, self._idle = c_void_p(), []
        self._pool = Pool(threads) if threads else None
        self._gpu = _gpu_of(gpu)
        options = _capi.ModelOptions(verify_weights=int(verify))
        if level:
            options.force_level = level.encode()
        _capi.call("qcc_model_open", os.fsencode(path), byref(options), byref(self._handle))
        self._info = _capi.ModelInfo()
        _capi.call("qcc_model_get_info", self._handle, byref(self._info))

    def __del__(self):
        self._idle = []
        if getattr(self, "_handle", None):
            _capi.library().qcc_model_close(self._handle)

    def __repr__(self):
        return f"<qcc.Model {self.name!r} at {self.level}>"

    # --- what it is ------------------------------------------------------------------------
    @property
    def name(self):
        return self._info.name.decode()

    @property
    def level(self):
        """The feature level in use, such as "x86-avx512-vnni"."""
        return self._info.level.decode()

    @cached_property
    def levels(self):
        """All feature levels inside, best first: {name: usable here}."""
        found = {}
        for i in range(self._info.n_levels):
            info = _capi.LevelInfo()
            _capi.call("qcc_model_level", self._handle, i, byref(info))
            found[info.name.decode()] = bool(info.usable)
        return found

    @cached_property
    def gpus(self):
        """Code for GPUs inside, best first: {name: bytes of PTX}."""
        found = {}
        for i in range(self._info.n_gpu_codes):
            info = _capi.GpuCodeInfo()
            _capi.call("qcc_model_gpu_code", self._handle, i, byref(info))
            found[info.name.decode()] = info.ptx_bytes
        return found

    @property
    def weights_bytes(self):
        return self._info.weights_bytes

    @cached_property
    def manifest(self):
        """How the model was made, as a dict."""
        size = self._info.manifest_bytes
        return json.loads(ctypes.string_at(self._info.manifest, size)) if size else {}

    @cached_property
    def signatures(self):
        """{entry point: Signature}"""
        found = [self._signature(i) for i in range(self._info.n_entries)]
        return {signature.entry: signature for signature in found}

    @property
    def signature(self):
        """The first entry point's."""
        return next(iter(self.signatures.values()))

    def _signature(self, entry):
        info = _capi.EntryInfo()
        _capi.call("qcc_model_entry", self._handle, entry, byref(info))

        def tensors(function, count):
            for i in range(count):
                t = _capi.TensorInfo()
                _capi.call(function, self._handle, entry, i, byref(t))
                dims = tuple(t.dims[axis].decode() for axis in range(t.rank))
                yield TensorInfo(t.name.decode(), _capi.DTYPES[t.dtype][0], dims, t.role.decode())

        return Signature(info.name.decode(), tuple(tensors("qcc_model_input", info.n_inputs)),
                         tuple(tensors("qcc_model_output", info.n_outputs)), info.n_kv)

    def _entry(self, name):
        if name is None:
            return 0, self.signature
        if name not in self.signatures:
            known = ", ".join(self.signatures)
            raise Error("invalid_argument", f"no entry point {name!r}; there are: {known}")
        return list(self.signatures).index(name), self.signatures[name]

    # --- running ---------------------------------------------------------------------------
    def __call__(self, *args, **inputs):
        """Runs the first entry point. Safe from several threads: each call takes a session of its
        own from those that earlier calls left."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = Session(self)
        try:
            return session(*args, **inputs)
        finally:
            self._idle.append(session)

    def session(self, max_shapes=None, *, entry=None, pool=None, gpu=None):
        """A session, for one thread at a time.

        max_shapes  {input: largest shape}, for all inputs: memory is then sized now and running
                    allocates nothing but the arrays of the results
        """
        return Session(self, max_shapes, entry=entry, pool=pool, gpu=gpu)

    def decoder(self, batch=1, capacity=512, *, max_step=0, logits_rows=0, entry=None, pool=None, gpu=None):
        """A decoder that owns the KV cache: `batch` rows of up to `capacity` positions.

        max_step  the most tokens in one step that memory is sized for; 0: capacity
        logits_rows  steps compute the logits of so many last positions, 1 to generate; 0: of all
        """
        return Decoder(self, batch, capacity, max_step=max_step, logits_rows=logits_rows, entry=entry,
                       pool=pool, gpu=gpu)


def _gpu_of(gpu):
    return gpu if gpu is None or isinstance(gpu, Gpu) else Gpu(gpu)


def _gpu_handle(model, gpu):
    gpu = _gpu_of(gpu) or model._gpu
    return gpu, gpu._handle if gpu else None


def _pool_handle(model, pool):
    pool = pool or model._pool
    return pool, pool._handle if pool else None


class Session:
    """Runs one entry point of a model again and again."""

    def __init__(self, model, max_shapes=None, *, entry=None, pool=None, gpu=None):
        import numpy

        self._numpy, self._model = numpy, model  # the model must outlive its memory
        self._handle, self._error = c_void_p(), _capi.CError()
        index, self.signature = model._entry(entry)
        self._pool, pool_handle = _pool_handle(model, pool)
        self._gpu, gpu_handle = _gpu_handle(model, gpu)
        options = self._options(max_shapes)
        options.gpu = gpu_handle
        _capi.call("qcc_session_create", model._handle, index, pool_handle, byref(options),
                   byref(self._handle))

        # Everything that a call needs is made once: structs, dimension buffers, numpy types.
        inputs, outputs = self.signature.inputs, self.signature.outputs
        types = {name: (code, numpy.dtype(np_name)) for code, (name, np_name) in _capi.DTYPES.items()}
        self._inputs = (_capi.Tensor * len(inputs))()
        self._outputs = (_capi.Tensor * len(outputs))()
        self._slots = []
        for i, tensor in enumerate(inputs):
            code, dtype = types[tensor.dtype]
            dims = (c_int64 * max(1, len(tensor.dims)))()
            struct = self._inputs[i]
            struct.dtype, struct.rank = code, len(tensor.dims)
            struct.dims = ctypes.cast(dims, ctypes.POINTER(c_int64))
            self._slots.append([tensor.name, struct, dtype, dims, len(tensor.dims), None])
        self._results = [(tensor.name, self._outputs[i], types[tensor.dtype][1])
                         for i, tensor in enumerate(outputs)]
        self._names = frozenset(tensor.name for tensor in inputs)
        self._shapes, self._shapes_of = None, None
        self._run = _capi.library().qcc_session_run

    def __del__(self):
        if getattr(self, "_handle", None):
            _capi.library().qcc_session_destroy(self._handle)

    def _options(self, max_shapes):
        if not max_shapes:
            return _capi.SessionOptions()
        missing = [t.name for t in self.signature.inputs if t.name not in max_shapes]
        if missing:
            raise Error("invalid_argument", f"max_shapes lacks {', '.join(missing)}")
        flat = [d for t in self.signature.inputs for d in max_shapes[t.name]]
        self._max_dims = (c_int64 * len(flat))(*flat)
        return _capi.SessionOptions(max_dims=self._max_dims, n_max_dims=len(flat))

    def __call__(self, *args, out=None, **inputs):
        """Runs once and returns {output: array}.

        Inputs are arrays, or anything that numpy takes for one, by name or in the signature's
        order. `out` may give arrays, {output: array}, to write to instead of new ones.
        """
        if args:
            inputs = self._by_position(args, inputs)
        arrays = self._bind(inputs)
        if self._shapes is None:
            self._infer()
        empty, results = self._numpy.empty, {}
        for (name, struct, dtype), shape in zip(self._results, self._shapes):
            if shape is None:  # depends on values: the session's own memory, copied below
                struct.data, struct.bytes = None, 0
                continue
            if out is not None and name in out:
                array = self._check_out(name, out[name], shape, dtype)
            else:
                array = empty(shape, dtype)
            struct.data, struct.bytes = array.__array_interface__["data"][0], array.nbytes
            results[name] = array
        status = self._run(self._handle, self._inputs, len(self._slots), self._outputs,
                           len(self._results), byref(self._error))
        del arrays  # held until here: a converted input lives nowhere else
        if status != _capi.OK:
            _capi.fail(self._error)
        if len(results) != len(self._results):
            results = self._collect(results)
        return results

    def _bind(self, inputs):
        if inputs.keys() != self._names:
            self._complain(inputs)
        asarray, keep = self._numpy.asarray, []
        for slot in self._slots:
            name, struct, dtype, dims, rank, shape = slot
            array = inputs[name]
            if type(array) is not self._numpy.ndarray:
                array = asarray(array)
            if array.dtype != dtype or not array.flags.c_contiguous:
                array = self._convert(name, array, dtype)
            keep.append(array)
            struct.data = array.__array_interface__["data"][0]
            if array.shape != shape:
                if array.ndim != rank:
                    raise Error("shape", f"{name} has rank {array.ndim}, the model wants {rank}: "
                                         f"{self._describe(name)}")
                dims[:rank] = array.shape
                struct.bytes = array.nbytes
                slot[5], self._shapes = array.shape, None
        return keep

    def _describe(self, name):
        return next(str(t) for t in self.signature.inputs if t.name == name)

    def _complain(self, inputs):
        missing = [str(t) for t in self.signature.inputs if t.name not in inputs]
        unknown = sorted(set(inputs) - self._names)
        parts = [f"inputs missing: {'; '.join(missing)}"] if missing else []
        parts += [f"no such inputs: {', '.join(unknown)}"] if unknown else []
        raise Error("invalid_argument", "; ".join(parts))

    def _by_position(self, args, inputs):
        names = [slot[0] for slot in self._slots]
        if len(args) > len(names):
            raise Error("invalid_argument", f"{len(args)} inputs given, the model has {len(names)}")
        given = dict(zip(names, args))
        if twice := given.keys() & inputs.keys():
            raise Error("invalid_argument", f"given twice: {', '.join(sorted(twice))}")
        return given | inputs

    def _convert(self, name, array, dtype):
        """A copy in the right type; only where no value can change."""
        if array.dtype != dtype and not self._numpy.can_cast(array.dtype, dtype, "safe"):
            raise Error("dtype", f"{name} is {array.dtype}, the model wants {dtype}")
        return self._numpy.ascontiguousarray(array, dtype).reshape(array.shape)

    def _check_out(self, name, array, shape, dtype):
        fits = array.shape == shape and array.dtype == dtype
        if not fits or not array.flags.c_contiguous or not array.flags.writeable:
            raise Error("invalid_argument", f"out[{name!r}] must be a writeable contiguous {dtype} "
                                            f"array of shape {shape}, not {array.dtype} {array.shape}")
        return array

    def _infer(self):
        """Output shapes for the present input shapes; None where values decide."""
        _capi.call("qcc_session_infer_shapes", self._handle, self._inputs, len(self._slots),
                   self._outputs, len(self._results))
        self._shapes = []
        for _, struct, _ in self._results:
            shape = tuple(struct.dims[axis] for axis in range(struct.rank))
            self._shapes.append(None if -1 in shape else shape)

    def _collect(self, results):
        """Completes the results with copies of those that the session owns, in order."""
        ordered = {}
        for name, struct, dtype in self._results:
            ordered[name] = results[name] if name in results else _view(struct, dtype, self).copy()
        return ordered

    @property
    def memory(self):
        """Bytes in use: {"arena", "scratch", "output", "kv", "device"}, the last all those on a GPU."""
        return _memory(self._handle)


def _memory(session):
    info = _capi.MemoryInfo()
    _capi.call("qcc_session_memory", session, byref(info))
    return {"arena": info.arena_bytes, "scratch": info.scratch_bytes,
            "output": info.output_bytes, "kv": info.kv_bytes, "device": info.device_bytes}


class _View:
    """Memory of the runtime as numpy sees it; keeps its owner alive."""

    def __init__(self, interface, owner):
        self.__array_interface__, self._owner = interface, owner


def _view(tensor, dtype, owner):
    import numpy

    shape = tuple(tensor.dims[axis] for axis in range(tensor.rank))
    if 0 in shape:
        return numpy.empty(shape, dtype)
    interface = {"shape": shape, "typestr": dtype.str, "data": (tensor.data, True), "version": 3}
    return numpy.asarray(_View(interface, owner))


class Decoder:
    """Feeds tokens to a model with a KV cache, which the decoder owns."""

    def __init__(self, model, batch, capacity, *, max_step=0, logits_rows=0, entry=None, pool=None, gpu=None):
        import numpy

        self._numpy, self._model = numpy, model
        self._handle, self._error, self._logits = c_void_p(), _capi.CError(), _capi.Tensor()
        self.batch, self.capacity = batch, capacity
        index, _ = model._entry(entry)
        self._pool, pool_handle = _pool_handle(model, pool)
        self._gpu, gpu_handle = _gpu_handle(model, gpu)
        options = _capi.DecoderOptions(max_step=max_step, logits_rows=logits_rows, gpu=gpu_handle)
        _capi.call("qcc_decoder_create", model._handle, index, pool_handle, batch, capacity,
                   byref(options), byref(self._handle))
        self._step = _capi.library().qcc_decoder_step

    def __del__(self):
        if getattr(self, "_handle", None):
            _capi.library().qcc_decoder_destroy(self._handle)

    def __len__(self):
        return self.length

    @property
    def length(self):
        """Positions in the cache, per row."""
        return _capi.library().qcc_decoder_length(self._handle)

    @property
    def memory(self):
        """Bytes in use: {"arena", "scratch", "output", "kv", "device"}, the last all those on a GPU."""
        return _memory(_capi.library().qcc_decoder_session(self._handle))

    def step(self, tokens, *, mask=None, positions=None):
        """Feeds tokens, [n] or [batch, n], and returns the logits, usually [batch, n, vocabulary], of at
        most logits_rows positions.

        The result is a read-only view that the next step overwrites: copy() what must stay.
        mask is [batch, length + n] of 0 and 1, positions [batch, n]; None: ones, and counting.
        Beyond capacity this raises Error("capacity") and changes nothing.
        """
        tokens = self._rows("tokens", tokens, None)
        count = tokens.shape[1]
        if mask is None and positions is None:
            status = self._step(self._handle, _pointer(tokens), count, byref(self._logits),
                                byref(self._error))
        else:
            if mask is not None:
                mask = self._rows("mask", mask, self.length + count)
            if positions is not None:
                positions = self._rows("positions", positions, count)
            status = _capi.library().qcc_decoder_step_masked(
                self._handle, _pointer(tokens), count, _pointer(mask), _pointer(positions),
                byref(self._logits), byref(self._error))
        if status != _capi.OK:
            _capi.fail(self._error)
        dtype = self._numpy.dtype(_capi.DTYPES[self._logits.dtype][1])
        return _view(self._logits, dtype, self)

    def _rows(self, name, values, columns):
        array = self._numpy.ascontiguousarray(values)
        if array.dtype.kind not in "iub":
            raise Error("dtype", f"{name} are {array.dtype}, expected integers")
        array = self._numpy.ascontiguousarray(array, self._numpy.int64)
        if array.ndim == 1 and self.batch == 1:
            array = array.reshape(1, -1)
        if array.ndim != 2 or array.shape[0] != self.batch or columns not in (None, array.shape[1]):
            wanted = f"[{self.batch}, {'n' if columns is None else columns}]"
            raise Error("shape", f"{name} have shape {list(array.shape)}, expected {wanted}")
        return array

    def truncate(self, length):
        """Forgets all positions from `length` on."""
        _capi.call("qcc_decoder_truncate", self._handle, length)

    def reorder(self, source):
        """Row b continues what row source[b] was."""
        if len(source) != self.batch:
            raise Error("shape", f"source has {len(source)} rows, the decoder {self.batch}")
        _capi.call("qcc_decoder_reorder", self._handle, (c_int64 * self.batch)(*source))

    def reset(self):
        """Forgets everything."""
        _capi.call("qcc_decoder_reset", self._handle)

    def stream(self, prompt, new_tokens, *, stop=()):
        """Continues one row greedily; yields up to `new_tokens` tokens, ending after one in `stop`."""
        for (token,) in self._greedy([list(prompt)], new_tokens):
            yield token
            if token in stop:
                return

    def generate(self, prompts, new_tokens, *, stop=()):
        """Continues greedily. prompts: token ids of one row, or of all rows, equally long.

        Returns the new tokens: a list, or a list per row. A row ends after a token in `stop`.
        """
        single = not hasattr(prompts[0], "__len__")
        rows = [list(prompts)] if single else [list(row) for row in prompts]
        done, made = [False] * len(rows), [[] for _ in rows]
        for tokens in self._greedy(rows, new_tokens):
            for row, token in enumerate(tokens):
                if not done[row]:
                    made[row].append(token)
                    done[row] = token in stop
            if all(done):
                break
        return made[0] if single else made

    def _greedy(self, rows, new_tokens):
        if new_tokens <= 0:
            return
        tokens = rows
        for left in range(new_tokens, 0, -1):
            logits = self.step(tokens)
            best = logits[:, -1].argmax(-1).tolist()
            yield best
            if left > 1:
                tokens = [[token] for token in best]


def _pointer(array):
    return None if array is None else array.ctypes.data_as(ctypes.POINTER(c_int64))
