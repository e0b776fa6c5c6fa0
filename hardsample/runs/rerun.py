"""Re-execution as a check: stored runs trained again by today's code, beside what is stored of them."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hardsample.config import Run
from hardsample.data.dataset import how_at_hand
from hardsample.errors import InputError
from hardsample.methods.registry import METHODS
from hardsample.records import StoredRun
from hardsample.runs.launch import LaunchReport, launch
from hardsample.runs.standing import Agreement, agreement, is_current, seeds_apart, setting
from hardsample.runs.store import Store
from hardsample.training.networks import NETWORKS
from hardsample.training.precision import check_precision


@dataclasses.dataclass(frozen=True)
class Rerun:
    """A stored run, the same executed again, and how they agree."""

    stored: StoredRun
    again: StoredRun
    agreement: Agreement


def choose(records: Iterable[StoredRun], count: int, device: str, generator: np.random.Generator) -> list[Run]:
    """So many runs at random that can be trained here, of as many settings as there are.

    Args:
        device: of torch, where they would be trained.

    Raises:
        InputError: none can.
    """
    settings: dict[Run, list[Run]] = {}
    for record in records:
        if _can_be_trained(record.run, device):
            settings.setdefault(setting(record.run), []).append(record.run)
    if not settings:
        raise InputError("none of these runs can be trained here: have their data at hand, or name other runs.")
    own = [settings[each] for each in sorted(settings, key=lambda run: run.key)]
    chosen = generator.permutation(len(own))[:count]
    return [own[place][generator.integers(len(own[place]))] for place in chosen]


def rerun(runs: Sequence[Run], store: Store, **where: Any) -> tuple[LaunchReport, list[Rerun]]:
    """Train stored runs again and compare; ``where`` are further arguments of :func:`launch`.

    What is trained is kept in ``store.reruns``: as long as the code is this, it is not trained there once more. Its
    pre-trainings are trained anew, too.
    """
    again = store.reruns
    shutil.rmtree(again.root / "starts", ignore_errors=True)
    for run, about in again.done(runs).items():
        if not is_current(run, about):
            again.path(run).unlink()
    report = launch(runs, store=again, **where)
    shutil.rmtree(again.root / "starts", ignore_errors=True)
    found = [(store.read(run), again.find(run)) for run in runs]
    return report, [
        Rerun(stored, made, agreement(stored, made, seeds_apart(store, stored.run)))
        for stored, made in found
        if made is not None
    ]


def _can_be_trained(run: Run, device: str) -> bool:
    if run.method not in METHODS or run.network not in NETWORKS:
        return False
    with contextlib.suppress(InputError):
        check_precision(run.precision, device)
        return how_at_hand(run.data)[0] in ("at hand", "generated", "made")
    return False
