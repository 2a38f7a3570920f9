"""Writes an .npy file of integers without NumPy.

usage: write_npy.py FILE DIMS VALUE...   DIMS: 4x6
"""
import struct
import sys

path, dims, *values = sys.argv[1:]
shape = "".join(f"{d}, " for d in dims.split("x"))
header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({shape}), }}\n"
with open(path, "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    file.write(struct.pack(f"<{len(values)}q", *map(int, values)))
