"""One page that shows every figure and table that has been drawn: ``figures/index.html``."""

import html
from collections.abc import Iterator
from pathlib import Path

import mistune

from hardsample import paths
from hardsample.data import catalogue
from hardsample.experiments import registry
from hardsample.experiments.shipped import SHIPPED
from hardsample.experiments.specs import EXPERIMENTS
from hardsample.report.figures import CHANGED, files

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
img { max-width: 100%; height: auto; background: white; }
section { border-top: 1px solid #8886; padding: 0.5rem 0 1.5rem; }
nav ul { columns: 20rem; }
nav li { break-inside: avoid; }
.table { overflow-x: auto; font-size: 0.85rem; }
table { border-collapse: collapse; }
td, th { border: 1px solid #8886; padding: 0.2rem 0.5rem; text-align: left; vertical-align: top; }
"""
_PICTURES = ("-pairs", "-parts", "-statistics", "-suspects", "-winners")  # of tables beside a figure or table
_markdown = mistune.create_markdown(plugins=["table"])


def save() -> Path:
    """Write the page anew from the files that are there.

    Raises:
        InputError: the folder cannot be written.
    """
    path = paths.figures_dir() / "index.html"
    paths.write_atomically(path, page().encode())
    return path


def page() -> str:
    """The page: what was drawn from real images, then what was drawn from generated ones or trains nothing."""
    parts = [
        (heading, found)
        for heading, real in (
            ("From real images", True),
            ("Trials on generated images, and what trains nothing", False),
        )
        if (found := [stem for stem in _stems() if _is_real(stem) == real])
    ]
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>hardsample: figures and tables</title><style>{_STYLE}</style></head><body>",
        "<h1>Figures and tables</h1>",
    ]
    for heading, stems in parts:
        links = "".join(f'<li><a href="#{_anchor(stem)}">{_title(stem)}</a></li>' for stem in stems)
        lines.append(f"<nav><h2>{heading}</h2><ul>{links}</ul></nav>")
    if not parts:
        lines.append("<p>Nothing has been drawn yet: <code>make reproduce</code> draws all.</p>")
    lines += [_section(stem) for _, stems in parts for stem in stems]
    return "\n".join((*lines, "</body></html>\n"))


def _stems() -> Iterator[Path]:
    """Where the files of every figure and table that has been drawn lie, without a suffix, paper by paper.

    Of one figure those of shipped runs come first, in the order in which they are listed.
    """
    top, order = paths.figures_dir(), [(name, choices["data"]) for name, choices in SHIPPED]
    for name in registry.names():
        paper, figure = name.split("/")
        folder = top / paper
        homes = sorted(path for path in folder.rglob("*") if path.is_dir()) if folder.is_dir() else []
        homes.sort(key=lambda home: order.index((name, home.name)) if (name, home.name) in order else len(order))
        yield from (home / figure for home in (*homes, folder) if (home / f"{figure}.csv").is_file())


def _is_real(stem: Path) -> bool:
    """Whether the files are of data that have a folder of their own, as all that is not generated has."""
    _, *folders = stem.parent.relative_to(paths.figures_dir()).parts
    return bool(folders) and folders[0] != CHANGED


def _section(stem: Path) -> str:
    """A figure or table with its picture, its table for readers, and links to its files."""
    own = [path for path in files(stem) if path.stem == stem.name or path.stem.endswith(_PICTURES)]
    lines = [f'<section id="{_anchor(stem)}"><h3>{_title(stem)}</h3>']
    lines += [
        f'<p><a href="{_link(path)}"><img src="{_link(path)}" alt="{_title(stem)}" loading="lazy"></a></p>'
        for path in own
        if path.suffix == ".png"
    ]
    tables = [_markdown(path.read_text()) for path in own if path.suffix == ".md"]
    if any(path.suffix == ".png" for path in own):
        tables = [f"<details><summary>Numbers</summary>{table}</details>" for table in tables]
    lines += [f'<div class="table">{table}</div>' for table in tables]
    links = ", ".join(f'<a href="{_link(path)}">{html.escape(path.name)}</a>' for path in own)
    return "\n".join((*lines, f"<p>Files: {links}</p></section>"))


def _title(stem: Path) -> str:
    paper, *data = stem.parent.relative_to(paths.figures_dir()).parts
    spec = EXPERIMENTS[f"{paper}/{stem.name}"]
    names = [catalogue.label(name) or name for name in data]
    return html.escape(", ".join((f"{paper}/{stem.name}: {spec.title}", *names)))


def _anchor(stem: Path) -> str:
    return html.escape("-".join(stem.relative_to(paths.figures_dir()).parts))


def _link(path: Path) -> str:
    return html.escape(path.relative_to(paths.figures_dir()).as_posix())
