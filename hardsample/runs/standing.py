"""How stored runs stand to today's code: which were made by other code, and what of them was executed again since.

A run is current if the fingerprint of the code that it was made with is today's
(:mod:`hardsample.training.deciding_code`). So is every run of a setting, which is a run but for its seed, of which a
run was executed again with today's code and gave the same. What was executed again lies in a store of its own.
"""

import dataclasses
import glob
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardsample import code_fingerprint, statistics
from hardsample.config import Run
from hardsample.numerals import number
from hardsample.records import Standing, StoredRun, made, rows_by_epoch, same_numbers
from hardsample.training import deciding_code

if TYPE_CHECKING:
    from hardsample.runs.store import Store

TOLERANCE = 4.0
"""Standard deviations over the seeds of its setting, within which a run gives the same on another machine."""
LEAST_SEEDS = 3  # whose standard deviation says anything
_JUDGED = ("acc/val", "loss/val")


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
                agreed = agreement(stored, again, spread(store, again.run))
                found.setdefault(setting(again.run), {})[again.run] = agreed
    settled = {own for own, agreed in found.items() if all(each.same for each in agreed.values())}
    other = {run: made(run, about)["code"] for run, about in stale.items() if setting(run) not in settled}
    return Standing(other, {run: each.words for own in settled for run, each in found[own].items()})


def agreement(stored: StoredRun, again: StoredRun, spreads: Mapping[str, float]) -> Agreement:
    """Whether a run gave the same when it was executed again.

    On the same processor and versions it must, bit for bit. On others the last test accuracy and loss must lie within
    ``TOLERANCE`` standard deviations over seeds, which are the ``spreads`` by metric, of the stored ones.
    """
    if same_numbers(stored, again):
        return Agreement(True, "bit for bit")
    if _machine(stored) == _machine(again) and None not in _machine(again).values():
        return Agreement(False, "differs on the same processor and versions")
    if not spreads:
        return Agreement(False, f"cannot be judged: fewer than {LEAST_SEEDS} seeds are stored")
    last, now = (list(rows_by_epoch(record).values())[-1] for record in (stored, again))
    apart = {name: abs(now[name] - last[name]) / spreads[name] for name in spreads}
    worst = max(apart.values())
    if any(math.isnan(value) for value in apart.values()) or worst > TOLERANCE:
        return Agreement(False, f"differs by {number(worst, 1)} standard deviations over seeds")
    return Agreement(True, f"within {number(max(worst, 0.1), 1)} standard deviations over seeds")


def spread(store: "Store", run: Run) -> dict[str, float]:
    """Of the last test accuracy and loss, the standard deviation over the stored seeds of the run's setting.

    Empty where those are too few, or all end alike.
    """
    finals = []
    for path in store.path(run).parent.glob(f"{glob.escape(run.label)}-s*.json"):
        seed = path.stem.removeprefix(f"{run.label}-s").partition("-")[0]
        if seed.isdecimal():
            found = store.find(dataclasses.replace(run, seed=int(seed)))
            finals += [] if found is None else [list(rows_by_epoch(found).values())[-1]]
    if len(finals) < LEAST_SEEDS:
        return {}
    found = {name: statistics.summary([row[name] for row in finals]).sd for name in _JUDGED}
    return found if all(value > 0 for value in found.values()) else {}


def _machine(record: StoredRun) -> dict[str, Any]:
    """What decides, beside the code, whether a run gives the same bit for bit; None where it is not recorded."""
    about, versions = record.provenance, record.provenance.get("versions", {})
    own = {name: about.get(name) for name in ("device", "instructions", "way", "captured", "cohort")}
    return own | {name: versions.get(name) for name in ("torch", "numpy", "numba", "torchvision")}
