"""The papers' own arithmetic: every printed number that other printed numbers give, computed again from them."""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import pandas as pd

from hardsample.experiments import published
from hardsample.report import markup, stats
from hardsample.training import networks

COLUMNS = (
    *("place", "quantity", "printed", "recomputed", "follows", "truncated"),
    *("of_baseline", "one_off", "hypothesis", "remark"),
)
RESULTS = {"3": "CIFAR-10", "4": "CIFAR-100", "5": "STL-10"}  # table: data set
DELTAS = ("1.0", "0.8", "0.5", "0.2")  # as printed
EPOCHS = 100  # E is not printed; this is the largest e
MOST = "most"  # printed in words: more than half
NEARLY_ALL = 92  # percent of the training examples: rows whose mini-batches but one can be at 100 %

ONE_UNTRAINED = "all mini-batches but one at 100 %"  # a hypothesis: that one was never trained

_PAPERS = {"A": "base-values-claims", "B": "hard-samples-claims"}
_RANKS = {"bold": (0, "highest"), "underline": (1, "second highest")}
_PLACES = {1: "the lowest", 2: "the second lowest", 3: "the second highest", 4: "the highest"}
_FASTER = "faster convergence of δ = 0.2, ResNet-18 on CIFAR-10 (Figure 1)"
_LARGER = ("efficientnet_b4", "efficientnet_v2_s", "mobilenet_v3_small")  # section 4.4: "larger networks like ..."
_LATEX = {"δ": r"$\delta$", "Δ": r"$\Delta$", "ζ": r"$\zeta$", "±": r"$\pm$", "×": r"$\times$"}


def findings(counts: Mapping[str, tuple[int, int]] | None = None) -> pd.DataFrame:
    """One row per number computed again from the printed ones, paper A first.

    - ``place``, ``quantity``; ``printed``: as text, with the sign that ▼ stands for; ``recomputed``.
    - ``follows``: the two differ by at most half a unit of the last printed digit, or the printed one is the other cut
      off after that digit, which ``truncated`` says. Where rounded inputs alone decide (the ± of one untrained
      mini-batch), what their rounding leaves open is allowed as well. "most" asks for more than half.
    - ``of_baseline``: changes are divided by the new value, as most of the printed ones are; this is the same change
      in percent of the value at δ = 1. NaN for everything else.
    - ``one_off``: for a Δe that does not follow, the same arithmetic with one e one more or less than printed, where it
      then follows; else "".
    - ``hypothesis``: what a number needs beside the printed ones, such as ``ONE_UNTRAINED``; "" for nothing.
    - ``remark``: one sentence where the number does not follow.

    Args:
        counts: (parameters with 10 classes, FLOPs at 128x128) of each network; None counts them.
    """
    if counts is None:
        counts = {name: (networks.parameters(name, 10), networks.flops(name, 10, 128)) for name in networks.TITLES}
    parts = (
        *(_base_values(), _statements(), _updates(), _times(), _sizes(), _networks(counts)),
        *(_epochs(), _repeats(), _marks(), _intervals(), _best(), _discussion(), _averages()),
    )
    return pd.DataFrame(itertools.chain.from_iterable(parts), columns=list(COLUMNS))


def markdown(table: pd.DataFrame, *, everything: bool = False) -> str:
    """How many numbers follow, and those that do not; with ``everything``, the others too."""
    summary = (
        f"**{len(table)} printed numbers computed again. {_counted(table[table.hypothesis == ''])}**"
        f"{_of_hypotheses(table[table.hypothesis != ''])} {_of_changes(table[table.quantity.str.startswith('Δe,')])}"
        f" A number follows within half a unit of its last printed digit, or if cut off after it."
    )
    shown = _shown(table if everything else table[~table.follows])
    return f"{summary}\n\n{markup.markdown_table(tuple(shown), shown.itertuples(index=False))}\n"


def _counted(table: pd.DataFrame) -> str:
    return (
        f"{len(table)} from other printed numbers, or from the networks themselves: {table.follows.sum()} follow"
        f" ({table.truncated.sum()} of them cut off where rounding would go up), {(~table.follows).sum()} do not."
    )


def _of_hypotheses(table: pd.DataFrame) -> str:
    return "".join(
        f" The other {len(rows)} are the ± of training accuracies of {NEARLY_ALL} % and more, and need a hypothesis"
        f" ({hypothesis}): from it {rows.follows.sum()} follow, within what the rounding of the accuracy leaves open."
        for hypothesis, rows in table.groupby("hypothesis")
    )


def _of_changes(changes: pd.DataFrame) -> str:
    """What the Δe were divided by, each counted once: a change of 0 is 0 % of either e."""
    of_baseline = pd.Series(list(map(_follows, changes.printed, changes.of_baseline)), changes.index)
    new, both = changes.follows & ~of_baseline, changes.follows & of_baseline
    neither = changes[~changes.follows & ~of_baseline]
    return (
        f"Of the {len(changes)} Δe, {new.sum()} are (e1 - eδ) / eδ, a change in percent of the new epoch;"
        f" {(~changes.follows & of_baseline).sum()} are (e1 - eδ) / e1, in percent of the epoch at δ = 1;"
        f" {both.sum()} ({', '.join(sorted(set(changes.printed[both])))}) are both; {len(neither)} are neither,"
        f" {(neither.one_off != '').sum()} of which would be one if an e were one more or less than printed."
    )


def save(table: pd.DataFrame, stem: Path) -> tuple[Path, ...]:
    """Write ``stem``.md, .csv (every number) and .tex (those that do not follow), each whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    shown = _shown(table[~table.follows])
    latex = shown.to_latex(index=False, escape=True, longtable=True, column_format="lp{4.2cm}rrrp{5cm}")
    for letter, command in _LATEX.items():
        latex = latex.replace(letter, command)
    return markup.write(stem, {"md": markdown(table), "csv": markup.csv(table), "tex": latex})


def _row(
    place: str,
    quantity: str,
    given: str,
    recomputed: Fraction | float,
    remark: str = "",
    *,
    of_baseline: Fraction | float = math.nan,
    one_off: str = "",
    hypothesis: str = "",
    slack: float = 0.0,
) -> dict:
    """One row of the findings; ``one_off`` and the remark are kept where the number does not follow."""
    follows = _follows(given, recomputed, slack)
    return {
        "place": place,
        "quantity": quantity,
        "printed": given,
        "recomputed": float(recomputed),
        "follows": follows,
        "truncated": follows and given != MOST and not _rounds(given, recomputed, slack),
        "of_baseline": float(of_baseline),
        "one_off": "" if follows else one_off,
        "hypothesis": hypothesis,
        "remark": "" if follows else remark,
    }


def _follows(given: str, recomputed: Fraction | float, slack: float = 0.0) -> bool:
    if given == MOST:
        return recomputed > 50
    unit = _unit(given)
    cut_off = math.trunc(_exact(recomputed) / unit) * unit
    return _rounds(given, recomputed, slack) or cut_off == Fraction(given)


def _rounds(given: str, recomputed: Fraction | float, slack: float) -> bool:
    return abs(_exact(recomputed) - Fraction(given)) <= _unit(given) / 2 + _exact(slack)


def _exact(value: Fraction | float) -> Fraction:
    return Fraction(value).limit_denominator(10**9)  # 2.5, not the binary fraction beside it


def _unit(given: str) -> Fraction:
    """The last printed digit's worth: 1/100 for "8.01"."""
    return Fraction(1, 10 ** len(given.partition(".")[2]))


def _signed(magnitude: str, direction: str) -> str:
    return f"-{magnitude}" if direction == "down" else magnitude


def _results(number: str) -> dict[str, dict[str, dict[str, str]]]:
    """Table 3, 4 or 5: network -> δ as printed, "1.0" first -> the row as printed."""
    table: dict[str, dict[str, dict[str, str]]] = {}
    for row in published.text(f"hard-samples-table-{number}").to_dict("records"):
        table.setdefault(row["network"], {})[row["delta"]] = row
    return table


def _claimed(paper: str, place: str, claim: str) -> str:
    """The value of one claim as printed."""
    claims = published.text(_PAPERS[paper])
    (value,) = claims[(claims.place == place) & (claims.claim == claim)].value
    return value


def _claim(
    paper: str, place: str, claim: str, recomputed: Fraction | float, remark: str = "", *, one_off: str = ""
) -> dict:
    """The row of a claim; one without a number, on more than one cell, says "most" and is recomputed in percent."""
    given = _claimed(paper, place, claim) or MOST
    return _row(f"{paper}, {place}", claim, given, recomputed, remark, one_off=one_off)


def _percent(part: Fraction | int, whole: Fraction | int) -> Fraction:
    return 100 * Fraction(part) / Fraction(whole)


def _one_off(given: str, before: int, after: int) -> str:
    """What a Δe follows from if one of its two e is one less or more than printed; "" where it never does."""
    ways = []
    for first, then in ((before, after - 1), (before - 1, after), (before, after + 1), (before + 1, after)):
        for whole in (then, first):
            change = _percent(first - then, whole)
            if _follows(given, change):
                cut = "" if _rounds(given, change, 0.0) else f" = {float(change):.3f}, cut off"
                ways.append(f"({first} - {then}) / {whole}{cut}")
                break
    return " or ".join(ways)


def _would(one_off: str) -> str:
    return f" It would follow from {one_off}." if one_off else ""


def _base_values() -> Iterator[dict]:
    """Paper A: the sizes of its data and network, and a value that is printed twice."""

    def size(claim: str) -> Fraction:
        return Fraction(_claimed("A", "Section 4.1", claim))

    one, two = size("filters of the first convolution"), size("filters of the second convolution")
    hidden, classes = size("neurons of the first linear layer"), size("neurons of the last linear layer")
    kernel, pool = size("width and height of a convolution"), size("width and height of the max-pooling")
    pooled = (size("width and height of an image") - 2 * (kernel - 1)) / pool
    parameters = one * (kernel**2 + 1) + two * (one * kernel**2 + 1)
    parameters += hidden * (two * pooled**2 + 1) + classes * (hidden + 1)
    yield _claim("A", "Section 4.1", "trainable parameters, about", parameters / 10**6)
    yield _claim(
        "A",
        "Section 4.2.4",
        "learning rate, smallest value",
        size("learning rate, smallest value"),
        "Section 4.1 lists 0.1, 0.05 and 0.01.",
    )


def _statements() -> Iterator[dict]:
    """What paper B's abstract and section 1 say in numbers, against its tables."""
    three, four, five = (_results(number) for number in RESULTS)
    before, after = _pair(five["efficientnet_b4"], "0.5", "epoch")
    tests = sorted((Fraction(row["test"]), delta) for delta, row in five["efficientnet_b4"].items())
    place = [delta for _, delta in tests].index("0.5") + 1
    yield _claim(
        *("B", "Abstract", "fewer epochs until it generalizes than δ = 1, EfficientNet-B4 on STL-10"),
        _percent(before - after, before),
        f"{before} - {after} is {float(_percent(before - after, after)):.2f} % of {after}, the new value. It is that of"
        f" δ = 0.5, whose test top-1, {float(tests[place - 1][0])}, is {_PLACES[place]} of the network's {len(tests)}.",
    )
    before, after = _pair(four["resnet18"], "0.2", "test")
    yield _claim(
        *("B", "Abstract", "test top-1 above δ = 1, ResNet-18 on CIFAR-100"),
        _percent(after - before, before),
        f"The difference is {float(after - before)} points,"
        f" {float(_percent(after - before, after)):.2f} % of {float(after)}, the new value.",
    )
    before, after = (int(value) for value in _pair(three["resnet18"], "0.2", "epoch"))
    one_off = _one_off(_claimed("B", "Section 1", _FASTER), before, after)
    yield _claim(
        *("B", "Section 1", _FASTER),
        _percent(before - after, after),
        f"Table 3 prints {three['resnet18']['0.2']['epoch_change']}, from e = {before} and {after}.{_would(one_off)}",
        one_off=one_off,
    )


def _sizes() -> Iterator[dict]:
    """Images of a data set: classes times images per class, and training plus test images."""
    for data in ("CIFAR-10", "CIFAR-100"):
        classes, each, train, test = (
            int(_claimed("B", "Section 4.2", f"{what} of {data}"))
            for what in ("classes", "images per class", "training images", "test images")
        )
        given = _claimed("B", "Section 4.2", f"images of {data}")
        yield _row("B, Section 4.2", f"images of {data}, classes × images per class", given, classes * each)
        yield _row("B, Section 4.2", f"images of {data}, training + test", given, train + test)


def _discussion() -> Iterator[dict]:
    """What paper B's section 4.4 says in numbers, against its tables."""
    said = functools.partial(_claim, "B", "Section 4.4")
    tables = three, four, five = tuple(_results(number) for number in RESULTS)
    sizes = published.text("hard-samples-table-2").set_index("network").parameters_millions.map(Fraction)
    yield said("parameters of the smallest network", min(sizes))
    yield said("parameters of the largest network", max(sizes))

    before, after = _pair(three["resnet18"], "0.2", "epoch")
    yield said(
        "Table 3: decrease in convergence time from δ = 1 to 0.2, ResNet-18",
        _percent(before - after, before),
        f"{before} - {after} is {float(_percent(before - after, after)):.2f} % of {after}, the new value.",
    )
    before, after = _pair(three["resnet18"], "0.2", "test")
    yield said("Table 3: decrease in test accuracy from δ = 1 to 0.2, ResNet-18", before - after)
    ranked = {delta: sorted(three, key=lambda name: Fraction(three[name][delta]["test"])) for delta in DELTAS}
    lowest = [delta for delta in DELTAS if ranked[delta][0] == "efficientnet_b4"]
    yield said(
        "Table 3: values of δ at which EfficientNet-B4 has the lowest test top-1 (all)",
        len(lowest),
        f"It is the lowest at δ = {' and '.join(lowest)} alone.",
    )
    yield said(
        "Table 3: values of δ named at which ResNet-18 has the highest test top-1 (1 and 0.8)",
        sum(ranked[delta][-1] == "resnet18" for delta in ("1.0", "0.8")),
    )
    yield said(*_most("Table 4: test top-1 higher at δ = 0.2 and 0.5 than at 1", _changes((four,), "test", 1)))
    yield said(*_most("Table 4: e lower at δ = 0.2 and 0.5 than at 1", _changes((four,), "epoch", -1)))
    yield said(
        "Table 4: networks with a lower e at δ = 0.2 than at 1 (all)",
        sum(int(rows["0.2"]["epoch"]) < int(rows["1.0"]["epoch"]) for rows in four.values()),
    )
    smallest = min(sizes.index, key=sizes.get)
    yield said(
        "Table 4: networks named as larger ones (EfficientNet-B4 and V2-S, MobilenetV3-S)",
        sum(name != smallest for name in _LARGER),
        f"{networks.TITLES[smallest]} has the fewest parameters of the five, {float(sizes[smallest])} million.",
    )
    named = [five[name] for name in ("resnet18", "resnet50", "efficientnet_b4")]
    yield said(
        "Table 5: networks named for which the method converges sooner",
        sum(min(int(rows[delta]["epoch"]) for delta in DELTAS[1:]) < int(rows["1.0"]["epoch"]) for rows in named),
    )
    yield said(
        "Table 5: networks among those named with the lowest e at δ = 0.5",
        sum(_soonest(rows) == ["0.5"] for rows in named),
        "For ResNet-18 e is as low at δ = 0.8.",
    )
    yield said(
        "Tables 3 and 4: networks with the lowest e at δ = 0.2",
        sum(_soonest(rows) == ["0.2"] for table in (three, four) for rows in table.values()),
    )
    sooner = [int(rows["0.5"]["epoch"]) < int(rows["0.2"]["epoch"]) for rows in five.values()]
    yield said(*_most("Table 5: e lower at δ = 0.5 than at 0.2", sooner))
    yield said(
        *_most("Tables 3 to 5: test top-1 higher at δ = 0.2 and 0.5 than at 1, generally", _changes(tables, "test", 1))
    )
    yield said(*_most("Tables 3 to 5: e lower at δ = 0.2 and 0.5 than at 1, generally", _changes(tables, "epoch", -1)))
    above = [
        Fraction(table[network][delta]["test"]) > Fraction(table["mobilenet_v3_small"][delta]["test"])
        for table in tables
        for network in ("efficientnet_b4", "efficientnet_v2_s")
        for delta in DELTAS
    ]
    yield said(*_most("Tables 3 to 5: test top-1 of EfficientNet above MobileNet's", above))
    claims = published.text(_PAPERS["B"])
    (caption,) = claims[claims.claim.str.startswith("ResNet-18 on CIFAR-100:")].place
    yield said(
        "number of the figure that shows ResNet-18 on CIFAR-100",
        int(caption.removeprefix("Figure ")),
        "By the captions it is Figure 5, and Figure 4 shows EfficientNet-B4 on STL-10.",
    )


def _pair(rows: dict[str, dict[str, str]], delta: str, column: str) -> tuple[Fraction, Fraction]:
    """A network's value at δ = 1 and at another δ."""
    return Fraction(rows["1.0"][column]), Fraction(rows[delta][column])


def _soonest(rows: dict[str, dict[str, str]]) -> list[str]:
    """Every δ at which a network has its lowest e."""
    least = min(int(row["epoch"]) for row in rows.values())
    return [delta for delta, row in rows.items() if int(row["epoch"]) == least]


def _changes(tables: tuple, column: str, sign: int) -> list[bool]:
    """Is a value above (sign 1) or below (-1) that at δ = 1, in each cell of δ = 0.5 and 0.2?"""
    pairs = [_pair(rows, delta, column) for table in tables for rows in table.values() for delta in ("0.5", "0.2")]
    return [sign * (after - before) > 0 for before, after in pairs]


def _most(claim: str, cells: list[bool]) -> tuple[str, Fraction, str]:
    """A claim of most cells: in percent of them, with a remark."""
    return claim, _percent(sum(cells), len(cells)), f"In percent of the cells: {sum(cells)} of {len(cells)}."


def _updates() -> Iterator[dict]:
    """Eq. 4, E × N = N + ζ × δ × N, as it stands and with ζ and δ × N cut to whole numbers."""
    mini_batch = int(_claimed("B", "Section 4.1", "mini-batch size"))
    for data in ("CIFAR-10", "STL-10"):
        number = math.ceil(int(_claimed("B", "Section 4.2", f"training images of {data}")) / mini_batch)
        for delta in ("0.8", "0.5", "0.2"):
            share, rounds = Fraction(delta) * number, (EPOCHS - 1) / Fraction(delta)  # eq. 2
            quantity = f"updates at δ = {delta}, N = {number}, E = {EPOCHS}"
            yield _row("B, eq. 4", quantity, str(EPOCHS * number), number + rounds * share)
            yield _row(
                "B, eq. 4",
                f"{quantity}, in whole rounds of whole mini-batches",
                str(EPOCHS * number),
                number + int(rounds) * int(share),
                f"{int(rounds)} rounds of {int(share)} mini-batches; ζ is {float(rounds):g}, δ × N {float(share):g}.",
            )


def _times() -> Iterator[dict]:
    """Table 1's differences of times."""
    whole, *parts = published.text("hard-samples-table-1").to_dict("records")
    for part in parts:
        difference = Fraction(part["seconds"]) - Fraction(whole["seconds"])
        yield _row("B, Table 1", f"Δ(Δt), δ = {part['delta']}", part["change"], difference)


def _networks(counts: Mapping[str, tuple[int, int]]) -> Iterator[dict]:
    """Table 2, against the networks themselves."""
    for row in published.text("hard-samples-table-2").to_dict("records"):
        parameters, flops = counts[row["network"]]
        for what, given, count, unit, where in (
            ("parameters in millions", row["parameters_millions"], parameters, 10**6, ""),
            ("GFLOPs", row["flops_giga"], flops, 10**9, ", in convolutions and matrix products alone"),
        ):
            remark = f"The network has {count:,}{where}."
            yield _row("B, Table 2", f"{what}, {row['printed_as']}", given, Fraction(count, unit), remark)


def _epochs() -> Iterator[dict]:
    """Δe of Tables 3 to 5."""
    for number in RESULTS:
        for rows in _results(number).values():
            whole, *parts = rows.values()
            for part in parts:
                before, after = int(whole["epoch"]), int(part["epoch"])
                given = _signed(part["epoch_change"], part["direction"])
                change, of_baseline = _percent(before - after, after), _percent(before - after, before)
                remark, one_off = f"e is {before} at δ = 1 and {after} here.", ""
                if _follows(given, -change):
                    remark = f"e is {before} at δ = 1 and {after} here: the sign is the other one."
                elif _follows(given, of_baseline):
                    remark = f"e is {before} at δ = 1 and {after} here: in percent of {before} it follows."
                else:
                    one_off = _one_off(given, before, after)
                    remark += _would(one_off)
                quantity = f"Δe, {part['printed_as']}, δ = {part['delta']}"
                yield _row(
                    f"B, Table {number}", quantity, given, change, remark, of_baseline=of_baseline, one_off=one_off
                )


def _repeats() -> Iterator[dict]:
    """Rows of Tables 4 and 5 whose accuracies are a row of the table before's."""
    columns = ("train", "train_interval", "test", "test_interval")
    for number, other in (("4", "3"), ("5", "4")):
        rows, others = _results(number), _results(other)
        cells = [(network, delta) for network in rows for delta in rows[network]]
        same = [
            rows[network][delta]["printed_as"]
            for network, delta in cells
            if all(rows[network][delta][column] == others[network][delta][column] for column in columns)
        ]
        yield _row(
            f"B, Table {number}",
            f"rows with accuracies of their own, not those of Table {other}",
            str(len(cells)),
            len(cells) - len(same),
            f"{len(same)} rows ({' and '.join(dict.fromkeys(same))}) repeat Table {other}'s to the digit.",
        )


def _marks() -> Iterator[dict]:
    """A bold test accuracy is its network's best, an underlined one the second."""
    for number in RESULTS:
        for rows in _results(number).values():
            ranked = sorted((Fraction(row["test"]) for row in rows.values()), reverse=True)
            for row in rows.values():
                if row["mark"]:
                    place, rank = _RANKS[row["mark"]]
                    quantity = f"test top-1 in {row['mark']}, {row['printed_as']}, δ = {row['delta']}"
                    remark = f"The {rank} of its network's four is {float(ranked[place])}."
                    yield _row(f"B, Table {number}", quantity, row["test"], ranked[place], remark)


def _intervals() -> Iterator[dict]:
    """The ± of a training accuracy near 100 %, with all mini-batches but one at 100 % and that one at the rest."""
    mini_batch = int(_claimed("B", "Section 4.1", "mini-batch size"))
    for number in ("3", "5"):
        images = int(_claimed("B", "Section 4.2", f"training images of {RESULTS[number]}"))
        count = math.ceil(images / mini_batch)
        for row in (row for rows in _results(number).values() for row in rows.values()):
            if float(row["train"]) >= NEARLY_ALL:
                mean, rest = Fraction(row["train"]), 100 - count * (100 - Fraction(row["train"]))
                half = _half_width(mean, count)
                quantity = (
                    f"± of train top-1, {row['printed_as']}, δ = {row['delta']},"
                    f" with {count - 1} mini-batches at 100 % and one at {float(rest):.1f} %"
                )
                slack = _half_width(mean - _unit(row["train"]) / 2, count) - half
                yield _row(
                    f"B, Table {number}", quantity, row["train_interval"], half, hypothesis=ONE_UNTRAINED, slack=slack
                )


def _half_width(mean: Fraction, count: int) -> float:
    """The 95 % t interval's, of ``count`` mini-batches: one below 100 %, so that the mean is as given."""
    interval = stats.t_interval([100.0] * (count - 1) + [float(100 - count * (100 - mean))])
    return (interval.high - interval.low) / 2


def _best() -> Iterator[dict]:
    """Table 6: the best of δ = 0.8, 0.5, 0.2 against δ = 1."""
    results = {data: _results(number) for number, data in RESULTS.items()}
    for row in published.text("hard-samples-table-6").to_dict("records"):
        whole, *parts = results[row["data_set"]][row["network"]].values()
        before, after = Fraction(whole["test"]), max(Fraction(part["test"]) for part in parts)
        yield _row(
            "B, Table 6",
            f"best δ < 1 against δ = 1, {row['printed_as']} on {row['data_set']}",
            _signed(row["change"], row["direction"]),
            _percent(after - before, after),
            f"Test top-1 is {float(before)} at δ = 1 and at best {float(after)} below.",
            of_baseline=_percent(after - before, before),
        )


def _averages() -> Iterator[dict]:
    """What section 4.4 says of Table 6, against the printed Table 6."""
    said = functools.partial(_claim, "B", "Section 4.4")
    table = published.text("hard-samples-table-6")
    changes = [Fraction(_signed(*cell)) for cell in zip(table.change, table.direction, strict=True)]
    rises = [change for change in changes if change > 0]
    yield said("Table 6: cells in which the method has the higher test top-1", len(rises))
    yield said("Table 6: cells compared", len(changes))
    yield said("Table 6: greatest increase, ResNet-18 on CIFAR-100", max(changes))
    average = _claimed("B", "Section 4.4", "Table 6: average increase")
    for which, cells in (("of the cells that rise", rises), ("of all cells", changes)):
        remark = f"The printed number is the mean of the {len(rises)} cells that rise."
        yield _row("B, Section 4.4", f"Table 6: average increase, {which}", average, sum(cells) / len(cells), remark)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table for readers, every cell text."""
    return pd.DataFrame(
        {
            "place": table.place,
            "quantity": table.quantity,
            "printed": table.printed,
            "recomputed": table.recomputed.map("{:.4g}".format),
            "in % of δ = 1": table.of_baseline.map(lambda value: "" if math.isnan(value) else f"{value:.2f}"),
            "remark": table.remark,
        }
    )
