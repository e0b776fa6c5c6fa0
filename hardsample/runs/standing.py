"""How stored runs stand to today's code: which were made by other code, and what of them was executed again since.

A run is current if the fingerprint of the code that it was made with is today's
(:mod:`hardsample.training.deciding_code`). So is every run of a setting, which is a run but for its seed, of which a
run was executed again with today's code and gave the same. What was executed again lies in a store of its own.
"""

import dataclasses
import glob
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardsample import code_fingerprint, statistics
from hardsample.config import Run
from hardsample.records import Standing, StoredRun, made, rows_by_epoch, same_numbers
from hardsample.training import deciding_code

if TYPE_CHECKING:
    from hardsample.runs.store import Store

TOLERANCE = 0.99
"""The share of pairs of seeds of a setting that lie as near as a run must lie to itself on another machine."""
LEAST_SEEDS = 5  # whose standard deviation says enough
JUDGED = ("acc/val", "loss/val")
"""The metrics by whose last values a run on another machine is judged."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How a run that was executed again agrees with the stored one: in words, and whether it gave the same."""

    same: bool
    words: str


def is_current(run: Run, made_with: Mapping[str, Any]) -> bool:
    """Is today's code that of a run, given its provenance?"""
    code = made_with.get("code", "")
    return code not in ("", code_fingerprint.UNKNOWN) and code == deciding_code.fingerprint(run, made_with)


def setting(run: Run) -> Run:
    """What a run shares with those of its other seeds."""
    return dataclasses.replace(run, seed=0)


def standing(store: "Store", done: Mapping[Run, Mapping[str, Any]]) -> Standing:
    """How the runs ``done`` of a store, by their provenances, stand to today's code."""
    stale = {run: about for run, about in done.items() if not is_current(run, about)}
    if not stale:
        return Standing()
    settings = {setting(run) for run in stale}
    found: dict[Run, dict[Run, Agreement]] = {}
    for again in store.reruns.records():
        if setting(again.run) in settings and is_current(again.run, again.provenance):
            if (stored := store.find(again.run)) is not None:
                agreed = agreement(stored, again, seeds_apart(store, again.run))
                found.setdefault(setting(again.run), {})[again.run] = agreed
    settled = {own for own, agreed in found.items() if all(each.same for each in agreed.values())}
    other = {run: made(run, about)["code"] for run, about in stale.items() if setting(run) not in settled}
    return Standing(other, {run: each.words for own in settled for run, each in found[own].items()})


def agreement(stored: StoredRun, again: StoredRun, apart: Mapping[str, float]) -> Agreement:
    """Whether a run gave the same when it was executed again.

    On the same processor and versions it must, bit for bit. On others the last test accuracy and loss must lie as near
    to the stored ones as those of two seeds do: :func:`seeds_apart` is how far that is, by metric.
    """
    if same_numbers(stored, again):
        return Agreement(True, "bit for bit")
    if _machine(stored) == _machine(again) and None not in _machine(again).values():
        return Agreement(False, "differs on the same processor and versions")
    if not apart:
        return Agreement(False, f"cannot be judged: fewer than {LEAST_SEEDS} seeds are stored")
    last, now = (list(rows_by_epoch(record).values())[-1] for record in (stored, again))
    far = [name for name in apart if not abs(now[name] - last[name]) <= apart[name]]
    if far:
        return Agreement(False, f"differs by more than two seeds do, in {' and '.join(far)}")
    return Agreement(True, "as near as two seeds")


def seeds_apart(store: "Store", run: Run) -> dict[str, float]:
    """How far two seeds of the run's setting lie apart at most, in the share ``TOLERANCE`` of pairs, by metric.

    By Student's t, from the standard deviation of the last test accuracy and loss over the stored seeds. Empty where
    those are too few, or all end alike.
    """
    names = (path.stem for path in store.path(run).parent.glob(f"{glob.escape(run.label)}-s*.json"))
    seeds = {name.removeprefix(f"{run.label}-s").partition("-")[0] for name in names}  # of like settings, too
    alike = (store.find(dataclasses.replace(run, seed=int(seed))) for seed in seeds if seed.isdecimal())
    finals = [list(rows_by_epoch(record).values())[-1] for record in alike if record is not None]
    over_seeds = {name: statistics.summary([row[name] for row in finals]) for name in JUDGED}
    if any(one.n < LEAST_SEEDS or not one.sd > 0 for one in over_seeds.values()):
        return {}
    return {name: statistics.difference_half_width(one.sd, one.n, TOLERANCE) for name, one in over_seeds.items()}


def _machine(record: StoredRun) -> dict[str, Any]:
    """What decides, beside the code, whether a run gives the same bit for bit; None where it is not recorded."""
    about, versions = record.provenance, record.provenance.get("versions", {})
    own = {name: about.get(name) for name in ("device", "instructions", "way", "captured", "cohort")}
    return own | {name: versions.get(name) for name in ("torch", "numpy", "numba", "torchvision")}
