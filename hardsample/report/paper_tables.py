"""Paper B's tables, ours beside what the paper prints: numbers for machines, Markdown and LaTeX for readers.

Every table is a frame of plain numbers in the columns of ``COLUMNS``; accuracies are in %, their differences in points,
and what does not exist is NaN. Its ``attrs`` hold what a reader is told: ``title``; ``finding``, what its tests say;
``head``, sentences on the data and the profile; ``notes``, sentences on the columns; ``layout``, how its rows are
written (:mod:`hardsample.report.paper_columns`). Readers see the rows that were run, in the columns that say
something; the CSV has all.
"""

import re
from pathlib import Path

import pandas as pd

from hardsample.numerals import count, short
from hardsample.report import markup, stats, wording
from hardsample.report.paper_columns import DOUBTFUL, LAYOUTS
from hardsample.training import networks

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
    table, finding = pd.DataFrame(rows, columns=list(COLUMNS[layout])), ""
    if "p" in table:
        usable, tests = [row.get("usable", 0) for row in rows], int(table.p.notna().sum())
        tested = stats.family(table.p, table.difference_low, table.difference_high, usable)
        table["p"], table["p_holm"], table["smallest"] = tested
        finding = wording.too_few_statement(max(usable), tests) or _finding(table)
        notes = [_test_note(tests) if table.p.notna().any() else "", *notes]
    if "doubt" in table:
        table["doubt"] = table.doubt.fillna("")
    table.attrs = {"layout": layout, "title": title, "finding": finding, "head": head}
    table.attrs["notes"] = [note for note in notes if note]
    return table


def markdown(table: pd.DataFrame) -> str:
    """Any of the tables for readers of Markdown: title, finding, head, a line per row that was run, notes."""
    (statement, *others), finding = table.attrs["head"], table.attrs["finding"]
    header, rows = texts(table)
    blocks = [
        f"**{table.attrs['title']}**",
        f"**{finding}**" if finding else "",
        " ".join((f"**{statement}**", *filter(None, others))),
        markup.markdown_table(header, rows) if rows else "",
        " ".join(table.attrs["notes"]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def latex(table: pd.DataFrame) -> str:
    """Any of the tables as a LaTeX float in ASCII; it needs the package booktabs."""
    head = [_tex(sentence) for sentence in (table.attrs["finding"], *table.attrs["head"]) if sentence]
    header, rows = texts(table)
    body = [f"{' & '.join(map(_tex, line))} \\\\" for line in rows]
    lines = [
        "% Needs \\usepackage{booktabs}; the widest tables also a landscape page.",
        *(f"% {sentence}" for sentence in head),
        "\\begin{table*}",
        "\\centering\\scriptsize\\setlength{\\tabcolsep}{3pt}",
        f"\\caption{{{' '.join((_tex(table.attrs['title']) + '.', *head))}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        "\\toprule",
        f"{' & '.join(map(_tex, header))} \\\\",
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


def texts(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """The headings and the cells that readers see: rows that were run, columns in which one of them has something."""
    columns, run = LAYOUTS[table.attrs["layout"]], table
    if "status" in table:
        run = table[table.status != "not run"]
    cells = [[column.text(row) for column in columns] for _, row in run.iterrows()]
    return markup.filled([column.heading for column in columns], cells)


def label(row: pd.Series, second: str) -> str:
    """A row by its network and its δ or data set: "ResNet-18 at 0.5", "ResNet-18 on CIFAR-10"."""
    value = row[second]
    return f"{networks.find(row.network).title} {f'on {value}' if isinstance(value, str) else f'at {short(value)}'}"


def _finding(table: pd.DataFrame) -> str:
    """How many differences are significant, and which; "" without any test."""
    tested, second = table[table.p_holm.notna()], table.columns[1]
    if tested.empty:
        return ""
    significant, parts = tested.p_holm < stats.LEVEL, []
    for words, own in (
        ("significantly above", tested[significant & (tested.difference > 0)]),
        ("significantly below", tested[significant & (tested.difference < 0)]),
    ):
        if names := ", ".join(label(row, second) for _, row in own.iterrows()):
            parts.append(f"{words} in {len(own)} ({names})")
    if not significant.all():
        parts.append(f"inconclusive in {int((~significant).sum())}")
    return f"Test accuracy against δ = 1, {count(len(tested), 'difference')}: {', '.join(parts)}."


def _test_note(tests: int) -> str:
    """How a family of so many tests was made, and what its columns say."""
    return f"{wording.p_statement(tests, 'the table')} The tests cover seeds, not the choice of test images."


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
