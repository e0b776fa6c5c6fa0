"""What the verdicts come to, in a few sentences: README, the front page and the report say the same."""

from collections import Counter
from collections.abc import Sequence

from hardsample.experiments.published import PAPERS
from hardsample.numerals import count
from hardsample.report import wording
from hardsample.report.claim_verdicts import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from hardsample.verdicts.claim import DOES_NOT_FOLLOW, MEANING, Claim, Evidence, Judged, Tested

RESULT = "result"  # the kind of a claim that runs can test; the other is "set-up"
_HARD = "focusing on mini-batches of high loss significantly improves test accuracy and speeds up convergence"
FINDINGS: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "PEB against MB",
        "A",
        (
            (
                *("Section 4.2.2", "PEB beats all other methods in final accuracy and loss (against MB)"),
                "higher accuracy and lower loss at the end, whatever the pre-training",
            ),
            (
                *("Section 4.2.2", "final validation accuracy of PEB above MB's, on average, about 2 %"),
                "about 2 points more test accuracy",
            ),
        ),
    ),
    (
        "PEB against PLB",
        "A",
        (
            (
                *("Section 4.2.1", "PEB beats PLB in accuracy and loss in validation throughout"),
                "ahead in test accuracy and loss throughout",
            ),
            (
                *("Section 4.2.1", "PEB's loss is steadier, and lower just after pre-training and at the end"),
                "a steadier test loss, lower just after the pre-training and at the end",
            ),
        ),
    ),
    (
        "LB, which the paper does not define",
        "A",
        (
            (
                *("Section 4.2.2", "LB's accuracy is close to MB's; its losses are much higher, most in validation"),
                "accuracy close to MB's, losses much higher, in the nearest reading found",
            ),
        ),
    ),
    (
        "Test accuracy by hard mini-batches",
        "B",
        (
            ("Abstract", f"{_HARD} (test accuracy)", "significantly above that of δ = 1"),
            (
                *("Abstract", f"{_HARD} (test accuracy, by the choice of high loss)"),
                "above that of as many mini-batches drawn at random",
            ),
        ),
    ),
    (
        "Convergence by hard mini-batches",
        "B",
        (("Abstract", f"{_HARD} (convergence)", "earlier than at δ = 1"),),
    ),
)
"""The five findings: a title, a paper, and the claims that each rests on, by place and words, and in short."""


def findings(judged: Judged) -> list[str]:
    """The five findings as sentences in Markdown, each verdict and number of the claims' own evidence."""
    by_words = {(claim.paper, claim.place, claim.words): claim for claim in judged.claims}
    lines = []
    for title, paper, keys in FINDINGS:
        own = [by_words[paper, place, words] for place, words, _ in keys]
        said = "; ".join(_said(claim, short) for claim, (*_, short) in zip(own, keys, strict=True))
        lines.append(f"**{title}** (paper {paper}, {_sizes(own)}): {said}.")
    return [*lines[:-1], f"{lines[-1]} {printed_numbers(judged, paper)}"]


def answer(judged: Judged) -> str:
    """The shortest answer: how many results of each paper hold, as far as runs tell."""
    told = []
    for paper in PAPERS:
        counts = Counter(claim.verdict for claim in judged.of(paper) if claim.kind == RESULT)
        tested = ", ".join(f"{counts[verdict]} {verdict}" for verdict in (SUPPORTED, CONTRADICTED, INCONCLUSIVE))
        told.append(f"of the {counts.total()} results of paper {paper}, runs found {tested}")
    return wording.sentence("; ".join(told))


def counted(judged: Judged) -> list[str]:
    """How many claims of each paper have which verdict, in sentences: results, then settings and definitions."""
    lines = []
    for paper in PAPERS:
        for kind, what in ((RESULT, "results"), ("set-up", "settings and definitions")):
            own = [claim for claim in judged.of(paper) if claim.kind == kind]
            counts = Counter(claim.verdict for claim in own)
            told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in MEANING if counts[verdict])
            lines.append(f"**Paper {paper}, {len(own)} {what}**: {told}.")
    return lines


def printed_numbers(judged: Judged, paper: str) -> str:
    """How many of a paper's claims that can be computed from what is printed do not follow, in a sentence."""
    computed = [claim for claim in judged.of(paper) if claim.arithmetic]
    wrong = [claim for claim in computed if any(one.verdict == DOES_NOT_FOLLOW for one in claim.arithmetic)]
    return f"Of {count(len(computed), 'claim')} that other printed numbers give, {len(wrong)} do not follow from them."


def _said(claim: Claim, short: str) -> str:
    """The claim in short, its verdict, and the numbers of the test on which it turns."""
    first = claim.deciding
    numbers = _numbers(first, first.decides) if first and first.decides else ""
    return f"{short}: **{claim.verdict}**{f' ({numbers})' if numbers else ''}"


def _numbers(evidence: Evidence, decides: Tested) -> str:
    """What the test found on which a verdict turns, and which of several tests it is."""
    _, what, *_ = decides.test.partition(":")[0].split(", ")
    many = len(evidence.tests)
    which = "clearest" if evidence.verdict == CONTRADICTED else "weakest"
    among = f"the {which} of {count(many, 'test')}, " if many > 1 else ""
    note = next(one.note for one in evidence.tests if one.test == decides.test)
    parts = [f"{among}{what}", decides.effect, f"p = {decides.p_holm}" if decides.p_holm else ""]
    return ", ".join(filter(None, (*parts, note.partition(";")[0] if note.startswith("at ") else "")))


def _sizes(claims: Sequence[Claim]) -> str:
    """The data of what decides, its size where it is not the paper's, and the seeds."""
    first = [one for claim in claims for one in claim.evidence[:1]]
    names = dict.fromkeys(one.data if one.whole else f"{one.size.split(', ')[0]} of {one.data}" for one in first)
    seeds = {one.seeds for one in first if one.seeds}
    return ", ".join((*names, *([f"n = {min(seeds)}"] if seeds else []))) or "not run"
