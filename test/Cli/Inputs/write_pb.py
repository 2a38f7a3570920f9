"""Writes TensorProto files without the onnx package.

usage: write_pb.py FILE NAME TYPE DIMS VALUE...   TYPE: f32, i64; DIMS: 2x3, or - for a scalar
"""
import struct
import sys

path, name, kind, dims, *values = sys.argv[1:]
dims = [] if dims == "-" else [int(d) for d in dims.split("x")]
code, form = {"f32": (1, "f"), "i64": (7, "q")}[kind]
raw = b"".join(struct.pack("<" + form, float(v) if form == "f" else int(v)) for v in values)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


message = b"".join(b"\x08" + varint(d) for d in dims) + b"\x10" + varint(code)
message += b"\x42" + varint(len(name)) + name.encode() + b"\x4a" + varint(len(raw)) + raw
with open(path, "wb") as file:
    file.write(message)
