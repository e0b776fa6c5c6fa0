"""Every number of paper B's tables that other printed numbers give, computed again from them."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

from hardsample import statistics
from hardsample.experiments import published
from hardsample.numerals import number
from hardsample.report.audit_arithmetic import (
    RESULTS,
    check,
    claimed,
    does_follow,
    last_digit,
    one_epoch_off,
    percent,
    result_rows,
    signed,
    would_follow,
)

EPOCHS = 100  # E is not printed; this is the largest e
NEARLY_ALL = 92  # percent of the training examples: rows whose mini-batches but one can be at 100 %
ONE_UNTRAINED = "all mini-batches but one at 100 %"  # a hypothesis: that one was never trained
_RANKS = {"bold": (0, "highest"), "underline": (1, "second highest")}


def numbers_of_updates() -> Iterator[dict]:
    """Eq. 4, E × N = N + ζ × δ × N, as it stands and with ζ and δ × N cut to whole numbers."""
    mini_batch = int(claimed("B", "Section 4.1", "mini-batch size"))
    for data in ("CIFAR-10", "STL-10"):
        number = math.ceil(int(claimed("B", "Section 4.2", f"training images of {data}")) / mini_batch)
        for delta in ("0.8", "0.5", "0.2"):
            share, rounds = Fraction(delta) * number, (EPOCHS - 1) / Fraction(delta)  # eq. 2
            quantity = f"updates at δ = {delta}, N = {number}, E = {EPOCHS}"
            yield check("B, eq. 4", quantity, str(EPOCHS * number), number + rounds * share)
            yield check(
                "B, eq. 4",
                f"{quantity}, in whole rounds of whole mini-batches",
                str(EPOCHS * number),
                number + int(rounds) * int(share),
                f"{int(rounds)} rounds of {int(share)} mini-batches; ζ is {float(rounds):g}, δ × N {float(share):g}.",
            )


def time_differences() -> Iterator[dict]:
    """Table 1's differences of times."""
    whole, *parts = published.text("hard-samples-table-1").to_dict("records")
    for part in parts:
        difference = Fraction(part["seconds"]) - Fraction(whole["seconds"])
        yield check("B, Table 1", f"Δ(Δt), δ = {part['delta']}", part["change"], difference)


def network_sizes(counts: Mapping[str, tuple[int, int]]) -> Iterator[dict]:
    """Table 2, against the networks themselves."""
    for row in published.text("hard-samples-table-2").to_dict("records"):
        parameters, flops = counts[row["network"]]
        for what, given, count, unit, where in (
            ("parameters in millions", row["parameters_millions"], parameters, 10**6, ""),
            ("GFLOPs", row["flops_giga"], flops, 10**9, ", in convolutions and matrix products alone"),
        ):
            remark = f"The network has {count:,}{where}."
            yield check("B, Table 2", f"{what}, {row['printed_as']}", given, Fraction(count, unit), remark)


def epoch_changes() -> Iterator[dict]:
    """Δe of Tables 3 to 5."""
    for table in RESULTS:
        for rows in result_rows(table).values():
            whole, *parts = rows.values()
            for part in parts:
                before, after = int(whole["epoch"]), int(part["epoch"])
                given = signed(part["epoch_change"], part["direction"])
                change, of_baseline = percent(before - after, after), percent(before - after, before)
                remark, one_off = f"e is {before} at δ = 1 and {after} here.", ""
                if does_follow(given, -change):
                    remark = f"e is {before} at δ = 1 and {after} here: the sign is the other one."
                elif does_follow(given, of_baseline):
                    remark = f"e is {before} at δ = 1 and {after} here: in percent of {before} it follows."
                else:
                    one_off = one_epoch_off(given, before, after)
                    remark += would_follow(one_off)
                quantity = f"Δe, {part['printed_as']}, δ = {part['delta']}"
                yield check(
                    f"B, Table {table}", quantity, given, change, remark, of_baseline=of_baseline, one_off=one_off
                )


def repeated_rows() -> Iterator[dict]:
    """Rows of Tables 4 and 5 whose accuracies are a row of the table before's."""
    columns = ("train", "train_interval", "test", "test_interval")
    for table, other in (("4", "3"), ("5", "4")):
        rows, others = result_rows(table), result_rows(other)
        cells = [(network, delta) for network in rows for delta in rows[network]]
        same = [
            rows[network][delta]["printed_as"]
            for network, delta in cells
            if all(rows[network][delta][column] == others[network][delta][column] for column in columns)
        ]
        yield check(
            f"B, Table {table}",
            f"rows with accuracies of their own, not those of Table {other}",
            str(len(cells)),
            len(cells) - len(same),
            f"{len(same)} rows ({' and '.join(dict.fromkeys(same))}) repeat Table {other}'s to the digit.",
        )


def bold_and_underlined() -> Iterator[dict]:
    """A bold test accuracy is its network's best, an underlined one the second."""
    for table in RESULTS:
        for rows in result_rows(table).values():
            ranked = sorted((Fraction(row["test"]) for row in rows.values()), reverse=True)
            for row in rows.values():
                if row["mark"]:
                    place, rank = _RANKS[row["mark"]]
                    quantity = f"test top-1 in {row['mark']}, {row['printed_as']}, δ = {row['delta']}"
                    remark = f"The {rank} of its network's four is {float(ranked[place])}."
                    yield check(f"B, Table {table}", quantity, row["test"], ranked[place], remark)


def intervals_near_100() -> Iterator[dict]:
    """The ± of a training accuracy near 100 %, with all mini-batches but one at 100 % and that one at the rest."""
    mini_batch = int(claimed("B", "Section 4.1", "mini-batch size"))
    for table in ("3", "5"):
        images = int(claimed("B", "Section 4.2", f"training images of {RESULTS[table]}"))
        count = math.ceil(images / mini_batch)
        for row in (row for rows in result_rows(table).values() for row in rows.values()):
            if float(row["train"]) >= NEARLY_ALL:
                mean, rest = Fraction(row["train"]), 100 - count * (100 - Fraction(row["train"]))
                half = _half_width(mean, count)
                quantity = (
                    f"± of train top-1, {row['printed_as']}, δ = {row['delta']},"
                    f" with {count - 1} mini-batches at 100 % and one at {number(float(rest), 1)} %"
                )
                slack = _half_width(mean - last_digit(row["train"]) / 2, count) - half
                yield check(
                    f"B, Table {table}", quantity, row["train_interval"], half, hypothesis=ONE_UNTRAINED, slack=slack
                )


def _half_width(mean: Fraction, count: int) -> float:
    """The 95 % t interval's, of ``count`` mini-batches: one below 100 %, so that the mean is as given."""
    interval = statistics.t_interval([100.0] * (count - 1) + [float(100 - count * (100 - mean))])
    return (interval.high - interval.low) / 2


def best_of_table_6() -> Iterator[dict]:
    """Table 6: the best of δ = 0.8, 0.5, 0.2 against δ = 1."""
    results = {data: result_rows(table) for table, data in RESULTS.items()}
    for row in published.text("hard-samples-table-6").to_dict("records"):
        whole, *parts = results[row["data_set"]][row["network"]].values()
        before, after = Fraction(whole["test"]), max(Fraction(part["test"]) for part in parts)
        yield check(
            "B, Table 6",
            f"best δ < 1 against δ = 1, {row['printed_as']} on {row['data_set']}",
            signed(row["change"], row["direction"]),
            percent(after - before, after),
            f"Test top-1 is {float(before)} at δ = 1 and at best {float(after)} below.",
            of_baseline=percent(after - before, before),
        )
