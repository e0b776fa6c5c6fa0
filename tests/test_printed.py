"""The published numbers: every file has its columns and rows, and the tables agree with the arithmetic around them."""

from fractions import Fraction

import pytest

from hardsample.errors import InputError
from hardsample.experiments import published
from hardsample.training import networks

RESULTS = [
    *("network", "printed_as", "delta", "train", "train_interval", "test", "test_interval", "mark"),
    *("epoch", "epoch_change", "direction", "doubt"),
]
CLAIMS = ["place", "kind", "claim", "value", "unit", "doubt"]
SCHEMA = {
    "hard-samples-table-1": (4, ["delta", "iterations", "complexity", "seconds", "change"]),
    "hard-samples-table-2": (5, ["network", "printed_as", "image_size", "parameters_millions", "flops_giga"]),
    "hard-samples-table-3": (20, RESULTS),
    "hard-samples-table-4": (20, RESULTS),
    "hard-samples-table-5": (20, RESULTS),
    "hard-samples-table-6": (15, ["network", "printed_as", "data_set", "change", "direction"]),
    "hard-samples-claims": (95, CLAIMS),
    "base-values-claims": (92, CLAIMS),
}
MAY_BE_EMPTY = {"change", "mark", "epoch_change", "direction", "doubt", "value", "unit"}
RESULT_TABLES = ("hard-samples-table-3", "hard-samples-table-4", "hard-samples-table-5")
CHANGES = ("hard-samples-table-1", *RESULT_TABLES)


def claim(name, place, text):
    claims = published.read(name)
    (value,) = claims[(claims.place == place) & (claims.claim == text)].value
    return value


def test_every_file_is_named():
    assert list(published.NAMES) == list(SCHEMA)
    assert sorted(path.name for path in published._FOLDER.iterdir() if path.name.endswith(".csv")) == sorted(
        f"{name}.csv" for name in SCHEMA
    )


@pytest.mark.parametrize("name", SCHEMA)
def test_rows_and_columns(name):
    rows, columns = SCHEMA[name]
    table = published.read(name)
    assert list(table) == columns and len(table) == rows
    assert not table.duplicated([column for column in ("place", "claim") if column in table] or None).any()


@pytest.mark.parametrize("name", SCHEMA)
def test_no_cell_is_empty_that_must_not_be(name):
    table = published.text(name)
    for column in set(table) - MAY_BE_EMPTY:
        assert (table[column] != "").all(), column
    assert not table.apply(lambda column: column.str.strip() != column).any(axis=None)


@pytest.mark.parametrize("name", SCHEMA)
def test_numbers_are_numbers_and_words_are_words(name):
    read, text = published.read(name), published.text(name)
    for column in read:
        if column in published._WORDS:
            assert (read[column] == text[column]).all()
        else:
            filled = text[column] != ""
            assert read[column].dtype.kind in "if"
            assert read[column].notna().equals(filled)
            assert [float(value) for value in text[column][filled]] == list(read[column][filled])


def test_unknown_name():
    with pytest.raises(InputError, match="unknown published file 'table-3': choose one of hard-samples-table-1"):
        published.read("table-3")


@pytest.mark.parametrize("name", RESULT_TABLES)
def test_result_tables_hold_each_network_at_each_delta(name):
    table = published.read(name)
    assert list(table.network.unique()) == list(networks.TITLES)
    assert list(table.delta) == [1.0, 0.8, 0.5, 0.2] * 5
    for column in ("train", "train_interval", "test", "test_interval"):
        assert table[column].between(0, 100).all()
    assert (table.train > table.test).all()
    assert table.epoch.between(1, 100).all()


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_beside_every_delta_but_one(name):
    table = published.read(name)
    column = "change" if "change" in table else "epoch_change"
    assert table[column].isna().equals(table.delta == 1)
    if "direction" in table:
        assert (table.direction[table.delta == 1] == "").all()
        assert set(table.direction[table.delta < 1]) <= {"up", "down"}


def test_table_1_is_consistent():
    first, *others = published.text("hard-samples-table-1").to_dict("records")
    for row in others:
        assert Fraction(row["seconds"]) - Fraction(first["seconds"]) == Fraction(row["change"])


def test_table_2_has_the_range_the_text_names():
    sizes = published.read("hard-samples-table-2").parameters_millions
    assert sizes.min() == claim("hard-samples-claims", "Section 4.4", "parameters of the smallest network")
    assert sizes.max() == claim("hard-samples-claims", "Section 4.4", "parameters of the largest network")


def test_the_doubt_of_table_4_is_beside_the_rows_that_repeat_table_3():
    three, four = published.text("hard-samples-table-3"), published.text("hard-samples-table-4")
    columns = ["train", "train_interval", "test", "test_interval"]
    repeated = (three[columns] == four[columns]).all(axis=1)
    assert repeated.equals(four.doubt != "") and repeated.sum() == 8
    assert set(four.network[repeated]) == {"efficientnet_b4", "efficientnet_v2_s"}
    assert (three.doubt == "").all() and (published.text("hard-samples-table-5").doubt == "").all()


@pytest.mark.parametrize("name", RESULT_TABLES)
def test_the_best_test_accuracy_of_a_network_is_bold(name):
    table = published.read(name)
    best = table.loc[table.groupby("network").test.idxmax()]
    assert (best.mark == "bold").all()


def test_table_6_is_the_best_delta_in_percent_of_its_accuracy():
    tables = dict(zip(("CIFAR-10", "CIFAR-100", "STL-10"), RESULT_TABLES, strict=True))
    for row in published.read("hard-samples-table-6").itertuples():
        results = published.read(tables[row.data_set])
        results = results[results.network == row.network]
        best = results[results.delta < 1].test.max()
        change = 100 * (best - results[results.delta == 1].test.item()) / best
        assert (change > 0) == (row.direction == "up")
        if (row.network, row.data_set) != ("resnet18", "CIFAR-10"):
            assert abs(abs(change) - row.change) < 0.01


def test_the_data_sets_sizes_agree():
    for data in ("CIFAR-10", "CIFAR-100"):
        images, classes, each, train, test = (
            claim("hard-samples-claims", "Section 4.2", f"{what} of {data}")
            for what in ("images", "classes", "images per class", "training images", "test images")
        )
        assert images == classes * each == train + test


def test_emnist_is_balanced():
    classes = claim("base-values-claims", "Section 4.1", "classes")
    assert claim("base-values-claims", "Section 4.1", "training examples") % classes == 0
    assert claim("base-values-claims", "Section 4.1", "test examples") % classes == 0


@pytest.mark.parametrize("what", ["pre-training epochs", "mini-batch size", "learning rate"])
def test_the_defaults_are_among_the_values(what):
    claims = published.read("base-values-claims")
    values = claims.value[claims.claim.str.startswith(f"{what}, value")]
    assert claim("base-values-claims", "Section 4.1", f"{what}, default") in set(values)
