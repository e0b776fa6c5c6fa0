"""`hardsample clean`: remove what interrupted runs left."""

import argparse
import time

from hardsample.commands.columns import size
from hardsample.comparison import trials
from hardsample.numerals import count
from hardsample.runs import leftovers
from hardsample.runs.store import Store


def do(options: argparse.Namespace) -> int:
    """Remove checkpoints, half-written files, unreadable ones set aside, and details of no run; finished runs stay."""
    root = Store().root
    written = leftovers.half_written(root)
    dead = [path for path, changed in written if time.time() - changed >= leftovers.AGE]
    freed, files = 0, 0
    for path in (*leftovers.unfinished(root), *trials.unfinished(root), *dead):
        freed, files = freed + path.lstat().st_size, files + 1
        print(path)
        if not options.dry_run:
            path.unlink(missing_ok=True)
    print(f"{count(files, 'file')}, {size(freed)} {'would be freed' if options.dry_run else 'freed'} in {root}")
    if young := len(written) - len(dead):
        print(f"half-written files younger than an hour stay, {young} of them: a launch may be writing them")
    return 0
