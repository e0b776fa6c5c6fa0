"""The checksums of the records of earlier versions, which carry none, kept beside them in a store."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from hardsample import paths, seals
from hardsample.errors import InputError
from hardsample.runs.store import Store


def keep(store: Store, more: Iterable[Path] = ()) -> int:
    """Keep those of all readable runs, and of ``more`` records, that have none yet; how many that were.

    Raises:
        InputError: the folder cannot be written.
    """
    sound = []
    for path in store.run_files():
        with contextlib.suppress(InputError):
            store.read_file(path)
            sound.append(path)
    kept = seals.read(store.root)
    every = seals.of_unsealed(store.root, [*sound, *more]) | kept
    if len(every) > len(kept):
        paths.write_atomically(store.root / seals.CHECKSUMS, seals.encode(every))
    return len(every) - len(kept)


def count_missing(store: Store, more: Iterable[Path] = ()) -> int:
    """How many of the runs, and of ``more`` records, carry no checksum and have none kept beside them."""
    return len(seals.of_unsealed(store.root, [*store.run_files(), *more]).keys() - seals.read(store.root).keys())
