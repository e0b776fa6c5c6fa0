"""A small made-up report: claims of every kind and verdict, their evidence, and the runs behind it."""

from hardsample.report.claim_verdicts import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED
from hardsample.verdicts.claim import (
    CHANGED,
    DOES_NOT_FOLLOW,
    FOLLOWS,
    KEPT,
    Claim,
    Evidence,
    Judged,
    Recomputed,
    Runs,
    Setting,
    Tested,
)

FIGURE = "base-values/sd19-letters/figure-1"
LETTERS, FEWER = ("sd19-letters", "NIST SD19 letters, in EMNIST's shape"), ("ocr-letters", "letters <of> the OCR set")
SIZE = "124,800 training examples, 10 epochs, bf16"


def runs(name: str, method: str, data: str = LETTERS[0], count: int = 3) -> Runs:
    keys = tuple(f"{place:016x}" for place in range(count))
    return Runs(name, data, SIZE, "n = 32 & more", method, keys, ("NVIDIA H200",), ("1fe8cdf",), 0.25, 1)


def tested(verdict: str = SUPPORTED, effect: str = "+1.29 [+1.11, +1.47] points") -> Tested:
    return Tested("PEB - MB, test accuracy at the end, default: above 0 points", verdict, effect, "12", "0.002", "0.2", "")


def evidence(verdict: str, data: tuple[str, str] = LETTERS, **more) -> Evidence:
    test = tested(verdict)
    told = {"note": "", "seeds": 12, "decides": test, "tests": (test, tested(INCONCLUSIVE, "+0.10 [-0.20, +0.40] points"))}
    told |= {"runs": ("runs-mb", "runs-peb"), "outputs": (FIGURE, "base-values/sd19-letters/never-drawn")}
    return Evidence(*data, SIZE, verdict, **(told | more))


def claims() -> list[Claim]:
    none = evidence(NOT_TESTED, decides=None, tests=(), runs=(), outputs=(), note="not run: LB in 9 settings")
    other = evidence(CONTRADICTED, FEWER, runs=("runs-ocr",))
    return [
        Claim("A", 1, "Section 1", "PEB ends above MB", "result", SUPPORTED, "data sets disagree", "", (evidence(SUPPORTED), other)),
        Claim("A", 2, "Section 4.2", "PEB & PLB differ by < 1 point", "result", CONTRADICTED, "", "", (evidence(CONTRADICTED),)),
        Claim("A", 3, "Section 4.2", "LB is steadier", "result", NOT_TESTED, "not run: LB in 9 settings", "", (none,)),
        Claim("A", 4, "Section 4.1", "n is 32", "set-up", KEPT, "", "", settings=(Setting("32", "32", KEPT, "profile"),)),
        Claim("A", 5, "Section 4.1", "EMNIST is trained", "set-up", CHANGED, "", "what the number means is unclear",
              settings=(Setting("EMNIST letters", "NIST SD19 letters", CHANGED, "data"),)),
        Claim("B", 1, "Abstract", "δ = 0.2 ends above δ = 1", "result", INCONCLUSIVE, "", "", (evidence(INCONCLUSIVE, FEWER),)),
        Claim("B", 2, "Table 2", "1.19 GFLOPs", "result", DOES_NOT_FOLLOW, "", "",
              arithmetic=(Recomputed("GFLOPs, ResNet-18", "1.19", "1.184", DOES_NOT_FOLLOW, "The network has 1,184,376,832."),)),
        Claim("B", 3, "Table 2", "11.2 million parameters", "set-up", FOLLOWS, "", "",
              arithmetic=(Recomputed("parameters, ResNet-18", "11.2", "11.17", FOLLOWS, ""),)),
    ]  # fmt: skip


def judged() -> Judged:
    found = (runs("runs-mb", "MB"), runs("runs-peb", "PEB", count=12), runs("runs-ocr", "PEB", FEWER[0]))
    return Judged(claims(), {one.name: one for one in found})
