"""What is committed as found can be traced: the figures and README's table follow from the committed runs."""

import re
from pathlib import Path

import pytest

from hardsample import (
    audit,
    contest,
    diagrams,
    experiments,
    figures,
    paper_b,
    paths,
    side_by_side,
    standings,
    tables,
    timing,
)
from hardsample.runs import Store

ROOT = paths.project_root()
LETTERS = ROOT / "figures" / "base-values" / "ocr-letters"
IMAGES = ROOT / "figures" / "hard-samples" / "cifar10-jpeg"
# As README's commands say.
REAL_LETTERS = {"profile": "paper", "data": "ocr-letters", "examples": 12_000, "precision": "bf16"}
REAL_IMAGES = {"profile": "small", "data": "cifar10-jpeg", "networks": "resnet18"}
RIVALS = {
    "letters": {"profile": "small", "data": "ocr-letters", "precision": "bf16"},
    "images": {"profile": "small", "data": "cifar10-jpeg"},
}


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(ROOT / "runs")


def test_every_committed_run_is_whole_and_its_own(store):
    assert store.verify() == []
    assert len(store.records()) >= 60 + 24


def test_committed_runs_were_made_from_committed_code(store):
    for record in store.records():
        commit = record.provenance["commit"]
        assert len(commit) == 40 and set(commit) <= set("0123456789abcdef"), record.run.label


def check_equal(written, folder):
    for path in written:
        committed = folder / path.name
        assert committed.is_file(), committed.name
        if path.suffix in (".csv", ".md", ".tex"):
            assert path.read_bytes() == committed.read_bytes(), path.name


@pytest.mark.parametrize("name", ["figure-1", "draws"])
def test_committed_figures_of_paper_a_follow_from_the_committed_runs(name, store, tmp_path):
    experiment = experiments.grid(f"base-values/{name}", **REAL_LETTERS)
    curves = store.curves(experiment)
    assert curves.attrs["missing"] == 0
    points = figures.trajectory_data(curves) if name == "figure-1" else figures.draws_data(curves)
    draw = figures.trajectories if name == "figure-1" else figures.draws
    written = [*figures.save(draw(curves), points, tmp_path / name)]
    written += tables.save(tables.final_metrics(curves), tmp_path / name)
    check_equal(written, LETTERS)


@pytest.mark.parametrize("name", ["figure-1", "figure-3", "controls"])
def test_committed_figures_of_paper_b_follow_from_the_committed_runs(name, store, tmp_path):
    curves = store.curves(experiments.grid(f"hard-samples/{name}", **REAL_IMAGES))
    assert curves.attrs["missing"] == 0
    metrics = ("loss/train" if name == "controls" else "acc/train", "acc/val")
    drawn = figures.trajectories(curves, metrics), figures.trajectory_data(curves, metrics)
    if name == "figure-1":
        drawn = figures.convergence(curves), figures.convergence_data(curves)
    written = [*figures.save(*drawn, tmp_path / name)]
    written += tables.save(tables.final_metrics(curves), tmp_path / name)
    check_equal(written, IMAGES)


@pytest.mark.parametrize("name", ["table-3", "table-6"])
def test_committed_tables_of_paper_b_follow_from_the_committed_runs(name, store, tmp_path):
    curves = store.curves(experiments.grid(f"hard-samples/{name}", **REAL_IMAGES))
    table = side_by_side.table_3(curves) if name == "table-3" else side_by_side.table_6(curves)
    check_equal(side_by_side.save(table, tmp_path / name), IMAGES)


@pytest.mark.parametrize("name", RIVALS)
def test_committed_standings_follow_from_the_committed_runs_and_readme_quotes_them(name, store, tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(store.root))  # where the costs are kept
    monkeypatch.setattr(timing, "load", None)  # nothing is measured
    experiment = experiments.grid(f"rivals/{name}", **RIVALS[name])
    curves = store.curves(contest.by_the_clock(experiment, timing.costs(experiment)))
    assert curves.attrs["missing"] == 0
    written = [*figures.save(standings.figure(curves), standings.figure_data(curves), tmp_path / name)]
    written += standings.save(standings.table(curves), tmp_path / name)
    check_equal(written, ROOT / "figures" / "rivals" / experiment.folder)
    in_short = (tmp_path / f"{name}-statistics.md").read_text().split("**In short**\n\n")[1].split("\n\n")[0]
    assert in_short in (ROOT / "README.md").read_text()


def test_what_needs_no_run_is_committed_as_it_is_computed(tmp_path):
    written = [*side_by_side.save(side_by_side.table_2(), tmp_path / "table-2")]
    written += audit.save(audit.findings(), tmp_path / "audit")
    counts = diagrams.update_counts(98, 100, paper_b.DELTAS)
    written += figures.save(diagrams.training_methods(98, 100), counts, tmp_path / "figure-2")
    check_equal(written, ROOT / "figures" / "hard-samples")


def rows(path: Path, keep=lambda line: True) -> str:
    lines = [line for line in path.read_text().splitlines() if line.startswith("|") and keep(line)]
    assert len(lines) >= 6
    return "\n".join(lines)


def test_readme_quotes_the_tables():
    readme = (ROOT / "README.md").read_text()
    assert rows(LETTERS / "draws-statistics.md") in readme
    assert rows(IMAGES / "controls-statistics.md") in readme
    assert rows(IMAGES / "table-3.md", lambda line: re.match(r"\| (network|---|ResNet-18) ", line)) in readme


def test_every_file_that_readme_points_to_exists():
    readme = (ROOT / "README.md").read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", readme) + re.findall(r"`(notebooks/[^`]+\.ipynb)`", readme)
    assert len(linked) > 6
    assert [path for path in linked if not Path(ROOT, path).exists()] == []
