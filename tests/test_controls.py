"""The figure of controls: paired differences to ordinary training, as they are computed by hand."""

import numpy as np
import pytest
from synthetic import VARIANTS, hard_curves

from hardsample import statistics
from hardsample.report import controls

PANEL = "ResNet-18"


@pytest.fixture(scope="module")
def made():
    return hard_curves({PANEL: tuple(VARIANTS)})


@pytest.fixture(scope="module")
def drawn(made):
    return controls.figure(made)


def test_differences_are_paired_by_seed_at_the_end(made):
    points = controls.figure_data(made)
    assert list(points) == [
        *("panel", "metric", "method", "difference", "low", "high", "n", "pairs"),
        *("seed 1", "seed 2", "seed 3", "runs"),
    ]
    assert len(points) == 2 * (len(VARIANTS) - 1) and "δ = 1" not in set(points.method)
    row = points[(points.metric == "acc/val") & (points.method == "random δ = 0.5")].iloc[0]
    ends = made.frame[made.frame.epoch == 20].pivot(index="seed", columns="method", values="acc/val")
    wanted = 100 * (ends["random δ = 0.5"] - ends["δ = 1"])
    np.testing.assert_allclose(row[["seed 1", "seed 2", "seed 3"]].astype(float), wanted)
    interval = statistics.t_interval(wanted)
    assert (row.difference, row.low, row.high) == pytest.approx((wanted.mean(), interval.low, interval.high))
    assert (row.n, row.pairs) == (3, 3) and len(row.runs.split()) == 3


def test_every_method_has_a_line_with_its_seeds_mean_and_interval(drawn, made):
    points = controls.figure_data(made)
    methods = [method for method in VARIANTS if method != "δ = 1"]
    accuracy, loss = drawn.axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == methods
    for axes, metric in ((accuracy, "acc/val"), (loss, "loss/train")):
        own = points[points.metric == metric].set_index("method")
        for place, method in enumerate(methods):
            lines = [line for line in axes.lines if len(line.get_ydata()) and line.get_ydata()[0] == place]
            drawn = {x for line in lines if line.get_marker() == "." for x in line.get_xdata()}
            cut = any(line.get_marker() in "<>" for line in lines)
            assert drawn == set(own.loc[method, ["seed 1", "seed 2", "seed 3"]]) or cut
            assert any(list(line.get_xdata()) == [own.difference[method]] for line in lines) or cut
            assert any(list(line.get_xdata()) == [own.low[method], own.high[method]] for line in lines) or cut
    assert sum(len(line.get_xdata()) == 3 for line in accuracy.lines) >= 6
    assert accuracy.get_xlabel() == "test accuracy minus δ = 1's, points"
    assert accuracy.get_title("right").startswith("δ = 1: 0.6")


def test_no_two_lines_look_alike(drawn):
    marks = [
        (line.get_color(), line.get_marker())
        for line in drawn.axes[0].lines
        if len(line.get_xdata()) == 1 and line.get_marker() not in ".<>"
    ]
    assert len(set(marks)) == len(marks) == len(VARIANTS) - 1


def test_the_caption_says_what_is_seen(drawn):
    said = drawn.texts[0].get_text().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    for words in ("paired by seed", "n = 3 seeds", "95 % t interval"):
        assert words in said


def test_what_was_not_run_is_said_and_one_seed_has_no_interval():
    made = hard_curves({PANEL: ("δ = 1", "δ = 0.5")}, seeds=1, layout={PANEL: ("δ = 1", "δ = 0.5", "δ = 0.2")})
    points = controls.figure_data(made).set_index(["metric", "method"])
    assert np.isnan(points.low["acc/val", "δ = 0.5"]) and points.pairs["acc/val", "δ = 0.2"] == 0
    axes = controls.figure(made).axes[0]
    assert "not run" in [text.get_text() for text in axes.texts]


def test_a_diverged_seed_is_left_out_and_nothing_run_is_drawn():
    made = hard_curves({PANEL: ("δ = 1", "δ = 0.5")})
    made.frame.loc[(made.frame.method == "δ = 0.5") & (made.frame.seed == 2), "loss/train"] = np.nan
    points = controls.figure_data(made).set_index("metric")
    assert (points.n["loss/train"], points.pairs["loss/train"]) == (2, 3)
    said = controls.figure(made).texts[0].get_text()
    assert "δ = 0.5: 1 seed diverged" in said.replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    alone = controls.figure(
        hard_curves({PANEL: ("δ = 0.5", "δ = 0.2")}, layout={PANEL: ("δ = 1", "δ = 0.5", "δ = 0.2")})
    )
    assert [text.get_text() for text in alone.axes[0].texts] == ["δ = 1 not run: no differences"]
    nothing = hard_curves({PANEL: ()})
    assert [text.get_text() for text in controls.figure(nothing).axes[0].texts] == ["not run"]
    assert "Nothing can be compared yet." in controls.figure(nothing).texts[0].get_text()
