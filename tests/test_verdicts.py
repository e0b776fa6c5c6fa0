"""Every claim of both papers has a verdict that is computed, and README and the docs say the same."""

import dataclasses
import re
from collections import Counter
from pathlib import Path

import pytest
from committed import store_of_committed

from hardsample import cli, paths
from hardsample.experiments import published
from hardsample.experiments.published import PAPERS
from hardsample.report.claim_verdicts import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED
from hardsample.verdicts import arithmetic, findings, judged, reproducibility, results, settings, twin
from hardsample.verdicts import report as reports
from hardsample.verdicts.claim import (
    CHANGED,
    DOES_NOT_FOLLOW,
    FOLLOWS,
    KEPT,
    MEANING,
    Evidence,
    Recomputed,
    Setting,
)
from hardsample.verdicts.claim import Tested as Outcome

ROOT = paths.project_root()
SHARE = 0.5  # of a paper's claims, at least, that are tested


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The verdicts from the committed runs, and those runs; figures are looked up among the committed ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARDSAMPLE_FIGURES", str(ROOT / "figures"))
        return reports.of(store_of_committed(ROOT, tmp_path_factory.mktemp("runs")))


def evidence(verdict: str, data: str = "sd19-letters", *, whole: bool = True, note: str = "") -> Evidence:
    tested = Outcome(
        "PEB - MB, test accuracy at the end: above 0 points", verdict, "+1 [-1, +3] points", "12", "0.1", "2", ""
    )
    return Evidence(data, data, "12 letters", verdict, note, 12, whole, tested, (tested,), ("runs",), ())


def told(*own: Evidence, computed=(), kept=(), kind="result"):
    row = next(published.text("base-values-claims").itertuples())._replace(kind=kind)
    return judged._claim("A", 1, row, "a claim", None, own, computed, kept)


@pytest.mark.parametrize("verdict", [SUPPORTED, CONTRADICTED, INCONCLUSIVE])
def test_a_claim_has_the_verdict_of_the_first_evidence_that_was_tested(verdict):
    claim = told(evidence(NOT_TESTED), evidence(verdict), evidence(SUPPORTED, "ocr-letters"))
    assert claim.verdict == verdict and claim.disagree == (verdict != SUPPORTED)
    assert ("Data sets disagree" in claim.note) == claim.disagree
    assert ("The smallest effect that would be significant is 2." in claim.note) == (verdict == INCONCLUSIVE)


def test_sizes_that_disagree_are_told_from_data_sets_that_do():
    claim = told(evidence(SUPPORTED), evidence(CONTRADICTED, whole=False))
    assert "Sizes disagree: supported on" in claim.note and "Not at the paper's size" not in claim.note
    assert "Not at the paper's size." in told(evidence(SUPPORTED, whole=False)).note


@pytest.mark.parametrize("verdicts, verdict", [((FOLLOWS,), FOLLOWS), ((FOLLOWS, DOES_NOT_FOLLOW), DOES_NOT_FOLLOW)])
def test_without_runs_a_claim_has_the_verdict_of_the_arithmetic(verdicts, verdict):
    computed = tuple(Recomputed("a number", "1", "2", one, "") for one in verdicts)
    assert told(computed=computed).verdict == verdict
    assert told(evidence(SUPPORTED), computed=computed).verdict == SUPPORTED
    assert told(computed=computed, kept=(Setting("1", "1", KEPT, ""),)).verdict == verdict


def test_a_setting_is_kept_or_changed_and_else_nothing_is_claimed():
    assert told(kept=(Setting("1", "2", CHANGED, ""),), kind="set-up").verdict == CHANGED
    nothing = told(kind="set-up")
    assert nothing.verdict == NOT_TESTED and nothing.note


def test_what_the_audit_computes_is_found_for_the_claims_that_print_it():
    computed = arithmetic.gather()
    printed = {(paper, row.place, row.claim) for paper, folder in PAPERS.items() for row in _printed(folder)}
    assert set(computed) <= printed and len(computed) >= 30
    (average,) = (own for key, own in computed.items() if "average increase" in key[2])
    assert [one.verdict for one in average] == [FOLLOWS, DOES_NOT_FOLLOW]
    assert arithmetic.together(average) == DOES_NOT_FOLLOW


def _printed(folder):
    return published.text(f"{folder}-claims").itertuples()


def test_a_setting_is_that_of_the_package_s_own_grids(monkeypatch):
    kept = settings.gather()
    known = {key: own[0].verdict for key, own in kept.items()}
    assert Counter(known.values())[KEPT] > 70
    assert (
        known["B", "Section 3.1", "train and test metrics are means over the M and the N mini-batches, in this order"]
        == CHANGED
    )
    smallest = {
        place: kept["A", place, "learning rate, smallest value"][0] for place in ("Section 4.1", "Section 4.2.4")
    }
    assert {one.verdict for one in smallest.values()} == {KEPT} and {one.printed for one in smallest.values()} == {
        "0.01",
        "0.001",
    }
    monkeypatch.setattr(settings, "PROFILE", "quick")  # which has fewer of everything
    settings._grid.cache_clear()
    changed = {key: own[0].verdict for key, own in settings.gather().items()}
    settings._grid.cache_clear()
    assert changed["A", "Section 4.1", "mini-batch size, value 1024"] == CHANGED
    assert changed["A", "Section 4", "repetitions of each fine-tuning"] == CHANGED
    assert sum(changed[key] != known[key] for key in known) > 10


def test_pages_take_a_block_of_verdicts_and_keep_what_is_around_it():
    text = "above\n<!-- verdict: counts -->\nold\n<!-- end -->\nbelow\n"
    claims = [told(evidence(SUPPORTED)), dataclasses.replace(told(evidence(CONTRADICTED)), paper="B", kind="set-up")]
    after = twin.quoted(text, judged.Judged(claims, {}))
    assert after.startswith("above\n<!-- verdict: counts -->\n\n- **Paper A, 1 results**: 1 supported.")
    assert after.endswith("<!-- end -->\nbelow\n") and "old" not in after


@pytest.mark.slow
def test_every_claim_of_both_papers_is_judged_and_at_least_half_of_them_are_tested(found):
    verdicts, _ = found
    for paper, folder in PAPERS.items():
        own = verdicts.of(paper)
        assert [claim.number for claim in own] == list(range(1, len(own) + 1))
        assert {(row.place, row.kind) for row in _printed(folder)} == {(claim.place, claim.kind) for claim in own}
        assert len(own) >= len(list(_printed(folder)))
        assert set(claim.verdict for claim in own) <= set(MEANING)
        results_alone = [claim for claim in own if claim.kind == "result"]
        for claims in (own, results_alone):
            assert sum(claim.verdict != NOT_TESTED for claim in claims) >= SHARE * len(claims)
    assert len({claim.name for claim in verdicts.claims}) == len(verdicts.claims)


@pytest.mark.slow
def test_what_was_tested_has_evidence_and_what_was_not_says_why(found):
    verdicts, records = found
    keys = {record.run.key for record in records}
    by_runs = 0
    for claim in verdicts.claims:
        tested = [one for one in claim.evidence if one.verdict != NOT_TESTED]
        by_runs += bool(tested)
        for one in tested:
            assert one.tests and one.runs and one.seeds >= 6 and one.outputs, claim.words
            assert {key for name in one.runs for key in verdicts.runs[name].keys} <= keys
            for place in one.outputs:
                assert (ROOT / "figures" / f"{place}.csv").is_file()
        assert tested or claim.arithmetic or claim.settings or claim.note, claim.words
        if claim.verdict == INCONCLUSIVE:
            assert "The smallest effect that would be significant is" in claim.note, claim.words
        if tested and not tested[0].whole:
            assert "Not at the paper's size" in claim.note
    assert by_runs > 50
    for runs in verdicts.runs.values():
        assert runs.devices and runs.commits and runs.hours > 0 and len(set(runs.keys)) == len(runs.keys)


@pytest.mark.slow
def test_a_verdict_follows_the_runs_and_turns_when_they_do(found):
    """With the rows of MB and PEB exchanged, what was said of PEB is contradicted."""
    verdicts, records = found
    letters = {
        record.run: record for record in records if record.run.data == "ocr-letters" and not record.run.label_noise
    }
    exchanged = {"MB": "PEB", "PEB": "MB"}

    def twin_of(record):
        method = exchanged.get(record.run.method)
        return letters.get(dataclasses.replace(record.run, method=method)) if method else None

    turned = [dataclasses.replace(record, rows=(twin_of(record) or record).rows) for record in letters.values()]
    assert sum(twin_of(record) is not None for record in letters.values()) >= 24
    said = ("base-values", "Section 1", "final validation accuracy of PEB above MB's, on average, about 2 %")
    before, after = (results.gather(own)[0][said][0] for own in (list(letters.values()), turned))
    assert before.verdict == SUPPORTED and after.verdict == CONTRADICTED and after.note == "the other direction"
    assert (
        before.decides.effect == after.decides.effect.replace("-", "+") or before.decides.effect != after.decides.effect
    )


@pytest.mark.slow
def test_the_committed_pages_say_what_the_verdicts_are(found):
    verdicts, records = found
    assert (ROOT / "docs" / "verdict.md").read_text() == twin.markdown(verdicts)
    assert (ROOT / "docs" / "reproducibility.md").read_text() == reproducibility.markdown(verdicts, records)
    for page in twin.QUOTING:
        text = (ROOT / page).read_text()
        assert "<!-- verdict: findings -->" in text and twin.quoted(text, verdicts) == text


@pytest.mark.slow
def test_the_findings_are_five_and_each_says_its_verdict_and_numbers(found):
    verdicts, _ = found
    lines = findings.findings(verdicts)
    assert len(lines) == 5
    for line, (title, paper, keys) in zip(lines, findings.FINDINGS, strict=True):
        own = [next(claim for claim in verdicts.of(paper) if (claim.place, claim.words) == key[:2]) for key in keys]
        assert re.findall(r": \*\*([a-z ]+)\*\*", line) == [claim.verdict for claim in own] and title in line
        assert all(one.decides.effect in line for claim in own for one in claim.evidence[:1])


@pytest.mark.slow
def test_a_report_without_a_run_says_that_nothing_was_tested(tmp_path, capsys):
    """In the folders of the test, which are empty."""
    assert cli.main(["report"]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["index.html", "verdict.md", "reproducibility.md"]
    text = (tmp_path / "report" / "verdict.md").read_text()
    assert "**PEB against MB** (paper A, not run)" in text and "**supported**" not in text
    assert "no run is stored yet" in (tmp_path / "report" / "reproducibility.md").read_text()


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARDSAMPLE_REPORT", str(tmp_path / "file" / "report"))
    assert cli.main(["report"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("hardsample: cannot write") and said.count("\n") == 1 and "HARDSAMPLE_REPORT" in said
