"""The audit: its rule against numbers put in by hand, and what it is known to find in the two papers."""

import re

import pytest

from hardsample import statistics
from hardsample.errors import InputError
from hardsample.report import audit, audit_arithmetic, audit_tables

COUNTS = {
    "resnet18": (11_181_642, 1_190_000_000),
    "resnet50": (23_528_522, 2_690_000_000),
    "efficientnet_b4": (17_566_546, 980_000_000),
    "efficientnet_v2_s": (20_190_298, 1_860_000_000),
    "mobilenet_v3_small": (1_528_106, 30_000_000),
}


@pytest.fixture(scope="module")
def table():
    return audit.findings(COUNTS)


def row(table, place, quantity):
    (found,) = table[(table.place == place) & table.quantity.str.contains(quantity, regex=False)].itertuples()
    return found


@pytest.mark.parametrize(
    "given, recomputed, follows, truncated",
    [
        ("8.11", 8.108, True, False),
        ("8.10", 8.108, True, True),
        ("8.01", 8.108, False, False),
        ("3.542", 3.5425, True, False),
        ("-16.6", -16.667, True, True),
        ("16.6", -16.667, False, False),
        ("16.20", 16.279, False, False),
        ("50", 50.5, True, False),
        ("50", 50.6, True, True),
        ("most", 51, True, False),
        ("most", 50, False, False),
    ],
)
def test_what_follows(given, recomputed, follows, truncated):
    found = audit_arithmetic.check("here", "this", given, recomputed, "Why.")
    assert (found["follows"], found["truncated"]) == (follows, truncated)
    assert found["remark"] == ("" if follows else "Why.")


@pytest.mark.slow
def test_schema(table):
    assert tuple(table) == audit.COLUMNS
    assert not table.duplicated(["place", "quantity"]).any()
    assert table.recomputed.notna().all() and (table.printed != "").all()
    assert (table.remark == "").equals(table.follows)
    assert table.follows[table.truncated].all()
    assert (table.one_off == "").where(table.follows, True).all()
    assert set(table.hypothesis) == {"", audit_tables.ONE_UNTRAINED}
    assert (table.hypothesis != "").equals(table.quantity.str.startswith("±"))


def test_changes_of_the_epoch(table):
    changes = table[table.quantity.str.startswith("Δe,")]
    assert len(changes) == 45
    assert (~changes.follows).sum() == 14
    assert (changes.truncated).sum() == 10
    wrong_sign = row(table, "B, Table 5", "Δe, MobilenetV3-S, δ = 0.2")
    assert (wrong_sign.printed, wrong_sign.recomputed) == ("-1.23", pytest.approx(100 / 81))
    of_baseline = changes[changes.remark.str.endswith("it follows.")]
    assert list(of_baseline.printed) == ["9.00", "9.00"]


@pytest.mark.parametrize(
    "given, before, after, way",
    [
        ("9.58", 80, 74, "(80 - 73) / 73 = 9.589, cut off"),
        ("7.50", 43, 41, "(43 - 40) / 40"),
        ("2.00", 99, 98, "(100 - 98) / 100"),
        ("0.00", 99, 100, "(99 - 99) / 99 or (100 - 100) / 100"),
        ("8.01", 80, 74, ""),
        ("-3.10", 41, 41, ""),
        ("-2.44", 41, 41, "(40 - 41) / 41 or (41 - 42) / 41"),
    ],
)
def test_what_one_epoch_more_or_less_would_give(given, before, after, way):
    assert audit_arithmetic.one_epoch_off(given, before, after) == way


def test_changes_that_follow_from_an_epoch_that_is_one_off(table):
    found = table[table.one_off != ""]
    assert dict(zip(found.printed, found.one_off, strict=True)) == {
        "9.58": "(80 - 73) / 73 = 9.589, cut off",
        "9.67": "(34 - 31) / 31 = 9.677, cut off",
        "7.50": "(43 - 40) / 40",
        "2.00": "(100 - 98) / 100",
        "3.00": "(100 - 97) / 100",
        "0.00": "(99 - 99) / 99 or (100 - 100) / 100",
    }
    assert all(remark.endswith(f"It would follow from {way}.") for remark, way in found[["remark", "one_off"]].values)
    assert list(found.place[found.printed.isin(["2.00", "3.00", "0.00"])]) == ["B, Table 5"] * 3


def test_the_largest_saving_of_epochs_has_the_lowest_accuracy(table):
    remark = row(table, "B, Abstract", "fewer epochs").remark
    assert remark.endswith("It is that of δ = 0.5, whose test top-1, 31.0, is the lowest of the network's 4.")


@pytest.mark.parametrize(
    "place, quantity, printed, recomputed",
    [
        ("B, Section 4.4", "networks named as larger ones", "3", 2),
        ("A, Section 4.2.4", "learning rate, smallest value", "0.001", 0.01),
        ("B, Abstract", "fewer epochs", "26.47", 100 * 9 / 43),
        ("B, Abstract", "test top-1 above δ = 1", "7.26", 100 * 2.6 / 33.2),
        ("B, Section 1", "faster convergence of δ = 0.2", "9.58", 100 * 6 / 74),
        ("B, Section 4.4", "decrease in convergence time", "8.01", 100 * 6 / 80),
        ("B, Section 4.4", "average increase, of all cells", "3.542", 10.29 / 15),
        ("B, Section 4.4", "Tables 3 to 5: test top-1 higher", "most", 40),
        ("B, Section 4.4", "EfficientNet-B4 has the lowest", "4", 2),
        ("B, Table 3", "in bold, MobilenetV3-S, δ = 0.2", "53.2", 55.4),
        ("B, Table 4", "rows with accuracies of their own", "20", 12),
        ("B, Table 6", "ResNet-18 on CIFAR-10", "-0.75", -100 * 0.4 / 69.2),
        ("B, eq. 4", "δ = 0.8, N = 98, E = 100, in whole", "9800", 98 + 123 * 78),
    ],
)
def test_what_does_not_follow(table, place, quantity, printed, recomputed):
    found = table[(table.place == place) & table.quantity.str.contains(quantity, regex=False)]
    if place == "B, Table 6":
        found = found[found.quantity.str.endswith(quantity)]
    (found,) = found.itertuples()
    assert found.printed == printed
    assert found.recomputed == pytest.approx(recomputed)
    assert not found.follows and found.remark.endswith(".")


def test_what_follows_of_the_text(table):
    assert row(table, "A, Section 4.1", "trainable parameters").recomputed == 1.201946
    for quantity in ("of the cells that rise", "higher test top-1", "cells compared", "greatest increase"):
        assert row(table, "B, Section 4.4", quantity).follows
    assert table.follows[table.place.isin(["B, Table 1", "B, Table 2", "B, Section 4.2"])].all()
    real = table[(table.place == "B, eq. 4") & ~table.quantity.str.endswith("mini-batches")]
    assert len(real) == 6 and real.follows.all()


def test_table_6_misses_one_cell(table):
    cells = table[table.place == "B, Table 6"]
    assert len(cells) == 15 and (~cells.follows).sum() == 1


def test_nine_full_mini_batches_and_one_untrained(table):
    found = row(
        table, "B, Table 5", "± of train top-1, Efficient Net B4, δ = 1.0, with 9 mini-batches at 100 % and one"
    )
    assert found.quantity.endswith("one at 30.0 %")
    interval = statistics.t_interval([100.0] * 9 + [30.0])
    assert (interval.high + interval.low) / 2 == pytest.approx(93.0)
    assert found.recomputed == pytest.approx((interval.high - interval.low) / 2) == pytest.approx(15.835, abs=1e-3)
    assert found.printed == "15.8" and found.follows


def test_every_interval_near_100_is_that_of_one_mini_batch(table):
    intervals = table[table.quantity.str.startswith("±")]
    assert list(intervals.place.value_counts(sort=False)) == [20, 12]
    assert intervals.follows.all()


@pytest.mark.slow
def test_another_network_would_be_found():
    table = audit.findings(COUNTS | {"resnet18": (11_689_512, 1_190_000_000)})
    found = row(table, "B, Table 2", "parameters in millions, ResNet-18")
    assert not found.follows and found.remark == "The network has 11,689,512."


@pytest.mark.slow
def test_the_networks_are_counted_where_no_counts_are_given(table):
    counted = audit.findings()
    quantities = counted.quantity.str.startswith("parameters in millions")
    assert quantities.sum() == 5
    assert list(counted.recomputed[quantities]) == list(table.recomputed[quantities])


def test_markdown(table):
    text = audit.markdown(table)
    plain, guessed = (table[(table.hypothesis != "") == of] for of in (False, True))
    assert text.startswith(f"**{len(table)} printed numbers computed again. {len(plain)} from other printed numbers")
    assert f": {plain.follows.sum()} follow (" in text and f"{(~plain.follows).sum()} do not.**" in text
    assert f"The other {len(guessed)} are the ±" in text and f"from it {guessed.follows.sum()} follow" in text
    assert len(plain) + len(guessed) == len(table) and len(guessed) == 32


def test_the_changes_are_counted_once_each(table):
    text = audit.markdown(table)
    counts = re.search(
        r"Of the (\d+) Δe, (\d+) are \(e1 - eδ\) / eδ, .*?; (\d+) are \(e1 - eδ\) / e1, .*?; (\d+) \(0\.00\) are both;"
        r" (\d+) are neither, (\d+) of which",
        text,
    )
    assert tuple(map(int, counts.groups())) == (45, 29, 2, 2, 12, 5)
    assert sum(map(int, counts.groups()[1:5])) == 45


def test_markdown_rows(table):
    text = audit.markdown(table)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + (~table.follows).sum()
    assert len({line.count("|") for line in rows}) == 1
    everything = audit.markdown(table, everything=True)
    assert sum(line.startswith("|") for line in everything.splitlines()) == 2 + len(table)


def test_save(table, tmp_path):
    written = audit.save(table, tmp_path / "folder" / "audit")
    assert [path.name for path in written] == ["audit.md", "audit.csv", "audit.tex"]
    first = [path.read_bytes() for path in written]
    audit.save(audit.findings(COUNTS), tmp_path / "folder" / "audit")
    assert [path.read_bytes() for path in written] == first
    assert len(written[1].read_text().splitlines()) == 1 + len(table)
    latex = written[2].read_text()
    assert latex.isascii() and r"\begin{longtable}" in latex and r"$\delta$ = 0.2" in latex


def test_save_where_nothing_can_be_written(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write audit.md"):
        audit.save(table, tmp_path / "file" / "audit")
