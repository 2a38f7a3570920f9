"""The models and data that pages of the documentation take for granted, small, in the current folder."""

import os
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(os.environ["QCC_SOURCE"], "test"))]
import tiny  # noqa: E402

here = Path(".")
tiny.write_llama(here).rename("model.onnx")
tiny.write_bert(here)
rng = np.random.default_rng(3)
np.save("train.npy", rng.integers(0, 80, 8 * 512).astype(np.int32))
ids = rng.integers(1, 40, (80, 12))
np.savez("D.npz", input_ids=ids, attention_mask=np.ones_like(ids), token_type_ids=0 * ids)
