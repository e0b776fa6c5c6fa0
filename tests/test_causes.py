"""The causes: paired contrasts computed by hand, each effect in its own line, and words no stronger than the seeds."""

import numpy as np
import pytest
import torch
from synthetic import VARIANTS, changed, hard_curves

from hardsample import statistics
from hardsample.experiments import panels, registry
from hardsample.methods import registry as methods
from hardsample.report import causes, causes_figure, causes_words

CONSTANT, COSINE = (f"ResNet-18, glyphs10-32, {schedule} learning rate" for schedule in ("constant", "cosine"))
SETTINGS = {CONSTANT: {"schedule": "constant"}, COSINE: {"schedule": "cosine"}}
METHODS = tuple(method for method in VARIANTS if method != "examples δ = 0.2")
NAMES = [contrast.name for contrast in causes.CONTRASTS]


def made(seeds=10, layout=None, *, run=None, effects=(), **said):
    """Curves whose methods all end alike but for a seed's own share, and the ``effects``: (panel, method, points).

    ``run`` are the panels with runs, each with its methods; all, where it is not said.
    """
    layout = {CONSTANT: METHODS, COSINE: METHODS} if layout is None else layout
    curves = hard_curves(
        layout if run is None else run, seeds=seeds, epochs=2, layout=layout, settings=SETTINGS, **said
    )
    frame = curves.frame.copy()
    frame["acc/val"] = 0.6 + 0.001 * np.cos(frame.seed) + 1e-4 * np.sin(frame.seed * (3 + frame.method.str.len()))
    frame["loss/train"] = 2 - frame["acc/val"]
    for panel, method, points in effects:
        own = (frame.panel == panel) & (frame.method == method)
        frame.loc[own, "acc/val"] += points / 100
        frame.loc[own, "loss/train"] -= points / 100
    return changed(curves, frame)


def significant(rows, schedule="constant", metric="acc/val"):
    own = rows[(rows.schedule == schedule) & (rows.metric == metric)]
    return set(own.cause[own.p_holm < statistics.LEVEL])


@pytest.fixture(scope="module")
def curves():
    return hard_curves({CONSTANT: METHODS, COSINE: METHODS}, seeds=10, settings=SETTINGS, name="hard-samples/causes")


@pytest.fixture(scope="module")
def table(curves):
    return causes.table(curves)


def test_contrasts_are_paired_by_seed_at_the_end(curves, table):
    frame = curves.frame
    ends = frame[(frame.panel == CONSTANT) & (frame.epoch == 20)].pivot(index="seed", columns="method")
    for metric in ("acc/val", "loss/train"):
        rows = table[(table.schedule == "constant") & (table.metric == metric)].set_index("cause")
        assert list(rows.index) == NAMES
        for contrast in causes.CONTRASTS:
            wanted = ends[metric][contrast.method] - ends[metric][contrast.other]
            row, interval = rows.loc[contrast.name], statistics.t_interval(wanted)
            np.testing.assert_allclose(row[[f"seed {seed}" for seed in range(1, 11)]].astype(float), wanted)
            assert (row.difference, row.low, row.high) == pytest.approx((wanted.mean(), interval.low, interval.high))
            assert (row.n, row.pairs, len(row.runs.split())) == (10, 10, 20)
        p_values = [
            statistics.sign_flip_p(ends[metric][one.method] - ends[metric][one.other]) for one in causes.CONTRASTS
        ]
        np.testing.assert_allclose(
            rows.p_holm, statistics.holm(p_values), err_msg="a schedule and metric are one family"
        )


def test_order_repetition_and_choice_by_loss_add_up_seed_by_seed(table):
    seeds = [f"seed {seed}" for seed in range(1, 11)]
    for (schedule, metric), rows in table.groupby(["schedule", "metric"]):
        own = rows.set_index("cause")[seeds].astype(float)
        for delta in ("δ = 0.5", "δ = 0.2"):
            parts = own.loc[["order", f"repetition, {delta}", f"choice by loss, {delta}"]].sum()
            np.testing.assert_allclose(
                parts, own.loc[f"all together, {delta}"], atol=1e-12, err_msg=f"{schedule} {metric}"
            )


@pytest.mark.parametrize(
    ("better", "cause"),
    [
        (
            ("new order", "reshuffled", "random δ = 0.5", "random δ = 0.2", "δ = 0.5", "δ = 0.2", "examples δ = 0.5"),
            "order",
        ),
        (("reshuffled", "examples δ = 0.5"), "composition"),
        (("random δ = 0.5", "δ = 0.5"), "repetition, δ = 0.5"),
        (("random δ = 0.2", "δ = 0.2"), "repetition, δ = 0.2"),
        (("δ = 0.5",), "choice by loss, δ = 0.5"),
        (("δ = 0.2",), "choice by loss, δ = 0.2"),
        (("examples δ = 0.5",), "choice of examples by loss"),
    ],
)
def test_an_effect_of_one_cause_is_in_its_line_alone_and_in_the_sums_that_have_it(better, cause):
    """All that have the cause end two points higher."""
    rows = causes.table(made(effects=[(CONSTANT, method, 2.0) for method in better]))
    sums = {f"all together, {delta}" for delta in ("δ = 0.8", "δ = 0.5", "δ = 0.2") if delta in better}
    for metric in ("acc/val", "loss/train"):
        assert significant(rows, metric=metric) == {cause} | sums
        assert significant(rows, "cosine", metric) == set()
        assert significant(rows, "cosine minus constant", metric) == {cause} | sums
    [changes] = rows[
        (rows.schedule == "cosine minus constant") & (rows.metric == "acc/val") & (rows.cause == cause)
    ].difference
    assert changes == pytest.approx(-0.02, abs=1e-3)


def test_every_contrast_differs_as_it_says():
    """Of eight mini-batches of four: which examples each epoch trains together, and in which order."""
    runs = registry.grid("causes", profile="hour", data="cifar10-rebuilt", seeds=1).panels[0].runs
    trained = {panels.variant(run): epochs(run) for run in runs}
    usual, *later = trained["δ = 1"]
    assert all(walk[0] == usual for walk in trained.values()), "the first epoch is one"
    assert all(epoch == usual for epoch in later), "δ = 1 keeps the order"
    new, fresh = trained["new order"], trained["reshuffled"]
    assert all(set(epoch) == set(usual) for epoch in new) and len(set(map(tuple, new))) == len(new)
    assert not any(set(epoch) & set(usual) for epoch in fresh[1:])
    assert all(sorted(sum(epoch, ())) == list(range(32)) for epoch in fresh)
    for delta in ("0.5", "0.2"):
        drawn, hard = trained[f"random δ = {delta}"], trained[f"δ = {delta}"]
        assert set(sum(drawn, [])) == set(usual) and any(len(set(epoch)) < 8 for epoch in drawn)
        assert set(sum(hard, [])) == set(usual) and not set(hard[-1]) & set(usual[:4]), "those of highest loss"
    examples = trained["examples δ = 0.5"][1]
    assert set(sum(examples, ())) == set(range(16, 32)) and not set(examples) & set(usual)


def epochs(run):
    """The mini-batches of each of six epochs, as tuples of examples; the first four have no loss, but in HE."""
    method = methods.build(run.method, 32, 4, torch.tensor([1]), options=run.options)
    found = []
    for step in range(48):
        method.prepare(step)
        examples = method.draw(step).indices
        found.append(tuple(sorted(examples[0].tolist())))
        high = run.method == "HE" or found[-1] in found[4:8]
        method.observe(examples, torch.zeros(1, 4, 2), examples.float() * high)
    return [found[at : at + 8] for at in range(0, 48, 8)]


def test_the_words_name_each_cause_with_its_verdict_and_interval():
    whole = made(effects=[(CONSTANT, "reshuffled", 2.0), (CONSTANT, "examples δ = 0.5", 2.0)])
    rows = causes.table(whole)
    text = causes_words.markdown(whole, rows)
    [composition] = [line for line in text.split("\n") if line.startswith("- **Composition.**")]
    assert (
        "Test accuracy (points) significantly higher: +2.0" in composition
        and "(constant); inconclusive: " in composition
    )
    assert "Train loss significantly lower: -0.02" in composition
    [order] = [line for line in text.split("\n") if line.startswith("- **Order.**")]
    assert "significantly" not in order
    [change] = [line for line in text.split("\n") if line.startswith("- **Cosine minus constant.**")]
    assert "significantly lower: -2.0" in change and "(composition); inconclusive: 9 contrasts" in change
    assert text.count("| composition | reshuffled minus new order |") == 3, "two metrics, and what differs"
    assert "for the 10 tests of a schedule and metric" in text


def test_too_few_seeds_show_nothing_and_it_is_said_under_which_schedule():
    effects = [(CONSTANT, "new order", 9.5)]
    whole = made(seeds=5, effects=effects)
    text = causes_words.markdown(whole, causes.table(whole))
    assert text.count("**With 5 seeds no difference can be significant, whatever its size: 10 tests take 9.**") == 1
    assert "significantly" not in text and "Test accuracy (points) inconclusive: +9." in text
    whole = made(effects=effects)
    fewer = changed(whole, whole.frame[(whole.frame.panel == CONSTANT) | (whole.frame.seed < 4)])
    text = causes_words.markdown(fewer, causes.table(fewer))
    assert "**Cosine learning rate: with 3 seeds no difference can be significant" in text
    assert "Test accuracy (points) significantly higher: +9." in text


def test_a_schedule_without_runs_has_no_marks_and_one_sentence():
    whole = made(run={CONSTANT: METHODS, COSINE: ()}, missing=90)
    rows = causes.table(whole)
    text = causes_words.markdown(whole, rows)
    assert "- **Schedule.** Not run: cosine learning rate." in text and f"Not run: 90 runs (all of {COSINE})." in text
    assert "| cosine |" not in text
    drawn = causes_figure.figure(whole, rows)
    assert [entry.get_text() for entry in drawn.legends[0].get_texts()][:2] == ["constant learning rate", "a seed"]
    assert "not run" not in [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert f"Not run: 90 runs (all of {COSINE})." in said(drawn)


def test_a_profile_may_have_fewer_contrasts():
    some = tuple(method for method in METHODS if method not in ("δ = 0.8", "random δ = 0.2"))
    whole = made(layout={CONSTANT: some, COSINE: ()})
    rows = causes.table(whole)
    assert set(NAMES) - set(rows.cause) == {"repetition, δ = 0.2", "choice by loss, δ = 0.2", "all together, δ = 0.8"}
    assert "for the 7 tests" not in causes_words.markdown(whole, rows) or significant(rows) == set()
    assert f"Not run: {COSINE}." in causes_words.markdown(whole, rows)


def test_every_contrast_has_a_line_with_a_mark_for_each_schedule(curves, table):
    drawn = causes_figure.figure(curves, table)
    accuracy, loss = drawn.axes
    assert [label.get_text().split("\n")[0] for label in accuracy.get_yticklabels()] == NAMES
    for axes, metric in ((accuracy, "acc/val"), (loss, "loss/train")):
        scale = 100 if metric == "acc/val" else 1
        for schedule, marker in (("constant", "o"), ("cosine", "s")):
            marks = [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata()) == 1]
            own = table[(table.schedule == schedule) & (table.metric == metric)]
            np.testing.assert_allclose([line.get_xdata()[0] for line in marks], scale * own.difference)
            filled = [line.get_markerfacecolor() != "white" for line in marks]
            assert filled == list(own.p_holm < statistics.LEVEL)
    assert "n = 10 seeds" in said(drawn) and "the sum of order, repetition and choice by loss" in said(drawn)


def test_what_was_not_run_under_one_schedule_is_said_in_its_line():
    without = tuple(method for method in METHODS if method != "new order")
    whole = made(layout={CONSTANT: METHODS, COSINE: METHODS}, run={CONSTANT: METHODS, COSINE: without})
    rows = causes.table(whole)
    texts = [text.get_text() for text in causes_figure.figure(whole, rows).axes[0].texts]
    assert texts.count("not run") == 4, "order, composition, and repetition at two δ"


def test_a_diverged_seed_is_left_out_and_without_runs_it_says_so():
    whole = made()
    whole.frame.loc[(whole.frame.method == "reshuffled") & (whole.frame.seed == 2), "loss/train"] = np.nan
    rows = causes.table(whole).set_index(["schedule", "metric", "cause"])
    assert tuple(rows.loc[("constant", "loss/train", "composition"), ["n", "pairs"]]) == (9, 10)
    assert "Diverged seeds are left out" in causes_words.markdown(whole, rows.reset_index())
    nothing = changed(whole, whole.frame[:0])
    rows = causes.table(nothing)
    assert "Nothing can be compared yet." in said(causes_figure.figure(nothing, rows))
    assert "no run is done yet" in causes_words.markdown(nothing, rows) and "|" not in causes_words.markdown(
        nothing, rows
    )


def said(drawn):
    return drawn.texts[0].get_text().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
