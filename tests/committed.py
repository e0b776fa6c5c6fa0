"""The runs and figures of a checkout that git knows, without those that were made since."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from hardsample.runs.store import Store


def tracked(root: Path, folder: str) -> list[str]:
    """The files under ``folder`` that git tracks, from ``root``; none outside a git checkout."""
    git = shutil.which("git")
    command = (git, "ls-files", "-z", folder)
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True).stdout if git else ""
    return [name for name in listed.split("\0") if name]


def store_of_committed(root: Path, folder: Path) -> Store:
    """A store in ``folder`` of links to the runs that git tracks; outside a git checkout, all that ``root`` stores."""
    names = tracked(root, "runs")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(root / name)
    return Store((folder if names else root) / "runs")


def checkout_of(root: Path, folder: Path) -> Path:
    """A checkout in ``folder`` of ``root``'s tracked files but for the runs, as they are now, all committed."""
    for name in tracked(root, "."):
        if not name.startswith("runs/") and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    own = ("-c", "user.name=reader", "-c", "user.email=reader@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet"), ("add", "--all"), (*own, "commit", "--quiet", "--message", "as it is")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def changed(folder: Path) -> str:
    """What git says was changed or added in a checkout; "" for nothing."""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def check_equal(written: Iterable[Path], folder: Path) -> None:
    """Assert that files are committed in the folder, those of text byte for byte as they were written."""
    for path in written:
        committed = folder / path.name
        assert committed.is_file(), committed.name
        if path.suffix in (".csv", ".md", ".tex"):
            assert path.read_bytes() == committed.read_bytes(), path.name
