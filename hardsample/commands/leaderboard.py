"""`hardsample leaderboard`: the table of methods, and one's own method beside the others."""

import argparse

from hardsample import paths
from hardsample.commands.columns import aligned
from hardsample.comparison import leaderboard, leaderboard_figure, leaderboard_passes, leaderboard_rows, named
from hardsample.comparison import leaderboard_words as words
from hardsample.errors import InputError
from hardsample.report import figures, markup

FOLDER = "leaderboard"  # of the figures


def do(options: argparse.Namespace) -> int:
    """Train the rows that are asked for and not stored; print the table, and write it with its figure.

    The project's page of it is written where the project's figures are.
    """
    names = named.parts("--methods", options.methods)
    stem = paths.figures_dir() / FOLDER / FOLDER
    paths.check_writable(stem.parent)
    if names:
        for task in leaderboard.TASKS:
            leaderboard.train(task, names, options.workers)
        leaderboard_passes.count(names, options.workers)
    board = leaderboard_rows.read()
    print(*aligned(words.lines(board), left=(1,)), "* significant after Holm", sep="\n")
    own = [line for name in names for line in _standing(board, leaderboard.plain_name(name))]
    told = (words.finding(board), *filter(None, (words.unfinished(board),)), *own)
    print("", *map(words.plain, told), "", sep="\n")
    written = figures.save(leaderboard_figure.draw(board), board.table, stem)
    written += markup.write(stem, {"md": words.markdown(board)})
    page = paths.project_root() / words.PAGE
    if paths.figures_dir() == paths.project_root() / "figures" and page.is_file():
        paths.write_atomically(page, words.page(page.read_text(), board).encode())
        written += (page,)
    print(*written, sep="\n")
    return 0


def _standing(board: leaderboard_rows.Leaderboard, name: str) -> list[str]:
    found = words.standing(board, name)
    if not found and name != leaderboard.BASELINE:
        raise InputError(f"{name} has no row, since its trainings could not be stored: write it as a class in a file.")
    return found
