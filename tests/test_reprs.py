"""What one sees of an object when it is printed is one line, however much it holds."""

import pandas
import pytest

from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.experiments import registry
from hardsample.experiments.curves import Curves, Timings
from hardsample.records import StoredRun
from hardsample.training.results import COLUMNS, TrainingResult

EXPERIMENT = registry.grid("base-values/figure-1", profile="smoke")
ROWS = ((0.25,) * len(COLUMNS),) * 100
ONE_OF_EACH = (
    load("glyphs", train_examples=60, test_examples=30),
    EXPERIMENT,
    EXPERIMENT.panels[0],
    EXPERIMENT.runs[0],
    StoredRun(EXPERIMENT.runs[0], {"device": "a CPU"}, COLUMNS, ROWS),
    TrainingResult(COLUMNS, ROWS, {}),
    Curves(pandas.DataFrame({"step": range(100)}), EXPERIMENT),
    Timings(pandas.DataFrame({"round": range(100)}), EXPERIMENT, "a CPU", 1),
)


@pytest.mark.parametrize("thing", ONE_OF_EACH, ids=lambda thing: type(thing).__name__)
def test_it_prints_as_one_line(thing):
    line = repr(thing)
    assert line == str(thing) and "\n" not in line and len(line) < 300
    assert line.startswith(f"{type(thing).__name__}(") and line.endswith(")")


def test_a_dataset_s_line_says_what_is_in_it():
    data = ONE_OF_EACH[0]
    assert (
        repr(data) == f"Dataset(glyphs: train 60 x 1 x 28 x 28, test 30 x 1 x 28 x 28, 26 classes, {data.fingerprint})"
    )


def test_a_run_s_line_makes_it_again():
    for run in (*EXPERIMENT.runs, Run("glyphs", "HMB", 3, options={"delta": 0.5})):
        assert eval(repr(run)) == run
