"""Figures as structure: what is drawn, what is said, where it goes; and equal bytes for equal data."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from synthetic import DELTAS, METHODS, VARIANTS, changed, curves, hard_curves

from hardsample import paths, statistics
from hardsample.data import catalogue
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.report import convergence, draws, figures, style, tables, trajectories, wording


def texts(figure):
    legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    axes = [text.get_text() for axes in figure.axes for text in axes.texts]
    titles = [axes.get_title(loc) for axes in figure.axes for loc in ("left", "right")]
    return (
        legend
        + axes
        + titles
        + [text.get_text().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ") for text in figure.texts]
    )


def grid(figure):
    return np.array(figure.axes).reshape(len(figures.METRICS), -1)


def line(axes, method):
    return next(line for line in axes.lines if line.get_label() == method)


@pytest.fixture(scope="module")
def two_panels():
    return curves(("pre-training 1", "pre-training 2"), seeds=3)


@pytest.fixture(scope="module")
def figure(two_panels):
    return trajectories.figure(two_panels)


HOSTILE = """
backend: bogus
font.size: 20
axes.facecolor: yellow
savefig.bbox: tight
savefig.transparent: True
lines.markersize: 20
xtick.direction: in
xtick.minor.visible: True
axes.formatter.limits: -1, 1
figure.constrained_layout.use: True
pdf.compression: 0
"""
DRAWN = """
import pathlib, sys
from hardsample import cli
cli.main(["verify"])
sys.path.append(sys.argv[2])
from hardsample.report import figures, trajectories
from synthetic import curves
made = curves(seeds=2, epochs=3)
figures.save(trajectories.figure(made), trajectories.figure_data(made), pathlib.Path(sys.argv[1]))
"""


def test_a_reader_s_own_settings_of_matplotlib_change_no_byte(tmp_path):
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    own = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "MPLBACKEND": "bogus"}
    for name, settings in (("usual", {}), ("hostile", own)):
        command = [sys.executable, "-c", DRAWN, tmp_path / name / "figure", Path(__file__).parent]
        subprocess.run(command, env=os.environ | settings, check=True)
    written = sorted((tmp_path / "usual").iterdir())
    assert [path.suffix for path in written] == [".csv", ".pdf", ".png"]
    assert all(path.read_bytes() == (tmp_path / "hostile" / path.name).read_bytes() for path in written)


def test_rows_are_metrics_and_columns_panels(figure):
    axes = grid(figure)
    assert axes.shape == (4, 2)
    assert [row.get_ylabel() for row in axes[:, 0]] == ["acc/train", "acc/val", "loss/train", "loss/val"]
    assert [top.get_title("left") for top in axes[0]] == ["pre-training 1", "pre-training 2"]
    assert all("epochs" in bottom.get_xlabel() for bottom in axes[-1])


def test_lines_are_means_over_seeds(figure, two_panels):
    rows = two_panels.frame
    wanted = rows[(rows.panel == "pre-training 2") & (rows.method == "PEB")]
    drawn = line(grid(figure)[1, 1], "PEB")
    np.testing.assert_allclose(drawn.get_ydata(), wanted.groupby("step")["acc/val"].mean())
    np.testing.assert_allclose(drawn.get_xdata(), np.arange(0, 10.5, 0.5))


def test_the_band_is_two_standard_deviations():
    two_panels = curves(("pre-training 1", "pre-training 2"), seeds=6)
    figure, rows = trajectories.figure(two_panels), two_panels.frame
    wanted = rows[(rows.panel == "pre-training 1") & (rows.method == "MB") & (rows.epoch == 10)]
    mean, sd = wanted["loss/val"].mean(), wanted["loss/val"].std(ddof=1)
    band = grid(figure)[3, 0].collections[0].get_paths()[0].vertices
    at_end = band[band[:, 0] == 10, 1]
    assert at_end.min() == pytest.approx(mean - 2 * sd) and at_end.max() == pytest.approx(mean + 2 * sd)


def test_a_row_shares_its_scale(figure):
    for row in grid(figure):
        assert row[0].get_ylim() == row[1].get_ylim()


def test_every_seeds_final_value_is_a_dot(figure, two_panels):
    rows = two_panels.frame
    finals = rows[(rows.panel == "pre-training 1") & (rows.method == "LB") & (rows.epoch == 10)]
    dots = [dot for dot in grid(figure)[3, 0].lines if dot.get_marker() == "." and len(dot.get_ydata()) == 3]
    assert any(np.allclose(sorted(dot.get_ydata()), sorted(finals["loss/val"])) for dot in dots)


def test_the_figure_says_seeds_band_profile_and_note(two_panels):
    noted = changed(two_panels, note="profile quick: a tenth of the letters")
    said = " ".join(texts(trajectories.figure(noted)))
    for words in ("n = 3 seeds", "thin lines: the seeds", "Profile quick: a tenth of the letters."):
        assert words in said


def test_one_legend_names_every_method_once(figure):
    assert len(figure.legends) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["MB", "LB", "PEB", "end of pre-training"]


def test_no_pretraining_no_line():
    drawn = trajectories.figure(curves(pretrain=0.0, seeds=1))
    assert "end of pre-training" not in texts(drawn)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, "stand-in data: glyphs"),
        (
            {"data": "ocr-letters", "stand_in": False, "substitute": True},
            "handwritten letters of the Kassel/Taskar OCR set",
        ),
        ({"data": "mnist", "stand_in": False, "substitute": True}, "mnist, not emnist-letters"),
        ({"data": "own-letters", "stand_in": False, "folder": "own-letters"}, "own-letters"),
        ({"data": "emnist-letters", "stand_in": False}, "emnist-letters"),
        ({"data": "sd19-letters", "stand_in": False, "substitute": True}, "NIST SD19 letters, in EMNIST's shape"),
    ],
)
@pytest.mark.parametrize("draw", [trajectories.figure, draws.figure])
def test_the_figure_says_what_the_data_are(draw, about, said):
    made = curves(seeds=1, epochs=3, **about)
    [heading] = [text for text in draw(made).texts if text.get_text() == said]
    in_place = made.experiment.stand_in or "substitute" in about  # of the paper's: neither its own nor the user's
    assert heading.get_color() == (style.NOTICE if in_place else style.INK)


def test_one_seed_has_no_band():
    drawn = trajectories.figure(curves(seeds=1))
    assert all(not collection.get_paths() for axes in drawn.axes for collection in axes.collections)
    assert any("n = 1" in text for text in texts(drawn))


def test_what_was_not_run_is_said():
    panels = {"default": ("MB", "LB", "PEB", "PLB"), "other": ("MB",)}
    drawn = trajectories.figure(curves(seeds=1, layout=panels, missing=2))
    assert grid(drawn).shape == (4, 2)
    assert "PLB not run" in texts(drawn) and "not run" in texts(drawn)
    assert any("Not run: 2 runs (" in text for text in texts(drawn))


@pytest.mark.slow
def test_what_is_missing_is_named_by_method_and_panel():
    panels = {"n = 4": ("MB", "LB", "PEB"), "n = 32": ("MB", "LB", "PEB")}
    made = curves(tuple(panels), methods=("MB", "PEB"), seeds=3, layout=panels, missing=6)
    assert wording.missing_statement(made) == "Not run: 6 runs (LB)."
    rows = made.frame
    fewer = changed(made, rows[(rows.panel != "n = 4") | (rows.method != "PEB") | (rows.seed == 0)], missing=8)
    said = "Not run: 8 runs (LB; PEB in n = 4 (1 of 3 seeds done))."
    assert wording.missing_statement(fewer) == said
    alone = changed(made, rows[(rows.panel == "n = 4") & ((rows.method != "PEB") | (rows.seed == 0))], missing=14)
    assert wording.missing_statement(alone) == "Not run: 14 runs (all of n = 32; LB; PEB (1 of 3 seeds done))."
    drawn = trajectories.figure(fewer)
    assert said in " ".join(texts(drawn))
    assert [text.get_text() for text in drawn.legends[0].get_texts()][:2] == ["MB", "PEB"]
    marked = [[axes.get_title("right") for axes in row] for row in grid(drawn)]
    assert marked == [["LB not run"] * 2, *[["", ""]] * 3]


def test_nothing_missing_nothing_said():
    made = curves(seeds=1)
    assert wording.missing_statement(made) == wording.origin_statement(made) == ""


def test_a_method_without_draws_says_so_in_its_row():
    methods = ("MB", "LB", "PEB")
    drawn = draws.figure(curves(methods=("MB", "PEB"), seeds=1, layout={"default": methods}, missing=1))
    assert "not run" in [text.get_text() for text in drawn.axes[1].texts]


def test_the_figure_says_the_hardware():
    said = " ".join(texts(trajectories.figure(curves(seeds=1, hardware={"NVIDIA H200": 36}))))
    assert "Hardware: NVIDIA H200." in said
    two = curves(seeds=1, hardware={"NVIDIA H200": 24, "AMD EPYC": 12})
    assert wording.origin_statement(two) == "Hardware: AMD EPYC (12 runs), NVIDIA H200 (24 runs)."


def test_what_pairs_mix_is_said_in_the_notes_that_the_caption_names():
    mixed = {"AMD EPYC, torch 2.13.0": ("MB", "LB"), "NVIDIA H200, torch 2.11.0": ("PEB",)}
    drawn = trajectories.figure(curves(seeds=1, unlike=mixed))
    wanted = "MB, LB from AMD EPYC, torch 2.13.0; PEB from NVIDIA H200, torch 2.11.0."
    made = curves(seeds=1, unlike=mixed)
    assert f"Some pairs differ in more than the method: {wanted}" in tables.markdown(tables.final_metrics(made))
    assert "Some pairs of runs differ in more than the method: see the notes of the table." in " ".join(texts(drawn))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "said"),
    [((None,), "on all of"), ((3_000,), "on 3,000 of"), ((None, 1_000), "on all or 1,000 of"), ((), None)],
)
def test_the_figure_says_on_which_examples_train_is_measured(counts, said):
    made = curves(seeds=1, epochs=3, measured=counts)
    found = " ".join(texts(trajectories.figure(made)))
    assert (f"Train metrics are measured {said} the training examples." in found) == (said is not None)
    for drawn in (draws.figure(made), trajectories.figure(made, ("acc/val",))):
        assert "Train metrics" not in " ".join(texts(drawn))


@pytest.mark.parametrize(("profile", "counts"), [("smoke", (64,)), ("small", (3_000,)), ("paper", (None,))])
def test_captions_of_paper_a_say_what_epochs_and_train_are(profile, counts):
    experiment = registry.grid("base-values/figure-2", profile=profile)
    assert experiment.measured == counts
    assert " epochs, pre-training included" in experiment.note
    titles = [panel.title for panel in experiment.panels]
    assert "pre-training 1 epoch" in titles and "pre-training 2 epochs" in titles
    assert not re.search(r"\b1 epochs", " ".join((*titles, experiment.note)))


def test_a_diverged_seed_is_said_and_left_out():
    broken = curves(seeds=3)
    rows = broken.frame
    rows.loc[(rows.method == "LB") & (rows.seed == 1) & (rows.epoch > 5), "loss/val"] = np.nan
    drawn = trajectories.figure(broken)
    assert any("LB: 1 seed diverged" in text for text in texts(drawn))
    assert np.isfinite(line(grid(drawn)[3, 0], "LB").get_ydata()).all()
    points = trajectories.figure_data(broken)
    assert set(points[(points.method == "LB") & (points.metric == "loss/val") & (points.epoch > 5)].n) == {2}


def test_a_tenfold_loss_leaves_the_others_readable(figure):
    axes = grid(figure)[3, 0]
    heights = {
        method: axes.transAxes.inverted().transform(axes.transData.transform((10, line(axes, method).get_ydata()[-1])))[
            1
        ]
        for method in ("MB", "PEB", "LB")
    }
    assert 0 < heights["PEB"] < heights["MB"] < heights["LB"] < 1
    assert heights["MB"] - heights["PEB"] > 0.03


def test_final_values_do_not_overlap():
    close = curves(seeds=2)
    close.frame["acc/val"] = 0.5 + 0.4 * close.frame.epoch / 10
    axes = grid(trajectories.figure(close))[1, 0]
    heights = sorted(text.get_position()[1] for text in axes.texts)
    inches = np.diff(heights) * axes.get_position().height * axes.figure.get_figheight()
    assert len(heights) == 3 and (inches > 7.5 / 72).all()


def test_one_method_looks_the_same_everywhere(figure):
    for drawn in (figure, draws.figure(curves(methods=tuple(METHODS), seeds=2)), convergence.figure(hard_curves())):
        for axes in drawn.axes:
            for drawn_line in axes.lines:
                if drawn_line.get_label() in style.STYLES:
                    look = style.STYLES[drawn_line.get_label()]
                    assert (drawn_line.get_color(), drawn_line.get_marker()) == (look.color, look.marker)


@pytest.mark.parametrize("methods", [tuple(METHODS), tuple(VARIANTS)])
def test_every_two_methods_of_a_figure_differ(methods):
    looks = [style.style(method) for method in methods]
    assert len({(look.color, look.marker) for look in looks}) == len(looks)
    assert len({(look.color, look.line) for look in looks}) == len(looks)


@pytest.mark.parametrize("methods", [tuple(METHODS), DELTAS])
def test_every_two_methods_of_a_grey_print_differ(methods):
    looks = [style.style(method) for method in methods]
    assert len({look.color for look in looks}) == len({look.marker for look in looks}) == len(looks)


def test_smaller_deltas_are_lighter_and_controls_have_their_hue():
    lightness = [np.dot(matplotlib.colors.to_rgb(style.style(delta).color), (0.3, 0.6, 0.1)) for delta in DELTAS]
    assert (np.diff(lightness) > 0.03).all()
    assert style.style("random δ = 0.2").color == style.style("δ = 0.2").color
    assert style.style("reshuffled").color == style.style("δ = 1").color


def test_a_method_without_a_style_gets_one():
    assert style.style("delta 0.5") == style.style("delta 0.5")
    assert style.style("delta 0.5") in style.SPARE_STYLES


def test_drawing_changes_no_global_style():
    before = dict(matplotlib.rcParams)
    trajectories.figure(curves(seeds=1))
    assert dict(matplotlib.rcParams) == before


def test_trajectory_data(two_panels):
    points = trajectories.figure_data(two_panels)
    assert list(points) == [
        *("panel", "method", "epoch", "step", "metric", "mean", "sd", "n"),
        *("seed 0", "seed 1", "seed 2", "runs"),
    ]
    assert len(points) == 2 * 3 * 4 * 21
    assert list(points.panel.unique()) == ["pre-training 1", "pre-training 2"]
    assert list(points.method.unique()) == ["MB", "LB", "PEB"]
    row = points[(points.method == "LB") & (points.step == 700) & (points.metric == "acc/val")].iloc[1]
    rows = two_panels.frame
    wanted = rows[(rows.panel == "pre-training 2") & (rows.method == "LB") & (rows.step == 700)]
    assert row["mean"] == pytest.approx(wanted["acc/val"].mean())
    assert row.sd == pytest.approx(wanted["acc/val"].std(ddof=1)) and row.n == 3
    np.testing.assert_allclose(row[["seed 0", "seed 1", "seed 2"]].astype(float), wanted["acc/val"])


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (trajectories, curves(("one", "two"), seeds=2, epochs=3)),
        (draws, curves(("one", "two"), seeds=2, epochs=3)),
        (convergence, hard_curves(seeds=2)),
    ],
)
def test_the_points_name_the_runs_behind_each_curve(kind, made):
    points, rows = kind.figure_data(made), made.frame
    assert list(points)[-1] == "runs"
    for (panel, method), own in points.groupby(["panel", "method"]):
        seeds = rows[(rows.panel == panel) & (rows.method == method)].groupby("seed").run.first()
        assert set(own.runs) == {" ".join(seeds)} and len(seeds) == 2
    assert points.runs.nunique() == rows.groupby(["panel", "method"]).ngroups


def test_a_run_that_did_not_count_its_classes_shows_its_distinct_examples():
    made = curves(methods=("MB", "PEB"), seeds=1)
    whole = draws.figure_data(made)
    made.frame.loc[made.frame.method == "PEB", "draws/per-class"] = None
    points = draws.figure_data(made)
    wanted, got = (frame[(frame.metric == "draws/distinct") & (frame.method == "PEB")] for frame in (whole, points))
    assert got["mean"].tolist() == pytest.approx(wanted["mean"].tolist(), rel=1e-6)
    assert set(points[points.metric != "draws/distinct"].method) == {"MB"}
    assert "not counted" in [text.get_text() for text in draws.figure(made).axes[1].texts]


def test_draws_data_by_hand():
    tiny = curves(methods=("MB", "PEB"), seeds=1, epochs=3, classes=2, pretrain=1.0)
    rows = tiny.frame
    ends = rows["draws/distinct"].notna() & (rows.method == "PEB")
    rows.loc[ends, "draws/distinct"] = [8, 4, 2]
    for index, counts in zip(rows.index[ends], ([4, 4], [2, 6], [1, 7]), strict=True):
        rows.at[index, "draws/per-class"] = counts
    points = draws.figure_data(tiny)
    points = points[points.method == "PEB"]
    assert list(points[points.metric == "draws/distinct"]["mean"]) == [1.0, 0.5, 0.25]
    # after pre-training: 3 of 16 draws on class 0
    shares = points[points.metric != "draws/distinct"]
    assert dict(zip(shares.metric, shares["mean"], strict=True)) == {"draws/0": 3 / 16, "draws/1": 13 / 16}


@pytest.mark.slow
def test_draws_shows_every_method_and_class():
    drawn = draws.figure(curves(methods=tuple(METHODS), seeds=2))
    above, below = drawn.axes[:2]
    assert {line.get_label() for line in above.lines} >= set(METHODS)
    assert [label.get_text() for label in below.get_yticklabels()] == list(METHODS)
    letters = [label.get_text() for label in below.get_xticklabels()]
    assert sorted(letters) == list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert letters.index("Z") < letters.index("A")  # the made-up PEB draws late letters more often
    assert "26.0 of 26" in [text.get_text() for text in below.texts]


@pytest.mark.parametrize("folder", ["", "ocr-letters"])
def test_substitute_data_get_their_own_folder(folder):
    stem = figures.stem(SimpleNamespace(name="base-values/figure-2", folder=folder, variation=""))
    assert stem == paths.figures_dir() / "base-values" / folder / "figure-2"


@pytest.mark.slow
def test_save_writes_pdf_png_and_csv(figure, two_panels, tmp_path):
    points = trajectories.figure_data(two_panels)
    files = figures.save(figure, points, tmp_path / "deep" / "figure-2.1")
    assert [file.name for file in files] == ["figure-2.1.pdf", "figure-2.1.png", "figure-2.1.csv"]
    pdf = files[0].read_bytes()
    assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf and b"CreationDate" not in pdf
    width = int.from_bytes(files[1].read_bytes()[16:20], "big")
    assert width == int(figure.get_figwidth() * 200)
    pd.testing.assert_frame_equal(pd.read_csv(files[2]), points, check_dtype=False, rtol=1e-8)


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(figure, two_panels, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file"):
        figures.save(figure, trajectories.figure_data(two_panels), tmp_path / "file" / "figure-1")


DRAW_ALL = """
import sys
from pathlib import Path

from synthetic import curves, hard_curves

from hardsample.report import controls, convergence, draws, figures, trajectories, wording

made = curves(seeds=2, epochs=4)
figures.save(trajectories.figure(made), trajectories.figure_data(made), Path(sys.argv[1]) / "trajectories")
figures.save(draws.figure(made), draws.figure_data(made), Path(sys.argv[1]) / "draws")
hard = hard_curves(seeds=2)
figures.save(convergence.figure(hard), convergence.figure_data(hard), Path(sys.argv[1]) / "convergence")
figures.save(controls.figure(hard), controls.figure_data(hard), Path(sys.argv[1]) / "controls")
"""


@pytest.mark.slow
def test_equal_data_give_equal_bytes_in_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["here", str(tmp_path / "here")])
    exec(DRAW_ALL, {})
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", DRAW_ALL, str(tmp_path / "there")], env=environment, check=True)
    here, there = (
        {file.name: file.read_bytes() for file in (tmp_path / place).iterdir()} for place in ("here", "there")
    )
    assert len(here) == 12 and here == there


ACCURACIES = ("acc/train", "acc/val")


def test_two_metrics_of_one_panel_lie_side_by_side():
    drawn = trajectories.figure(hard_curves(), ACCURACIES)
    left, right = drawn.axes
    assert left.get_position().y0 == right.get_position().y0 and left.get_position().x1 < right.get_position().x0
    assert (left.get_ylabel(), right.get_ylabel()) == ("train accuracy", "test accuracy")
    assert {axes.get_xlabel() for axes in drawn.axes} == {"updates / N (epochs of δ = 1)"}
    assert left.get_title("left") == "ResNet-18, glyphs10-32"
    for axes in (left, right):
        assert all(label.get_visible() for label in (*axes.get_xticklabels(), *axes.get_yticklabels()))


def test_four_metrics_of_one_panel_are_two_by_two():
    drawn = trajectories.figure(curves(seeds=1))
    corners = [(round(axes.get_position().x0, 3), round(axes.get_position().y0, 3)) for axes in drawn.axes]
    assert [axes.get_ylabel() for axes in drawn.axes] == list(figures.METRICS)
    assert corners[0][0] == corners[2][0] < corners[1][0] == corners[3][0]
    assert corners[0][1] == corners[1][1] > corners[2][1] == corners[3][1]
    assert [axes.get_xlabel() != "" for axes in drawn.axes] == [False, False, True, True]


def test_two_metrics_of_two_panels_are_rows():
    drawn = trajectories.figure(hard_curves({"one": DELTAS, "two": DELTAS[:1]}), ACCURACIES)
    places = np.array(drawn.axes).reshape(2, 2)
    assert [axes.get_ylabel() for axes in places[:, 0]] == ["train accuracy", "test accuracy"]
    assert [axes.get_xlabel() != "" for axes in places[:, 0]] == [False, True]


def test_a_subset_of_metrics_is_drawn_and_saved():
    made = hard_curves()
    points = trajectories.figure_data(made, ACCURACIES)
    assert list(points.metric.unique()) == list(ACCURACIES)
    said = " ".join(texts(trajectories.figure(made, ACCURACIES)))
    assert "Accuracies above 0.8 are spaced" in said and "loss axes" not in said
    assert "Loss axes are logarithmic." in " ".join(texts(trajectories.figure(made, ("loss/train",))))


@pytest.mark.slow
def test_paper_b_does_not_speak_of_mb():
    made = hard_curves({"ResNet-18": tuple(VARIANTS)})
    for drawn in (trajectories.figure(made), convergence.figure(made)):
        labels = [label for axes in drawn.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
        assert not any("MB" in text or "acc/" in text for text in (*texts(drawn), *labels))


def test_a_panel_that_was_not_chosen_says_so():
    panels = {"ResNet-18": DELTAS, "ResNet-50": ()}
    assert texts(trajectories.figure(hard_curves(panels), ACCURACIES)).count("not run") == 2
    nothing = hard_curves({"EfficientNet-B4": ()})
    for drawn in (trajectories.figure(nothing, ACCURACIES), convergence.figure(nothing)):
        assert texts(drawn).count("not run") == 2


def test_substitutes_of_paper_b_are_named():
    made = hard_curves(data="cifar10-jpeg", stand_in=False, substitute=True)
    assert catalogue.label("cifar10-jpeg") in texts(convergence.figure(made))


def test_convergence_data_is_the_statistic_seed_by_seed():
    made = hard_curves()
    points = convergence.figure_data(made)
    assert set(points.metric) == {"loss/train", "epoch/converged"}
    found = points[(points.metric == "epoch/converged") & (points.method == "δ = 0.5")].iloc[0]
    runs = made.frame[made.frame.method == "δ = 0.5"].groupby("seed")
    wanted = [statistics.convergence(run.epoch, run["loss/train"]) for _, run in runs]
    assert list(found[["seed 1", "seed 2", "seed 3"]]) == wanted
    assert found["mean"] == pytest.approx(np.mean(wanted)) and found.n == 3


def test_epochs_of_convergence_are_marked_at_the_foot():
    made = hard_curves()
    drawn = convergence.figure(made)
    linear, logarithmic = drawn.axes
    assert (linear.get_yscale(), logarithmic.get_yscale()) == ("linear", "log")
    assert linear.get_ylim()[0] < 0 and min(linear.get_yticks()) == 0
    epochs = convergence.figure_data(made).query("metric == 'epoch/converged'").set_index("method")["mean"]
    for method in DELTAS:
        marks = [
            mark
            for mark in linear.lines
            if mark.get_marker() == style.style(method).marker and list(mark.get_xdata()) == [epochs[method]]
        ]
        assert len(marks) == 1 and 0 < marks[0].get_ydata()[0] < 0.33
        assert f"{epochs[method]:.1f}" in [text.get_text() for text in linear.texts]
    said = " ".join(texts(drawn))
    assert "within 5 % of its whole fall" in said and "by our definition, as the paper gives none" in said


def test_a_seed_that_does_not_converge_is_left_out_and_said():
    made, losses = hard_curves(), [*figures.METRICS]
    rows = made.frame
    rows.loc[(rows.method == "δ = 0.2") & (rows.seed == 2) & (rows.epoch > 5), losses] = np.nan
    rows.loc[rows.method == "δ = 0.5", "loss/train"] = 2.0 + rows.epoch % 2
    shorter = made.of(~((rows.method == "δ = 0.2") & (rows.seed == 2) & (rows.epoch > 6)))
    said = texts(convergence.figure(shorter))
    assert "not converged" in said
    assert any(text.endswith("(n = 2)") for text in said) and any("δ = 0.2: 1 seed diverged" in text for text in said)


@pytest.mark.slow
def test_a_legend_that_is_too_wide_takes_two_lines_and_numbers_get_markers():
    drawn = trajectories.figure(hard_curves({"ResNet-18": tuple(VARIANTS)}, seeds=2), ("loss/train", "acc/val"))
    drawn.draw_without_rendering()
    box = drawn.legends[0].get_window_extent()
    assert box.x1 < drawn.bbox.x1 and box.y0 > drawn.axes[0].get_window_extent().y1
    beside = [mark.get_marker() for mark in drawn.axes[1].lines if list(mark.get_xdata()) == [1.035]]
    assert sorted(beside) == sorted(style.style(variant).marker for variant in VARIANTS)


def test_small_accuracies_fill_their_axes():
    made = hard_curves()
    made.frame["acc/val"] /= 20
    axes = trajectories.figure(made, ACCURACIES).axes[1]
    assert made.frame["acc/val"].max() < axes.get_ylim()[1] < 0.05 and len(axes.get_yticks()) >= 3
