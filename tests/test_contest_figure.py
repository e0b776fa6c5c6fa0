"""The figure of a contest draws what its table has, and says so."""

import numpy as np
import pandas as pd
import pytest
from made_up_contest import (
    BUDGETS,
    COSTS,
    FIRST,
    METHODS,
    NOISES,
    one_panel,
    rival_curves,
    row,
    set_ends,
    texts,
    verdict,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hardsample.experiments import rivals as contest
from hardsample.methods import loss_based
from hardsample.report import comparisons, contest_figure, contest_markdown, contest_tables, contest_words, figures


@pytest.fixture(scope="module")
def contested():
    """12 seeds, all methods, all budgets, at the ends of the noise."""
    return rival_curves(noises=(0.0, 0.4))


@pytest.fixture(scope="module")
def table(contested):
    return contest_tables.table(contested)


@pytest.fixture(scope="module")
def drawn(table):
    return contest_figure.figure(table)


@pytest.mark.slow
def test_axes_are_schedules_by_noises(drawn, table):
    assert len(drawn.axes) == 4
    assert [axes.get_title("left") for axes in drawn.axes] == ["0 % flipped", "40 % flipped"] * 2
    assert drawn.axes[0].get_title("right") == f"MB {row(table, 'MB').report_mean:.1f} %"
    names = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    effects = contest_tables.figure_data(table).query("budget == 'updates'").groupby("method").report_difference.mean()
    assert names == list(effects.drop("MB").sort_values(ascending=False).index) and set(names) == set(METHODS[1:])
    assert len({axes.get_xlim() for axes in drawn.axes}) == 1


def test_imbalanced_classes_are_the_last_column_and_what_is_no_setting_is_empty():
    made = rival_curves(seeds=3, methods=("MB", "PEB"), noises=(0.0, 0.4), imbalances=(50.0,))
    drawn = contest_figure.figure(contest_tables.table(made))
    assert [axes.get_title("left") for axes in drawn.axes[:3]] == ["0 % flipped", "40 % flipped", "imbalance 50"]
    assert [axes.axison for axes in drawn.axes] == [True] * 5 + [False]
    assert "Imbalance: the first class's training examples over the last's." in texts(drawn).replace("\n", " ")
    gone = contest_figure.figure(contest_tables.table(made.of(~made.frame.panel.str.contains("imbalance"))))
    assert "not run" in [text.get_text() for text in gone.axes[2].texts]
    assert not any("not run" in text.get_text() for axes in drawn.axes for text in axes.texts)


def test_every_seed_is_a_dot_and_its_mean_a_marker(drawn, contested, table):
    ends = contested.panel(FIRST).query("epoch > 4").pivot(index="seed", columns="method", values="acc/report")
    lines = drawn.axes[0].lines
    names = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    for method in ("PEB", "focal"):
        wanted = 100 * (ends[method] - ends.MB)
        dots = [line for line in lines if line.get_marker() == "." and len(line.get_xdata()) == len(wanted)]
        dots = [line for line in dots if np.allclose(line.get_xdata(), wanted)]
        (height,) = {round(y, 6) for y in dots[0].get_ydata()}
        means = [line for line in lines if line.get_marker() == "o" and np.allclose(line.get_xdata(), wanted.mean())]
        assert [line.get_ydata()[0] for line in means] == [pytest.approx(height)]
        assert round(height) == names.index(method)
        found = row(table, method)
        assert any(
            np.allclose(line.get_xdata(), (found.report_difference_low, found.report_difference_high))
            for line in lines
            if len(line.get_xdata()) == 2
        )
        assert (means[0].get_markerfacecolor() == "white") == (found.report_p_holm >= 0.05)


@pytest.mark.slow
def test_markers_counts_and_words_are_of_the_same_column():
    """On the whole test set PEB is significantly above MB, on the half that reports it is not: nowhere is it said."""
    made = one_panel(methods=("MB", "PEB", "PLB", "LB"))
    usual = made.frame[(made.frame.method == "MB") & (made.frame.epoch > 4)]["acc/report"].to_numpy()
    set_ends(made, "PEB", "acc/report", usual + 0.01 * np.where(np.arange(12) % 2, 1, -0.9))
    table = contest_tables.table(made)
    assert row(table, "PEB").p_holm < 0.05 < row(table, "PEB").report_p_holm
    assert "PEB" not in verdict(made)["better"].split(", ") and "PLB" in verdict(made)["better"]
    text = contest_markdown.markdown(table)
    assert "Significantly above MB: PLB in 1. Significantly below MB: LB in 1." in text
    (axes,) = contest_figure.figure(contest_tables.table(made)).axes
    filled = {
        round(line.get_ydata()[0]): line.get_markerfacecolor() != "white"
        for line in axes.lines
        if line.get_marker() == "o"
    }
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert {names[place]: full for place, full in filled.items()} == {"PEB": False, "PLB": True, "LB": True}


@pytest.mark.slow
def test_the_same_runs_are_drawn_once(drawn, contested):
    low, high = ends(drawn)
    own = sum(cost != 1.0 for cost in COSTS.values())
    points = contest_tables.figure_data(contest_tables.table(contested))
    here = points[
        (points.panel.str.startswith(FIRST.split(", equal")[0])) & points.report_difference.between(low, high)
    ]
    markers = [line.get_marker() for line in drawn.axes[0].lines]
    assert [markers.count(marker) for marker in "oDs"] == [(here.budget == budget).sum() for budget in BUDGETS]
    assert len(points) == 4 * (len(METHODS) + 1 + own)
    assert [column for column in points if column.startswith("seed ")] == [f"seed {seed}" for seed in range(1, 13)]


def ends(figure):
    """The ends of what the axes hold, beyond which all is cut."""
    axes = figure.axes[0]
    bounds = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1] and line.get_xdata()[0]]
    low, high = axes.get_xlim()
    return max([bound for bound in bounds if bound < 0], default=low), min([b for b in bounds if b > 0], default=high)


@pytest.mark.slow
def test_the_axis_is_linear_and_what_lies_beyond_has_a_triangle_with_its_value(drawn, contested):
    low, high = ends(drawn)
    assert drawn.axes[0].get_xscale() == "linear"
    points = contest_tables.figure_data(contest_tables.table(contested))
    seeds = [column for column in points if column.startswith("seed ")]
    assert (points[seeds] < low).any(axis=None)
    settings = list(dict.fromkeys(zip(points.schedule, points.noise, strict=True)))
    for axes, (schedule, noise) in zip(drawn.axes, settings, strict=True):
        own = points[(points.schedule == schedule) & (points.noise == noise)]
        said = [text.get_text() for text in axes.texts]
        for values in own[seeds].astype(float).to_numpy():
            if (out := values[(values < low) | (values > high)]).size:
                furthest = comparisons.signed(out[np.abs(out).argmax()])
                assert any(text.endswith(furthest) for text in said), furthest
        marks = sum(line.get_marker() in ("<", ">") for line in axes.lines)
        assert marks >= ((own[seeds] < low).any(axis=1) | (own[seeds] > high).any(axis=1)).sum()


@pytest.mark.slow
@pytest.mark.parametrize("noises", [(0.0,), NOISES])
def test_the_caption_has_three_lines_and_the_notebook_the_rest(noises):
    made = rival_curves(noises=noises)
    made.frame.loc[(made.frame.method == "PEB") & (made.frame.seed == 1), "acc/val"] = np.nan
    table = contest_tables.table(made.of(made.frame.method != "LB"))
    caption = contest_figure.figure(table).texts[0].get_text()
    assert 1 <= caption.count("\n") <= 2 and "Not run: LB." in caption.replace("\n", " ")
    told = contest_markdown.markdown(table)
    for words in (
        *("The tests cover seeds, not the choice of test images.", "learning rate, on average, of KAKURENBO 1.22;"),
        *("sign-flip test", "only OHEM trained differently", "falls to 0", "Diverged: PEB"),
        *("training labels changed to another class", "Profile small: letters CNN, 1,024 training examples."),
    ):
        assert words in told


def test_the_figure_says_what_it_shows(drawn):
    said = texts(drawn)
    for words in (
        *("stand-in data: glyphs", "equal updates", "equal backward passes", "equal wall-clock"),
        *("| significant |", "| inconclusive |", "p < 0.05 after Holm", "half of the test set that did not choose"),
        *("n = 12", "95 % interval", "constant learning rate", "cosine learning rate", "share of training labels"),
    ):
        assert words in said


@pytest.mark.slow
@pytest.mark.parametrize(("noises", "imbalances"), [((0.0,), ()), (NOISES, ()), ((0.0,), (50.0,)), (NOISES, (50.0,))])
def test_no_text_leaves_the_figure_or_meets_another(noises, imbalances):
    made = rival_curves(seeds=2, noises=noises, budgets=BUDGETS[::2], imbalances=imbalances)
    figure = contest_figure.figure(contest_tables.table(made))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in filter(lambda axes: axes.axison, figure.axes):
        ticks = (*axes.get_xticklabels(), *axes.get_yticklabels())
        found += [*ticks, *axes.texts, axes.xaxis.label, axes._left_title, axes._right_title]
    boxes = {text: text.get_window_extent(renderer) for text in found if text.get_text() and text.get_visible()}
    boxes = {text: box for text, box in boxes.items() if box.width > 1}
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, f"{text.get_text()!r} leaves the figure"
        met = [other.get_text() for other, place in boxes.items() if other is not text and box.overlaps(place)]
        assert not met, f"{text.get_text()!r} meets {met}"


@pytest.mark.slow
def test_a_figure_is_saved_with_what_it_draws(tmp_path):
    made = one_panel(seeds=2, methods=("MB", "PEB"))
    points = contest_tables.figure_data(contest_tables.table(made))
    files = figures.save(contest_figure.figure(contest_tables.table(made)), points, tmp_path / "letters")
    assert [file.suffix for file in files] == [".pdf", ".png", ".csv"]
    assert pd.read_csv(files[2])["seed 2"].to_numpy() == pytest.approx(points["seed 2"].to_numpy(), nan_ok=True)


@pytest.mark.slow
def test_lb_timed_in_another_reading_is_said_where_runs_follow_from_it(monkeypatch):
    made = rival_curves(schedules=("constant",), noises=(0.0,))
    said = "LB's time per update, from which its updates at equal wall-clock follow, was measured in its reading"
    names = [f"{loss_based.reading(options)!r}" for options in ({}, contest.BY_NAME["LB"].options)]
    whole = f"{said} {names[0]}, and LB enters in {names[1]}."

    def texts(made):
        yield contest_markdown.markdown(contest_tables.table(made))

    assert all(whole in text for text in texts(made))
    assert not any(said in text for text in texts(one_panel()))
    assert not any(said in text for text in texts(made.of(made.frame.method != "LB")))
    monkeypatch.setattr(contest_words, "TIMED_OPTIONS", {"LB": contest.BY_NAME["LB"].options})
    assert not any(said in text for text in texts(made))


def test_without_runs_every_method_has_its_line():
    made = one_panel(seeds=2, methods=("MB", "PEB", "PLB"))
    (axes,) = contest_figure.figure(contest_tables.table(made.of(made.frame.seed == 0))).axes
    assert {label.get_text() for label in axes.get_yticklabels()} == {"PEB", "PLB"}
    assert "not run" in [text.get_text() for text in axes.texts]
