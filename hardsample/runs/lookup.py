"""A stored run by what a person has of it: its key, how that begins, or the name of its file."""

from pathlib import Path

from hardsample.errors import InputError, did_you_mean
from hardsample.records import StoredRun
from hardsample.runs import files
from hardsample.runs.store import Store

SHOWN = 4  # of the runs that a name could mean


def find(store: Store, name: str) -> StoredRun:
    """The stored run that ``name`` stands for: its key, the beginning of the key or of the file's name, or a path.

    Raises:
        InputError: no stored run, or more than one, is called so.
    """
    stems = {path.stem: path for path in store.run_files()}
    keys = {key_of(stem): stem for stem in stems}
    asked = Path(name).name.removesuffix(".json") or name
    fitting = [stem for stem in stems if asked in (stem, key_of(stem))]
    fitting = fitting or [stem for stem in stems if stem.startswith(asked) or key_of(stem).startswith(asked)]
    if not fitting:
        raise InputError(
            f"no stored run is called {name!r}{did_you_mean(asked, keys)}: give its key, as the last column of a"
            f" figure's CSV has it, the beginning of the key, or the name of a file in {store.root}."
        )
    if len(fitting) > 1:
        named = ", ".join(fitting[:SHOWN]) + (f" and {len(fitting) - SHOWN} more" if len(fitting) > SHOWN else "")
        raise InputError(f"{name!r} begins {len(fitting)} stored runs, {named}: give more of a key or name.")
    return files.to_record(*files.read_run(stems[fitting[0]]))


def key_of(stem: str) -> str:
    """The key at the end of the name of a run's file."""
    return stem.rpartition("-")[2]
