"""What a paper says, with a verdict: every rule on curves of known verdict, and every result of paper A listed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthetic import made_up, with_keys

from hardsample.config import Run
from hardsample.experiments import base_values_sizes, published
from hardsample.experiments.curves import METRICS
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.records import StoredRun
from hardsample.report import base_values_claims, claim_verdicts, claims
from hardsample.report.claim_tests import Bands, Statement, alike, better
from hardsample.report.claim_tests import Test as Check
from hardsample.report.claim_verdicts import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED

EPOCHS = np.arange(0, 10.5, 0.5)
PRETRAINED = 2.0
ACCURACY, LOSS = np.linspace(0.5, 0.9, len(EPOCHS)), np.linspace(3.0, 0.3, len(EPOCHS))


def rows(method="MB", panel="default", *, seeds=12, accuracy=0.0, loss=1.0, spread=0.001, noise=None, **changed):
    """A method's curves: the same accuracy plus so much and loss times so much after the pre-training, in every seed
    moved by ``spread`` standard deviations that all methods share, and by ``noise`` of its own."""
    shared, random = np.random.default_rng(7), np.random.default_rng(len(method) + 10 * len(panel))
    after, made = EPOCHS > PRETRAINED, []
    for seed in range(1, seeds + 1):
        moved = shared.normal(0, 1) * spread + random.normal(0, 1) * (spread / 10 if noise is None else noise)
        frame = pd.DataFrame({"epoch": EPOCHS, "step": (EPOCHS * 100).astype(int)})
        for metric in METRICS:
            values = (
                ACCURACY + accuracy * after + moved if metric.startswith("acc") else LOSS * loss**after * (1 + moved)
            )
            frame[metric] = changed.get(metric.replace("/", "_"), lambda own, seed: own)(values, seed)
        made.append(frame.assign(panel=panel, method=method, seed=seed))
    return pd.concat(made).assign(pretrain_epochs=PRETRAINED, batch_size=32, learning_rate=0.05)


def judged(tests, *cells):
    return claim_verdicts.judge(claim_verdicts.cells(pd.concat(cells)), tests)


def one(test, *cells):
    (found,) = judged([test], *cells)
    return found


END = Check("PEB", "acc/val", ("default",), low=0.0, other="MB")
LOWER = Check("PEB", "loss/val", ("default",), high=0.0, other="MB")
PRINTED = Check("PEB", "acc/val", ("default",), 1.5, 2.5, other="MB", absolute=True, printed=True)
MORE = Check("PEB", "acc/val", ("default",), low=2.0, other="MB")
THROUGHOUT = dataclasses.replace(END, moment="throughout")


@pytest.mark.parametrize(
    "test, peb, verdict, note",
    [
        (END, {"accuracy": 0.02}, SUPPORTED, ""),
        (END, {"accuracy": -0.02}, CONTRADICTED, "the other way"),
        (END, {"accuracy": 0.0, "noise": 0.02}, INCONCLUSIVE, ""),
        (END, {"accuracy": 0.0, "noise": 0.001}, CONTRADICTED, "differ by less than 0.5 points"),
        (END, {"accuracy": 0.002, "noise": 0.0005}, SUPPORTED, ""),  # small, and yet there
        (LOWER, {"loss": 0.8}, SUPPORTED, ""),
        (LOWER, {"loss": 1.2}, CONTRADICTED, "the other way"),
        (LOWER, {"loss": 1.0, "noise": 0.005}, CONTRADICTED, "differ by less than 5 %"),
        (LOWER, {"loss": 1.0, "noise": 0.3}, INCONCLUSIVE, ""),
        (alike("PEB", ("default",), "acc/val", other="MB")[0], {"accuracy": 0.001}, SUPPORTED, ""),
        (alike("PEB", ("default",), "acc/val", other="MB")[0], {"accuracy": -0.02}, CONTRADICTED, "further apart"),
        (alike("PEB", ("default",), "acc/val", other="MB")[0], {"noise": 0.02}, INCONCLUSIVE, ""),
        (PRINTED, {"accuracy": 0.018}, SUPPORTED, ""),
        (PRINTED, {"accuracy": 0.01}, CONTRADICTED, "same direction, smaller"),
        (PRINTED, {"accuracy": 0.04}, CONTRADICTED, "same direction, larger"),
        (PRINTED, {"accuracy": -0.02}, CONTRADICTED, "the other direction"),
        (PRINTED, {"accuracy": 0.0}, CONTRADICTED, "no direction shown"),
        (PRINTED, {"accuracy": 0.01, "noise": 0.05}, INCONCLUSIVE, ""),  # as well 0 as the number
        (MORE, {"accuracy": 0.03}, SUPPORTED, ""),
        (MORE, {"accuracy": 0.01}, CONTRADICTED, "same direction, smaller"),
        (MORE, {"accuracy": 0.02, "noise": 0.005}, INCONCLUSIVE, ""),
    ],
)
def test_every_claim_has_the_verdict_that_its_curves_were_made_for(test, peb, verdict, note):
    found = one(test, rows(), rows("PEB", **peb))
    assert found.verdict == verdict and note in found.note and bool(note) == bool(found.note)
    assert found.n == 12 and found.low < found.effect < found.high
    if verdict != INCONCLUSIVE:
        assert found.p <= found.p_holm < 0.05


@pytest.mark.parametrize(
    "test, expected",
    [(END, 2.0), (LOWER, -20.0), (dataclasses.replace(LOWER, absolute=True), -0.06)],
)
def test_an_effect_is_in_its_unit(test, expected):
    found = one(test, rows(), rows("PEB", accuracy=0.02, loss=0.8))
    assert found.effect == pytest.approx(expected, rel=0.05)
    assert 0 < found.smallest < abs(expected)


def dip(epoch, by):
    """A change of the accuracy at one epoch."""
    return lambda values, seed: values + by * (EPOCHS == epoch)


@pytest.mark.parametrize(
    "change, verdict, note",
    [
        (0.0, SUPPORTED, "at 16 of 16 evaluations as claimed; shown is epoch"),
        (-0.02, INCONCLUSIVE, "at 15 of 16 evaluations as claimed; shown is epoch 6"),
        (-0.05, CONTRADICTED, "at 15 of 16 evaluations as claimed, at 1 the other way; shown is epoch 6"),
    ],
)
def test_every_evaluation_counts(change, verdict, note):
    found = one(THROUGHOUT, rows(), rows("PEB", accuracy=0.02, acc_val=dip(6.0, change)))
    assert found.verdict == verdict and note in found.note


def test_moments_are_where_they_are_said_to_be():
    def at(moment, **peb):
        return one(dataclasses.replace(END, moment=moment), rows(), rows("PEB", **peb)).effect

    assert at("first", acc_val=dip(2.5, 0.03)) == pytest.approx(3, abs=0.1)
    assert at("begin", acc_val=dip(0.5, 0.03)) == pytest.approx(3, abs=0.1)
    assert at("mean", acc_val=dip(6.0, 0.2)) == pytest.approx(1, abs=0.1)  # a twentieth of it
    assert at("last epoch", acc_val=dip(9.0, -0.03)) == pytest.approx(3, abs=0.1)
    rise = Check("MB", "loss/val", ("default",), low=2.0, moment="rise")
    up = rows(loss_val=lambda own, seed: np.where(EPOCHS == 8.0, own.min() / 1.1, own))
    assert one(rise, up).effect == pytest.approx(10, abs=0.1) and one(rise, up).verdict == SUPPORTED
    assert one(rise, rows(loss_val=lambda own, seed: own + 0.001 * seed * (EPOCHS == 10))).verdict == CONTRADICTED


def test_a_difference_of_panels_and_the_mean_of_panels():
    cells = [rows(), rows("PEB", accuracy=0.02), rows(panel="n = 4"), rows("PEB", "n = 4", accuracy=0.01)]
    assert one(Check("PEB", "acc/val", ("default", "n = 4"), low=0, other="MB"), *cells).effect == pytest.approx(
        1.5, abs=0.1
    )
    against = Check("PEB", "acc/val", ("default",), low=0, other="MB", against="n = 4")
    assert one(against, *cells).effect == pytest.approx(1, abs=0.1) and one(against, *cells).verdict == SUPPORTED
    flipped = dataclasses.replace(against, low=-np.inf, high=0)
    assert one(flipped, *cells).verdict == CONTRADICTED
    alone = Check("PEB", "acc/val", ("default",), low=0, against="n = 4")
    assert one(alone, *cells).effect == pytest.approx(1, abs=0.1)


def test_a_standard_deviation_is_compared_as_a_ratio():
    steady = Check("PEB", "acc/val", ("default",), high=0.0, other="MB", moment="spread")
    calm, wild = rows(spread=0, noise=0.002), rows("PEB", spread=0, noise=0.02)
    found = one(steady, calm, wild)
    assert found.verdict == CONTRADICTED and 300 < found.effect < 3000
    swapped = [frame.assign(method=name) for frame, name in ((calm, "PEB"), (wild, "MB"))]
    found = one(steady, *swapped)
    assert found.verdict == SUPPORTED and -98 < found.effect < -75
    assert one(steady, rows(spread=0, noise=0.01), rows("PEB", spread=0, noise=0.01)).verdict == INCONCLUSIVE


def test_fewer_updates_are_counted_to_the_others_end():
    far = Check("PEB", "acc/val", ("default",), high=-25.0, other="MB", moment="reach")
    found = one(far, rows(), rows("PEB", accuracy=0.2))
    assert found.verdict == SUPPORTED and found.effect == pytest.approx(-50, abs=6)
    assert one(far, rows(), rows("PEB", accuracy=0.02)).verdict == CONTRADICTED
    assert one(far, rows(), rows("PEB", accuracy=-0.2)).verdict == CONTRADICTED  # never there


def test_bands_are_counted_over_plots():
    at_end = Bands("PEB", "MB", ("default",), METRICS, throughout=False)
    throughout = dataclasses.replace(at_end, throughout=True)
    apart = [rows(), rows("PEB", accuracy=0.05, loss=0.5)]
    found = judged([at_end, throughout], *apart)
    assert [one.verdict for one in found] == [SUPPORTED] * 2 and [one.effect for one in found] == [4, 4]
    met = [rows(), rows("PEB", accuracy=0.05, loss=0.5, acc_val=dip(6.0, -0.05))]
    found = judged([at_end, throughout], *met)
    assert [one.verdict for one in found] == [SUPPORTED, CONTRADICTED] and found[1].effect == 3
    assert np.isnan(found[1].p_holm)


def test_what_was_not_run_is_not_tested():
    missing, few = one(END, rows()), one(END, rows(seeds=5), rows("PEB", seeds=5, accuracy=0.02))
    assert missing.verdict == few.verdict == NOT_TESTED
    assert missing.note == "not run: PEB in default" and "5 pairs of seeds: fewer than 6" in few.note
    assert np.isnan([missing.effect, missing.p, few.effect, few.p]).all()


def test_seeds_are_paired_and_a_diverged_one_is_left_out():
    found = one(END, rows(seeds=15), rows("PEB", accuracy=0.02))
    assert found.n == 12 and found.effect == pytest.approx(2, abs=0.05)
    lost = rows("PEB", accuracy=0.02, acc_val=lambda own, seed: own if seed > 1 else own * np.nan)
    found = one(END, rows(), lost)
    assert found.n == 11 and found.note == "1 diverged seed left out" and found.verdict == SUPPORTED


def test_p_is_adjusted_over_the_tests_of_a_statement():
    won = rows(
        "PEB",
        noise=0,
        acc_val=lambda own, seed: own + (0.02 if seed > 2 else -0.02),
        acc_train=lambda own, seed: own + (0.02 if seed % 2 else -0.02),
    )
    alone = one(END, rows(noise=0), won)
    assert alone.verdict == SUPPORTED and alone.p == alone.p_holm == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    among = judged([END, *better("PEB", "MB", ("default",), "acc/train")], rows(noise=0), won)
    assert among[0].verdict == INCONCLUSIVE and among[0].p == alone.p < 0.05 < among[0].p_holm == 2 * alone.p
    assert among[0].note == "p is too large after Holm" and among[0].smallest > alone.smallest


@pytest.mark.parametrize(
    "verdicts, most, expected",
    [
        ([SUPPORTED] * 3, False, SUPPORTED),
        ([SUPPORTED, SUPPORTED, INCONCLUSIVE], False, INCONCLUSIVE),
        ([SUPPORTED, SUPPORTED, CONTRADICTED], False, CONTRADICTED),
        ([SUPPORTED, NOT_TESTED], False, NOT_TESTED),
        ([NOT_TESTED, CONTRADICTED], False, CONTRADICTED),
        ([SUPPORTED, SUPPORTED, CONTRADICTED], True, SUPPORTED),
        ([SUPPORTED, CONTRADICTED, CONTRADICTED], True, CONTRADICTED),
        ([SUPPORTED, INCONCLUSIVE], True, INCONCLUSIVE),
        ([SUPPORTED, NOT_TESTED], True, NOT_TESTED),
    ],
)
def test_a_statement_is_judged_by_all_of_its_tests(verdicts, most, expected):
    found = claim_verdicts.together([claim_verdicts.Found(verdict) for verdict in verdicts], most=most)
    assert found.verdict == expected and found.note.startswith(f"{len(verdicts)} tests: ")


@pytest.mark.parametrize("verdict, at", [(CONTRADICTED, 1), (SUPPORTED, 3), (INCONCLUSIVE, 4), (NOT_TESTED, None)])
def test_beside_a_statement_stands_the_test_that_decides(verdict, at):
    made = [(SUPPORTED, 0.001), (CONTRADICTED, 0.001), (CONTRADICTED, 0.01), (SUPPORTED, 0.01), (INCONCLUSIVE, 0.9)]
    found = [claim_verdicts.Found(verdict, p=p) for verdict, p in [*made, (INCONCLUSIVE, 0.2)]]
    assert claim_verdicts.deciding([*found, claim_verdicts.Found(NOT_TESTED)], verdict) == at


STATEMENTS = (
    Statement("Section 4.2.2", "final validation accuracy of PEB above MB's, on average, about", (PRINTED,)),
    Statement(
        "Section 5",
        "PEB beats MB and LB in most experiments, whatever the length of pre-training",
        better("PEB", "MB", ("default",), "acc/val", "loss/val"),
        "against MB",
    ),
    Statement(
        "Section 4.2.4",
        "at the smallest learning rate, training is far from finished",
        better("LB", "MB", ("α = 0.001",), "acc/val"),
    ),
    Statement("Section 5", "stored base values are not accurate at all times", why="none are kept"),
)


def a_size(*cells, steps=1, **said):
    runs = (Run(data="glyphs", method="MB", seed=1),)
    frame = with_keys(pd.concat(cells)).assign(step=lambda own: own.step * steps)
    return made_up(frame, runs=runs, sources={"glyphs": "glyphs"}, measured=(None,), hardware={"CPU": 2}, **said)


def a_table(*sizes, statements=STATEMENTS):
    return claims.table("base-values", statements, sizes, {"LB": "LB is a reading"})


def test_the_table_has_a_row_for_a_statement_and_for_each_of_its_tests():
    table = a_table(a_size(rows(), rows("PEB", accuracy=0.02, loss=0.8)))
    assert list(table) == list(claims.COLUMNS)
    assert list(table.part) == ["all", "all", "1", "2", "all", "all"]
    assert list(table.verdict) == [SUPPORTED] * 4 + [NOT_TESTED] * 2
    first = table.iloc[0]
    assert first.statement == "final validation accuracy of PEB above MB's, on average, about 2 %"
    assert first.test == "PEB - MB, test accuracy at the end, default: the paper's +2 points"
    assert first["size"] == "3,200 training examples, 10 epochs, float32" and first.devices == "CPU" and first.n == 12
    whole, *tests = (table.iloc[at] for at in (1, 2, 3))
    assert whole.statement.endswith("(against MB)") and whole.note == "2 tests: 2 supported"
    assert whole.test in [one.test for one in tests] and whole.effect in [one.effect for one in tests]
    assert table.note.iloc[4] == "not run: LB and MB in α = 0.001; LB is a reading"
    assert table.note.iloc[5] == "none are kept"


def test_every_size_has_its_rows_where_it_can_say_anything():
    large = a_size(rows(), rows("PEB", accuracy=0.02, loss=0.8), steps=10)
    small = a_size(rows(), rows("PEB", accuracy=-0.02, loss=0.8))
    nothing = a_size(rows(), rows("PEB", seeds=3), steps=2)
    table = a_table(large, nothing, small)
    sizes = [f"{count} training examples, 10 epochs, float32" for count in ("32,000", "3,200")]
    assert list(table[table.part == "all"]["size"]) == [*sizes, *sizes, sizes[0], sizes[0]]
    assert claims.finding(table) == [
        f"{sizes[0]}; n = 12 seeds. Of 4 statements: 2 supported, 2 not tested",
        f"{sizes[1]}; n = 12 seeds. Of 2 statements: 2 contradicted",
    ]
    alone = Statement(*dataclasses.astuple(STATEMENTS[2])[:2], (Check("MB", "acc/val", ("default",), low=0),))
    few = a_table(nothing, statements=[*STATEMENTS, alone])  # no two methods can be compared, and that is said
    assert set(few[few.test.str.startswith("PEB - MB")].note) == {"3 pairs of seeds: fewer than 6 can show nothing"}
    assert a_table(a_size(rows())).empty  # of one method


def test_readers_see_the_finding_first_and_every_rule(tmp_path):
    table = a_table(a_size(rows(), rows("PEB", accuracy=0.02, loss=0.8)))
    csv, md = claims.save(table, tmp_path / "claims")
    text = md.read_text()
    assert text.split("\n\n")[1] == f"- **{claims.finding(table)[0]}.**"
    assert (
        "nan" not in text and "| Section 5 | stored base values are not accurate at all times | none are kept |" in text
    )
    assert "nothing here was run on the paper's own, emnist-letters" in text
    assert pd.read_csv(csv).shape == table.shape


def test_every_result_of_paper_a_is_listed_in_its_order():
    printed = published.text("base-values-claims")
    results = [(row.place, row.claim) for row in printed[printed.kind == "result"].itertuples()]
    listed = list(dict.fromkeys((one.place, one.claim) for one in base_values_claims.STATEMENTS))
    assert listed == results
    assert all(bool(one.tests) != bool(one.why) for one in base_values_claims.STATEMENTS)
    tested = {(one.place, one.claim) for one in base_values_claims.STATEMENTS if one.tests}
    assert len(tested) > 0.8 * len(results)
    names = [(one.place, one.claim, one.aspect) for one in base_values_claims.STATEMENTS]
    assert len(set(names)) == len(names)


def record(method="MB", seed=1, **fields):
    usual = {"data": "letters", "pretrain_epochs": 2.0, "train_examples": 12_000}
    return StoredRun(Run(method=method, seed=seed, **(usual | fields)), {}, (), ())


def test_runs_in_the_papers_settings_are_found_at_every_size():
    own = [
        record(),
        record("PEB", evaluations_per_epoch=1.0),
        record("PEB", batch_size=4),
        record("LB", options=READINGS[NEAREST]),
        record("PLB", batch_size=1024, train_examples=None),
        record("MB", pretrain_epochs=0.0, train_examples=None),
    ]
    others = [
        record("LB"),  # another reading
        record("SMB"),
        record(epochs=30.0),
        record(batch_size=4, learning_rate=0.1),
        record(network="narrow-letters-cnn"),
        record(label_noise=0.1),
    ]
    found = base_values_sizes.at_every_size([*own, *others])
    layouts = [experiment.layout for experiment, _ in found]
    assert layouts == [
        {"n = 1024": ("PLB",), "pre-training 0 epochs": ("MB",)},
        {"default": ("PEB",)},
        {"default": ("MB", "LB"), "n = 4": ("PEB",)},
    ]
    assert {record.run for _, records in found for record in records.values()} == {record.run for record in own}
    assert {experiment.folder for experiment, _ in found} == {"letters"}


@pytest.mark.parametrize(
    "share, panels, verdict",
    [(0.2, ("default",), SUPPORTED), (0.01, ("default",), CONTRADICTED), (0.2, ("n = 1024",), NOT_TESTED)],
)
def test_what_stale_base_values_misplace_is_the_mean_of_its_own_moments(share, panels, verdict):
    """Which are no evaluations: 3.6 epochs, not 3.5; and only of runs that kept it."""
    frame = pd.concat([rows("PEB"), rows("PEB", "n = 1024")])
    frame = frame.assign(run=frame.panel + frame.seed.astype(str))
    moments = {
        f"default{seed}": pd.Series([share - 0.01, share, share + 0.01 + 1e-4 * seed], [3.6, 5.2, 6.8])
        for seed in range(1, 13)
    }
    test = Check("PEB", "misplaced", panels, low=5.0, moment="mean")
    (found,) = claim_verdicts.judge(claim_verdicts.cells(frame, moments), [test])
    assert found.verdict == verdict and test.unit == "% of the draws"
    if verdict == NOT_TESTED:
        assert found.note == "its runs keep no base values"
    else:
        assert found.effect == pytest.approx(100 * (share + 1e-4 * 6.5 / 3)) and found.n == 12
