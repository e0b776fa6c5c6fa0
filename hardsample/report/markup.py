"""The files of a figure or a table: side by side under one stem, each whole or not at all."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hardsample import paths

if TYPE_CHECKING:
    import pandas


def csv(table: "pandas.DataFrame") -> str:
    """A table as text, numbers to nine digits."""
    return table.to_csv(index=False, float_format="%.9g", lineterminator="\n")


def filled(header: Sequence[str], rows: Iterable[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The same cells without the columns in which no row has any text; with them all where there is no row."""
    rows = list(rows)
    kept = [place for place in range(len(header)) if not rows or any(row[place] for row in rows)]
    header, *rows = ([row[place] for place in kept] for row in (header, *rows))
    return header, rows


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells of text as a table in Markdown, a line a row, without columns that have nothing in them."""
    header, rows = filled(header, rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows))


def with_blocks(text: str, kind: str, said: Callable[[str], str]) -> str:
    """A page with every block between ``<!-- kind: NAME -->`` and ``<!-- end -->`` anew, as ``said`` has it by name."""
    block = re.compile(rf"(<!-- {kind}: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return block.sub(lambda found: f"{found[1]}\n{said(found[2])}\n\n{found[3]}", text)


def write(stem: Path, contents: Mapping[str, str | bytes]) -> tuple[Path, ...]:
    """Write ``stem``.<suffix> for every suffix in ``contents``.

    Raises:
        InputError: the folder cannot be written.
    """
    written = {stem.with_name(f"{stem.name}.{suffix}"): content for suffix, content in contents.items()}
    for path, content in written.items():
        paths.write_atomically(path, content.encode() if isinstance(content, str) else content)
    return tuple(written)
