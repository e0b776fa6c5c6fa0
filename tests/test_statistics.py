"""Statistics against arithmetic done by hand, and against SciPy where hands are too slow."""

import itertools

import numpy as np
import pytest
from scipy import stats

from hardsample import statistics


def test_summary_by_hand():
    result = statistics.summary([1.0, 2.0, 3.0])
    assert (result.mean, result.sd, result.n, result.diverged) == (2.0, 1.0, 3, 0)
    # t(0.975, 2 degrees of freedom) = 4.30265; half width 4.30265 / sqrt(3)
    assert result.interval.low == pytest.approx(2 - 2.48414, abs=1e-5)
    assert result.interval.high == pytest.approx(2 + 2.48414, abs=1e-5)


def test_interval_is_scipys():
    values = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.95, 11, loc=values.mean(), scale=stats.sem(values))
    interval = statistics.t_interval(values)
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_one_value_has_no_spread():
    result = statistics.summary([0.5])
    assert result.mean == 0.5 and result.n == 1
    assert np.isnan([result.sd, result.interval.low, result.interval.high]).all()


def test_diverged_seeds_are_counted_not_averaged():
    result = statistics.summary([1.0, np.nan, 3.0, np.inf])
    assert (result.mean, result.n, result.diverged) == (2.0, 2, 2)
    nothing = statistics.summary([np.nan])
    assert np.isnan(nothing.mean) and (nothing.n, nothing.diverged) == (0, 1)


def test_sign_flip_by_hand():
    # |sums| of the 8 patterns of (1, 2, 3): 6 4 2 0 0 2 4 6; observed 6, then 4, then 0
    assert statistics.sign_flip_p([1, 2, 3]) == 2 / 8
    assert statistics.sign_flip_p([-1, 2, 3]) == 4 / 8
    assert statistics.sign_flip_p([1, 2, -3]) == 1.0


def test_sign_flip_counts_patterns_that_rounding_would_part():
    assert statistics.sign_flip_p([0.1, 0.2, 0.3]) == 2 / 8
    assert statistics.sign_flip_p([0.1, 0.2, -0.3]) == 1.0


def test_sign_flip_smallest_p_at_twelve_seeds():
    assert statistics.sign_flip_p(np.arange(1, 13)) == 2 / 4096


def test_sign_flip_is_every_pattern():
    differences = np.random.default_rng(1).normal(0.4, 1, size=9)
    observed = abs(differences.sum())
    patterns = itertools.product((-1, 1), repeat=9)
    expected = np.mean([abs(differences @ np.array(signs)) >= observed - 1e-12 for signs in patterns])
    assert statistics.sign_flip_p(differences) == expected


def test_sign_flip_of_many_seeds_never_reaches_zero():
    p = statistics.sign_flip_p(np.ones(24))
    assert 0 < p < 1e-4
    assert p == statistics.sign_flip_p(np.ones(24))


def test_paired_by_hand():
    result = statistics.paired([0.9, 0.8, 0.7], [0.8, 0.6, 0.7])
    assert result.difference == pytest.approx(0.1)
    assert (result.won, result.n, result.diverged) == (2, 3, 0)
    # differences 0.1, 0.2, 0: sums of the 8 patterns 0.3 twice +, twice -, 0.1 four times
    assert result.p == 4 / 8
    # sd of the differences 0.1: half width 4.30265 * 0.1 / sqrt(3)
    assert result.interval.high == pytest.approx(0.1 + 0.248414, abs=1e-6)


def test_paired_of_losses_wins_downwards():
    assert statistics.paired([1.0, 3.0, 2.0], [2.0, 2.0, 2.0], higher_is_better=False).won == 1


def test_paired_with_one_seed_says_nothing():
    result = statistics.paired([0.9], [0.8])
    assert result.p == 1.0 and result.won == 1
    assert np.isnan(result.interval.low) and np.isnan(result.interval.high)


def test_paired_with_a_diverged_seed():
    result = statistics.paired([0.9, np.nan, 0.9], [0.8, 0.8, 0.8])
    assert (result.won, result.n, result.diverged) == (2, 2, 1)
    assert result.seeds == 3 and str(result).endswith("won 2 of 3 seeds")
    assert result.difference == pytest.approx(0.1)


def test_paired_needs_the_same_seeds():
    with pytest.raises(ValueError, match="treatment has . values and baseline .: give as many"):
        statistics.paired([1.0, 2.0], [1.0])


def test_holm_by_hand():
    # sorted 0.01 0.02 0.03 0.04, times 4 3 2 1 = 0.04 0.06 0.06 0.04, running maximum 0.04 0.06 0.06 0.06
    np.testing.assert_allclose(statistics.holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])


def test_holm_skips_what_was_not_tested_and_stops_at_one():
    np.testing.assert_allclose(statistics.holm([np.nan, 0.6, 0.02]), [np.nan, 0.6, 0.04])
    np.testing.assert_allclose(statistics.holm([0.7, 0.8]), [1.0, 1.0])
    assert statistics.holm([]).shape == (0,)


def test_the_half_width_of_a_share_by_hand():
    # 1.95996 * sqrt(0.9 * 0.1 / 20,800)
    np.testing.assert_allclose(statistics.binomial_half_width([0.9, 1.0], 20_800), [0.004077, 0], atol=1e-6)


def test_updates_to_reach():
    steps, accuracy = [0, 10, 20, 30], [0.1, 0.5, np.nan, 0.8]
    assert statistics.updates_to_reach(steps, accuracy, 0.5) == 10
    assert statistics.updates_to_reach(steps, accuracy, 0.6) == 30
    assert statistics.updates_to_reach(steps, accuracy, 0.9) is None
    assert statistics.updates_to_reach(steps, [3.0, 2.0, 1.0, 1.5], 1.2, higher_is_better=False) == 20


EPOCHS = np.arange(0, 100.5, 0.5)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.4])
def test_an_exponential_converges_where_its_closed_form_says(rate):
    losses = 0.3 + 2 * np.exp(-rate * EPOCHS)
    # exp(-rate e) - exp(-100 rate) <= 0.05 (1 - exp(-100 rate))
    closed = -np.log(np.exp(-100 * rate) + 0.05 * (1 - np.exp(-100 * rate))) / rate
    found = statistics.convergence(EPOCHS, losses)
    assert closed <= found < closed + 0.5


def test_a_line_converges_in_its_last_twentieth():
    losses = 2 - EPOCHS / 100
    assert statistics.convergence(EPOCHS, losses) == pytest.approx(95, abs=0.5)
    assert statistics.convergence(EPOCHS, losses, tolerance=0.26) == pytest.approx(74, abs=0.5)


def test_convergence_is_where_it_stays_not_where_it_first_comes_near():
    # fall 1.0: near is within 0.05 of 1.0; near at 1, gone at 2, near from 3 on
    assert statistics.convergence([0, 1, 2, 3, 4, 5], [2.0, 1.02, 1.2, 0.97, 1.03, 1.0]) == 3
    assert statistics.convergence([0, 1, 2, 3, 4, 5], [2.0, 1.02, np.nan, 0.97, 1.03, 1.0]) == 3


def test_a_noisy_loss_converges_near_its_noiseless_self():
    noise = np.random.default_rng(0).normal(0, 0.005, len(EPOCHS))
    smooth = 0.3 + 2 * np.exp(-0.1 * EPOCHS)
    assert statistics.convergence(EPOCHS, smooth + noise) == pytest.approx(
        statistics.convergence(EPOCHS, smooth), abs=3
    )


@pytest.mark.parametrize(
    "losses",
    [
        pytest.param(1 + np.cos(EPOCHS * np.pi) * 0.5 + np.exp(-EPOCHS), id="oscillates to the end"),
        pytest.param(1 + EPOCHS / 100, id="rises"),
        pytest.param(np.ones_like(EPOCHS), id="constant"),
        pytest.param(np.where(EPOCHS < 90, np.exp(-EPOCHS), np.nan), id="diverges"),
        pytest.param(np.where(EPOCHS > 0, np.exp(-EPOCHS), np.inf), id="starts infinite"),
        pytest.param(np.where(EPOCHS < 100, 2.0, 1.0), id="falls at the last evaluation alone"),
    ],
)
def test_what_does_not_converge(losses):
    assert statistics.convergence(EPOCHS, losses) is None


def test_too_few_evaluations_show_no_convergence():
    assert statistics.convergence([], []) is None
    assert statistics.convergence([0], [1.0]) is None
    assert statistics.convergence([0, 1], [1.0, 0.5]) is None
    assert statistics.convergence([0, 1, 2], [1.0, 0.5, 0.5]) == 1.0


@pytest.mark.parametrize("pairs", [1, 2, 6, 12])
def test_the_min_attainable_p_is_that_of_differences_of_one_sign(pairs):
    assert statistics.min_attainable_p(pairs) == statistics.sign_flip_p(np.arange(1.0, pairs + 1))


def test_seeds_needed_is_where_the_smallest_p_passes_holms_first_step():
    assert [statistics.seeds_needed(tests) for tests in (0, 1, 2, 13, 32)] == [6, 6, 7, 10, 11]


def test_what_could_not_have_been_significant_has_no_p_but_counts_as_a_test():
    found = statistics.adjusted([0.001, 0.25, 0.002, np.nan], [12, 3, 12, 0])
    assert found[0] == pytest.approx(0.003) and found[2] == pytest.approx(0.004) and np.isnan(found[[1, 3]]).all()
    assert np.isnan(statistics.adjusted([0.002] * 13, [9] * 13)).all()


def test_a_family_of_tests_has_its_p_and_smallest_differences_together():
    differences = np.random.default_rng(0).normal(0, 1, 12)
    interval = statistics.t_interval(differences)
    low, high = [interval.low] * 3, [interval.high] * 3
    p, p_holm, smallest = statistics.family([0.001, 0.25, np.nan], low, high, [12, 3, np.nan])
    assert p_holm[0] == pytest.approx(0.002) and p[0] == 0.001
    assert smallest[0] == pytest.approx(statistics.smallest_significant_difference(interval, 12, 2))
    assert np.isnan([*p[1:], *p_holm[1:], *smallest[1:]]).all()


def test_the_smallest_difference_is_the_half_width_at_the_adjusted_level():
    differences = np.random.default_rng(0).normal(0, 1, 12)
    interval = statistics.t_interval(differences)
    half = (interval.high - interval.low) / 2
    assert statistics.smallest_significant_difference(interval, 12, 1) == pytest.approx(half)
    wanted = stats.t.ppf(1 - 0.05 / 26, 11) * differences.std(ddof=1) / np.sqrt(12)
    assert statistics.smallest_significant_difference(interval, 12, 13) == pytest.approx(wanted)
    assert np.isnan(statistics.smallest_significant_difference(interval, 9, 13))


def test_equivalence_is_two_one_sided_tests():
    differences = np.random.default_rng(1).normal(0.1, 0.4, 12)
    found = statistics.equivalence(differences, 0.5)
    below = stats.ttest_1samp(differences, 0.5, alternative="less").pvalue
    above = stats.ttest_1samp(differences, -0.5, alternative="greater").pvalue
    assert found.p == pytest.approx(max(below, above)) and found.p < 0.05
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert statistics.equivalence(differences, 0.01).p > 0.5
    assert np.isnan(statistics.equivalence([0.1], 0.5).p)
    with pytest.raises(ValueError, match="margin is 0.0: give a difference above 0"):
        statistics.equivalence(differences, 0)


def test_what_has_not_converged_counts_as_one_evaluation_after_the_last():
    assert statistics.after_the_last([0.0, 1.0, 2.0]) == 3.0
    assert statistics.after_the_last([0.0, 1.0, 1.5]) == 2.0
    assert np.isnan(statistics.after_the_last([1.0])) and np.isnan(statistics.after_the_last([]))
