"""What interrupted runs leave in a store's folder, told by its own names in its own folders alone."""

import contextlib
import re
import time
from pathlib import Path

from hardsample import paths
from hardsample.records import is_stem
from hardsample.training import networks

AGE = 3600.0  # seconds after which a half-written file cannot belong to a living writer

_FOLDERS = ("checkpoints", "comparisons", "drawn", "notebooks", "reruns", "starts")  # beside one for each paper


def half_written(root: Path) -> list[tuple[Path, float]]:
    """The files that are being written, or were when their writer was killed, and when they last changed."""
    papers, found = {spec.paper for spec in networks.NETWORKS.values()}, []
    below = (path for name in (*_FOLDERS, *sorted(papers)) for path in paths.half_written(root / name, "**/*"))
    for path in (*paths.half_written(root), *below):
        with contextlib.suppress(FileNotFoundError):  # its writer lives and has moved it into place
            found.append((path, path.lstat().st_mtime))
    return found


def unfinished(root: Path) -> list[Path]:
    """Checkpoints of runs that were interrupted or go on, unreadable files set aside, and details of no run."""
    alone = [path for path in root.glob("*/*/*.npz") if not path.with_suffix(".json").exists()]
    alone += root.glob("*/*/*.json.broken")
    own = [path for path in alone if is_stem(path.name.removesuffix(".npz").removesuffix(".json.broken"))]
    kept = (path for path in root.glob("checkpoints/*.npz") if re.fullmatch("[0-9a-f]{16}", path.stem))
    return sorted((*own, *kept))


def remove_half_written(root: Path, age: float = AGE) -> None:
    """Remove those that have not changed for ``age`` seconds."""
    for path, written in half_written(root):
        if time.time() - written >= age:
            path.unlink(missing_ok=True)
