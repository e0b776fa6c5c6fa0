"""What a figure was drawn from, as a stamp beside the stored runs, to tell whether it must be drawn again."""

import functools
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hardsample import paths, plugins
from hardsample.commands import chosen
from hardsample.errors import InputError
from hardsample.experiments.panels import Experiment
from hardsample.report import figures
from hardsample.runs.store import Store

_LIBRARIES = ("matplotlib", "seaborn", "pandas", "numpy", "scipy", "torch", "papermill")


def inputs(experiment: Experiment, parameters: Mapping[str, Any]) -> str:
    """A digest of all that an experiment's files follow from.

    The package's source, plugins, the notebook, its parameters, the files of the stored runs and timings and of
    what was executed again, and the versions of the libraries that draw.
    """
    store = Store()
    stored = {store.path(run) for run in (*experiment.runs, *experiment.timed)}
    folders = {path.parent for path in stored}
    timings = {path for folder in folders if folder.is_dir() for path in folder.glob("*.timing")}
    told = {
        "code": _code(),
        "plugins": plugins.hashes(),
        "notebook": _digest((paths.notebooks_dir() / f"{experiment.name}.ipynb").read_bytes()),
        "parameters": {name: str(value) for name, value in sorted(parameters.items()) if name in chosen.KNOBS},
        "runs": [_state(path) for path in (*sorted(stored | timings), *store.reruns.run_files())],
        "versions": [importlib.metadata.version(name) for name in _LIBRARIES],
    }
    return _digest(json.dumps(told, sort_keys=True, default=str).encode())


def is_fresh(experiment: Experiment, stamp: str) -> bool:
    """Whether the experiment's files are those that were drawn from the same, none missing and none changed."""
    try:
        known = json.loads(_path(experiment).read_bytes())
        return known["inputs"] == stamp and all(
            _digest((figures.stem(experiment).parent / name).read_bytes()) == digest
            for name, digest in known["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write(experiment: Experiment, stamp: str, files: Sequence[Path]) -> None:
    """Keep the stamp of files that were drawn just now; where that cannot be, it is said once, and nothing is lost."""
    digests = {path.name: _digest(path.read_bytes()) for path in files}
    content = json.dumps({"inputs": stamp, "files": digests}, indent=1).encode()
    try:
        paths.write_atomically(_path(experiment), content)
    except InputError:
        _say_unwritable(paths.runs_dir())


def _path(experiment: Experiment) -> Path:
    return paths.runs_dir() / "drawn" / figures.place(experiment).with_suffix(".json")


def _state(path: Path) -> tuple[str, int, int]:
    """Which file it is: a stored run is never rewritten."""
    try:
        found = path.stat()
    except OSError:
        return path.name, 0, 0
    return path.name, found.st_size, found.st_mtime_ns


@functools.cache
def _say_unwritable(folder: Path) -> None:
    print(f"hardsample: {folder} cannot be written: figures are drawn, and the next call draws again.", file=sys.stderr)


@functools.cache
def _code() -> str:
    """A digest of the package's source."""
    sources: Iterable[Path] = sorted(paths.package_dir().rglob("*.py"))
    return _digest(b"\0".join(path.read_bytes() for path in sources))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
