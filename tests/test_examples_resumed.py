"""The examples that keep checkpoints: killed, they go on with the batches of an undisturbed training, and end alike."""

import importlib.util
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hardsample import paths

pytestmark = pytest.mark.slow

EXAMPLES = paths.project_root() / "examples"
WATCHED = Path(__file__).with_name("watched_example.py")
KEEPS = {  # what the script needs; how it says when to keep a checkpoint, and how it would at every epoch's end
    "lightning_trainer": ("lightning", "every_n_train_steps=21", "every_n_epochs=1"),
    "huggingface_trainer": ("transformers", "save_steps=21", 'save_strategy="epoch"'),
}
PASS, UPDATES = 63, 8 * 63


class Training:
    """One training by an example, in as many runs as it is killed."""

    def __init__(self, name: str, folder: Path) -> None:
        self.needs, *self.often = KEEPS[name]
        self.text, self.folder, self.runs = (EXAMPLES / f"{name}.py").read_text(), folder, itertools.count()
        assert self.text.count(self.often[0]) == 1

    def run(self, until: int = -1, every_epoch: bool = False) -> tuple[list[list[int]], Path]:
        """Batches of one run, killed after so many, and where it wrote what it ended with."""
        report = self.folder / f"run-{next(self.runs)}"
        report.mkdir(parents=True)
        script = report / "script.py"
        script.write_text(self.text.replace(*self.often) if every_epoch else self.text)
        ran = subprocess.run(
            [sys.executable, str(WATCHED), str(script), str(self.folder / "kept"), str(report), str(until)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(paths.project_root())},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ran.returncode == (0 if until < 0 else -signal.SIGKILL), ran.stderr
        return torch.load(report / "batches.pt"), report / "weights.pt"


@pytest.mark.parametrize("name", KEEPS)
def test_a_killed_training_goes_on_as_if_nothing_had_happened(name, tmp_path):
    if not importlib.util.find_spec(KEEPS[name][0]):
        pytest.skip(f"needs {KEEPS[name][0]}")
    whole, weights = Training(name, tmp_path / "whole").run()
    assert len(whole) == UPDATES

    killed = Training(name, tmp_path / "killed")
    (tmp_path / "killed" / "kept").mkdir(parents=True)
    assert killed.run(until=70)[0] == whole[:70]
    at_the_end_of_a_pass = PASS
    assert killed.run(until=40)[0] == whole[at_the_end_of_a_pass:][:40]
    within_a_pass = 84
    assert killed.run(until=50, every_epoch=True)[0] == whole[within_a_pass:][:50]
    after_the_pass_was_over = 2 * PASS
    rest, ended = killed.run()
    assert rest == whole[after_the_pass_was_over:]

    undisturbed, ended = torch.load(weights), torch.load(ended)
    assert all(torch.equal(ended[name], undisturbed[name]) for name in undisturbed) and len(ended) == 4
