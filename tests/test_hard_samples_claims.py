"""What paper B says, with a verdict: planted effects get theirs, and every result of paper B is listed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthetic import made_up, with_keys

from hardsample.config import Run
from hardsample.experiments import hard_samples, hard_samples_sizes, published, registry
from hardsample.records import StoredRun
from hardsample.report import base_values_claims, claim_verdicts, claims, every_claim, hard_samples_claims
from hardsample.report.claim_tests import Test as Check
from hardsample.report.claim_verdicts import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED
from hardsample.report.hard_samples_claims import CIFAR_10, CIFAR_100, DATA, RESNET, STL_10, statements

EPOCHS = np.arange(0.0, 11.0)
FINALS = {"δ = 1": 0.60, "δ = 0.8": 0.60, "δ = 0.5": 0.63, "δ = 0.2": 0.65}
FALLS = {"δ = 1": 8, "δ = 0.8": 8, "δ = 0.5": 5, "δ = 0.2": 4}  # the epoch from which on the loss has converged


def rows(method, *, seeds=10, final=None, falls=None, panel=RESNET, noise=0.0005, updates=100):
    """A method's curves: test accuracy rises to ``final`` and train loss falls from 3 to 1 in so many epochs.

    ``falls`` is one epoch, or one for each seed; what is later than the last has not converged.
    """
    random, made = np.random.default_rng(len(method)), []
    final = FINALS.get(method, 0.60) if final is None else final
    falls = np.broadcast_to(FALLS.get(method, 8) if falls is None else falls, seeds)
    for seed, at in enumerate(falls, start=1):
        moved = 0.01 * seed / seeds + random.normal(0, noise)
        accuracy = np.minimum(EPOCHS / at, 1) * final + moved
        frame = pd.DataFrame({"epoch": EPOCHS, "step": (EPOCHS * updates).astype(int), "acc/val": accuracy})
        frame["loss/train"] = (3 - 2 * np.minimum(EPOCHS / at, 1)) * (1 + moved / 100)
        frame = frame.assign(**{"acc/train": accuracy + 0.1, "loss/val": 2 + moved})
        made.append(frame.assign(panel=panel, method=method, seed=seed))
    return pd.concat(made).assign(pretrain_epochs=0.0, batch_size=64, learning_rate=0.05)


def one(test, *cells):
    (found,) = claim_verdicts.judge(claim_verdicts.cells(pd.concat(cells)), [test])
    return found


SOONER = Check("δ = 0.2", "loss/train", (RESNET,), high=0.0, other="δ = 1", moment="converged")
NUMBER = dataclasses.replace(SOONER, low=-100.5, high=-99.5, printed=True, of_new=True)


def test_epochs_of_convergence_are_compared_as_ratios():
    """The loss of the fall ``at`` is within 5 % of it from 0.95 ``at`` on: 8 at 8, and 4 at 4."""
    found = one(SOONER, rows("δ = 1"), rows("δ = 0.2"))
    assert found.verdict == SUPPORTED and found.effect == pytest.approx(-50) and found.note == ""
    assert (found.n, found.p) == (10, 2 / 2**10)
    found = one(SOONER, rows("δ = 1", falls=4), rows("δ = 0.2", falls=8))
    assert (found.verdict, found.effect, found.note) == (CONTRADICTED, pytest.approx(100), "the other way")


def test_a_training_that_has_not_converged_counts_as_one_evaluation_after_its_last():
    late = [8] * 5 + [20] * 5
    found = one(SOONER, rows("δ = 1", falls=late), rows("δ = 0.2"))
    mean = np.log(4) - (5 * np.log(8) + 5 * np.log(11)) / 10
    assert found.verdict == SUPPORTED and found.effect == pytest.approx(100 * np.expm1(mean))
    assert found.note == "5 of 20 trainings had not converged by their end"
    nothing = one(SOONER, rows("δ = 1", falls=20), rows("δ = 0.2", falls=20))
    assert (nothing.verdict, nothing.note) == (NOT_TESTED, "no training had converged by its end")
    number = one(NUMBER, rows("δ = 1", falls=late), rows("δ = 0.2"))
    assert (number.verdict, number.note) == (NOT_TESTED, found.note)


def test_a_diverged_training_is_left_out_and_no_late_one():
    lost = rows("δ = 0.2")
    lost.loc[(lost.seed == 3) & (lost.epoch > 5), ["loss/train", "loss/val", "acc/val"]] = np.nan
    found = one(SOONER, rows("δ = 1"), lost)
    assert (found.n, found.note, found.effect) == (9, "1 diverged seed left out", pytest.approx(-50))


def test_a_printed_change_is_of_the_new_value():
    """From 8 to 4 epochs is a fall by 100 % of 4; from 33.2 % to 35.8 % a rise by 7.26 % of 35.8."""
    found = one(NUMBER, rows("δ = 1"), rows("δ = 0.2"))
    assert (found.verdict, found.effect) == (SUPPORTED, pytest.approx(-100))
    assert one(dataclasses.replace(NUMBER, low=-50.5, high=-49.5), rows("δ = 1"), rows("δ = 0.2")).note == (
        "same direction, larger"
    )
    (statement,) = (one for one in statements(CIFAR_100) if one.claim.startswith("test top-1 above δ = 1"))
    flat = {"noise": 1e-6, "seeds": 10}
    pair = [rows(name, final=final, **flat) for name, final in (("δ = 1", 0.332), ("δ = 0.2", 0.358))]
    for own in pair:
        own["acc/val"] -= 0.01 * own.seed / 10 * (own.epoch > 0)
    found = one(statement.tests[0], *pair)
    assert found.effect == pytest.approx(100 * (35.8 - 33.2) / 35.8, abs=0.01) and found.verdict == SUPPORTED
    assert found.low < found.effect < found.high and statement.tests[0].words == (
        "δ = 0.2 - δ = 1, test accuracy at the end, ResNet-18: the paper's +7.26 % of the new value"
    )


def test_equal_numbers_of_updates():
    same = Check("δ = 0.2", "updates", (RESNET,), -0.5, 0.5, "δ = 1", absolute=True)
    assert one(same, rows("δ = 1"), rows("δ = 0.2")).verdict == SUPPORTED
    fewer = one(same, rows("δ = 1"), rows("δ = 0.2", updates=98))
    assert (fewer.verdict, fewer.effect) == (CONTRADICTED, -20)
    assert same.words == "δ = 0.2 - δ = 1, number of updates at the end, ResNet-18: within 0.5 updates of 0"


def a_size(*cells, **said):
    usual = {"name": hard_samples_sizes.NAME, "own": ("cifar10",), "sources": {"cifar10-rebuilt": "cifar10-rebuilt"}}
    usual |= {"data": "cifar10-rebuilt", "note": "5,000 training images", "measured": (None,), "baseline": "δ = 1"}
    return made_up(with_keys(pd.concat(cells)), **usual | {"hardware": {"CPU": 2}} | said)


def a_table(*sizes):
    return claims.table("hard-samples", statements(CIFAR_10), sizes, hard_samples_claims.REMARKS, ("As we say.",))


def whole(table, statement):
    (row,) = table[(table.part == claims.WHOLE) & (table.statement == statement)].itertuples()
    return row


EVERYTHING = [rows(method) for method in (*FINALS, "random δ = 0.5", "random δ = 0.2")]


def test_planted_effects_have_the_planted_verdicts():
    table = a_table(a_size(*EVERYTHING))
    claim = "focusing on mini-batches of high loss significantly improves test accuracy and speeds up convergence"
    for aspect in ("test accuracy", "convergence", "test accuracy, by the choice of high loss"):
        assert whole(table, f"{claim} ({aspect})").verdict == SUPPORTED
    accuracy = whole(table, f"{claim} (test accuracy)")
    assert accuracy.effect in (pytest.approx(3, abs=0.1), pytest.approx(5, abs=0.1)) and accuracy.n == 10
    similar = whole(table, "a smaller δ generally keeps the test accuracy and generalizes sooner (test accuracy)")
    assert (similar.verdict, similar.note) == (CONTRADICTED, "3 tests: 1 supported, 2 contradicted; further apart")
    sooner = whole(table, "a smaller δ generally keeps the test accuracy and generalizes sooner (sooner)")
    assert (sooner.verdict, sooner.effect) == (INCONCLUSIVE, 0)  # δ = 0.8 is as late as δ = 1
    fall = "Table 3: decrease in test accuracy from δ = 1 to 0.2, ResNet-18: 0.9 %"
    assert (whole(table, fall).verdict, whole(table, fall).note) == (CONTRADICTED, "the other direction")
    updates = whole(table, "the number of back-propagations is the same for every δ")
    assert (updates.verdict, updates.effect, updates.unit) == (SUPPORTED, 0, "updates")
    first = whole(table, "Figures 3 and 4: δ = 0.2 reaches generalization first")
    assert first.verdict == SUPPORTED and first.effect < 0


def test_what_was_not_run_is_said_by_name():
    table = a_table(a_size(*EVERYTHING))
    most = "Tables 3 to 5: test top-1 higher at δ = 0.2 and 0.5 than at 1, generally"
    assert whole(table, f"{most} (ResNet-18)").verdict == SUPPORTED
    every = whole(table, f"{most} (most networks)")
    assert (every.verdict, every.note) == (
        NOT_TESTED,
        "10 tests: 2 supported, 8 not tested; not run: δ = 0.5, δ = 1 and δ = 0.2 in ResNet-50,"
        " EfficientNet-B4, EfficientNetV2-S and MobileNetV3-S",
    )
    assert whole(table, "test top-1 above δ = 1, ResNet-18 on CIFAR-100: 7.26 %").note == "it is of CIFAR-100"
    others = [rows(method, panel=panel) for method in FINALS for panel in hard_samples_claims.NETWORKS[1:4]]
    assert whole(a_table(a_size(*EVERYTHING, *others)), f"{most} (most networks)").verdict == SUPPORTED


@pytest.mark.parametrize("seeds, more", [(1, "1 pair of seeds"), (5, "5 pairs of seeds")])
def test_few_seeds_are_no_test_and_the_table_says_so(seeds, more, tmp_path):
    table = a_table(a_size(*(rows(method, seeds=seeds) for method in FINALS)))
    assert set(table.verdict) == {NOT_TESTED} and table[["effect", "p", "smallest"]].isna().all(axis=None)
    (said,) = claims.finding(table)
    assert said.startswith(f"5,000 training images; n = {seeds} seed") and said.endswith(" not tested")
    row = whole(table, "the number of back-propagations is the same for every δ")
    assert row.note == f"3 tests: 3 not tested; {more}: fewer than 6 can show nothing"
    text = claims.save(table, tmp_path / "claims")[1].read_text()
    assert "nan" not in text and "Every test" not in text and "As we say." in text
    assert a_table(a_size(rows("δ = 1"))).empty


@pytest.mark.parametrize("slot", DATA)
def test_every_result_of_paper_b_is_listed_in_its_order(slot):
    printed = published.text("hard-samples-claims")
    results = [(row.place, row.claim) for row in printed[printed.kind == "result"].itertuples()]
    said = statements(slot)
    assert sorted({(one.place, one.claim) for one in said}) == sorted(results)
    assert all(bool(one.tests) != bool(one.why) for one in said)
    names = [(one.place, one.claim, one.aspect) for one in said]
    assert len(set(names)) == len(names)
    assert all(slot not in one.why.removeprefix("it is of ").split(" and ") for one in said)
    everywhere = {(one.place, one.claim) for other in DATA for one in statements(other) if one.tests}
    assert len(everywhere) > 0.8 * len(results)
    assert {test.unit for one in said for test in one.tests} <= {"%", "points", "updates", "% of the new value"}
    assert slot == STL_10 or any(test.printed for one in said for test in one.tests)


def test_both_papers_tables_are_one_csv(tmp_path):
    own = a_size(*(rows(method, panel="default") for method in ("MB", "PEB")), data="ocr-letters")
    a = claims.table("base-values", base_values_claims.STATEMENTS, [own], base_values_claims.REMARKS)
    b = a_table(a_size(*EVERYTHING))
    assert list(a) == list(b) == list(claims.COLUMNS)
    written = every_claim.save({tmp_path / "one" / "claims": a, tmp_path / "two" / "claims": b}, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        *("one/claims.csv", "one/claims.md", "two/claims.csv", "two/claims.md"),
        "claims.csv",
    ]
    both = pd.read_csv(tmp_path / "claims.csv")
    assert list(both.paper) == ["base-values"] * len(a) + ["hard-samples"] * len(b)
    assert every_claim.save({}, tmp_path) == ()


def records(name="hard-samples/controls", seeds=2, **knobs):
    knobs = {"profile": "hour", "data": "cifar10-rebuilt"} | knobs
    return [StoredRun(run, {}, (), ()) for run in registry.grid(name, seeds=seeds, **knobs).runs]


def test_runs_of_the_sound_protocol_are_found_at_every_size():
    own = records(networks="resnet18")
    smaller = [StoredRun(dataclasses.replace(one.run, train_examples=1_000), {}, (), ()) for one in own[:4]]
    others = [
        *records("hard-samples/table-3", protocol="published"),
        *records(profile="quick", data="auto"),  # generated
        *records(data="ocr-letters"),  # none of the paper's
        StoredRun(dataclasses.replace(own[0].run, learning_rate_schedule="cosine"), {}, (), ()),
        StoredRun(dataclasses.replace(own[0].run, epochs=3.0), {}, (), ()),  # alone
    ]
    wide = records("hard-samples/table-4", data="cifar100", networks="resnet18,mobilenet_v3_small")
    found = hard_samples_sizes.at_every_size([*smaller, *others, *own, *wide])
    assert [experiment.folder for experiment, _ in found] == ["cifar10-rebuilt", "cifar10-rebuilt", "cifar100"]
    first, second, third = (experiment for experiment, _ in found)
    assert first.layout == {
        RESNET: (*FINALS, "random δ = 0.5", "random δ = 0.2", "new order", "reshuffled", "examples δ = 0.5")
    }
    assert first.note.startswith(
        "5,000 training images, 2,000 test images, 32x32, n = 64, learning rate 0.05, 10 epochs"
    )
    assert second.layout == {RESNET: ("δ = 1", "δ = 0.8")} and first.cells == {RESNET: ("resnet18", "CIFAR-10")}
    assert third.layout == dict.fromkeys((RESNET, "MobileNetV3-S"), (*FINALS, "reshuffled"))
    assert {run for _, own in found for run in own} == {one.run for one in (*own, *smaller, *wide)}


@pytest.mark.parametrize(
    "data, slot",
    [("cifar10", CIFAR_10), ("cifar10-jpeg", CIFAR_10), ("cifar100", CIFAR_100), ("stl10", STL_10), ("letters", None)],
)
def test_a_statement_is_tested_on_its_data_and_on_copies_of_them(data, slot):
    assert hard_samples.slot_of(data) == slot
    assert Run(data=data, method="HMB", seed=1, network="resnet18").data == data
