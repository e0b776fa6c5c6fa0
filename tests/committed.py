"""The runs of a checkout that git knows, without those that were trained since."""

import shutil
import subprocess
from pathlib import Path

from hardsample.runs.store import Store


def store_of_committed(root: Path, folder: Path) -> Store:
    """A store in ``folder`` of links to the runs that git tracks; outside a git checkout, all that ``root`` stores."""
    git = shutil.which("git")
    command = (git, "ls-files", "-z", "runs")
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True).stdout if git else ""
    names = [name for name in listed.split("\0") if name]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(root / name)
    return Store((folder if names else root) / "runs")
