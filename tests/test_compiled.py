"""Without Numba everything still trains, to the same numbers but for rounding, and says that it takes longer."""

import json
import subprocess
import sys

import pytest

TRAIN = """
import json, logging, sys
logging.basicConfig(stream=sys.stderr)
if sys.argv[1] == "without":
    sys.modules["numba"] = None
import torch
torch.set_num_threads(1)
from hardsample import Run, load, train
from hardsample.jit import AVAILABLE
run = Run(data="glyphs", method="PLB", seed=1, epochs=2.0, batch_size=8, train_examples=64, test_examples=32)
[outcome] = train([run], load("glyphs", train_examples=64, test_examples=32))
print(json.dumps([AVAILABLE, outcome.rows]))
"""


def trained(how: str) -> tuple[list, str]:
    done = subprocess.run([sys.executable, "-c", TRAIN, how], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_plain_operations_stand_in_for_numba():
    (compiled, rows), quiet = trained("with")
    (plain, plain_rows), said = trained("without")
    assert compiled and not plain
    assert "longer" not in quiet and said.count("Numba cannot be imported") == 1
    for row, other in zip(rows, plain_rows, strict=True):
        assert row[:2] == other[:2]
        assert row[4:6] == pytest.approx(other[4:6], rel=1e-3)  # losses
        assert row[7] == other[7]  # draws by class: the same examples were drawn
