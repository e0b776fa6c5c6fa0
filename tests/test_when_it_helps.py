"""docs/when-it-helps.md says what the committed trainings say, and they are what the code makes."""

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks import when_it_helps as page
from hardsample import paths
from hardsample.comparison import pool, trials
from hardsample.comparison.problem import contestants_of, problem_of

ROOT = paths.project_root()


def test_the_pages_tables_are_those_of_the_committed_trainings():
    text = page.PAGE.read_text()
    assert page.page(text) == text, "python -m benchmarks.when_it_helps writes them anew"
    assert [name for name in page.BLOCKS if f"<!-- measured: {name} -->" not in text] == []
    assert (page.FIGURES / "summary.md").read_text() == f"{page.summary()}\n"


def verdicts(name, metric):
    table = page.read(name).table
    return table[table.metric == metric].set_index("method").verdict


def test_the_pages_words_are_no_stronger_than_its_tables():
    for metric in ("accuracy", "loss"):
        assert verdicts("digits-imbalanced", metric).drop("uniform").eq("better").all()
    short, wrong, long = ("positives", "positives-wrong", "positives-long")
    assert (verdicts(short, "average precision").PLB, verdicts(short, "Brier score").PLB) == ("better", "worse")
    assert (verdicts(wrong, "average precision").PLB, verdicts(wrong, "Brier score").PLB) == ("inconclusive", "worse")
    harm = [
        page.read(name).table.set_index(["metric", "method"]).difference["Brier score", "PLB"]
        for name in (short, wrong)
    ]
    assert harm[1] > harm[0]
    assert not any(verdicts(long, metric).eq("better").any() for metric in ("average precision", "Brier score", "loss"))
    assert verdicts(long, "loss").drop("uniform").eq("worse").all() and verdicts(long, "loss").uniform == "inconclusive"
    assert verdicts("regression", "loss").PLB == "worse" and verdicts("regression-absolute", "loss").PLB == "better"
    for name in ("noisy", "noisy-absolute"):
        assert verdicts(name, "loss").PLB == "worse"
        assert verdicts(name, "loss")["PLB(uniform=0.2, beta=1)"] == "inconclusive"
    assert (
        verdicts("digits-wrong", "accuracy").PLB == "worse"
        and verdicts("digits-wrong", "accuracy").PEB == "inconclusive"
    )
    assert verdicts("digits-wrong", "loss").PEB == "better"
    plain = verdicts("digits", "accuracy")
    assert plain["PLB(power=0.5)"] == plain["PLB(clip=5)"] == "better" and plain.PLB == "inconclusive"
    roots = [
        page.read(name).final.loss[method]
        for name, method in (("regression", "PLB(power=0.5)"), ("regression-absolute", "PLB"))
    ]
    assert np.allclose(*roots, rtol=0.05)  # a squared error to the power of a half is the absolute error
    assert verdicts(short, "Brier score")["PLB(uniform=0.2, beta=1)"] == "better"


@pytest.mark.parametrize("name", page.STUDIES)
def test_whole_seeds_alone_are_committed(name):
    found, study = page.read(name), page.STUDIES[name]
    assert found.seeds == list(range(1, page.SEEDS + 1)) and found.methods == list(study.methods)
    stored = [path for path in trials.files(ROOT / "runs") if path.parent.name == name]
    assert len(stored) == len(study.methods) * page.SEEDS
    assert found.setting.updates == round(study.epochs * found.setting.train_examples / 32)
    assert (page.FIGURES / f"{name}.png").is_file()


def test_the_committed_trainings_are_sound():
    assert list(trials.problems(ROOT / "runs")) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-imbalanced", "noisy-absolute", "positives"])
def test_a_committed_training_is_what_the_code_makes(name):
    study = page.STUDIES[name]
    given = {"optimizer": None, "collate": None, "lower_is_better": study.lower, "metrics": study.metrics}
    more = {"score": study.score, "epochs": study.epochs, "batch_size": 32, "evaluations": 10}
    problem = problem_of(study.model, *study.data(), loss=study.loss, **given, **more)
    methods = contestants_of(study.methods, problem)
    place = [one.name for one in methods].index("PLB")
    made = pool.do_here(problem, methods, pool.Job(place, 1), "cpu")
    stored = page.read(name).trained["PLB", 1]
    column = made.columns.index("loss")
    assert [row[1] for row in made.rows] == [row[1] for row in stored.rows]
    # Another processor rounds otherwise, and a training that draws by losses goes its own way after a while.
    assert made.rows[0][column] == pytest.approx(stored.rows[0][column], rel=1e-4)
    assert made.rows[-1][column] == pytest.approx(stored.rows[-1][column], rel=0.5)


def test_the_pages_script_ends_with_a_table_and_a_figure(tmp_path):
    """As a newcomer types it, but with fewer seeds."""
    [script] = re.findall(r"```python\n(.*?)```", page.PAGE.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(script.replace("(x[1200:], y[1200:])", "(x[1200:], y[1200:]), seeds=2"))
    environment = os.environ | {"HARDSAMPLE_RUNS": str(tmp_path / "runs"), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert "make_model: 10 trainings" in ran.stdout and "accuracy  PLB" in ran.stdout and ran.stderr == ""
    assert (tmp_path / "digits.png").stat().st_size > 10_000
    assert len(list(trials.files(tmp_path / "runs"))) == 10


def test_five_per_cent_are_positives_and_test_labels_are_right():
    (_, clean), test = page.positives(0.0)
    (_, wrong), other = page.positives(0.04)
    assert 0.03 < clean.mean() < 0.07 and 0.03 < (clean != wrong).mean() < 0.05
    assert np.array_equal(test[1], other[1])


def test_noise_is_in_the_training_targets_alone():
    (x, clean), test = page.smooth(0.0)
    (same, noisy), other = page.smooth(0.15)
    assert np.array_equal(x, same) and np.array_equal(test[1], other[1])
    assert 0.12 < (clean != noisy).mean() < 0.18


def test_classes_are_imbalanced_by_fifty_in_training_alone():
    (_, labels), (_, tests) = page.digits(0.0, 50.0)
    sizes = np.bincount(labels)
    assert sizes[0] / sizes[-1] == pytest.approx(50, rel=0.15) and (np.diff(sizes) < 0).all()
    assert np.bincount(tests).min() > 45
    assert 0.07 < (page.digits(0.1)[0][1] != page.digits()[0][1]).mean() < 0.13


def test_power_and_clip_keep_a_broken_example_from_the_draws():
    shares = pd.read_csv(page.FIGURES / "broken.csv").groupby("option").share
    assert list(shares.size()) == [page.SEEDS] * len(page.BROKEN_OPTIONS)
    means = shares.mean()
    assert means["none"] > 0.1 and means["power=0.6"] < 0.05 and means["clip=5"] < 0.01
