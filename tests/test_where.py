"""Where the gain is: pairing by seed, tenths by the seed's own difficulty, classes, shares and suspect labels."""

import dataclasses
import re

import numpy as np
import pytest
from made_up_details import HARDEST, SEEDS, TESTED, difficulty, made_up, without

from hardsample import statistics
from hardsample.report import suspects, where, where_figure, where_words

SEED_COLUMNS = [f"seed {seed}" for seed in range(1, SEEDS + 1)]


@pytest.fixture(scope="module")
def made():
    return made_up()


@pytest.fixture(scope="module")
def rows(made):
    return where.table(*made)


@pytest.fixture(scope="module")
def hardest(made):
    return suspects.table(*made)


def of(rows, part, method):
    return rows[(rows.part == part) & (rows.method == method)].set_index("group")


def test_tenths_are_by_the_difficulty_of_the_same_seed_and_of_equal_size(made, rows):
    plb = of(rows, where.DIFFICULTY, "PLB")
    assert plb.index.tolist() == [str(place) for place in range(1, 11)] and (plb.examples == TESTED / 10).all()
    assert plb.difference.tolist() == pytest.approx([0] * 9 + [100 * 10 / 52])
    assert plb.other_value.tolist() == [100] * 5 + [0] * 5
    detail = next(detail for run, detail in made[1].items() if run.seed == 3)
    order = np.concatenate(where.by_difficulty(detail))
    assert (np.diff(difficulty(3)[order]) > 0).mean() > 0.9, "but for what float16 rounds alike"


def test_differences_are_of_the_two_runs_of_a_seed(rows):
    """PEB has 20 or 21 of the hardest 52 right, by the parity of the seed, and then loses its Z."""
    peb = of(rows, where.DIFFICULTY, "PEB").loc["10"]
    lost = [((np.arange(TESTED) % 26 == 25) & _rescued(seed)).sum() for seed in range(1, SEEDS + 1)]
    by_hand = [100 * (20 + seed % 2 - lost[seed - 1]) / 52 for seed in range(1, SEEDS + 1)]
    assert peb[SEED_COLUMNS].tolist() == pytest.approx(by_hand)
    interval = statistics.t_interval(by_hand)
    assert (peb.difference, peb.low, peb.high) == pytest.approx((np.mean(by_hand), interval.low, interval.high))
    assert peb.n == SEEDS and peb.p == pytest.approx(statistics.sign_flip_p(by_hand))


def _rescued(seed):
    mask = np.zeros(TESTED, bool)
    mask[np.flatnonzero(difficulty(seed) >= TESTED - 52)[: 20 + seed % 2]] = True
    return mask


def test_a_shuffled_pairing_would_be_seen(made, rows):
    """The interval is that of the differences: another order of the seeds gives another one."""
    curves, details = made
    turned = {
        run: details[dataclasses.replace(run, seed=run.seed % SEEDS + 1)] for run in details if run.method == "PEB"
    }
    other = where.table(curves, details | turned)
    assert not np.isclose(
        of(other, where.DIFFICULTY, "PEB").loc["10"].difference, of(rows, where.DIFFICULTY, "PEB").loc["10"].difference
    )


def test_classes_are_by_the_true_label(rows):
    peb = of(rows, where.CLASS, "PEB")
    assert peb.index.tolist() == list("ABCDEFGHIJKLMNOPQRSTUVWXYZ") and (peb.examples == TESTED / 26).all()
    assert peb.value["Z"] == 0 and peb.difference.idxmin() == "Z" and peb.p_holm["Z"] < statistics.LEVEL
    tested = peb.p_holm.to_numpy()
    np.testing.assert_allclose(tested, statistics.holm(peb.p), err_msg="Holm's is over the classes of a method")
    weighted = (peb.difference * peb.examples).sum() / TESTED
    assert weighted == pytest.approx(of(rows, where.WHOLE, "PEB").difference.iloc[0])


def test_shares_add_up_and_are_given_only_where_there_is_a_gain(made, rows):
    for method in ("PLB", "PEB"):
        assert of(rows, where.DIFFICULTY, method).share.sum() == pytest.approx(1)
    assert of(rows, where.DIFFICULTY, "PLB").share["10"] == pytest.approx(1)
    assert where.hardest_share(rows, "PLB")["share"] == pytest.approx(1)
    whole, tenth = of(rows, where.WHOLE, "PEB").iloc[0], of(rows, where.DIFFICULTY, "PEB").loc["10"]
    parts, wholes = (row[SEED_COLUMNS].to_numpy(float) for row in (tenth, whole))
    residual = statistics.t_interval(parts / 10 - tenth.share * wholes)
    assert tenth.share == pytest.approx(parts.mean() / 10 / wholes.mean())
    assert tenth.share_high - tenth.share_low == pytest.approx((residual.high - residual.low) / wholes.mean())
    curves, details = made
    equal = {run: detail | {"test/predicted": details[_mb(run)]["test/predicted"]} for run, detail in details.items()}
    none = where.table(curves, equal)
    assert none.share.isna().all() and where.hardest_share(none, "PEB") == {}
    assert "there is no gain to share out" in where_words.markdown(curves, none, suspects.table(curves, equal))


def _mb(run):
    return dataclasses.replace(run, method="MB")


def test_point_by_point_compares_the_last_two_methods(rows):
    own = of(rows, where.POINTS, "PEB")
    assert set(own.other) == {"PLB"} and own.index.tolist() == list(where.POINT_BY_POINT)
    right, wrong = own.loc["loss of what it has right"], own.loc["loss of what both have wrong"]
    assert right.difference == pytest.approx(0, abs=1e-9) and wrong.difference == pytest.approx(-2)
    accuracy = own.loc["accuracy"]
    apart = [of(rows, where.WHOLE, method).difference.iloc[0] for method in ("PEB", "PLB")]
    assert accuracy.difference == pytest.approx(apart[0] - apart[1])


def test_suspects_are_what_most_runs_find_hardest(made, hardest):
    shown = hardest.head(suspects.SHOWN)
    assert set(shown.example) <= set(range(30)) and (shown.listed == 3 * SEEDS).all() and (shown.of == 3 * SEEDS).all()
    assert (np.diff(shown.loss) <= 0).all() and (2 * hardest.listed > 3 * SEEDS).all()
    first = shown.iloc[0]
    assert first.label == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[first.example] and first.agree == 3 * SEEDS
    assert ord(first.predicted) - ord(first.label) == 2
    assert (hardest.attrs["images"][first.example] == first.example).all(), "the image of that very letter"
    assert hardest.attrs["hardest"] == HARDEST
    assert first["drawn/MB"] == 1 and first["drawn/PLB"] == pytest.approx(80 / (8 + 30 * 72 / 300))


def test_the_words_follow_the_rows(made, rows, hardest):
    text = where_words.markdown(made[0], rows, hardest)
    assert text.startswith("**NIST SD19 letters, in EMNIST's shape. Profile hour, n = 12 seeds.**")
    assert "The hardest 3 of 10 tenths have 100 % [100, 100] of the gain." in text
    assert "- PLB by tenth: 1 of 10 gains significantly (tenth 10), none of 10 loses significantly" in text
    assert "1 of 26 loses significantly (class Z)" in text and "The mean is below 0 in 1 of 26." in text
    assert "accuracy not clearly different" in text and "loss of what both have wrong lower, -2.000" in text
    assert "PEB draws them less often than PLB: -4.50" in text
    assert "candidates for a wrong or ambiguous label; none is proven to be one" in text
    assert len(re.findall(r"^\| [A-Z] \|", text, re.MULTILINE)) == 26


def test_few_seeds_are_told_that_nothing_can_be_significant():
    curves, details = made_up(seeds=3)
    text = where_words.markdown(curves, where.table(curves, details), suspects.table(curves, details))
    assert "With 3 seeds no difference can be significant" in text and " significantly" not in text


def test_the_figure_draws_the_differences_and_sorts_the_classes(made, rows):
    above, below = where_figure.figure(made[0], rows).axes
    assert [tick.get_text() for tick in below.get_xticklabels()][-1] == "Z"
    assert above.get_xticklabels()[-1].get_text().startswith("10, hardest\n")
    drawn = np.concatenate([line.get_ydata() for line in above.lines[1:]])
    assert {round(float(value), 6) for value in of(rows, where.DIFFICULTY, "PLB").difference} <= set(np.round(drawn, 6))


@pytest.mark.parametrize("missing", [("PLB",), ("PEB",), ("MB",), ("PLB", "PEB"), ("MB", "PLB", "PEB")])
def test_what_is_not_run_is_left_out(made, missing):
    curves, details = without(*made, *missing)
    rows, hardest = where.table(curves, details), suspects.table(curves, details)
    assert len(where_figure.figure(curves, rows).axes) == 2 and suspects.figure(curves, hardest) is not None
    text = where_words.markdown(curves, rows, hardest)
    assert "nan" not in text and "Not run" in text
    assert (rows.part == where.POINTS).any() == (not {"PLB", "PEB"} & set(missing))
