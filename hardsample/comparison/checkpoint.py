"""Where a training of a comparison stands, in a file, so that the same call goes on from there bit for bit."""

import io
import logging
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hardsample import paths
from hardsample.errors import InputError

EVERY = 60.0  # seconds

logger = logging.getLogger(__name__)

_told: set[Path] = set()  # folders that cannot be written


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace what was saved: tensors, numbers and strings alone, in mappings and lists; and the generators' states.

    Where nothing can be written, as on a full disk, that is said once, and the training goes on without.
    """
    file = io.BytesIO()
    torch.save({"of": path.stem, "state": state, "generators": _generators()}, file)
    try:
        paths.write_atomically(path, file.getvalue())
    except InputError as error:
        if path.parent not in _told:
            logger.warning("no checkpoint is kept, so that what is interrupted begins anew: %s", error)
            _told.add(path.parent)


def load(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What was saved last under that name, its generators at work again; None if nothing whole is there.

    No code is run.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state, generators = saved["state"], saved["generators"]
        if saved["of"] != path.stem:
            return None
        _restore(generators, device)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError):
        return None
    return state


def _generators() -> dict[str, Any]:
    name, keys, place, has_gauss, gauss = np.random.get_state()
    version, words, following = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, keys.tolist(), place, has_gauss, gauss],
        "python": [version, list(words), following],
    }


def _restore(generators: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(generators["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state_all(generators["cuda"])
    name, keys, *rest = generators["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    version, words, following = generators["python"]
    random.setstate((version, tuple(words), following))
