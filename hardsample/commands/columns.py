"""Aligned columns of text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """A line a row, every column as wide as its widest entry; those numbered in ``left`` begin there, others end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            entry.ljust(width) if number in left else entry.rjust(width)
            for number, (entry, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def minutes(seconds: float) -> str:
    """Seconds as minutes, with one decimal."""
    return f"{seconds / 60:.1f}"


def size(count: float) -> str:
    """So many bytes in words: "340 kB", "1.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
