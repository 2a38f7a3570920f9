"""A table that is both embedding and output head is stored once."""

import numpy as np
from graphs import check, helper, model

FLOAT, INT64, FLOAT16 = 1, 7, 10


def tied(dtype, kind):
    table = np.random.default_rng(1).standard_normal((4099, 64)).astype(dtype)
    nodes = [helper.make_node("Gather", ["table", "ids"], ["x"], axis=0), helper.make_node("Tanh", ["x"], ["h"]),
             helper.make_node("Transpose", ["table"], ["head"], perm=[1, 0]), helper.make_node("MatMul", ["h", "head"], ["y"])]
    proto = model(nodes, {"ids": (INT64, ["b", "s"])}, {"x": (kind, ["b", "s", 64]), "y": (kind, ["b", "s", 4099])},
                  {"table": table})
    sets = []
    for shape in ((1, 1), (2, 5)):
        ids = np.random.default_rng(2).integers(-4099, 4099, shape)
        x = table[ids]
        y = np.tanh(x.astype(np.float32)).astype(dtype).astype(np.float32) @ table.T.astype(np.float32)
        sets.append(({"ids": ids}, {"x": x, "y": y.astype(dtype)}))
    return proto, table, sets


def test_one_table_of_f32(qcc_tool, tmp_path):
    proto, table, sets = tied(np.float32, FLOAT)
    check(qcc_tool, tmp_path, proto, sets, 1e-3, 1e-4)
    assert (tmp_path / "model.so").stat().st_size < 1.5 * table.nbytes


def test_table_of_f16(qcc_tool, tmp_path):
    proto, _, sets = tied(np.float16, FLOAT16)
    check(qcc_tool, tmp_path, proto, sets, 5e-2, 5e-3)
