"""Nothing that is drawn vanishes: it lies within its axes or has a mark, and two methods never look alike."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from matplotlib.figure import Figure
from synthetic import curves, hard_curves

from hardsample.report import scales, style, trajectories

METHODS = ("MB", "PEB")


def changed_ends(made, metric, values):
    """The curves with these values of a metric at the end, one per method and seed."""
    ends = made.frame.epoch == made.frame.epoch.max()
    made.frame.loc[ends, metric] = values
    return made


def unmarked(axes):
    """The stretches of the x axis in which something drawn lies beyond the y axis, without a triangle at that edge."""
    left, right = axes.get_xlim()
    for edge, mark in ((0, "v"), (1, "^")):
        end, near = axes.get_ylim()[edge], 0.1 * (right - left)
        marks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == mark and is_mark(line, edge)]
        beyond = sorted(x for x, y, _, _ in scales._vertices(axes) if (y > end if edge else y < end))
        stretches = np.split(beyond, np.flatnonzero(np.diff(beyond) > near) + 1) if beyond else []
        for stretch in stretches:
            if not any(stretch[0] - near <= place <= stretch[-1] + near for place in marks):
                yield float(stretch[0]), float(stretch[-1])


def is_mark(line, edge):
    return len(line.get_ydata()) == 1 and line.get_ydata()[0] == edge and line.get_transform() != line.axes.transData


def dots(axes):
    return np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() == "."])


@pytest.mark.slow
@settings(max_examples=12)
@given(
    some.lists(some.floats(0, 1), min_size=14, max_size=14),
    some.lists(some.floats(1e-4, 1e4), min_size=14, max_size=14),
)
def test_every_dot_line_and_band_lies_within_the_axes_or_has_a_mark(accuracies, losses):
    made = changed_ends(curves(methods=METHODS, seeds=7, epochs=5), "acc/val", accuracies)
    made = changed_ends(made, "loss/val", losses)
    accuracy, loss = trajectories.figure(made, ("acc/val", "loss/val")).axes
    assert list(unmarked(accuracy)) == list(unmarked(loss)) == []
    low, high = accuracy.get_ylim()
    assert (dots(accuracy) >= low).all() and (dots(accuracy) <= high).all()


def test_a_mark_is_missed_where_there_is_none():
    axes = Figure().subplots()
    axes.plot([0, 1, 2], [0.1, 0.9, 2.0])
    axes.set_ylim(0, 1)
    assert list(unmarked(axes)) == [(2, 2)]
    scales.mark_cuts(axes)
    assert list(unmarked(axes)) == [] and [text.get_text() for text in axes.texts] == ["2"]


def test_an_accuracy_of_one_is_seen():
    made = changed_ends(curves(methods=METHODS, seeds=3), "acc/val", [1.0, 0.99, 0.995, 0.98, 0.97, 0.99])
    (axes,) = trajectories.figure(made, ("acc/val",)).axes
    assert 1.0 in dots(axes) and axes.get_ylim()[1] > 1
    heights = axes.transAxes.inverted().transform(axes.transData.transform([(10, y) for y in (0.98, 0.99, 1.0)]))[:, 1]
    assert (np.diff(heights) > 0.05).all() and heights[-1] < 1


@pytest.mark.parametrize("metric", ["acc/val", "loss/val"])
def test_bands_end_at_0_and_1(metric):
    made = changed_ends(curves(methods=METHODS, seeds=6), metric, [1, 0, 1, 0, 1, 0] * 2)
    (axes,) = trajectories.figure(made, (metric,)).axes
    vertices = np.concatenate([path.vertices[:, 1] for band in axes.collections for path in band.get_paths()])
    assert vertices.min() >= 0 and (metric != "acc/val" or vertices.max() <= 1)


def test_what_the_first_epochs_reach_is_told():
    made = curves(methods=METHODS, seeds=6)
    accuracy, loss = trajectories.figure(made, ("acc/val", "loss/val")).axes
    first = made.frame[made.frame.epoch == 0][["acc/val", "loss/val"]].mean()
    assert accuracy.get_ylim()[0] > first["acc/val"] and loss.get_ylim()[1] < first["loss/val"]
    assert "from 0.04" in [text.get_text() for text in accuracy.texts]
    assert "from 3.3" in [text.get_text() for text in loss.texts]


def test_neighbouring_epochs_that_are_cut_have_one_mark():
    made = curves(methods=METHODS, seeds=2, epochs=4)
    (axes,) = trajectories.figure(made, ("acc/val",)).axes
    assert [text.get_text() for text in axes.texts if text.get_text()[:4] == "from"] == ["from 0.04"]
    assert sum(is_mark(line, 0) for line in axes.lines if line.get_marker() == "v") == 1


def test_final_values_stay_beside_their_axes():
    heights = style._spread([0.9, 0.93, 0.95, 0.96, 0.97], 0.08)
    assert heights.max() <= 1 and np.diff(heights) == pytest.approx(0.08)
    assert style._spread([0.0, 0.01], 0.1).min() >= 0


@pytest.mark.parametrize(("top", "spacing"), [(0.7, "linear"), (0.95, "error")])
def test_accuracies_are_spaced_by_the_error_above_four_fifths_alone(top, spacing):
    made = hard_curves()
    made.frame["acc/val"] *= top / made.frame["acc/val"].max()
    found = scales.accuracy_scale(trajectories.figure_data(made, ("acc/val",)))
    assert found.spacing == spacing
    steps = np.diff(scales._stretched([0.2, 0.3, 0.4, 0.9, 0.95, 0.975]))
    assert steps[0] == pytest.approx(steps[1]) == pytest.approx(0.1)
    assert steps[3] == pytest.approx(0.2 * np.log(2), rel=0.02) == pytest.approx(steps[4], rel=0.05)
    values = np.linspace(-0.01, 1.0005, 50)
    np.testing.assert_allclose(scales._unstretched(scales._stretched(values)), values)


def test_the_final_means_can_be_read_from_ticks():
    for axes in trajectories.figure(curves(methods=METHODS, seeds=6)).axes:
        low, high = axes.get_ylim()
        assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 4
        finals = [line.get_ydata()[-1] for line in axes.lines if line.get_label() in METHODS]
        heights = [axes.transAxes.inverted().transform(axes.transData.transform((0, y)))[1] for y in axes.get_yticks()]
        for final in finals:
            place = axes.transAxes.inverted().transform(axes.transData.transform((0, final)))[1]
            assert min(abs(place - height) for height in heights) < 0.3


def test_a_curve_that_ends_far_from_all_others_is_cut_with_its_value():
    made = curves(methods=("MB", "PEB", "PLB"), seeds=3)
    late = (made.frame.method == "PLB") & (made.frame.epoch > 3)
    made.frame.loc[late, "loss/val"] = 4e6
    (axes,) = trajectories.figure(made, ("loss/val",)).axes
    assert axes.get_ylim()[1] < 100 and "4e+06" in [text.get_text() for text in axes.texts]
    assert list(unmarked(axes)) == []


def test_panels_far_apart_have_axes_of_their_own():
    made = curves(("fast", "slow"), seeds=6)
    slow = made.frame.panel == "slow"
    made.frame.loc[slow, ["acc/train", "acc/val"]] *= 0.5
    drawn = trajectories.figure(made)
    for one, other in np.array(drawn.axes).reshape(4, 2):
        assert one.get_ylim() != other.get_ylim()
        assert all(axes.yaxis.get_tick_params()["labelleft"] for axes in (one, other))
    assert "every column has axes of its own" in drawn.texts[0].get_text().replace("\n", " ")


def test_fewer_than_six_seeds_are_drawn_themselves():
    few, many = (trajectories.figure(curves(methods=METHODS, seeds=seeds), ("acc/val",)) for seeds in (5, 6))
    (axes,) = few.axes
    assert not axes.collections and len(many.axes[0].collections) == len(METHODS)
    thin = [line for line in axes.lines if line.get_linewidth() < 1 and len(line.get_xdata()) == 21]
    assert len(thin) == 5 * len(METHODS)
    said = [figure.texts[0].get_text().replace("\n", " ") for figure in (few, many)]
    assert "thin lines: the seeds" in said[0] and "bands" not in said[0]
    assert "bands" in said[1] and "thin lines" not in said[1]


def chance_lines(axes):
    return [line.get_ydata()[0] for line in axes.lines if list(line.get_xdata()) == [0, 1]]


def test_chance_is_drawn_where_the_axes_hold_it():
    made = hard_curves(epochs=3)
    assert chance_lines(trajectories.figure(made, ("acc/val",)).axes[0]) == [0.1]
    made.frame["acc/val"] += 0.3
    (axes,) = trajectories.figure(made, ("acc/val",)).axes
    assert chance_lines(axes) == [] and "chance" not in [text.get_text() for text in axes.texts]


def test_chance_of_data_of_ones_own_is_that_of_its_counted_classes():
    made = curves(methods=METHODS, seeds=1, classes=8)
    made.frame["data"] = "squares"
    made.frame["acc/val"] = 0.1 + 0.01 * made.frame.epoch
    assert chance_lines(trajectories.figure(made, ("acc/val",)).axes[0]) == [0.125]


@given(some.sets(some.text("abcdefg", min_size=1, max_size=4), max_size=20))
def test_no_two_methods_of_a_figure_look_alike(names):
    looks = style.looks(["MB", "PEB", "δ = 0.5", "random δ = 0.5", *names])
    assert len({(look.color, look.marker) for look in looks.values()}) == len(looks)
    assert len({(look.color, look.line) for look in looks.values()}) == len(looks)


def test_a_method_that_takes_anothers_look_gets_a_spare_one(monkeypatch):
    monkeypatch.setitem(style.STYLES, "mine", style.STYLES["PEB"])
    looks = style.looks(["mine", "PEB"])
    assert looks["PEB"] == style.STYLES["PEB"] and looks["mine"] in style.SPARE_STYLES


def test_ticks_stand_apart_and_are_round():
    for low, high in ((0.2, 5.0), (1.2, 3.7), (0.001, 300.0), (2.2, 3.4)):
        axes = Figure().subplots()
        scales.Scale("log", low, high).apply(axes)
        ticks = np.sort(axes.get_yticks())
        assert 3 <= len(ticks) <= 8 and low <= ticks[0] and ticks[-1] <= high
        assert all(len(f"{tick:g}") <= 5 for tick in ticks)


def test_an_axis_of_nothing_has_ends():
    nothing = pd.DataFrame(columns=["panel", "method", "epoch", "step", "metric", "mean", "sd", "n", "runs"])
    for make in (scales.accuracy_scale, scales.loss_scale, scales.linear_loss_scale):
        found = make(nothing)
        assert found.low < found.high
