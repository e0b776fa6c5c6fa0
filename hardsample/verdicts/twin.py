"""The verdicts in Markdown: a twin of the report's page, and the blocks of README and of the docs' front page."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hardsample import paths
from hardsample.experiments.published import PAPERS
from hardsample.report import markup
from hardsample.verdicts import findings
from hardsample.verdicts.claim import DOES_NOT_FOLLOW, MEANING, Claim, Judged

BLOCKS = {"findings": findings.findings, "counts": findings.counted}
"""What pages quote between ``<!-- verdict: findings -->`` and ``<!-- end -->``, each as a list."""
QUOTING = (Path("README.md"), Path("docs/index.md"))
TITLES = {
    "A": "Paper A: Base-Values",
    "B": "Paper B: hard mini-batches",
}
_HEAD = ("", "place", "claim", "verdict", "what decides [95 % t interval]", "n", "data", "beside it")


def markdown(judged: Judged) -> str:
    """The page: what was found, the count of verdicts, every result, and every setting and definition."""
    parts = [
        "# The verdict",
        "What two papers claim, and what holds. Every verdict is computed from the stored runs, from what the papers"
        " print, or from the package's own settings; none is typed. `make report` writes this page, and"
        " `report/index.html`, which opens the evidence of each claim.",
        "## What was found",
        _listed(findings.findings(judged)),
        "## How many claims hold",
        _listed(findings.counted(judged)),
        "\n".join(f"- *{verdict}*: {meaning}" for verdict, meaning in MEANING.items()),
    ]
    for paper, title in TITLES.items():
        own = judged.of(paper)
        results = [claim for claim in own if claim.kind == findings.RESULT]
        parts += [f"## {title}, results", markup.markdown_table(_HEAD, map(_result, results)), _tables(results)]
        parts += [
            f"## {title}, settings and definitions",
            markup.markdown_table(
                ("", "place", "setting or definition", "verdict", "here", "beside it"),
                (_set_up(claim) for claim in own if claim not in results),
            ),
        ]
    return "\n\n".join(filter(None, parts)) + "\n"


def write_blocks(judged: Judged) -> list[Path]:
    """Write the blocks of the pages that quote the verdicts anew; the pages that changed.

    Raises:
        InputError: a page cannot be written.
    """
    changed = []
    for path in (paths.project_root() / name for name in QUOTING):
        before = path.read_text()
        if (after := quoted(before, judged)) != before:
            paths.write_atomically(path, after.encode())
            changed.append(path)
    return changed


def quoted(text: str, judged: Judged) -> str:
    """A page with its blocks anew."""
    return markup.with_blocks(text, "verdict", lambda name: _listed(BLOCKS[name](judged)))


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _result(claim: Claim) -> Sequence[str]:
    first = claim.deciding
    decides = first.decides if first else None
    told = f"{decides.test}: {decides.effect}" if decides and decides.effect else decides.test if decides else ""
    return (
        f"{claim.paper}{claim.number}",
        claim.place,
        claim.words,
        f"**{claim.verdict}**",
        told,
        decides.n if decides else "",
        f"{first.label}, {first.size}" if first else "",
        _beside(claim),
    )


def _set_up(claim: Claim) -> Sequence[str]:
    here = "; ".join(f"{one.here} ({one.source})" for one in claim.settings)
    return f"{claim.paper}{claim.number}", claim.place, claim.words, f"**{claim.verdict}**", here, _beside(claim)


def _beside(claim: Claim) -> str:
    """The note, the arithmetic, and what of the printed claim is in doubt."""
    told = [claim.note]
    told += [
        f"Printed {one.quantity}: {one.printed}, recomputed {one.recomputed}, {one.verdict}."
        for one in claim.arithmetic
        if one.verdict == DOES_NOT_FOLLOW or len(claim.arithmetic) == 1
    ]
    return " ".join(filter(None, (*told, claim.doubt))).replace("|", "\\|")


def _tables(claims: Sequence[Claim]) -> str:
    """Where all tests of these claims stand, of each data set."""
    return "\n".join(_links(claims))


def _links(claims: Sequence[Claim]) -> Iterator[str]:
    folders = dict.fromkeys((PAPERS[claim.paper], one.data, one.label) for claim in claims for one in claim.evidence)
    for paper, data, label in folders:
        place = Path("figures") / paper / data / "claims.md"
        if (paths.project_root() / place).is_file():
            yield f"- Every test on {label}: [{place.name}](../{place.as_posix()})"
