"""A small made-up report: claims of every kind and verdict, their evidence, and the runs behind it."""

import collections
from typing import Any

from hardsample.experiments.published import PAPERS
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
from hardsample.verdicts.page import Contents

FIGURE = "base-values/sd19-letters/figure-1"
LETTERS = "sd19-letters", "NIST SD19 letters, in EMNIST's shape"
FEWER = "ocr-letters", "letters <of> the OCR set"
SIZE = "124,800 training examples, 10 epochs, bf16"
EFFECT, NONE = "+1.29 [+1.11, +1.47] points", "+0.10 [-0.20, +0.40] points"


def runs(name: str, method: str, data: str = LETTERS[0], seeds: int = 3) -> Runs:
    keys = tuple(f"{place:016x}" for place in range(seeds))
    return Runs(name, data, SIZE, "n = 32 & more", method, keys, ("NVIDIA H200",), ("1fe8cdf",), 0.25, 1)


def tested(verdict: str, effect: str = EFFECT, metric: str = "test accuracy") -> Tested:
    return Tested(f"PEB - MB, {metric} at the end: above 0 points", verdict, effect, "12", "0.002", "0.2", "")


def evidence(verdict: str, data: tuple[str, str] = LETTERS, **more: Any) -> Evidence:
    told = {"note": "", "seeds": 12, "whole": True, "decides": tested(verdict)}
    told |= {"tests": (tested(verdict), tested(INCONCLUSIVE, NONE, "train accuracy")), "runs": ("runs-mb", "runs-peb")}
    told |= {"outputs": (FIGURE, "base-values/sd19-letters/never-drawn")}
    return Evidence(*data, SIZE, verdict, **(told | more))


def claim(paper: str, number: int, words: str, verdict: str, kind: str = "result", **more: Any) -> Claim:
    told = {"note": "", "doubt": ""} | more
    return Claim(paper, number, "Section 4.1", words, kind, verdict, **told)


def claims() -> list[Claim]:
    other = evidence(CONTRADICTED, FEWER, runs=("runs-ocr",))
    bare = evidence(NOT_TESTED, decides=None, tests=(), runs=(), outputs=(), note="not run: LB in 9 settings")
    flops = Recomputed("GFLOPs, ResNet-18", "1.19", "1.184", DOES_NOT_FOLLOW, "The network has 1,184,376,832.")
    parameters = Recomputed("parameters, ResNet-18", "11.2", "11.17", FOLLOWS, "")
    letters = Setting("EMNIST letters", "NIST SD19 letters", CHANGED, "the data's name")
    return [
        claim("A", 1, "PEB ends above MB", SUPPORTED, note="data sets disagree", evidence=(evidence(SUPPORTED), other)),
        claim("A", 2, "PEB & PLB differ by < 1 point", CONTRADICTED, evidence=(evidence(CONTRADICTED),)),
        claim("A", 3, "LB is steadier", NOT_TESTED, note="not run: LB in 9 settings", evidence=(bare,)),
        claim("A", 4, "n is 32", KEPT, "set-up", settings=(Setting("32", "32", KEPT, "the profile"),)),
        claim("A", 5, "EMNIST is trained", CHANGED, "set-up", doubt="Which letters is not said.", settings=(letters,)),
        claim("B", 1, "δ = 0.2 ends above δ = 1", INCONCLUSIVE, evidence=(evidence(INCONCLUSIVE, FEWER),)),
        claim("B", 2, "1.19 GFLOPs", DOES_NOT_FOLLOW, arithmetic=(flops,)),
        claim("B", 3, "11.2 million parameters", FOLLOWS, "set-up", arithmetic=(parameters,)),
    ]


def judged() -> Judged:
    found = runs("runs-mb", "MB"), runs("runs-peb", "PEB", seeds=12), runs("runs-ocr", "PEB", FEWER[0])
    return Judged(claims(), {one.name: one for one in found})


def contents() -> Contents:
    made = judged()
    counts = {paper: collections.Counter(one.verdict for one in made.of(paper)) for paper in PAPERS}
    findings = "**PEB ends above MB** by less than 2 points.", "Paper B's `δ` < 1 is inconclusive.", "A third sentence."
    return Contents(made, findings, counts, {"Commit": "1fe8cdf", "Runs": "18 <stored>"})
