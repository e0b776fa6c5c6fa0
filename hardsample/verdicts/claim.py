"""What the report says of one claim: its words, its verdict, and the evidence behind it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from hardsample.report.claim_verdicts import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED

FOLLOWS, DOES_NOT_FOLLOW = "follows", "does not follow"
KEPT, CHANGED = "kept", "changed"
MEANING: Mapping[str, str] = {
    SUPPORTED: "The stored runs show what the paper says.",
    CONTRADICTED: "The stored runs show otherwise.",
    INCONCLUSIVE: "Neither is shown; the smallest effect that would be significant stands beside it.",
    FOLLOWS: "The number follows from other printed numbers, the networks or the equations.",
    DOES_NOT_FOLLOW: "It does not follow from them.",
    KEPT: "A setting that the package's runs at the paper's size have, too.",
    CHANGED: "A setting that they do not have.",
    NOT_TESTED: "Not tested; the reason stands beside it.",
}
"""Every verdict, in the order of tables, and what it means."""


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs behind one curve: of a method, in a setting, on data of one size.

    ``keys`` are those of the stored runs, in the order of seeds; ``commits`` those of the code that made them, or what
    else computed them; ``hours`` what they took, each run by itself. ``other_code`` of them are of other code than
    today's.
    """

    name: str
    data: str
    size: str
    setting: str
    method: str
    keys: tuple[str, ...]
    devices: tuple[str, ...]
    commits: tuple[str, ...]
    hours: float
    other_code: int = 0


@dataclasses.dataclass(frozen=True)
class Tested:
    """One test of a claim, in words: what was compared, and what was found, with n, p and the smallest effect."""

    test: str
    verdict: str
    effect: str
    n: str
    p_holm: str
    smallest: str
    note: str


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What stored runs of one data set and size say of a claim.

    ``decides`` is the test on which the verdict turns, None where none was made. ``runs`` are names of :class:`Runs`;
    ``outputs`` the figures and tables that show them, as places below ``figures/``; ``seeds`` the pairs of seeds.
    ``whole``: as many examples and epochs as the paper has.
    """

    data: str
    label: str
    size: str
    verdict: str
    note: str
    seeds: int
    whole: bool
    decides: Tested | None
    tests: tuple[Tested, ...]
    runs: tuple[str, ...]
    outputs: tuple[str, ...]


def tested(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Those of which something could be tested."""
    return tuple(one for one in evidence if one.verdict != NOT_TESTED)


@dataclasses.dataclass(frozen=True)
class Recomputed:
    """A printed number beside the same computed again: from other printed ones, the networks or the equations."""

    quantity: str
    printed: str
    recomputed: str
    verdict: str
    remark: str


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting of the paper's beside that of the package's runs at the paper's size."""

    printed: str
    here: str
    verdict: str
    source: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of a paper, judged.

    ``number`` counts a paper's claims in its order. ``verdict`` is that of the runs nearest to the paper's, where it
    could be tested on any; else that of the arithmetic, or of the setting. ``note`` says what a reader must know beside
    it: why it was not tested, on how much less than the paper's size, or that data sets disagree.
    """

    paper: str
    number: int
    place: str
    words: str
    kind: str
    verdict: str
    note: str
    doubt: str
    evidence: tuple[Evidence, ...] = ()
    arithmetic: tuple[Recomputed, ...] = ()
    settings: tuple[Setting, ...] = ()

    @property
    def name(self) -> str:
        """What links lead to: "claim-a7"."""
        return f"claim-{self.paper.lower()}{self.number}"

    @property
    def tested(self) -> tuple[Evidence, ...]:
        """The evidence that something could be tested on."""
        return tested(self.evidence)

    @property
    def deciding(self) -> Evidence | None:
        """The evidence that the verdict is of; None where no runs decide."""
        return next(iter(self.tested), None)

    @property
    def disagree(self) -> bool:
        """Whether what was tested has different verdicts on different data or at different sizes."""
        return len({one.verdict for one in self.tested}) > 1

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets on which it was tested."""
        return tuple(dict.fromkeys(one.data for one in self.tested))


@dataclasses.dataclass(frozen=True)
class Judged:
    """Every claim of both papers, and the runs behind them, by their names."""

    claims: Sequence[Claim]
    runs: Mapping[str, Runs]

    def of(self, paper: str) -> list[Claim]:
        """Those of paper "A" or "B"."""
        return [claim for claim in self.claims if claim.paper == paper]
