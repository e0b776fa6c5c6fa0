"""Which claims follow from what else is printed, from the networks or from the equations: the audit, claim by claim."""

from collections.abc import Iterable

from hardsample.experiments import published
from hardsample.experiments.published import PAPERS
from hardsample.numerals import short
from hardsample.report import audit
from hardsample.verdicts.claim import DOES_NOT_FOLLOW, FOLLOWS, Recomputed

_WHERE = {  # of a claim that the audit computes at another place, or under other words
    ("B", "Section 3.2, eq. 4", "back-propagations of the method: N + ζ × δ × N = E × N"): ("B, eq. 4", "updates at"),
}


def gather() -> dict[tuple[str, str, str], tuple[Recomputed, ...]]:
    """What the audit computes of each claim, by paper ("A" or "B"), place and claim."""
    found: dict[tuple[str, str, str], list[Recomputed]] = {}
    rows = list(audit.findings().itertuples())
    for paper, folder in PAPERS.items():
        for place, claim in _claims(folder):
            where, said = _WHERE.get((paper, place, claim), (f"{paper}, {place}", claim))
            for row in rows:
                if row.place == where and (row.quantity == said or _is_of(row.quantity, said)):
                    found.setdefault((paper, place, claim), []).append(_recomputed(row))
    return {key: tuple(own) for key, own in found.items()}


def together(own: Iterable[Recomputed]) -> str:
    """The verdict on a claim from all that was computed of it: it follows if all does."""
    return FOLLOWS if all(one.verdict == FOLLOWS for one in own) else DOES_NOT_FOLLOW


def _claims(paper: str) -> Iterable[tuple[str, str]]:
    return published.text(f"{paper}-claims")[["place", "claim"]].itertuples(index=False)


def _is_of(quantity: str, said: str) -> bool:
    """Whether a quantity is a part of what is said: "images of CIFAR-10, training + test"."""
    return quantity.startswith((f"{said},", f"{said} δ"))


def _recomputed(row) -> Recomputed:
    verdict = FOLLOWS if row.follows else DOES_NOT_FOLLOW
    cut = "cut off where rounding would go up" if row.truncated else ""
    remark = "; ".join(filter(None, (row.remark, cut)))
    return Recomputed(row.quantity, row.printed, short(row.recomputed, digits=4), verdict, remark)
