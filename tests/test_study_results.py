"""What the studies beyond paper A's figures are committed as follows from the committed runs, and a page quotes it."""

import re

import pytest
from committed import check_equal

from hardsample import paths
from hardsample.experiments import registry
from hardsample.report import choices, figures, staleness, suspects, where, where_figure, where_words

ROOT = paths.project_root()
PAGE = ROOT / "docs" / "results" / "sd19-letters.md"
STUDIES = ROOT / "figures" / "base-values" / "sd19-letters"
KNOBS = {"profile": "hour", "data": "sd19-letters"}


def with_details(store, name):
    experiment = registry.grid(name, **KNOBS)
    return store.curves(experiment), {run: store.read_detail(run) for run in store.done(experiment.runs)}


@pytest.mark.slow
def test_what_the_paper_leaves_open_follows_from_the_committed_runs(committed, tmp_path):
    curves = committed.curves(registry.grid("choices", **KNOBS))
    table = choices.table(curves)
    written = [*figures.save(choices.figure(curves, table), table, tmp_path / "choices")]
    check_equal([*written, *choices.save(curves, table, tmp_path / "choices")], STUDIES)
    assert set(table.n) == {0, 12}, "whole settings alone"


@pytest.mark.slow
def test_where_the_gain_is_follows_from_the_committed_runs(committed, tmp_path):
    curves, details = with_details(committed, "where")
    table, hardest = where.table(curves, details), suspects.table(curves, details)
    written = [*figures.save(where_figure.figure(curves, table), table, tmp_path / "where")]
    written += where_words.save(curves, table, hardest, tmp_path / "where")
    written += suspects.save(suspects.figure(curves, hardest), hardest, tmp_path / "where")
    check_equal(written, STUDIES)


@pytest.mark.slow
def test_how_stale_base_values_are_follows_from_the_committed_runs(committed, tmp_path):
    curves, details = with_details(committed, "staleness")
    table = staleness.table(curves, details)
    written = [*figures.save(staleness.figure(curves, table), table, tmp_path / "staleness")]
    check_equal([*written, *staleness.save(curves, table, tmp_path / "staleness")], STUDIES)


@pytest.mark.parametrize(("name", "count"), [("choices", 1), ("where", 5), ("staleness", 1)])
def test_a_page_quotes_what_the_studies_found(name, count):
    """The findings that a table begins with, as they stand there."""
    found = (STUDIES / f"{name}.md").read_text().split("\n\n")[1]
    lines = [line.removeprefix("- ") for line in found.split("\n") if line.startswith(("-", "**"))]
    said = " ".join(PAGE.read_text().split())
    assert len(lines) >= count
    assert [line for line in lines[:count] if " ".join(line.split()) not in said] == []


def test_readme_quotes_where_the_gain_is():
    share = re.search(
        r"The hardest 3 of 10 tenths have (\S+ % \[\S+ \S+\]) of the gain", (STUDIES / "where.md").read_text()
    )
    said = " ".join((ROOT / "README.md").read_text().split())
    assert f"the hardest three tenths of the test letters have {share[1]} of the gain" in said
