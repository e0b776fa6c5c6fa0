"""One page on which a reader sees whether the claims of the two papers hold, with all that each verdict rests on.

It is one file that asks for nothing: pictures, styles, scripts and the library of its curves are inside. Without
scripts all of it can be read.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from hardsample import paths
from hardsample.experiments.published import PAPERS
from hardsample.numerals import count, number
from hardsample.report import audit
from hardsample.report.wording import sentence
from hardsample.verdicts import curves, gallery, prose, swatches
from hardsample.verdicts.claim import MEANING, Judged
from hardsample.verdicts.findings import RESULT

TITLES = {letter: gallery.group(folder) for letter, folder in PAPERS.items()}
_MARKS = {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "not tested": "–"}
_MARKS |= {"follows": "✓", "does not follow": "✗", "kept": "=", "changed": "≠"}
_TEMPLATES = Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the page tells.

    ``findings`` are sentences in Markdown; ``counts`` map "A" and "B" to how many of the paper's claims have each
    verdict; ``facts`` are what stands below the title, by name: the version, the runs.
    """

    judged: Judged
    findings: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    facts: Mapping[str, str]


def save(contents: Contents) -> Path:
    """Write the page anew, and say where.

    Raises:
        InputError: the folder cannot be written.
    """
    path = paths.report_dir() / "index.html"
    paths.write_atomically(path, html(contents).encode())
    return path


def html(contents: Contents) -> str:
    """The page; equal contents and figures give equal text."""
    shown = gallery.outputs()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose.inline, "sentence": sentence, "number": number}
    environment.filters["slug"] = lambda text: text.replace(" ", "-")
    environment.globals |= {"count": count, "marks": _MARKS, "anchor": gallery.anchor}
    parts = {name: Markup((_TEMPLATES / name).read_text()) for name in ("style.css", "page.js", "curves.js")}
    return environment.get_template("page.html").render(
        contents=contents,
        judged=contents.judged,
        meaning={verdict: words for verdict, words in MEANING.items() if _has(contents, verdict)},
        papers=TITLES,
        most=max((many for counts in contents.counts.values() for many in counts.values()), default=1),
        first_shown=RESULT,
        data=_data(contents.judged),
        kinds=list(dict.fromkeys(claim.kind for claim in contents.judged.claims)),
        interactive=curves.interactive(),
        library=curves.library(),
        outputs={output.place: output for output in shown},
        groups=_by_group(shown),
        trials=_by_group(gallery.trials()),
        methods=swatches.methods(),
        commands=gallery.commands(),
        audit=_audit(),
        tables={name: _table(name) for name in ("deviations", "hours")},
        parts=parts,
    )


def _has(contents: Contents, verdict: str) -> bool:
    return any(counts.get(verdict) for counts in contents.counts.values())


def _data(judged: Judged) -> dict[str, str]:
    """The data sets on which claims were tested, by name, with their words."""
    return {one.data: one.label for claim in judged.claims for one in claim.evidence if one.data in claim.data}


def _by_group(outputs: list[gallery.Output]) -> dict[str, list[gallery.Output]]:
    groups: dict[str, list[gallery.Output]] = {}
    for output in outputs:
        groups.setdefault(output.group, []).append(output)
    return groups


def _table(name: str) -> Markup | None:
    """A table of ``figures/`` as HTML; None where it was not made."""
    path = paths.figures_dir() / f"{name}.md"
    return prose.html(path.read_text()) if path.is_file() else None


def _audit() -> Mapping[str, Any]:
    """The audit as HTML: what does not follow, and all numbers; nothing where it was not made."""
    path = paths.figures_dir() / f"{gallery.AUDIT}.csv"
    if not path.is_file():
        return {}
    rows = pd.read_csv(path, dtype={"printed": str}).fillna({"hypothesis": "", "remark": "", "one_off": ""})
    rows["of_baseline"] = rows.of_baseline.astype(float)
    told = {name: prose.html(audit.markdown(rows, everything=name == "all")) for name in ("not", "all")}
    return told | {"rows": len(rows), "anchor": gallery.anchor(gallery.AUDIT)}
