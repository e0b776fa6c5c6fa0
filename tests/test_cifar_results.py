"""What is committed of paper B follows from the committed runs, and the pages say what was found."""

import pandas as pd
import pytest
from committed import check_equal

from hardsample import paths, statistics
from hardsample.experiments import registry
from hardsample.numerals import number
from hardsample.report import (
    causes,
    causes_figure,
    causes_words,
    controls,
    convergence,
    convergence_table,
    figures,
    found,
    paper_accuracies,
    paper_best,
    paper_tables,
    spread,
    tables,
    trajectories,
)
from hardsample.report.wording import with_interval

ROOT = paths.project_root()
IMAGES = ROOT / "figures" / "hard-samples" / "cifar10-rebuilt"
PAGES = ROOT / "docs" / "results"
RESNET_18 = {"profile": "hour", "data": "cifar10-rebuilt", "networks": "resnet18"}


def curves_of(committed, name):
    return committed.curves(registry.grid(f"hard-samples/{name}", **RESNET_18))


def test_whole_seeds_alone_are_committed(committed):
    """All methods of a seed, so that every difference is paired over the same seeds."""
    rows = curves_of(committed, "controls").frame
    seeds = rows.groupby("method", observed=True).seed.unique()
    assert len(seeds) == 9 and len({tuple(sorted(own)) for own in seeds}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["figure-1", "figure-3", "controls"])
def test_figures_follow_from_the_committed_runs(name, committed, tmp_path):
    curves = curves_of(committed, name)
    if name == "figure-3":
        metrics = ("acc/train", "acc/val")
        drawn = trajectories.figure(curves, metrics), trajectories.figure_data(curves, metrics)
    else:
        kind = {"figure-1": convergence, "controls": controls}[name]
        drawn = kind.figure(curves), kind.figure_data(curves)
    written = [*figures.save(*drawn, tmp_path / name)]
    written += tables.save(tables.final_metrics(curves), tmp_path / name)
    check_equal(written, IMAGES)


@pytest.mark.slow
def test_causes_follow_from_the_committed_runs(committed, tmp_path):
    curves = curves_of(committed, "causes")
    table = causes.table(curves)
    written = [*figures.save(causes_figure.figure(curves, table), table, tmp_path / "causes")]
    check_equal([*written, *causes_words.save(curves, table, tmp_path / "causes")], IMAGES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convergence", "table-3", "table-6"])
def test_tables_follow_from_the_committed_runs(name, committed, tmp_path):
    kinds = {"table-3": paper_accuracies.table_3, "table-6": paper_best.table_6}
    table = kinds.get(name, convergence_table.table)(curves_of(committed, name))
    check_equal(paper_tables.save(table, tmp_path / name), IMAGES)


@pytest.mark.slow
def test_cifar_100_follows_from_the_committed_runs(committed, tmp_path):
    """Of which whole seeds alone are committed."""
    curves = {
        name: committed.curves(registry.grid(f"hard-samples/{name}", **RESNET_18 | {"data": "cifar100"}))
        for name in ("figure-5", "table-4")
    }
    seeds = curves["table-4"].frame.groupby("method", observed=True).seed.unique()
    assert len(seeds) == 5 and len({tuple(sorted(own)) for own in seeds}) == 1
    metrics = ("acc/train", "acc/val")
    figure = curves["figure-5"]
    written = [
        *figures.save(
            trajectories.figure(figure, metrics), trajectories.figure_data(figure, metrics), tmp_path / "figure-5"
        )
    ]
    written += tables.save(tables.final_metrics(figure), tmp_path / "figure-5")
    written += paper_tables.save(paper_accuracies.table_3(curves["table-4"]), tmp_path / "table-4")
    check_equal(written, IMAGES.parent / "cifar100")


@pytest.mark.slow
def test_what_the_printed_interval_is_follows_from_the_committed_runs(committed, tmp_path):
    experiment = registry.grid("spread", profile="hour", data="cifar10-rebuilt")
    details = {run: committed.read_detail(run) for run in committed.done(experiment.runs) if run.detail == "examples"}
    check_equal(spread.save(spread.table(committed.curves(experiment), details), tmp_path / "spread"), IMAGES)


def test_the_pages_of_results_say_what_was_found():
    pages = {path.name: path.read_text() for path in PAGES.glob("*.md")}
    assert pages["cifar10.md"].count("<!-- found: ") == 8
    for name, text in pages.items():
        assert found.page(text) == text, f"{name}: python -m hardsample.report.found writes it anew"


def test_what_is_said_of_cifar_10_is_so():
    """A gain of every δ < 1 and of a new order alone; none of the choice by loss that could be shown."""
    readme, page = (" ".join(path.read_text().split()) for path in (ROOT / "README.md", PAGES / "cifar10.md"))
    contrasts = pd.read_csv(IMAGES / "causes.csv")
    run = contrasts[contrasts.n > 0]
    assert set(run.n) == {10} and "(paper B, n = 10)" in readme and set(run.schedule) == {"constant"}
    accuracy = run[run.metric == "acc/val"].set_index("cause")
    significant = accuracy.p_holm < statistics.LEVEL
    together, by_loss = (accuracy.index.str.startswith(cause) for cause in ("all together", "choice by loss"))
    assert together.sum() == 3 and by_loss.sum() == 2
    assert significant[together].all() and (accuracy.difference[together] > 0).all()
    assert (accuracy.seeds_won[together] == 10).all() and accuracy.seeds_won["order"] == 10
    assert significant["order"] and not significant[by_loss].any()
    assert ((accuracy.low < 0) & (accuracy.high > 0))[by_loss].all()
    gains = [number(100 * end, 1) for end in (accuracy.difference[together].min(), accuracy.difference[together].max())]
    assert f"by {' to '.join(gains)} points" in page
    assert all(quoted(accuracy.loc["order"]) in said for said in (readme, page))
    assert all(quoted(row) in page for _, row in accuracy[by_loss].iterrows())
    claims = pd.read_csv(IMAGES / "claims.csv")
    slower = claims[claims.test.str.contains("random δ") & claims.test.str.contains("mean train loss")]
    assert len(slower) and (slower.verdict == "contradicted").all() and (slower.low > 0).all()
    best = pd.read_csv(IMAGES / "table-6.csv").query("n > 0").squeeze()
    assert with_interval(best.fresh_difference, best.fresh_difference_low, best.fresh_difference_high, "+", 1) in page
    assert best.fresh_p_holm >= statistics.LEVEL
    rules = pd.read_csv(IMAGES / "convergence.csv")
    assert "No δ converges earlier than δ = 1 under every rule" in page
    latest = rules[rules.method.str.match(r"δ = 0\.")].groupby("method").difference.max()
    assert len(latest) == 3 and (latest >= 0).all()
    table = pd.read_csv(IMAGES / "spread.csv").set_index(["choice", "delta"]).train_half
    usual, trained = (table[choice, 1.0] for choice in ("published protocol", "every example trained"))
    assert f"± {usual:.1f} in such a training, ± {trained:.1f} with every example trained" in readme


def quoted(row):
    return with_interval(*(100 * row[name] for name in ("difference", "low", "high")), "+", 1)
