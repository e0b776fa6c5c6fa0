"""What the papers say in numbers in their text, computed again from their tables and settings."""

import functools
from collections.abc import Iterator
from fractions import Fraction

from hardsample.experiments import published
from hardsample.numerals import number
from hardsample.report.audit_arithmetic import (
    RESULTS,
    check,
    check_claim,
    claimed,
    claims,
    one_epoch_off,
    percent,
    result_rows,
    signed,
    would_follow,
)
from hardsample.training import networks

DELTAS = ("1.0", "0.8", "0.5", "0.2")  # as printed
_RANKS = {1: "the lowest", 2: "the second lowest", 3: "the second highest", 4: "the highest"}
_FASTER = "faster convergence of δ = 0.2, ResNet-18 on CIFAR-10 (Figure 1)"
_LARGER = ("efficientnet_b4", "efficientnet_v2_s", "mobilenet_v3_small")  # section 4.4: "larger networks like ..."


def base_values() -> Iterator[dict]:
    """Paper A: the sizes of its data and network, and a value that is printed twice."""

    def size(claim: str) -> Fraction:
        return Fraction(claimed("A", "Section 4.1", claim))

    one, two = size("filters of the first convolution"), size("filters of the second convolution")
    hidden, classes = size("neurons of the first linear layer"), size("neurons of the last linear layer")
    kernel, pool = size("width and height of a convolution"), size("width and height of the max-pooling")
    pooled = (size("width and height of an image") - 2 * (kernel - 1)) / pool
    parameters = one * (kernel**2 + 1) + two * (one * kernel**2 + 1)
    parameters += hidden * (two * pooled**2 + 1) + classes * (hidden + 1)
    yield check_claim("A", "Section 4.1", "trainable parameters, about", parameters / 10**6)
    yield check_claim(
        "A",
        "Section 4.2.4",
        "learning rate, smallest value",
        size("learning rate, smallest value"),
        "Section 4.1 lists 0.1, 0.05 and 0.01.",
    )


def abstract_and_introduction() -> Iterator[dict]:
    """What paper B's abstract and section 1 say in numbers, against its tables."""
    three, four, five = (result_rows(number) for number in RESULTS)
    before, after = _pair(five["efficientnet_b4"], "0.5", "epoch")
    tests = sorted((Fraction(row["test"]), delta) for delta, row in five["efficientnet_b4"].items())
    place = [delta for _, delta in tests].index("0.5") + 1
    yield check_claim(
        *("B", "Abstract", "fewer epochs until it generalizes than δ = 1, EfficientNet-B4 on STL-10"),
        percent(before - after, before),
        f"{before} - {after} is {number(float(percent(before - after, after)), 2)} % of {after}, the new value. It is"
        f" that of δ = 0.5, whose test top-1, {float(tests[place - 1][0])}, is {_RANKS[place]} of the network's"
        f" {len(tests)}.",
    )
    before, after = _pair(four["resnet18"], "0.2", "test")
    yield check_claim(
        *("B", "Abstract", "test top-1 above δ = 1, ResNet-18 on CIFAR-100"),
        percent(after - before, before),
        f"The difference is {float(after - before)} points,"
        f" {number(float(percent(after - before, after)), 2)} % of {float(after)}, the new value.",
    )
    before, after = (int(value) for value in _pair(three["resnet18"], "0.2", "epoch"))
    one_off = one_epoch_off(claimed("B", "Section 1", _FASTER), before, after)
    yield check_claim(
        *("B", "Section 1", _FASTER),
        percent(before - after, after),
        f"Table 3 prints {three['resnet18']['0.2']['epoch_change']}, from e = {before} and {after}."
        f"{would_follow(one_off)}",
        one_off=one_off,
    )


def data_sizes() -> Iterator[dict]:
    """Images of a data set: classes times images per class, and training plus test images."""
    for data in ("CIFAR-10", "CIFAR-100"):
        classes, each, train, test = (
            int(claimed("B", "Section 4.2", f"{what} of {data}"))
            for what in ("classes", "images per class", "training images", "test images")
        )
        given = claimed("B", "Section 4.2", f"images of {data}")
        yield check("B, Section 4.2", f"images of {data}, classes × images per class", given, classes * each)
        yield check("B, Section 4.2", f"images of {data}, training + test", given, train + test)


def discussion() -> Iterator[dict]:
    """What paper B's section 4.4 says in numbers, against its tables."""
    said = functools.partial(check_claim, "B", "Section 4.4")
    tables = three, four, five = tuple(result_rows(number) for number in RESULTS)
    sizes = published.text("hard-samples-table-2").set_index("network").parameters_millions.map(Fraction)
    yield said("parameters of the smallest network", min(sizes))
    yield said("parameters of the largest network", max(sizes))

    before, after = _pair(three["resnet18"], "0.2", "epoch")
    yield said(
        "Table 3: decrease in convergence time from δ = 1 to 0.2, ResNet-18",
        percent(before - after, before),
        f"{before} - {after} is {number(float(percent(before - after, after)), 2)} % of {after}, the new value.",
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
    found = claims("B")
    (caption,) = found[found.claim.str.startswith("ResNet-18 on CIFAR-100:")].place
    yield said(
        "number of the figure that shows ResNet-18 on CIFAR-100",
        int(caption.removeprefix("Figure ")),
        "By the captions it is Figure 5, and Figure 4 shows EfficientNet-B4 on STL-10.",
    )


def averages_of_table_6() -> Iterator[dict]:
    """What section 4.4 says of Table 6, against the printed Table 6."""
    said = functools.partial(check_claim, "B", "Section 4.4")
    table = published.text("hard-samples-table-6")
    changes = [Fraction(signed(*cell)) for cell in zip(table.change, table.direction, strict=True)]
    rises = [change for change in changes if change > 0]
    yield said("Table 6: cells in which the method has the higher test top-1", len(rises))
    yield said("Table 6: cells compared", len(changes))
    yield said("Table 6: greatest increase, ResNet-18 on CIFAR-100", max(changes))
    average = claimed("B", "Section 4.4", "Table 6: average increase")
    for which, cells in (("of the cells that rise", rises), ("of all cells", changes)):
        remark = f"The printed number is the mean of the {len(rises)} cells that rise."
        yield check("B, Section 4.4", f"Table 6: average increase, {which}", average, sum(cells) / len(cells), remark)


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
    return claim, percent(sum(cells), len(cells)), f"In percent of the cells: {sum(cells)} of {len(cells)}."
