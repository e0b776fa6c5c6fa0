"""The trial of suspect labels: what it counts, that it is paired and repeats, and its table and picture."""

import math

import pandas as pd
import pytest
import torch

from benchmarks import suspects as suspect_trial
from benchmarks import suspects_figure as suspect_figure
from benchmarks.suspects import RANKINGS, Suspects, precision
from hardsample.errors import InputError

EPOCHS = (1, 3)


@pytest.fixture(scope="module")
def found() -> Suspects:
    pytest.importorskip("sklearn")
    return suspect_trial.suspects(2, epochs=EPOCHS)


def test_precision_is_the_share_of_wrong_labels_among_as_many_suspects():
    wrong = torch.tensor([True, False, True, False, False, True])
    assert precision(wrong, torch.tensor([9.0, 1, 8, 2, 3, 7])) == 1
    assert precision(wrong, torch.tensor([9.0, 8, 1, 7, 3, 2])) == pytest.approx(1 / 3)
    assert precision(wrong, -torch.tensor([9.0, 1, 8, 2, 3, 7])) == 0


def test_a_share_of_the_labels_is_wrong_and_every_ranking_ranks_all_examples(found):
    _, truth = suspect_trial.digits()
    assert found.wrong.sum() == round(suspect_trial.SHARE * 1797) == 90
    assert torch.equal(found.wrong, found.labels != truth)
    assert list(found.scores) == list(EPOCHS)
    for scores in found.scores.values():
        assert list(scores) == list(RANKINGS)
        assert all(values.shape == (1797,) and values.isfinite().all() for values in scores.values())


def test_every_ranking_finds_many_times_what_chance_does(found):
    for ranking in RANKINGS:
        assert precision(found.wrong, found.scores[3][ranking]) > 8 * suspect_trial.SHARE


def test_a_longer_training_has_the_same_beginning(found):
    short = suspect_trial.suspects(2, epochs=(1,))
    assert torch.equal(short.labels, found.labels)
    assert all(torch.equal(short.scores[1][ranking], found.scores[1][ranking]) for ranking in RANKINGS)


def test_the_trial_has_a_row_of_every_seed_length_and_ranking(found):
    trial = suspect_trial.suspect_trial([2, 3], epochs=(1,))
    assert list(trial) == ["seed", "epochs", "ranking", "precision"]
    assert [tuple(row) for row in trial[["seed", "epochs", "ranking"]].values] == [
        (seed, 1, ranking) for seed in (2, 3) for ranking in RANKINGS
    ]
    of_two = trial[trial.seed == 2].precision.tolist()
    assert of_two == [precision(found.wrong, found.scores[1][ranking]) for ranking in RANKINGS]


@pytest.mark.parametrize("share", [0.0, 1e-4, 1.0, -0.1])
def test_a_share_that_plants_nothing_or_all_is_refused(share):
    pytest.importorskip("sklearn")
    with pytest.raises(InputError, match="share is .*: give a share that makes some labels wrong"):
        suspect_trial.suspects(1, epochs=(1,), share=share)


def made_up(seeds: int) -> pd.DataFrame:
    rows = [
        (seed, epochs, ranking, 0.5 + 0.1 * place + 0.01 * seed * (place - 2) + 0.001 * epochs)
        for seed in range(seeds)
        for epochs in (5, 10)
        for place, ranking in enumerate(RANKINGS)
    ]
    return pd.DataFrame(rows, columns=["seed", "epochs", "ranking", "precision"])


def test_the_table_compares_by_seed():
    table = suspect_figure.suspect_table(made_up(3)).set_index(["ranking", "epochs"])
    assert [ranking for ranking, _ in table.index[::2]] == list(RANKINGS)
    first = table.loc["PLB: base values", 5]
    assert first.precision == pytest.approx(0.505 - 0.02) and first.deviation == pytest.approx(0.02)
    assert first.difference == pytest.approx(-0.2 - 0.02) and first.seeds == 3
    half = 4.302653 * 0.02 / math.sqrt(3)  # Student's t of two degrees of freedom
    assert (first.low, first.high) == (pytest.approx(-0.22 - half), pytest.approx(-0.22 + half))
    assert table.loc[suspect_figure.REFERENCE][["difference", "low", "high"]].isna().all(axis=None)
    alone = suspect_figure.suspect_table(made_up(1)).set_index(["ranking", "epochs"])
    assert alone.loc["PLB: base values", 5].difference == pytest.approx(-0.2)
    assert alone[["low", "high"]].isna().all(axis=None)


def test_the_markdown_says_the_table():
    lines = suspect_figure.suspect_markdown(made_up(3)).splitlines()
    assert lines[0] == "| ranking | 5 epochs | 10 epochs |" and len(lines) == 2 + len(RANKINGS)
    assert lines[2].startswith("| PLB: base values | 48.5 % (-27.0 to -17.0) | 49.0 % (")
    assert lines[4] == "| MB: final losses | 70.5 % | 71.0 % |"


def test_the_picture_marks_the_wrong_labels(found):
    trial = suspect_trial.suspect_trial([2], epochs=EPOCHS)
    figure = suspect_figure.suspect_figure(trial, found, 3)
    figure.canvas.draw()
    order = found.scores[3]["PLB: base values"].argsort(descending=True, stable=True)[:90]
    _, truth = suspect_trial.digits()
    for axes, index in zip(figure.axes, order.tolist(), strict=False):
        label, true = int(found.labels[index]), int(truth[index])
        assert axes.get_title() == (f"{label} ({true})" if found.wrong[index] else f"{label}")
        assert (axes.title.get_color() == "#d55e00") == bool(found.wrong[index])
    assert len(figure.axes) == 90 + 1
    assert figure.axes[90].get_legend_handles_labels()[1] == list(RANKINGS)
    said = " ".join(text.get_text() for part in figure.subfigs for text in part.texts)
    assert "The 90 examples of highest base value after 3 epochs" in said
    assert f" {int(found.wrong[order].sum())} are wrong" in said
