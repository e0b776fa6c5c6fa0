"""`hardsample lab`: JupyterLab on copies of the notebooks, so that running them changes nothing that git knows."""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from hardsample import notebooks, paths

FIRST = "00-tutorial"
ORIGINAL = "hardsample_original"  # in a copy's metadata: the digest of what it was copied from


def do(options: argparse.Namespace) -> NoReturn:
    root, folder = paths.project_root(), paths.project_root() / "lab"
    paths.check_notebooks()
    for line in copy(paths.notebooks_dir(), folder):
        print(line)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command += [f"--LabApp.default_url=/lab/tree/{folder.name}/{FIRST}.ipynb", *options.jupyter]
    import jupyterlab  # noqa: F401  what is missing is said before this process is given up

    sys.stdout.flush()
    os.execv(sys.executable, command)


def copy(source: Path, folder: Path) -> list[str]:
    """Copy every notebook of ``source`` into ``folder``, and say in lines what was done.

    A copy whose cells were edited is kept. One that was only run, or not touched, is replaced where its original has
    changed.

    Raises:
        InputError: the folder cannot be written.
    """
    made, kept = 0, []
    for name in notebooks.names():
        book = json.loads((source / f"{name}.ipynb").read_text())
        target, digest = folder / f"{name}.ipynb", _digest(book)
        found, original = _state(target)
        if original == digest:
            continue
        if target.exists() and (original is None or found != original):
            kept.append(name)
            continue
        book["metadata"][ORIGINAL] = digest
        paths.write_atomically(target, (json.dumps(book, indent=1, ensure_ascii=False) + "\n").encode())
        made += 1
    lines = [f"{folder}: copies of the notebooks, to run and edit as you like; git does not see them. {made} new."]
    if kept:
        lines.append(
            f"kept as you edited them, though there are newer ones (delete yours to get these): {', '.join(kept)}"
        )
    return lines


def _state(path: Path) -> tuple[str | None, str | None]:
    """The digest of a copy's cells, and of those that it was copied from; None for what cannot be told."""
    try:
        book = json.loads(path.read_text())
        return _digest(book), book["metadata"].get(ORIGINAL)
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def _digest(book: dict[str, Any]) -> str:
    """Of what a person writes in a notebook: the kinds and sources of its cells."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in book["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]
