"""Paper B's tables, ours beside what the paper prints: numbers for machines, Markdown and LaTeX for readers.

Every table is a frame of plain numbers in the columns of ``COLUMNS``; accuracies are in %, their differences in points,
and what does not exist is NaN. Its ``attrs`` hold what a reader is told: ``title``; ``finding``, what its tests say;
``head``, sentences on the data and the profile; ``notes``, sentences on the columns; ``layout``, how its rows are
written (:mod:`hardsample.report.paper_columns`). Readers see the rows that were run, in the columns that say
something; the CSV has all.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hardsample import statistics
from hardsample.numerals import count, number, short
from hardsample.report import markup, wording
from hardsample.report.paper_columns import DOUBTFUL, LAYOUTS
from hardsample.training import networks

FRESH, EPOCHS = "fresh_", "epochs_"
COMPARISONS = {
    "": "Test accuracy against δ = 1",
    FRESH: "Test accuracy against reshuffled training",
    EPOCHS: "e against δ = 1",
}
"""What is compared in the columns that begin so."""
FAMILIES = {"test accuracy": ("", FRESH), "e": (EPOCHS,)}
"""Which comparisons are one family of tests."""
_DIFFERENCE = ("difference", "difference_low", "difference_high")
_COMPARED = (*_DIFFERENCE, "p", "p_holm", "smallest", "seeds_won", "pairs", "usable")
COLUMNS = {
    "table-1": (
        *("delta", "status", "data", "profile", "protocol", "rounds"),
        *("seconds", "seconds_low", "seconds_high", "seconds_paper", "seconds_difference"),
        *("ratio", "ratio_low", "ratio_high", "ratio_paper", "ratio_difference"),
        *("tests_ratio", "tests_ratio_low", "tests_ratio_high"),
        *("described_ratio", "described_ratio_low", "described_ratio_high"),
        *("walked_ratio", "walked_ratio_low", "walked_ratio_high"),
        *("walked_tests_ratio", "walked_tests_ratio_low", "walked_tests_ratio_high"),
    ),
    "table-1-parts": (
        *("delta", "rounds", "loading", "skipped", "update", "reading", "sorting", "test"),
        *("total", "total_low", "total_high", "ratio", "ratio_low", "ratio_high"),
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
        *(*_COMPARED, "difference_paper", *(FRESH + name for name in _COMPARED), "updates"),
        *("e", "e_low", "e_high", "converged", "e_spacing", "e_paper", "e_difference"),
        *("e_change", "e_change_paper", "fewer", *(EPOCHS + name for name in _COMPARED), "doubt"),
    ),
    "table-6": (
        *("network", "data_set", "status", "data", "profile", "protocol", "n", "diverged"),
        *("delta", "baseline", "chosen", "change", *_COMPARED, *(FRESH + name for name in _COMPARED)),
        *("naive_delta", "naive_change", "change_paper", "change_difference", "change_recomputed", "doubt"),
    ),
}


def build(layout: str, rows: list[dict], title: str, head: list[str], notes: list[str]) -> pd.DataFrame:
    """The rows in the layout's columns; p values are adjusted over each of the ``FAMILIES``.

    Where seeds are too few there is none.
    """
    table, findings, tests = pd.DataFrame(rows, columns=list(COLUMNS[layout])), [], {}
    for name, prefixes in FAMILIES.items():
        kinds = [prefix for prefix in prefixes if f"{prefix}p" in table]
        if many := sum(int(table[f"{prefix}p"].notna().sum()) for prefix in kinds):
            most = max(table[f"{prefix}usable"].max() for prefix in kinds)
            _test(table, kinds)
            few = wording.too_few_statement(most, many, name)
            findings += [few] if few else [_finding(table, prefix) for prefix in kinds]
            tests |= {} if few else {name: many}
    notes = [_test_note(table, tests) if tests else "", *notes]
    if "doubt" in table:
        table["doubt"] = table.doubt.fillna("")
    table.attrs = {"layout": layout, "title": title, "finding": " ".join(filter(None, findings)), "head": head}
    table.attrs["notes"] = [note for note in notes if note]
    return table


def _test(table: pd.DataFrame, kinds: Sequence[str]) -> None:
    """Put p, adjusted p and the smallest significant difference into the columns of comparisons of one family."""
    given = ("p", "difference_low", "difference_high", "usable")
    found = statistics.family(
        *(np.concatenate([table[f"{kind}{name}"].astype(float) for kind in kinds]) for name in given)
    )
    for name, values in zip(("p", "p_holm", "smallest"), found, strict=True):
        for kind, own in zip(kinds, np.split(values, len(kinds)), strict=True):
            table[f"{kind}{name}"] = own


def markdown(table: pd.DataFrame) -> str:
    """Any of the tables for readers of Markdown: title, finding, head, points, a line per row that was run, notes."""
    (statement, *others), finding = table.attrs["head"], table.attrs["finding"]
    header, rows = texts(table)
    blocks = [
        f"**{table.attrs['title']}**",
        f"**{finding}**" if finding else "",
        " ".join((f"**{statement}**", *filter(None, others))),
        "\n".join(f"- {point}" for point in table.attrs.get("points", ())),
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


def _finding(table: pd.DataFrame, kind: str) -> str:
    """How many differences of a comparison are significant, and which; "" without any test."""
    tested, second = table[table[f"{kind}p_holm"].notna()], table.columns[1]
    if tested.empty:
        return ""
    significant, above, parts = tested[f"{kind}p_holm"] < statistics.LEVEL, tested[f"{kind}difference"] > 0, []
    for words, own in (
        ("significantly above", tested[significant & above]),
        ("significantly below", tested[significant & ~above]),
    ):
        if names := ", ".join(label(row, second) for _, row in own.iterrows()):
            parts.append(f"{words} in {len(own)} ({names})")
    if not significant.all():
        parts.append(f"inconclusive in {int((~significant).sum())}")
    return f"{COMPARISONS[kind]}, {count(len(tested), 'difference')}: {', '.join(parts)}."


def _test_note(table: pd.DataFrame, tests: Mapping[str, int]) -> str:
    """How families of so many tests were made, and how small a difference could have been shown."""
    (first, many), *others = tests.items()
    family = " and, apart, ".join((first, *(f"for the {more} of {name}" for name, more in others)))
    spans = []
    for kind, words in COMPARISONS.items():
        if f"{kind}smallest" in table and (least := table[f"{kind}smallest"].dropna()).size:
            ends = dict.fromkeys(number(end, 1) for end in (least.min(), least.max()))
            unit = "epochs of" if kind == EPOCHS else "points of"
            spans.append(f"{' to '.join(ends)} {unit} {words[0].lower()}{words[1:]}")
    return (
        f"{wording.p_statement(many, family)} Here it is {', '.join(spans)}; the .csv has each. The tests cover seeds,"
        " not the choice of test images."
    )


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
