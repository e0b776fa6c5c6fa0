"""Paper B's tables, ours beside what the paper prints: numbers for machines, Markdown and LaTeX for readers.

Every table is a frame of plain numbers in the columns of ``COLUMNS``; accuracies are in %, their differences in points,
and what does not exist is NaN. Its ``attrs`` hold what a reader is told: ``title``; ``head``, sentences on the data,
the profile and the definitions; ``notes``, sentences on the columns; ``layout``, how its rows are written
(:mod:`hardsample.report.paper_columns`).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hardsample.report import markup, stats
from hardsample.report.paper_columns import DOUBTFUL, LAYOUTS, Column

_COMPARED = ("difference", "difference_low", "difference_high", "p", "p_holm", "smallest", "seeds_won", "pairs")
FRESH_COLUMNS = ("fresh_difference", "fresh_low", "fresh_high", "fresh_pairs")
COLUMNS = {
    "table-1": (
        *("delta", "status", "data", "profile", "protocol", "rounds"),
        *("seconds", "seconds_low", "seconds_high", "seconds_paper", "seconds_difference"),
        *("ratio", "ratio_low", "ratio_high", "ratio_paper", "ratio_difference"),
    ),
    "table-2": (
        *("network", "image_size", "classes"),
        *("parameters", "parameters_millions", "parameters_paper", "parameters_difference"),
        *("flops", "flops_giga", "flops_paper", "flops_difference"),
    ),
    "table-3": (
        *("network", "delta", "status", "data", "profile", "protocol", "n", "diverged"),
        *("train", "train_low", "train_high", "train_paper", "train_paper_interval", "train_difference"),
        *("test", "test_low", "test_high", "test_paper", "test_paper_interval", "test_difference"),
        *(*_COMPARED, "difference_paper", *FRESH_COLUMNS, "updates"),
        *("e", "e_low", "e_high", "converged", "e_spacing", "e_paper", "e_difference"),
        *("e_change", "e_change_paper", "fewer", "doubt"),
    ),
    "table-6": (
        *("network", "data_set", "status", "data", "profile", "protocol", "n", "diverged"),
        *("delta", "baseline", "chosen", "change", *_COMPARED, *FRESH_COLUMNS),
        *("naive_delta", "naive_change", "change_paper", "change_difference", "change_recomputed", "doubt"),
    ),
}


def build(layout: str, rows: list[dict], title: str, head: list[str], notes: list[str]) -> pd.DataFrame:
    """The rows in the layout's columns; p values are adjusted over all, and left out where seeds are too few."""
    table = pd.DataFrame(rows, columns=list(COLUMNS[layout]))
    if "p" in table:
        usable = [row.get("usable", 0) for row in rows]
        notes = [*notes, _test_note(int(table.p.notna().sum()), max(usable))]
        tested = stats.family(table.p, table.difference_low, table.difference_high, usable)
        table["p"], table["p_holm"], table["smallest"] = tested
    if "doubt" in table:
        table["doubt"] = table.doubt.fillna("")
    table.attrs = {"layout": layout, "title": title, "head": head, "notes": [note for note in notes if note]}
    return table


def markdown(table: pd.DataFrame) -> str:
    """Any of the tables for readers of Markdown: title, head, a line per row, notes."""
    statement, *others = table.attrs["head"]
    blocks = [
        f"**{table.attrs['title']}**",
        " ".join((f"**{statement}**", *others)),
        markup.markdown_table([column.heading for column in columns_of(table)], cell_texts(table)),
        " ".join(table.attrs["notes"]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Any of the tables as a LaTeX float in ASCII; it needs the package booktabs."""
    head = [_tex(sentence) for sentence in table.attrs["head"]]
    body = [f"{' & '.join(map(_tex, line))} \\\\" for line in cell_texts(table)]
    lines = [
        "% Needs \\usepackage{booktabs}; the widest tables also a landscape page.",
        *(f"% {sentence}" for sentence in head),
        "\\begin{table*}",
        "\\centering\\scriptsize\\setlength{\\tabcolsep}{3pt}",
        f"\\caption{{{' '.join((_tex(table.attrs['title']) + '.', *head))}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(columns_of(table)) - 1)}}}",
        "\\toprule",
        f"{' & '.join(_tex(column.heading) for column in columns_of(table))} \\\\",
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
        f"\\par\\medskip\\parbox{{\\textwidth}}{{{' '.join(map(_tex, table.attrs['notes']))}}}",
        "\\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, .csv and .tex, each whole or not at all; equal tables give equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    return markup.write(stem, {"md": markdown(table), "csv": markup.csv(table), "tex": latex(table)})


def _test_note(tests: int, most: int) -> str:
    """What a family of tests can tell, of which none has more than ``most`` pairs of seeds."""
    if not tests:
        return ""
    needed = stats.seeds_needed(tests)
    family = f"{tests} test{'s' * (tests > 1)}"
    if most < needed:
        return (
            f"With {most} seed{'s' * (most > 1)} no difference can be significant, whatever its size: {family} need"
            f"{'s' * (tests == 1)} {needed}. Differences are shown without p."
        )
    return (
        f"p is adjusted by Holm over the table's {family} and shown where there are the {needed} seeds that they need."
        f" Smallest: the smallest difference that would be significant ({stats.LEVEL:g}) at the spread seen. The"
        " tests cover seeds, not the choice of test images."
    )


def columns_of(table: pd.DataFrame) -> Sequence[Column]:
    return LAYOUTS[table.attrs["layout"]]


def cell_texts(table: pd.DataFrame) -> list[list[str]]:
    return [[column.text(row) for column in columns_of(table)] for _, row in table.iterrows()]


_TEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
        **{"<": "$<$", ">": "$>$", "α": "$\\alpha$", "δ": "$\\delta$", "Δ": "$\\Delta$", "ζ": "$\\zeta$"},
        **{"±": "$\\pm$", "×": "$\\times$", DOUBTFUL: "$\\dagger$", "§": "\\S{}", "–": "--", "’": "'"},
    }
)


def _tex(text: str) -> str:
    """Text as LaTeX in ASCII: what has no spelling there becomes a question mark."""
    spelled = re.sub(r"(?<![\w.])-(?=\d)", "$-$", text.translate(_TEX))
    return spelled.encode("ascii", "replace").decode()
