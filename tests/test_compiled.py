"""Without Numba everything still trains, to the same numbers but for rounding, and says that it takes longer."""

import errno
import importlib.util
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


KEPT = """
from hardsample.jit import compiled

@compiled
def twice(x):
    return 2 * x
"""


def test_a_cut_cache_or_one_on_a_full_disk_is_done_without(tmp_path, monkeypatch, caplog):
    path = tmp_path / "kept.py"
    path.write_text(KEPT)

    def twice(x):
        spec = importlib.util.spec_from_file_location("kept", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.twice(x)

    caching = pytest.importorskip("numba.core.caching")
    assert twice(3) == 6
    kept = [file for file in tmp_path.rglob("*") if file.suffix in (".nbi", ".nbc")]
    assert len(kept) == 2
    for file in kept:
        whole = file.read_bytes()
        for size in (0, 5, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:size])
            assert twice(3) == 6
        assert "cannot be read: it is compiled again" in caplog.text
        assert file.read_bytes() != whole[:size]

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    for file in kept:
        file.unlink()
    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    assert twice(3) == 6 and not any(file.exists() for file in kept)
