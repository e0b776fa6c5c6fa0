"""The printed ±: its formula against the paper's numbers, what follows of the mini-batches, and the choices changed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthetic import made_up

from hardsample.errors import InputError
from hardsample.experiments import hard_samples, registry
from hardsample.experiments import spread as study
from hardsample.report import paper_tables, spread

NINE_AND_ONE = [100.0] * 9 + [30.0]
CELLS = {  # accuracies of the ten mini-batches in percent, by choice and δ
    (study.PUBLISHED, 1.0): NINE_AND_ONE,
    (study.PUBLISHED, 0.2): [98.0, *[100.0] * 8, 20.0],
    (study.ALL_TRAINED, 1.0): [100.0] * 10,
    (study.RUNNING, 1.0): [100.0] * 9 + [35.0],
}
LAYOUT = {choice: tuple(f"δ = {delta:g}" for delta in hard_samples.DELTAS) for choice in study.CHOICES}


def curves(cells, layout=LAYOUT):
    rows = []
    for (choice, delta), batches in cells.items():
        for epoch in (0, 10):
            shares = np.array(batches) / 100 if epoch else np.full(10, 0.1)
            row = {"panel": choice, "method": f"δ = {delta:g}", "seed": 1, "step": 9 * epoch, "epoch": float(epoch)}
            row |= {"acc/train": shares.mean(), "acc/train-sd": shares.std(ddof=1), "batches/train": 10.0}
            row |= {"acc/val": 0.4, "acc/val-sd": 0.02, "batches/val": 16.0, "run": "0123456789abcdef"}
            rows.append(row)
    columns = ("panel", "method", "seed", "step", "epoch", "acc/train", "acc/train-sd", "batches/train", "run")
    frame = pd.DataFrame(rows, columns=None if rows else [*columns, "acc/val", "acc/val-sd", "batches/val"])
    return made_up(frame, name=study.NAME, layout=layout, missing=20 - len(cells), baseline="δ = 1")


@pytest.fixture(scope="module")
def table():
    return spread.table(curves(CELLS), {})


def row(table, choice, delta):
    (found,) = table[(table.choice == choice) & (table.delta == delta)].itertuples()
    return found


def test_nine_mini_batches_at_100_and_one_at_30_are_the_papers_entry(table):
    ours, printed = row(table, study.PUBLISHED, 1.0), row(table, "Table 5: EfficientNet-B4", 1.0)
    assert (round(ours.train, 1), round(ours.train_half, 1)) == (93.0, 15.8) == (printed.train, printed.train_half)
    assert ours.train_half == pytest.approx(ours.train_one) == pytest.approx(spread.one_mini_batch(30, 10)[1])
    text = paper_tables.markdown(spread.readable(table))
    assert "| train | published protocol | 93.0 ± 15.8 |" in text and "30 % gives 93.0 ± 15.8" in text
    assert "| train | Table 5: EfficientNet-B4 | 93.0 ± 15.8 | 93.1 ± 15.6 | 93.0 ± 15.9 | 92.7 ± 16.4 |" in text


def test_the_mini_batches_are_known_exactly_where_one_has_all_errors_and_within_bounds_else(table):
    exact, near = row(table, study.PUBLISHED, 1.0), row(table, study.PUBLISHED, 0.2)
    assert (exact.lowest_least, exact.lowest_most) == pytest.approx((30, 30))
    assert (exact.others_least, exact.others_most) == pytest.approx((100, 100))
    assert 15 < near.lowest_least < 20 < near.lowest_most < 25
    assert near.others_least <= 898 / 9 <= near.others_most and near.train_half < near.train_one
    assert spread.lowest(100.0, 0.0, 10) == (100.0, 100.0)


def test_the_remainder_is_known_of_runs_that_keep_predictions():
    made, labels = curves(CELLS), np.arange(20) % 10
    run = next(run for run in registry.grid("spread", profile="smoke").runs if run.detail == "examples")
    run = dataclasses.replace(run, batch_size=8)
    made.frame.loc[made.frame.panel == study.RUNNING, "run"] = run.key
    predicted = np.where(np.arange(20) < 17, labels, 11)  # 8 and 8 of 8 are right, and 1 of the 4 that are left over
    table = spread.table(made, {run: {"train/predicted": predicted, "train/label": labels}})
    known = row(table, study.RUNNING, 1.0)
    assert (known.remainder, known.full) == (25, 100)
    assert table.remainder.notna().sum() == 1
    text = paper_tables.markdown(spread.readable(table))
    assert "The remainder itself is then at 25.0 %, and the full mini-batches" in text
    assert text.count("| remainder of train |") == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_lowest_mini_batch_lies_within_its_bounds(seed):
    values = 100 * np.random.default_rng(seed).beta(*((9, 1), (2, 2), (1, 9))[seed % 3], size=2 + seed)
    least, most = spread.lowest(values.mean(), values.std(ddof=1), len(values))
    assert 0 <= least <= values.min() + 1e-9 and values.min() <= most + 1e-9 <= 100 + 1e-8


def test_what_each_choice_leaves_is_told_in_a_sentence(table):
    text = paper_tables.markdown(spread.readable(table))
    assert "**The ± of train top-1 is 15.8 to 18.1 points in the published protocol, and 0.0 with every" in text
    assert "- With all errors in one of the 10 mini-batches it would be 15.8" in text
    assert "- With every example trained the ± is 0.0: the untrained remainder adds +15.8." in text
    assert "it is 14.7: batch statistics add +1.1." in text
    assert "shuffled once, so" not in text  # which is not run
    assert "Not run: 16 runs." in text and "tests nothing" in text


def test_nothing_run_leaves_the_papers_numbers_and_says_so():
    nothing = spread.table(curves({}), {})
    assert set(nothing.status) == {"not run", "printed"}
    text = paper_tables.markdown(spread.readable(nothing))
    assert "Table 5: ResNet-18 | 66.8 ± 4.5" in text and "Not run: 20 runs." in text
    assert "| published protocol |" not in text


def test_a_diverged_checkpoint_has_no_numbers():
    made = curves({(study.PUBLISHED, 1.0): [np.nan] * 10, (study.PUBLISHED, 0.2): NINE_AND_ONE})
    table = spread.table(made, {})
    text = paper_tables.markdown(spread.readable(table))
    assert row(table, study.PUBLISHED, 1.0).status == "diverged"
    assert "| train | published protocol | diverged |  |  | 93.0 ± 15.8 |" in text


def test_equal_tables_are_equal_files(table, tmp_path):
    written = spread.save(table, tmp_path / "spread")
    assert [path.name for path in written] == ["spread.md", "spread.csv", "spread.tex"]
    first = [path.read_bytes() for path in written]
    spread.save(spread.table(curves(CELLS), {}), tmp_path / "spread")
    assert [path.read_bytes() for path in written] == first
    assert written[2].read_text().isascii() and "93.0 $\\pm$ 15.8" in written[2].read_text()
    assert tuple(pd.read_csv(written[1]).columns) == spread.COLUMNS


@pytest.mark.parametrize("profile", ["smoke", "hour", "paper"])
def test_a_choice_changes_its_own_option_alone(profile):
    experiment = registry.grid("spread", profile=profile)
    usual, *others = (panel.runs for panel in experiment.panels)
    assert [run.options["delta"] for run in usual] == list(hard_samples.DELTAS) and {run.seed for run in usual} == {1}
    assert all(hard_samples.PUBLISHED["options"].items() <= run.options.items() for run in usual)
    assert {run.train_examples % run.batch_size for run in usual} == ({4} if profile == "smoke" else {392})
    for (options, fields), runs in zip(list(study.CHOICES.values())[1:], others, strict=True):
        for run, twin in zip(runs, usual, strict=True):
            differ = {name: value for name, value in run.to_dict().items() if twin.to_dict()[name] != value}
            chosen = differ.pop("options", twin.options)
            assert differ == dict(fields)
            assert {name: value for name, value in chosen.items() if twin.options[name] != value} == dict(options)


def test_the_quick_profile_has_two_shares_and_the_network_is_no_choice():
    quick = registry.grid("spread")
    assert len(quick.runs) == 10 and set(quick.layout[study.PUBLISHED]) == {"δ = 1", "δ = 0.2"}
    with pytest.raises(InputError, match="networks does not apply to hard-samples/spread"):
        registry.grid("spread", networks="resnet50")
