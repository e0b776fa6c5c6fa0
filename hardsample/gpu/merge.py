"""What a GPU brought home, checked number by number and stored."""

import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hardsample import archive, paths
from hardsample.errors import InputError
from hardsample.records import StoredRun, check_fingerprints
from hardsample.runs.provenance import commit, source_hash
from hardsample.runs.store import Store
from hardsample.training.results import COLUMNS, TrainingResult

TOLD = 10  # runs whose difference is told one by one


def merge(folder: Path, store: Store | None = None) -> list[str]:
    """Check the runs that ``hardsample gpu`` left in ``folder`` and store those that are new; a line for each finding.

    A run that is stored already stays as it is, and what differs is told. Where a run does not know its commit, and the
    sources that made it are those of this clean checkout, it gets the checkout's.

    Raises:
        InputError: something is wrong with any of them; nothing is stored.
    """
    store = store or Store()
    path = Path(folder) / archive.NAME
    if not path.is_file():
        raise InputError(f"there is no {archive.NAME} in {folder}: give the folder that `hardsample gpu` filled.")
    manifest, files = archive.unpack(path)
    records = _records(manifest, files, path)
    check_fingerprints((record.run, record.provenance) for record in itertools.chain(store.records(), records))
    paths.check_writable(store.root)
    stored, there, filled, differing = 0, 0, 0, []
    for record in records:
        before = store.find(record.run)
        if before is not None:
            there += 1
            differing += _difference(before, record)
            continue
        made = _with_commit(record.provenance)
        filled += made != record.provenance
        stored += store.write(record.run, TrainingResult(record.columns, record.rows, {}), made)
    return [
        *_told(differing),
        *_sources(records, filled),
        f"{stored} runs stored in {store.root}, {there} there before",
    ]


def _records(manifest: Mapping[str, Any], files: Mapping[str, bytes], path: Path) -> list[StoredRun]:
    """The runs in ``files``, each as sound as one in a store, and as the manifest says."""
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = Store(Path(scratch))
        for name, content in files.items():
            _check(name, content, path)
            paths.write_atomically(unpacked.root / name, content)
        if problems := unpacked.verify():
            raise InputError(f"{path} holds what is no sound run: {problems[0].replace(f'{unpacked.root}/', '')}")
        records = {str(unpacked.path(record.run).relative_to(unpacked.root)): record for record in unpacked.records()}
    for entry in manifest["runs"]:
        record = records[entry["file"]]
        made = record.provenance
        found = (record.run.key, len(record.rows), made["data"]["fingerprint"], made.get("source"))
        if found != tuple(entry.get(name) for name in ("key", "rows", "fingerprint", "source")):
            raise InputError(
                f"the manifest in {path} is not of {entry['file']!r}: copy it anew from where it was made."
            )
    return list(records.values())


def _check(name: str, content: bytes, path: Path) -> None:
    """Refuse a run's file unless it is one of this version, and says which sources made it."""
    try:
        values = json.loads(content, parse_constant=_no_number)
        if tuple(values["columns"]) != COLUMNS:
            raise ValueError("its columns are not those of this version")
        if not all(isinstance(values["provenance"][name], str) for name in ("commit", "source")):
            raise ValueError("it does not say which sources made it")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{name!r} in {path} is no finished run ({error}): copy it anew or leave it out.") from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"it holds {text}")


def _with_commit(made: Mapping[str, Any]) -> Mapping[str, Any]:
    """The provenance, and the commit of this checkout where its clean sources are those that made the run."""
    here = commit()
    if made["commit"] != "unknown" or made["source"] != source_hash() or here == "unknown" or here.endswith("-dirty"):
        return made
    return {**made, "commit": here}


def _sources(records: Sequence[StoredRun], filled: int) -> Iterator[str]:
    """What is said of the sources that made the runs."""
    others = sorted({record.provenance["source"] for record in records} - {source_hash()})
    if others:
        yield (
            f"made by other sources than this checkout's ({', '.join(others)}, here {source_hash()}):"
            " their commit stays as it is"
        )
    if filled:
        yield f"commit {commit()[:7]} filled in for {filled} runs: this checkout's sources made them"


def _difference(stored: StoredRun, brought: StoredRun) -> Iterator[str]:
    """How far the numbers of a run are from those stored, if they are not equal."""
    if repr(stored.rows) == repr(brought.rows) and stored.columns == brought.columns:
        return
    last = [dict(zip(record.columns, record.rows[-1], strict=True)) for record in (stored, brought)]
    pairs = ", ".join(
        f"{name} {last[0][name]:.4f} and {last[1][name]:.4f}" for name in ("acc/val", "loss/val") if name in last[0]
    )
    yield f"{stored.run.label} with seed {stored.run.seed} stays as it is stored; here and there: {pairs}"


def _told(differing: Sequence[str]) -> Iterator[str]:
    yield from differing[:TOLD]
    if len(differing) > TOLD:
        yield f"and {len(differing) - TOLD} runs more differ"
