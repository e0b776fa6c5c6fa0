"""Deviations: every option named is there with its default, none is left out, and effects are those of stored pairs."""

import dataclasses
import inspect

import numpy as np
import pandas as pd
import pytest
import torch

from hardsample import paths, statistics
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.experiments.curves import METRICS
from hardsample.methods import registry
from hardsample.methods.loss_based import NEAREST, READINGS
from hardsample.report import deviation_effects, deviations
from hardsample.report.deviations import DEVIATIONS, NO_DEVIATION, Deviation
from hardsample.runs.store import Store
from hardsample.training.results import COLUMNS, TrainingResult

FIELDS = {field.name: field.default for field in dataclasses.fields(Run)}
NAMED = {(choice.paper, choice.question): choice for choice in DEVIATIONS}
OPTIONAL = [choice for choice in DEVIATIONS if choice.default]
OF_PAPERS = {method for of_paper in deviations.METHODS.values() for method in of_paper}
RUN = Run(data="own-letters", method="PEB", seed=1)
SCORE = NAMED["A", "When is an example scored?"]


def title(choice):
    return f"{choice.paper}-{choice.question}"


def options(method):
    return inspect.signature(registry.METHODS[method].build).parameters


def store(store, run, accuracies, losses, device="CPU", fingerprint="a" * 16, **made):
    rows = []
    for step, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True)):
        row = dict.fromkeys((*METRICS, "acc/choose", "acc/report"), 0.0)
        row |= {"step": step, "acc/val": accuracy, "loss/val": loss}
        rows.append(tuple(row.get(column) for column in COLUMNS))
    about = {"device": device, "data": {"fingerprint": fingerprint}, "seconds": {"wall": 2.0}, "cohort": 1} | made
    store.write(run, TrainingResult(COLUMNS, tuple(rows), {}, None), about)


# the list


def test_questions_are_asked_once_and_answered():
    assert len(NAMED) == len(DEVIATIONS)
    for choice in DEVIATIONS:
        assert choice.paper in deviations.PAPERS and choice.question and choice.says and choice.here
        assert "|" not in choice.question + choice.says + choice.here
        assert bool(choice.default) == bool(choice.others)


@pytest.mark.parametrize("choice", OPTIONAL, ids=title)
def test_the_default_stated_is_the_codes(choice):
    for name, value in choice.default.items():
        if not choice.methods:
            assert FIELDS[name] == value
        for method in choice.methods:
            parameter = options(method)[name]
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default == value


@pytest.mark.parametrize("choice", OPTIONAL, ids=title)
def test_the_other_values_are_others_and_taken(choice):
    for other in choice.others:
        assert other.keys() <= choice.default.keys()
        assert {**choice.default, **other} != choice.default
        assert dataclasses.replace(RUN, **({} if choice.methods else other)).key
        for method in choice.methods:
            assert registry.build(method, 64, 8, torch.tensor([1]), options=other)


def test_every_field_of_a_run_is_a_choice_here_or_said_to_be_none():
    chosen = {name for choice in OPTIONAL if not choice.methods for name in choice.default}
    assert chosen | NO_DEVIATION.keys() >= FIELDS.keys()
    assert not chosen & NO_DEVIATION.keys()


@pytest.mark.parametrize("method", sorted(OF_PAPERS))
def test_every_option_of_the_papers_methods_is_a_choice_here_or_said_to_be_none(method):
    chosen = {name for choice in OPTIONAL if method in choice.methods for name in choice.default}
    assert set(registry.option_names(method)) - NO_DEVIATION.keys() == chosen


def test_what_is_no_deviation_exists():
    known = FIELDS.keys() | {name for method in OF_PAPERS for name in registry.option_names(method)}
    assert NO_DEVIATION.keys() <= known and all(NO_DEVIATION.values())


def test_the_methods_are_the_papers_streams_and_rounds():
    modules = {f"hardsample.methods.{name}" for name in ("uniform", "loss_based", "persistent", "hard_mini_batches")}
    assert OF_PAPERS == {name for name, method in registry.METHODS.items() if method.build.__module__ in modules}


# effects


@pytest.fixture
def pairs(tmp_path):
    """Three seeds scored before and after the update, whose accuracies end 0.1, 0.2 and 0.3 apart."""
    here = Store(tmp_path / "stored")
    for seed in (1, 2, 3):
        store(here, dataclasses.replace(RUN, seed=seed), (0.2, 0.5), (3.0, 1.0))
        after = dataclasses.replace(RUN, seed=seed, options={"score": "after"})
        store(here, after, (0.9, 0.5 + seed / 10), (3.0, 1.0 - seed / 4))
    return here


def effects(table, choice):
    return table[(table.paper == choice.paper) & (table.question == choice.question)].set_index("metric")


def test_an_effect_is_the_paired_difference_at_the_end(pairs):
    table = deviation_effects.table(pairs.records())
    assert tuple(table) == deviation_effects.COLUMNS
    found = effects(table, SCORE)
    expected = statistics.t_interval(np.array([0.1, 0.2, 0.3]))
    assert found.difference["acc/val"] == pytest.approx(0.2) and found.difference["loss/val"] == pytest.approx(-0.5)
    assert (found.low["acc/val"], found.high["acc/val"]) == pytest.approx((expected.low, expected.high))
    assert set(found.n) == {3} and set(found.other) == {"after"} and set(found.devices) == {"CPU"}
    assert (table.n > 0).sum() == len(found) == len(deviation_effects.METRICS)
    text = (
        f"after, PEB: +0.200 [{expected.low:+.3f}, {expected.high:+.3f}] (own-letters, all examples, 10 epochs, n = 3)"
    )
    assert text in deviation_effects.markdown(table)


def test_what_a_run_keeps_of_single_examples_makes_it_no_other_run(pairs):
    whole = [
        record
        if record.run.options
        else dataclasses.replace(record, run=dataclasses.replace(record.run, detail="examples"))
        for record in pairs.records()
    ]
    kept = effects(deviation_effects.table(whole), SCORE)
    pd.testing.assert_frame_equal(kept, effects(deviation_effects.table(pairs.records()), SCORE))
    assert kept.n.max() > 1


def test_one_pair_has_no_interval_and_what_else_sets_it_apart_is_named(tmp_path):
    here = Store(tmp_path / "stored")
    store(here, RUN, (0.5,), (1.0,))
    store(here, dataclasses.replace(RUN, options={"score": "after"}), (0.6,), (1.0,), device="GPU")
    found = effects(deviation_effects.table(here.records()), SCORE)
    assert found.low.isna().all() and set(found.devices) == {"CPU and GPU"}
    text = "n = 1; some pairs differ in more: the other value from GPU, the default from CPU)"
    assert text in deviation_effects.markdown(deviation_effects.table(here.records()))


def test_other_versions_and_other_code_are_named_and_the_choice_itself_is_not(tmp_path):
    here = Store(tmp_path / "stored")
    after = dataclasses.replace(RUN, options={"score": "after"})
    for run, torch_version, source in ((RUN, "2.1", "a" * 64), (after, "2.2", "b" * 64)):
        store(here, run, (0.5,), (1.0,), versions={"torch": torch_version}, source=source)
    said = "the other value from torch 2.2, source bbbbbbb, the default from torch 2.1, source aaaaaaa"
    found = effects(deviation_effects.table(here.records()), SCORE)
    assert set(found.unlike) == {said} and said in deviation_effects.markdown(deviation_effects.table(here.records()))
    for choice in OPTIONAL:
        if choice.paper == "A" and "precision" in choice.default:
            other = dataclasses.replace(RUN, **choice.others[0])
            store(here, other, (0.5,), (1.0,), versions={"torch": "2.1"}, source="a" * 64)
            assert set(effects(deviation_effects.table(here.records()), choice).unlike) == {""}


def test_options_that_go_together_change_together(tmp_path):
    here, gamma = Store(tmp_path / "stored"), NAMED["A", "γ = 0.95"]
    store(here, RUN, (0.5,), (1.0,))
    store(here, dataclasses.replace(RUN, rho=0.9), (0.7,), (1.0,))
    assert set(effects(deviation_effects.table(here.records()), gamma).n) == {0}
    store(here, dataclasses.replace(RUN, rho=0.9, learning_rate_decay=0.95), (0.8,), (1.0,))
    assert effects(deviation_effects.table(here.records()), gamma).difference["acc/val"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "changed", [{"label_noise": 0.1}, {"loss": "focal"}, {"network": "resnet18"}, {"method": "SB"}, {"data": "glyphs"}]
)
def test_what_is_not_the_papers_does_not_count(changed, tmp_path):
    here, schedule = Store(tmp_path / "stored"), NAMED["A", "Learning-rate schedule"]
    run = dataclasses.replace(RUN, **changed)
    for value, rows in (("constant", (0.5,)), ("cosine", (0.6,))):
        store(here, dataclasses.replace(run, learning_rate_schedule=value), rows, (1.0,))
    assert set(effects(deviation_effects.table(here.records()), schedule).n) == {0}


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "default reading"), (READINGS[NEAREST], NEAREST), ({"utility": "loss"}, "utility loss")],
)
def test_an_effect_on_lb_names_the_reading(options, said, tmp_path):
    here, schedule = Store(tmp_path / "stored"), NAMED["A", "Learning-rate schedule"]
    run = dataclasses.replace(RUN, method="LB", options=options)
    for value, rows in (("constant", (0.5,)), ("cosine", (0.6,))):
        store(here, dataclasses.replace(run, learning_rate_schedule=value), rows, (1.0,))
    table = deviation_effects.table(here.records())
    assert set(effects(table, schedule).method) == {f"LB, {said}"}
    assert f"cosine, LB, {said}: +0.100 (own-letters" in deviation_effects.markdown(table)


def test_effects_on_paper_b_name_the_share(tmp_path):
    here, remainder = Store(tmp_path / "stored"), NAMED["B", "Examples that fill no mini-batch"]
    for delta in (1.0, 0.5):
        run = dataclasses.replace(RUN, method="HMB", network="resnet18", options={"delta": delta})
        store(here, run, (0.5,), (1.0,))
        store(here, dataclasses.replace(run, options={"delta": delta, "drop_last": True}), (0.4,), (1.0,))
    table = deviation_effects.table(here.records())
    assert set(effects(table, remainder).method) == {"δ = 1", "δ = 0.5"}
    text = deviation_effects.markdown(table)
    assert "True, δ = 0.5: -0.100, True, δ = 1: -0.100 (own-letters" in text, "one size is said once"


def test_the_entries_on_lb_say_that_figures_and_the_contest_show_another_reading(tmp_path):
    entries = deviation_effects.table([]).set_index("question").here
    own = [choice for choice in OPTIONAL if choice.methods == ("LB",)]
    shown = dict.fromkeys(entries[[choice.question for choice in own]].index)
    assert len(shown) == 5 and all(f"call LB, {NEAREST!r}, has " in entries[question] for question in shown)
    said = " ".join(entries[question] for question in shown)
    assert all(f"{name} {value}" in said for name, value in READINGS[NEAREST].items())
    assert NEAREST not in entries["Dropout while scoring"]


def test_other_data_of_the_same_name_are_refused(pairs):
    store(pairs, dataclasses.replace(RUN, seed=9), (0.5,), (1.0,), fingerprint="b" * 16)
    with pytest.raises(InputError, match="have fingerprint"):
        deviation_effects.table(pairs.records())


# the table


def test_nothing_stored_says_not_run_beside_every_option(tmp_path):
    table = deviation_effects.table([])
    assert len(table) == len(DEVIATIONS) and set(table.n) == {0}
    text = deviation_effects.markdown(table)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == len(DEVIATIONS) + 2 * len(deviations.PAPERS)
    assert {line.count("|") for line in rows} == {8}
    assert sum(line.endswith("| not run |") for line in rows) == len(OPTIONAL)


def test_values_are_named_where_there_are_several():
    one = Deviation("A", "?", "this", "that", {"floor": 1e-8}, ({"floor": 1e-4},), ("PLB",))
    two = Deviation("A", "?", "this", "that", {"rho": 0.95, "momentum": 0.9}, ({"rho": 0.9},))
    assert (
        deviation_effects.values_in_words(one.default, one) == "1e-08"
        and deviation_effects.option_in_words(one) == "floor of PLB"
    )
    assert (
        deviation_effects.values_in_words(two.others[0], two) == "rho 0.9"
        and deviation_effects.option_in_words(two) == "rho, momentum of a run"
    )


def test_it_is_written_as_two_files(pairs):
    table = deviation_effects.table(pairs.records())
    written = deviation_effects.save(table, paths.figures_dir() / "deviations")
    assert [path.name for path in written] == ["deviations.csv", "deviations.md"]
    assert len(pd.read_csv(written[0])) == len(table)


@pytest.mark.slow
def test_the_committed_table_is_what_the_committed_runs_give(committed):
    written = deviation_effects.save(deviation_effects.table(committed.records()), paths.figures_dir() / "deviations")
    assert {path.name: path.read_text() for path in written} == {
        path.name: path.read_text() for path in (paths.project_root() / "figures").glob("deviations.*")
    }
