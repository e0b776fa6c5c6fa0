"""How long an update takes: the runs of a table side by side on one device, in turns, and kept like finished runs."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hardsample import paths, training
from hardsample.configuration import Run
from hardsample.data import load
from hardsample.launch import one_thread, resolve_device
from hardsample.panels import Experiment
from hardsample.runs import commit, device_name, versions

if TYPE_CHECKING:
    import pandas

UPDATES_A_TURN = 20


def measure(experiment: Experiment, *, device: str = "auto", turns: int = 5) -> "pandas.DataFrame":
    """Seconds per update of the experiment's timed runs (paper B, Table 1), measured once for a device and then kept.

    After a first epoch of each run, every turn times so many updates of each, one run after the other: choosing,
    forward, backward, update, and no evaluation.

    Returns:
        a row per turn and run: round (the turn), delta, seconds (per update). ``attrs`` are those of the experiment,
        and device (its model) and threads.

    Raises:
        InputError: the device or the data are not at hand.
    """
    import pandas

    device = resolve_device(device)
    path = _path(experiment.timed, device_name(device), turns)
    kept = _kept(path)
    if kept is None:
        with one_thread(device):
            kept = _measured(experiment, device, turns)
        paths.write_atomically(path, (json.dumps(kept, indent=1) + "\n").encode())
    frame = pandas.DataFrame(kept["rows"], columns=["round", "delta", "seconds"])
    frame.attrs = experiment.attrs | {name: kept[name] for name in ("device", "threads")}
    return frame


def _kept(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _measured(experiment: Experiment, device: str, turns: int) -> dict[str, Any]:
    first = experiment.timed[0]
    source = experiment.sources[first.data]
    data = load(source, train_examples=first.train_examples, test_examples=first.test_examples)
    length = -(-len(data.x_train) // first.batch_size)
    updates = {run.options["delta"]: training.stepper(run, data, device=device) for run in experiment.timed}
    for update in updates.values():
        _seconds(update, length, device)
    length = min(length, UPDATES_A_TURN)
    rows = [
        (turn, delta, _seconds(update, length, device) / length)
        for turn in range(turns)
        for delta, update in updates.items()
    ]
    about = {"device": device_name(device), "threads": torch.get_num_threads()}
    made = {"commit": commit(), "versions": versions(), "fingerprint": data.fingerprint}
    return about | made | {"runs": [run.key for run in experiment.timed], "rows": rows}


def _seconds(update: Callable[[], None], times: int, device: str) -> float:
    began = time.perf_counter()
    for _ in range(times):
        update()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _path(runs: Sequence[Run], device: str, turns: int) -> Path:
    text = "-".join((*(run.key for run in runs), device, str(turns)))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return paths.runs_dir() / "hard-samples" / runs[0].data / f"{key}.timing"
