"""Every figure and table that has been drawn, for one page: pictures, numbers, and what draws each again."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from hardsample import paths
from hardsample.data import catalogue
from hardsample.experiments import registry
from hardsample.experiments.published import PAPERS
from hardsample.experiments.shipped import SHIPPED
from hardsample.experiments.specs import EXPERIMENTS
from hardsample.numerals import count
from hardsample.report.figures import CHANGED, files
from hardsample.report.wording import sentence
from hardsample.verdicts import embedded, prose
from hardsample.verdicts.embedded import Picture

AUDIT = "hard-samples/audit"  # which has a section of its own
_BESIDE = ("-pairs", "-parts", "-statistics", "-suspects", "-winners")  # of files beside those of a figure or table
_ELSEWHERE = ("claims", "deviations", "hours", "audit")  # tables that the page has in sections of their own
_OVER_RUNS = "Tables over stored runs", "make tables"
_OTHERS = {
    "leaderboard": ("The leaderboard of methods, in neither paper", "make leaderboard"),
    "when-it-helps": ("When it helps: small problems, in neither paper", "python -m benchmarks.when_it_helps"),
}
_TITLES = {"plb-n1024": "PEB against PLB in mini-batches of 1024", "replicates": "The same runs computed twice"}
_LISTED = 13  # methods, panels or metrics that are named one by one


@dataclasses.dataclass(frozen=True)
class Output:
    """A figure or table: ``place`` is below ``figures/``, ``group`` the heading that it stands under.

    ``files`` are names and addresses as seen from the page; ``command`` draws it again, "" where there is none.
    """

    place: str
    group: str
    title: str
    data: str
    pictures: tuple[Picture, ...]
    tables: tuple[Markup, ...]
    files: tuple[tuple[str, str], ...]
    command: str

    @property
    def name(self) -> str:
        """What links lead to: "base-values-sd19-letters-figure-1"."""
        return anchor(self.place)


def anchor(place: str) -> str:
    """What links to a figure or table lead to, by its place below ``figures/``."""
    return place.replace("/", "-")


def address(path: Path) -> str:
    """A file as the page links to it."""
    return Path(os.path.relpath(path, paths.report_dir())).as_posix()


def group(paper: str) -> str:
    """The heading of a paper's figures and tables: "Paper A"."""
    letters = {folder: letter for letter, folder in PAPERS.items()}
    return f"Paper {letters[paper]}" if paper in letters else "All methods and their rivals, in neither paper"


def title(name: str) -> str:
    """What a figure or table is called, given its full name: "Figure 2: Length of the pre-training"."""
    figure, said = name.split("/")[1], EXPERIMENTS[name].title
    numbered = figure.startswith(("figure-", "table-"))
    return f"{figure.replace('-', ' ').capitalize()}: {said}" if numbered else said


def outputs() -> list[Output]:
    """What was drawn of real images, or trains nothing, paper by paper; then what no notebook draws."""
    found = [_of_registry(stem) for stem in _stems() if not _is_trial(stem)]
    return [*found, *map(_other, _other_stems())]


def trials() -> list[Output]:
    """What was drawn of generated images, or with something changed, in smaller pictures."""
    return [_of_registry(stem, embedded.SMALL) for stem in _stems() if _is_trial(stem)]


def commands() -> list[tuple[str, str, str, str]]:
    """Every figure and table there is: its group, its title, the data of runs that are shipped, and a command."""
    return [
        (group(name.split("/")[0]), title(name), _data(data), _command(name, data))
        for name in registry.names()
        for data in [choices["data"] for known, choices in SHIPPED if known == name] or [""]
    ]


def _stems() -> Iterator[Path]:
    """Where the files of every figure and table that has been drawn lie, without a suffix, paper by paper.

    Of one figure those of shipped runs come first, in the order in which they are listed.
    """
    top, order = paths.figures_dir(), [(name, choices["data"]) for name, choices in SHIPPED]
    for name in registry.names():
        if name == AUDIT:
            continue
        paper, figure = name.split("/")
        folder = top / paper
        homes = sorted(path for path in folder.rglob("*") if path.is_dir()) if folder.is_dir() else []
        homes.sort(key=lambda home: order.index((name, home.name)) if (name, home.name) in order else len(order))
        yield from (home / figure for home in (*homes, folder) if (home / f"{figure}.csv").is_file())


def _other_stems() -> Iterator[Path]:
    """What no notebook draws, without a suffix: tables over stored runs, and small problems."""
    known = {path for stem in _stems() for path in files(stem)}
    found = (path for kind in ("*.md", "*.png") for path in paths.figures_dir().rglob(kind) if path not in known)
    stems = {path.with_suffix("") for path in found if path.stem not in _ELSEWHERE}
    yield from sorted(stem for stem in stems if not stem.name.endswith(_BESIDE))


def _is_trial(stem: Path) -> bool:
    """Whether the files are of generated data, which have no folder of their own, or of what was changed."""
    paper, *folders = stem.parent.relative_to(paths.figures_dir()).parts
    if folders:
        return CHANGED in folders
    experiment = registry.grid(f"{paper}/{stem.name}", profile="smoke")
    return bool(experiment.runs or experiment.timed)


def _of_registry(stem: Path, width: int = embedded.WIDTH) -> Output:
    paper, *folders = stem.parent.relative_to(paths.figures_dir()).parts
    name, data = f"{paper}/{stem.name}", folders[0] if folders else ""
    return _output(stem, group(paper), title(name), ", ".join(map(_data, folders)), _command(name, data), width)


def _other(stem: Path) -> Output:
    top, *folders = (*stem.parent.relative_to(paths.figures_dir()).parts, "")
    named = _TITLES.get(stem.name, stem.name.replace("-", " ").capitalize())
    width = embedded.WIDTH if top in registry.papers() else embedded.MEDIUM
    heading, command = _OTHERS.get(top, _OVER_RUNS)
    return _output(stem, heading, named, ", ".join(map(_data, filter(None, folders))), command, width)


def _output(stem: Path, heading: str, named: str, data: str, command: str, width: int) -> Output:
    own = [path for path in files(stem) if path.stem == stem.name or path.stem.endswith(_BESIDE)]
    texts = [path.read_text() for path in own if path.suffix == ".md"]
    about = sentence(f"{named} ({data})" if data else named)
    said = [about, _drawn(stem), *map(prose.bold_beginning, texts)]
    pictures = []
    for path in own:
        if path.suffix == ".png":
            beside = path.stem.removeprefix(stem.name).removeprefix("-")
            words = f"{beside.capitalize()}. {about}" if beside else " ".join(filter(None, said))
            pictures.append(embedded.picture(path, words, width))
    return Output(
        place=stem.relative_to(paths.figures_dir()).as_posix(),
        group=heading,
        title=named,
        data=data,
        pictures=tuple(pictures),
        tables=tuple(map(prose.html, texts)),
        files=tuple((path.name, address(path)) for path in own),
        command=command,
    )


def _drawn(stem: Path) -> str:
    """What a picture's lines are of, by the drawn points; "" where they have no methods."""
    try:
        points = pd.read_csv(stem.with_suffix(".csv"))
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return ""
    told = []
    for column in ("method", "panel", "metric"):
        named = list(map(str, points[column].dropna().unique())) if column in points else []
        if named:
            told.append(f"{column}s: {', '.join(named)}" if len(named) <= _LISTED else count(len(named), column))
    return sentence("; ".join(told))


def _data(name: str) -> str:
    return catalogue.label(name) or name


def _command(name: str, data: str) -> str:
    """What draws it: from the shipped runs where there are such, else by training what is missing."""
    if (name, data) in [(known, choices["data"]) for known, choices in SHIPPED]:
        return f"make shipped FIGURE={name} DATA={data}"
    return f"make reproduce FIGURE={name}{f' DATA={data}' if data else ''}"
