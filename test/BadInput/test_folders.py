"""Folders that the compiler cannot write to while it works."""

import models as m
from onnx import TensorProto
from test_bad_input import folder, refused  # noqa: F401


def test_no_blob_folder(qcc_tool, folder):  # noqa: F811
    """A list of numbers above 1 KiB becomes a file of its own, which has no place."""
    weight = m.tensor("w", (512,), list(range(512)), TensorProto.INT64)
    proto = m.one_node("Add", initializers=[weight], dims=(512,), dtype=TensorProto.INT64)
    m.save(proto, folder / "model.onnx")
    refused(qcc_tool, folder, "model.onnx", 3, "QCC1102", ["/dev/null/blobs: ", "Not a directory"],
            options=["--blobs=/dev/null/blobs"])
