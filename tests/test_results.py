"""What is committed as found can be traced: figures, and what README and docs/ say, follow from the committed runs."""

import hashlib
import json
import math
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from committed import check_equal, store_of_committed
from synthetic import UNSAID

from hardsample import paths
from hardsample.experiments import hard_samples, lb_study, registry, rivals
from hardsample.methods.loss_based import NEAREST
from hardsample.report import (
    audit,
    claims,
    contest_figure,
    contest_markdown,
    contest_tables,
    diagrams,
    draws,
    every_claim,
    figures,
    large_batches,
    lb_figure,
    lb_readings,
    lb_statements,
    paper_networks,
    paper_tables,
    replicates,
    tables,
    trajectories,
    wording,
)
from hardsample.runs import timing
from hardsample.runs.standing import standing
from hardsample.runs.store import Store, every_detail

ROOT = paths.project_root()
README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results"
LETTERS = ROOT / "figures" / "base-values" / "ocr-letters"
FULL_SIZE = ROOT / "figures" / "base-values" / "sd19-letters"
# As the commands of README and of docs/results say.
REAL_LETTERS = {"profile": "paper", "data": "ocr-letters", "examples": 12_000, "precision": "bf16"}
NIST_LETTERS = {"profile": "paper", "data": "sd19-letters", "precision": "bf16"}
MISSING = {"figure-1": 0, "figure-2": 36, "figure-3": 24, "figure-4": 36, "draws": 12}  # of the full-size runs: LB's
RIVALS = {
    "letters": {"profile": "small", "data": "ocr-letters", "precision": "bf16"},
    "images": {"profile": "small", "data": "cifar10-jpeg"},
}


def test_what_a_reader_trains_is_not_among_the_committed_runs(tmp_path):
    here = tmp_path / "checkout"
    names = [here / "runs" / "base-values" / "letters" / f"{name}.json" for name in ("committed", "own")]
    names[0].parent.mkdir(parents=True)
    for name in names:
        name.write_text("{}")
    assert store_of_committed(here, tmp_path / "unpacked").root == here / "runs"
    subprocess.run(["git", "init", "--quiet"], cwd=here, check=True)
    subprocess.run(["git", "add", names[0]], cwd=here, check=True)
    assert [path.name for path in store_of_committed(here, tmp_path / "links").root.rglob("*.*")] == ["committed.json"]


def test_every_committed_run_is_whole_and_its_own(committed):
    assert committed.verify() == []
    assert len(committed.records()) >= 60 + 252 + 24


@pytest.mark.slow
def test_the_full_size_runs_are_252_and_byte_for_byte_as_they_came(committed):
    """Their digest is over names and bytes; later runs of the same data are not among them."""
    files, digest = sorted((committed.root / "base-values" / "sd19-letters").glob("*.json")), hashlib.sha256()
    for file in files:
        if '"computed_by": "fused step, fast.py ' in (text := file.read_text()):
            digest.update(file.name.encode() + b"\n" + text.encode())
    assert digest.hexdigest() == "0c638bd907886cb2e70c2a4fca6ec66d4cce564d0fc689c7fed1b50aac90e6f2"
    records = [record for record in committed.records() if record.run.data == "sd19-letters"]
    by_prototype = [record for record in records if "computed_by" in record.provenance]
    assert sorted(record.run.method for record in by_prototype if record.run.method == "LB") == ["LB"] * 24
    assert len(by_prototype) == 252 + 24
    assert {record.provenance["data"]["fingerprint"] for record in by_prototype} == {"28d45bbd1f1ce314"}
    for record in by_prototype:
        assert len(record.rows) == 21
        assert all(math.isfinite(value) for row in record.rows for value in row if isinstance(value, float))


@pytest.mark.slow
def test_committed_runs_were_made_from_committed_code(committed):
    for record in committed.records():
        commit = record.provenance["commit"]
        assert len(commit) == 40 and set(commit) <= set("0123456789abcdef"), record.run.label


def check_paper_a(curves, name, tmp_path, folder):
    points = draws.figure_data(curves) if name == "draws" else trajectories.figure_data(curves)
    draw = draws.figure if name == "draws" else trajectories.figure
    written = [*figures.save(draw(curves), points, tmp_path / name)]
    written += tables.save(tables.final_metrics(curves), tmp_path / name, tables.pairs(curves))
    check_equal(written, folder)


@pytest.mark.slow
@pytest.mark.parametrize("name, missing", [("figure-1", 0), ("draws", 12)])  # LB in the nearest reading
def test_committed_figures_of_paper_a_follow_from_the_committed_runs(name, missing, committed, tmp_path):
    curves = committed.curves(registry.grid(f"base-values/{name}", **REAL_LETTERS))
    assert curves.missing == missing
    check_paper_a(curves, name, tmp_path, LETTERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", MISSING)
def test_committed_full_size_figures_follow_from_the_committed_runs(name, committed, tmp_path):
    curves = committed.curves(registry.grid(f"base-values/{name}", **NIST_LETTERS))
    assert curves.missing == MISSING[name]
    assert set(curves.frame.groupby(["panel", "method"]).seed.nunique()) == {12}
    check_paper_a(curves, name, tmp_path, FULL_SIZE)
    text = (FULL_SIZE / f"{name}-statistics.md").read_text()
    assert "NIST SD19 letters, in EMNIST's shape" in text and "NVIDIA H200" in text
    assert "| not run" not in text and ("Not run: " in text) == (MISSING[name] > 0)


@pytest.mark.slow
def test_the_committed_replicates_follow_from_the_two_stores(committed, tmp_path):
    other = Store(ROOT / "replicates" / "cpu")
    assert other.verify() == [] and len(other.records()) >= 4
    table = replicates.compare(committed.records(), other.records())
    assert set(table.evaluations) == {21} and table[["end", "sd"]].notna().all(axis=None)
    check_equal(replicates.save(table, tmp_path / "replicates"), FULL_SIZE)
    of_seeds = table[table.precision == table.other_precision]
    assert (of_seeds.end / of_seeds.sd).abs().max() < 3  # as another seed would, and no nearer to nothing


@pytest.mark.slow
def test_what_the_papers_say_is_judged_from_the_committed_runs(committed, tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_FIGURES", str(tmp_path))
    records = committed.records()
    stand = standing(committed, {record.run: record.provenance for record in records})
    found = every_claim.tables(records, stand, every_detail(committed, records))
    homes = {stem: stem.parent.relative_to(tmp_path).as_posix() for stem in found}
    assert {"base-values/sd19-letters", "base-values/ocr-letters", "hard-samples/cifar10-rebuilt"} <= {*homes.values()}
    *written, together = every_claim.save(found, tmp_path)
    check_equal([together], ROOT / "figures")
    pages = {"base-values/sd19-letters": "sd19-letters.md", "hard-samples/cifar10-rebuilt": "cifar10.md"}
    for stem, table in found.items():
        check_equal([path for path in written if path.parent == stem.parent], ROOT / "figures" / homes[stem])
        if page := pages.get(homes[stem]):
            assert all(sentence in words(RESULTS / page) for sentence in claims.finding(table))
        if homes[stem] == "base-values/sd19-letters":
            check_claims_against_the_figures(table[table["size"].str.startswith("124,800")])


def check_claims_against_the_figures(table: pd.DataFrame):
    """Effects of the tests are those of the figures' own tables, which other code computes."""
    of_tests = table[table.part != claims.WHOLE].drop_duplicates("test").set_index("test")
    for number, panel in ((2, "pre-training 5 epochs"), (3, "n = 4"), (3, "n = 1024"), (4, "α = 0.1")):
        found = pd.read_csv(FULL_SIZE / f"figure-{number}-statistics.csv").set_index(["panel", "method", "metric"])
        theirs = found.loc[panel, "PEB", "acc/val"]
        ours = of_tests.loc[f"PEB - MB, test accuracy at the end, {panel}: above 0 points"]
        assert ours[["effect", "low", "high"]].tolist() == pytest.approx(
            [100 * theirs[name] for name in ("difference", "difference_low", "difference_high")]
        )
        assert ours.n == theirs.pairs and ours.verdict == ("supported" if theirs.difference_low > 0 else "inconclusive")
    plots = pd.read_csv(FULL_SIZE / "figure-2-pairs.csv")
    plots = plots[(plots.method == "PEB") & (plots.other == "MB")]
    counts = of_tests.effect[of_tests.unit == "of 16 plots"].tolist()
    assert counts == [(plots.apart_at_end == "yes").sum(), (plots.apart == plots.evaluations).sum()] == [16, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_committed_contests_follow_from_the_committed_runs_and_a_page_quotes_them(
    name, committed, tmp_path, monkeypatch
):
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(committed.root))  # where the costs are kept
    monkeypatch.setattr(timing, "load_data", None)  # nothing is measured
    experiment = registry.grid(f"rivals/{name}", **RIVALS[name])
    curves = committed.curves(rivals.by_the_clock(experiment, timing.costs(experiment)))
    rows = curves.frame
    methods = [method for method in rivals.BY_NAME if method not in set(rows.method)]
    assert sorted(methods) == ["KAKURENBO's rate", "LB", "MB 2x updates"]  # of which no run is stored
    begun = {*rows.panel}
    settings = {tuple(panel.setting.values())[:3] for panel in experiment.panels if panel.title in begun}
    waiting = [panel for panel in experiment.panels if panel.title not in begun]
    assert [panel.title for panel in waiting] == ["constant, imbalance 50, equal updates"] * (name == "letters")
    missing = len(methods) * len(settings) * rows.seed.nunique() + sum(len(panel.runs) for panel in waiting)
    assert curves.missing == missing
    assert set(rows[rows.method == "MB"].groupby("panel").seed.nunique()) == {rows.seed.nunique()}
    table = contest_tables.table(curves)
    written = [*figures.save(contest_figure.figure(table), contest_tables.figure_data(table), tmp_path / name)]
    written += contest_markdown.save(table, tmp_path / name)
    check_equal(written, ROOT / "figures" / "rivals" / experiment.folder)
    text = (tmp_path / f"{name}-statistics.md").read_text()
    winners = contest_tables.winners(table)
    assert set(winners.tests[winners.verdict != "not run"]) == {12}  # of what was run
    in_short = text.split("**In short**\n\n")[1].split("\n\n")[0]
    assert in_short in (RESULTS / "all-methods.md").read_text()


@pytest.mark.slow
def test_what_needs_no_run_is_committed_as_it_is_computed(tmp_path):
    written = [*paper_tables.save(paper_networks.table_2(), tmp_path / "table-2")]
    written += audit.save(audit.findings(), tmp_path / "audit")
    counts = diagrams.update_counts(98, 100, hard_samples.DELTAS)
    written += figures.save(diagrams.training_methods(98, 100), counts, tmp_path / "figure-2")
    check_equal(written, ROOT / "figures" / "hard-samples")


def words(*pages: Path) -> str:
    """What pages say, whatever their lines."""
    return " ".join(" ".join(page.read_text() for page in pages).split())


def spans(row: pd.Series) -> str:
    """A paired difference as the pages word it: of an accuracy in points, of a loss as it is."""
    scale, digits = (100, 2) if row.metric.startswith("acc") else (1, 3)
    value, low, high = (scale * row[name] for name in ("difference", "difference_low", "difference_high"))
    points = " points" if scale == 100 else ""
    return f"{value:+.{digits}f}{points} [{low:+.{digits}f}, {high:+.{digits}f}]"


def pair(table: pd.DataFrame, method: str, other: str) -> tuple[pd.Series, pd.Series]:
    """The rows of two methods: accuracy and loss of the test set."""
    rows = table[(table.method == method) & (table.other == other)].set_index("metric", drop=False)
    return rows.loc["acc/val"], rows.loc["loss/val"]


def test_the_committed_pairs_at_large_mini_batches_follow_from_the_committed_runs(committed, tmp_path):
    of_figure_3 = {run for run in registry.grid("base-values/figure-3", **NIST_LETTERS).runs if run.method == "PEB"}
    runs = large_batches.experiment().runs
    assert len(runs) == 24 and {run for run in runs if run.method == "PEB"} <= of_figure_3
    check_equal(large_batches.save(committed.curves(large_batches.experiment()), tmp_path / "plb-n1024"), FULL_SIZE)
    text = (FULL_SIZE / "plb-n1024.md").read_text()
    assert "adjusted by Holm for the 2 tests of the pairs without MB" in text and "n = 12 seeds" in text


def test_pairs_of_the_stored_runs_are_what_was_found_of_them(committed):
    """Every pair that is not with MB, against values computed from the runs by other code."""
    default = tables.pairs(committed.curves(registry.grid("base-values/figure-1", **NIST_LETTERS))).frame
    accuracy, loss = pair(default, "PEB", "PLB")
    assert (round(100 * accuracy.difference, 2), accuracy.seeds_won) == (0.14, 10)
    assert round(50 * (accuracy.difference_high - accuracy.difference_low), 2) == 0.16
    assert (round(loss.difference, 3), loss.seeds_won) == (-0.058, 12)
    assert round((loss.difference_high - loss.difference_low) / 2, 3) == 0.014
    letters = tables.pairs(committed.curves(registry.grid("base-values/figure-1", **REAL_LETTERS))).frame
    assert [row.seeds_won for row in pair(letters, "PEB", "PLB")] == [3, 12]
    accuracy, _ = pair(pd.read_csv(FULL_SIZE / "plb-n1024.csv"), "PEB", "PLB")
    assert (round(100 * accuracy.difference, 2), accuracy.seeds_won) == (-1.09, 0)
    assert round(50 * (accuracy.difference_high - accuracy.difference_low), 2) == 0.24


def test_readme_and_a_page_quote_the_full_size_runs():
    page, said = (RESULTS / "sd19-letters.md").read_text(), words(RESULTS / "sd19-letters.md")
    text = (FULL_SIZE / "figure-1-statistics.md").read_text()
    first, printed, *_ = [block for block in text.split("\n\n") if block.startswith("|")]
    assert first in page and printed in page and "share of the paper's" in printed
    found = [pd.read_csv(FULL_SIZE / f"figure-{number}-statistics.csv") for number in (2, 3, 4)]
    found = pd.concat(found)
    peb = found[found.method == "PEB"].drop_duplicates(["metric", "mean", "difference"])  # the default is in each
    accuracy, loss = (peb[peb.metric == metric] for metric in ("acc/val", "loss/val"))
    assert len(accuracy) == len(loss) == 9
    assert (accuracy.difference_low > 0).all() and (accuracy.p_holm < 0.05).all() and (accuracy.seeds_won == 12).all()
    low, high = 100 * accuracy.difference.min(), 100 * accuracy.difference.max()
    assert f"higher test accuracy in all nine settings of Figures 2 to 4, by {low:.1f} to {high:.1f} points" in said
    lower = loss[(loss.difference_high < 0) & (loss.p_holm < 0.05)]
    assert len(lower) == 8 and set(loss.panel) - set(lower.panel) == {"n = 4"}
    assert "lower test loss in eight of the nine, inconclusive at n = 4" in said

    accuracy, loss = pair(pd.read_csv(FULL_SIZE / "figure-1-pairs.csv"), "PEB", "PLB")
    verdicts = [wording.verdict(row.p_holm) for row in (accuracy, loss)]
    assert verdicts == ["inconclusive", "significant"]
    assert f"test accuracy {spans(accuracy)}, inconclusive (p = {accuracy.p_holm:.2g}" in said
    assert f"test loss {spans(loss)}, significant (p = {loss.p_holm:.2g})" in said

    accuracy, loss = pair(pd.read_csv(FULL_SIZE / "plb-n1024.csv"), "PEB", "PLB")
    assert {wording.verdict(row.p_holm) for row in (accuracy, loss)} == {"significant"}
    assert f"test accuracy {spans(accuracy)} (p = {accuracy.p_holm:.2g})" in said
    assert f"test loss {spans(loss)} (p = {loss.p_holm:.2g})" in said

    table = pd.read_csv(FULL_SIZE / "replicates.csv")
    largest = (table.end / table.sd).abs().max()
    runs = len(table) // len(figures.METRICS)
    number = {4: "four", 5: "five", 6: "six"}.get(runs, str(runs))
    assert f"{number} of them, trained again on a CPU" in said.replace(number.capitalize(), number)
    assert f"differ at the end by at most {largest:.1f} standard deviations over seeds" in said
    assert f"[{number} were trained again](docs/results/sd19-letters.md)" in words(README)


@pytest.mark.slow
def test_the_study_of_lb_follows_from_the_committed_runs_and_names_the_nearest_reading(committed, tmp_path):
    study = registry.grid("lb-readings", profile="small", data="sd19-letters")
    table = lb_readings.table(*map(committed.curves, lb_study.sizes(study)))
    written = [*figures.save(lb_figure.figure(table), table, tmp_path / "lb-readings")]
    written += lb_readings.save(table, tmp_path / "lb-readings")
    check_equal(written, FULL_SIZE)
    fewer = table[table.letters == 12_000]
    assert set(fewer[fewer.met != "not run"].n) == {3}
    assert lb_readings.nearest(table) == NEAREST
    found, verdict = lb_readings.met(lb_readings.together(table)), lb_readings.verdict(table)
    tried = found[[statement.number for statement in lb_statements.STATEMENTS]] != "not run"
    assert "LB is not identified" in verdict and "so far" in verdict
    said = words(RESULTS / "sd19-letters.md")
    assert "**LB is not identified**: the paper does not define it, and no reading that was tried does four of" in said
    assert bool(re.search("Not every reading (of LB )?was tried in every setting", said)) == (not tried.all(axis=None))
    assert tried.loc[NEAREST].all() and found.statements[NEAREST] == 3 and "does most, three of the six" in said


def test_what_is_said_of_fewer_letters_is_so():
    table = pd.read_csv(LETTERS / "draws-statistics.csv").set_index(["method", "metric"])
    for metric in ("acc/val", "loss/val"):
        assert (table.seeds_won["PEB", metric], table.seeds_won["PLB", metric]) == (12, 12)
        assert table.difference_low["SMB", metric] < 0 < table.difference_high["SMB", metric]
    assert table["mean"]["PEB", "acc/val"] < table["mean"]["PLB", "acc/val"]
    assert table["mean"]["PEB", "loss/val"] < table["mean"]["PLB", "loss/val"]
    assert table.updates_ratio["PEB", "acc/val"] < 1 and table.updates_ratio["PLB", "acc/val"] < 1
    assert table.difference_high["LB, collapsed", "acc/val"] < -0.1

    said = words(RESULTS / "ocr-letters.md")
    accuracy, loss = pair(pd.read_csv(LETTERS / "draws-pairs.csv"), "PEB", "PLB")
    verdicts = [wording.verdict(row.p_holm) for row in (accuracy, loss)]
    assert verdicts == ["inconclusive", "significant"]
    assert (
        f"test accuracy {spans(accuracy)}, inconclusive, and lower in {12 - accuracy.seeds_won:.0f} of 12 seeds" in said
    )
    assert f"test loss {spans(loss)}, significant (p = {loss.p_holm:.2g})" in said


def test_no_verdict_is_said_in_other_words_than_significant_and_inconclusive():
    pages = (README, *(ROOT / "docs").rglob("*.md"), *(ROOT / "figures").rglob("*.md"))
    texts = {path: path.read_text() for path in pages}
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        texts[path] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert len(texts) > 20
    assert [
        (str(path), word) for path, text in texts.items() for word in UNSAID if word in " ".join(text.split())
    ] == []
