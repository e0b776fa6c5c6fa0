"""The store: a record comes back as it was written, once, whole, and whatever dies meanwhile."""

import json
import math
import os
import random
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from hardsample import paths, records
from hardsample.comparison import trials
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.experiments.panels import Experiment, Panel
from hardsample.records import check_fingerprints, data_choice
from hardsample.runs import files, leftovers
from hardsample.runs.store import Store, cohort_name
from hardsample.training.results import COLUMNS, TrainingResult

KILLS = 100


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def run(seed=0, method="MB", **fields):
    return Run("glyphs", method, seed, **{"epochs": 1.0, "evaluations_per_epoch": 1.0} | fields)


def outcome(seed=0, state=None):
    rest = (0.25, 0.5, None, 0.125, None, 9, 64, 32)
    rows = [
        (0, 0.0, 0.1, seed / 700, math.nan, 3.2, None, None, *rest),
        (4, 1.0, 0.2, seed / 300, 0.5, math.nan, 3, [1, 0, 3], *rest),
    ]
    return TrainingResult(COLUMNS, tuple(rows), {"train": 1.5, "evaluate": 0.5}, state)


def made(fingerprint="0123456789abcdef", stand_in=True):
    data = {"name": "glyphs", "fingerprint": fingerprint, "stand_in": stand_in, "classes": 26}
    return {"data": data, "seconds": {"wall": 2.0}, "cohort": 1}


def same(rows, others):
    """Equality of rows in which NaN equals NaN: repr tells every float64 apart."""
    return repr(list(rows)) == repr(list(others))


def experiment(*panels):
    about = {"name": "base-values/figure-1", "title": "A figure", "profile": "quick", "note": "a note"}
    own = ("emnist-letters",)
    return Experiment(panels=panels, sources={"glyphs": "glyphs"}, own=own, baseline="MB", **about)


def test_a_record_comes_back_as_written(store):
    wanted = run(3, "PEB", options={"floor": 1e-8}, learning_rate=0.1)
    assert not store.has(wanted)
    assert store.write(wanted, outcome(3), made())
    record = store.read(wanted)
    assert record.run == wanted and record.columns == COLUMNS and record.provenance == made()
    assert same(record.rows, outcome(3).rows)
    assert store.path(wanted) == store.root / "base-values/glyphs" / f"{wanted.label}-s3-{wanted.key}.json"
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == [store.path(wanted).name]
    assert store.records()[0].run == wanted and store.verify() == []


def test_the_file_is_strict_json_with_null_for_nan(store):
    store.write(run(), outcome(), made())

    def refuse(constant):
        raise AssertionError(constant)

    values = json.loads(store.path(run()).read_text(), parse_constant=refuse)
    assert values["key"] == run().key and values["rows"][0][4] is None and values["rows"][0][6] is None


def test_the_first_writer_wins(store):
    assert store.write(run(), outcome(1), made())
    before = store.path(run()).read_bytes()
    assert not store.write(run(), outcome(2), made())
    assert store.path(run()).read_bytes() == before


def test_missing_keeps_order_and_reading_what_is_absent_says_what_to_do(store):
    runs = [run(seed) for seed in (5, 1, 3)]
    store.write(runs[1], outcome(), made())
    assert store.missing(runs) == [runs[0], runs[2]]
    with pytest.raises(InputError, match="no finished run at .*launch it"):
        store.read(runs[0])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        lambda text: text.replace('"fingerprint"', '"fingerprints"'),
        lambda text: text.replace("[0, 0.0, ", "[0, "),
        lambda text: text.replace("[0, 0.0, ", f'"{"-" * len(COLUMNS)}", [0, 0.0, '),
        lambda text: text.replace("0.25", "0.2.5"),
        lambda text: text.replace('"optimizer"', '"optimiser"'),
        lambda text: "null",
        lambda text: "[" * 100_000,
        lambda text: text.replace('"seconds"', '"moments"'),
        lambda text: text.replace('{"wall": 2.0}', '{"wall": "long"}'),
        lambda text: text.replace('{"wall": 2.0}', '{"wall": Infinity}'),
        lambda text: text.replace('"cohort": 1', '"cohort": 0'),
        lambda text: text.replace('"columns": ["step"', '"columns": [{}'),
        lambda text: f"{text.partition('[' + chr(10))[0]}[]}}",
    ],
    ids=[
        *("truncated", "empty", "not a record", "other run", "no fingerprint", "short row", "no row", "no number"),
        *("unknown field", "null", "deep", "no seconds", "a word for seconds", "endless", "nobody", "a column's name"),
        "no evaluation",
    ],
)
def test_a_broken_file_counts_as_absent_is_reported_and_set_aside(store, spoil):
    store.write(run(), outcome(), made())
    path = store.path(run())
    broken = spoil(path.read_text())
    path.write_text(broken)
    assert not store.has(run()) and store.find(run()) is None and store.done([run()]) == {} and store.records() == []
    assert len(store.verify()) == 1 and path.name in store.verify()[0]

    assert store.write(run(), outcome(), made())
    assert same(store.read(run()).rows, outcome().rows)
    assert path.with_name(f"{path.name}.broken").read_text() == broken
    assert len(store.verify()) == 1 and "set aside" in store.verify()[0]


def test_a_link_that_leads_nowhere_counts_as_broken(store):
    path = store.path(run())
    path.parent.mkdir(parents=True)
    path.symlink_to(path.with_name("gone"))
    (path.parent / f"{'0' * 16}.timing").symlink_to(path.with_name("gone"))
    assert [("leads nowhere" in problem) for problem in store.verify()] == [True, True]
    assert store.records() == store.timings() == []
    assert store.write(run(), outcome(), made()) and store.has(run())
    assert path.with_name(f"{path.name}.broken").is_symlink() and len(leftovers.unfinished(store.root)) == 1


def test_a_record_under_another_name_is_reported(store):
    store.write(run(0), outcome(), made())
    store.path(run(0)).rename(store.path(run(1)))
    assert store.missing([run(0), run(1)]) == [run(0), run(1)]
    assert len(store.verify()) == 1 and "holds the run of" in store.verify()[0]


def test_numbers_of_different_data_are_never_mixed(store):
    store.write(run(0), outcome(), made("a" * 16))
    store.write(run(1), outcome(), made("b" * 16))
    store.write(run(1, train_examples=100), outcome(), made("c" * 16))  # a subset has a fingerprint of its own
    panel = Panel(title="all", runs=(run(0), run(1)))
    stored = [(record.run, record.provenance) for record in store.records()]
    for mix in (lambda: store.curves(experiment(panel)), lambda: check_fingerprints(stored)):
        with pytest.raises(InputError, match="'glyphs' have fingerprint [ab]{16}"):
            mix()
    assert len(store.verify()) == 1
    other = Panel(title="all", runs=(run(0), run(1, train_examples=100)))
    assert set(store.curves(experiment(other)).frame.seed) == {0, 1}
    with pytest.raises(InputError, match="fingerprint dddd"):
        check_fingerprints(store.done([run(0)]).items(), {data_choice(run(0)): "d" * 16})


def test_curves_come_in_the_order_of_the_experiment(store):
    panels = [
        Panel(title="slow", runs=tuple(run(s, m, learning_rate=0.01) for s in (1, 0) for m in ("PEB", "MB"))),
        Panel(title="fast", runs=tuple(run(s, m) for m in ("PEB", "MB") for s in (0, 1, 2))),
    ]
    wanted = experiment(*panels)
    for each in wanted.runs[:-1]:
        store.write(each, outcome(each.seed), made())
    found = store.curves(wanted)
    curves = found.frame
    order = list(dict.fromkeys(zip(curves.panel, curves.method, curves.seed, strict=True)))
    assert order == [
        *(("slow", method, seed) for method in ("PEB", "MB") for seed in (0, 1)),
        *(("fast", method, seed) for method, seeds in (("PEB", 3), ("MB", 2)) for seed in range(seeds)),
    ]
    assert list(curves.step[:4]) == [0, 4, 0, 4]
    assert list(curves.columns) == [
        "panel", "method", "seed", *COLUMNS, "batch_size", "pretrain_epochs", "learning_rate", "data", "network",
        "delta", "run",
    ]  # fmt: skip
    assert curves.run[0] == run(0, "PEB", learning_rate=0.01).key and len(set(curves.run)) == 9
    assert curves.learning_rate[0] == 0.01 and math.isnan(curves["loss/train"][0])
    assert curves["draws/per-class"][1] == [1, 0, 3]
    assert (found.missing, found.hardware, found.unlike) == (1, {"an unknown device": 9}, {})
    assert found.experiment is wanted and found.baseline == "MB"
    assert found.layout == wanted.layout == {"slow": ("PEB", "MB"), "fast": ("PEB", "MB")}
    assert set(found.panel("fast").learning_rate) == {run().learning_rate}
    assert set(found.of(curves.seed == 0).frame.seed) == {0} and found.of(curves.seed == 0).missing == 1


def test_what_an_experiment_says_of_its_data_and_panels():
    wanted = experiment(Panel(title="all", runs=(run(), run(0, "PEB"))), Panel(title="none", runs=()))
    assert wanted.data == "glyphs" and wanted.stand_in and not wanted.substitute
    assert wanted.layout == {"all": ("MB", "PEB"), "none": ()}
    assert wanted.cells == {"all": ("", ""), "none": ("", "")} and wanted.settings == {"all": {}, "none": {}}
    assert wanted.measured == wanted.tested == (None,)


def test_a_record_of_fewer_columns_still_has_its_curve(store):
    """Columns join over time; what an older record lacks is no number."""
    older = TrainingResult(COLUMNS[:8], tuple(row[:8] for row in outcome().rows), {}, None)
    store.write(run(), older, made())
    curves = store.curves(experiment(Panel(title="all", runs=(run(),)))).frame
    assert curves["acc/train"].tolist() == [0.1, 0.2] and curves["acc/report"].isna().all()


def test_each_paper_has_a_folder_of_its_own(store):
    hard = run(method="HMB", options={"delta": 0.5}, network="resnet18")
    assert store.path(hard).relative_to(store.root).parts[:2] == ("hard-samples", "glyphs")
    assert store.path(hard).name.startswith("glyphs-resnet18-HMB-d0.5-n32-")
    store.write(hard, outcome(), made())
    curves = store.curves(experiment(Panel(title="all", runs=(hard,)))).frame
    assert set(curves.method) == {"δ = 0.5"} and set(curves.delta) == {0.5} and set(curves.network) == {"resnet18"}


def test_curves_say_the_hardware_and_in_what_pairs_differ(store):
    """Pairs are of one seed and panel: that all of a seed is from elsewhere is no difference within a pair."""
    both = experiment(Panel(title="all", runs=tuple(run(s, m) for m in ("MB", "PEB") for s in (0, 1))))
    here = made() | {"device": "AMD EPYC", "versions": {"torch": "2.13.0+cpu"}, "source": "ab" * 8}
    there = here | {"device": "NVIDIA H200"}
    for each in both.runs:
        store.write(each, outcome(), here if each.seed == 0 else there)
    found = store.curves(both)
    assert found.hardware == {"AMD EPYC": 2, "NVIDIA H200": 2} and found.unlike == {}

    wider = experiment(Panel(title="all", runs=(*both.runs, run(0, "PLB"), run(1, "LB"))))
    store.write(run(0, "PLB"), outcome(), there | {"versions": {"torch": "2.11.0+cu130"}})
    store.write(run(1, "LB"), outcome(), there)
    assert store.curves(wider).unlike == {
        "AMD EPYC, torch 2.13.0+cpu": ("MB", "PEB"),
        "NVIDIA H200, torch 2.11.0+cu130": ("PLB",),
    }


@pytest.mark.parametrize(
    ("about", "code"),
    [
        ({"commit": "0123456789"}, "commit 0123456"),
        ({"commit": "0123456789", "source": "abcdef0123"}, "source abcdef0"),
        ({"source": "abcdef0123", "way": "plain"}, "source abcdef0"),
        ({"source": "abcdef0123", "way": "fused"}, "source abcdef0 (fused steps)"),
        ({"commit": "0123456789", "computed_by": "a prototype"}, "a prototype"),
    ],
)
def test_pairs_of_other_code_are_told_apart(store, about, code):
    assert records.made(run(), about)["code"] == code
    both = experiment(Panel(title="all", runs=(run(0, "MB"), run(0, "PEB"))))
    store.write(run(0, "MB"), outcome(), made() | about)
    store.write(run(0, "PEB"), outcome(), made() | {"source": "another one"})
    assert store.curves(both).unlike == {code: ("MB",), "source another": ("PEB",)}


def test_curves_of_nothing_have_their_columns(store):
    curves = store.curves(experiment(Panel(title="all", runs=(run(),))))
    assert len(curves.frame) == 0 and "acc/val" in curves.frame and curves.missing == 1


def test_a_start_comes_back_whole_and_belongs_to_its_data(store):
    start = run(2, epochs=10.0, pretrain_epochs=2.0).start
    state = {"model/w": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}
    assert store.read_start(start, "a" * 16) is None
    store.write_start(start, "a" * 16, outcome(2, state))
    found = store.read_start(start, "a" * 16)
    assert same(found.rows, outcome(2).rows) and found.columns == COLUMNS and found.seconds == outcome().seconds
    assert found.state.keys() == state.keys()
    for name, array in state.items():
        assert found.state[name].dtype == array.dtype and np.array_equal(found.state[name], array)
    assert store.read_start(start, "b" * 16) is None
    assert store.records() == [] and store.verify() == []

    older = TrainingResult(COLUMNS[:8], tuple(row[:8] for row in outcome().rows), {}, state)
    store.write_start(start, "c" * 16, older)
    assert store.read_start(start, "c" * 16) is None  # of a version with fewer columns: made anew
    store._start(start, "c" * 16).unlink()

    (file,) = (store.root / "starts").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert store.read_start(start, "a" * 16) is None


def test_a_state_is_never_pickled(store):
    with pytest.raises(ValueError, match="allow_pickle"):
        store.write_checkpoint("a", {"w": np.array([{}], dtype=object)})
    assert store.read_checkpoint("a") is None


def test_checkpoints_are_replaced_and_dropped(store):
    name = cohort_name([run(0), run(1)], "a" * 16)
    assert name != cohort_name([run(0)], "a" * 16) and name != cohort_name([run(0), run(1)], "b" * 16)
    assert store.read_checkpoint(name) is None
    for step in (1, 2):
        store.write_checkpoint(name, {"step": np.array(step)})
    assert store.read_checkpoint(name)["step"] == 2
    store.drop_checkpoint(name)
    store.drop_checkpoint(name)
    assert store.read_checkpoint(name) is None


def test_leftovers_of_the_living_are_kept(store):
    store.write(run(), outcome(), made())
    folder = store.path(run()).parent
    young, old = folder / f".{'1' * 32}.tmp", folder / f".{'2' * 32}.tmp"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    leftovers.remove_half_written(store.root)
    assert young.exists() and not old.exists() and store.has(run())


def test_what_is_not_the_store_s_own_is_never_left_over(store):
    """Though the folder of the runs be a home folder."""
    digits = "0" * 16
    others = ["letters/mine/.notes.tmp", f".trash/.{digits}{digits}.tmp", f"letters/mine/.{digits}{digits}.tmp"]
    others += ["letters/mine/images.npz", "checkpoints/model.npz", "letters/mine/page.json.broken", ".own.tmp"]
    others += ["comparisons/mine/step.checkpoint", "comparisons/mine/page.broken", "drawn/.sketch.tmp"]
    own = [f"base-values/glyphs/.{digits}{digits}.tmp", f".{digits}{digits}.tmp", f"checkpoints/{digits}.npz"]
    own += [f"comparisons/a/.{digits}{digits}.tmp", f"comparisons/a/PLB-s0-{digits}.checkpoint"]
    own += [f"notebooks/hard-samples/changed/.{digits}{digits}.tmp", f"base-values/glyphs/PLB-s0-{digits}.npz"]
    for name in (*others, *own):
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    left = [path for path, _ in leftovers.half_written(store.root)]
    left += [*leftovers.unfinished(store.root), *trials.unfinished(store.root)]
    assert {path.relative_to(store.root).as_posix() for path in left} == {*own}
    leftovers.remove_half_written(store.root)
    assert all((store.root / name).exists() for name in others)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "runs")
    for attempt in (lambda: paths.check_writable(store.root), lambda: store.write(run(), outcome(), made())):
        with pytest.raises(InputError, match="cannot write"):
            attempt()


def test_what_is_done_comes_with_its_provenance_and_in_order(store):
    runs = [run(seed) for seed in (5, 1, 3)]
    for each in runs[:2]:
        store.write(each, outcome(), made(fingerprint=f"{each.seed}" * 16))
    done = store.done(reversed(runs))
    assert list(done) == [runs[1], runs[0]]
    assert done[runs[0]] == made("5" * 16) and done[runs[1]] == made("1" * 16)


def test_a_file_is_found_however_its_run_is_written(store):
    """Files that were written before a field joined lack it, and so begin otherwise than today's."""
    store.write(run(options={"floor": 1e-8}), outcome(), made())
    path = store.path(run(options={"floor": 1e-8}))
    older = re.sub(',\n"sha256": .*', "", path.read_text()).replace(', "image_size": null', "")
    assert "image_size" not in older and "sha256" not in older
    path.write_text(older)
    same_run = run(options={"floor": 1e-8})
    assert store.has(same_run) and store.read(same_run).run == same_run and store.verify() == []


def test_looking_up_reads_each_file_once_and_builds_no_run_anew(store, monkeypatch):
    """What makes the look-up of many runs quick; benchmarks/ measures how quick."""
    runs = [run(seed, options={"floor": 1e-8}) for seed in range(20)]
    for each in runs[:10]:
        store.write(each, outcome(), made())
    opened = []

    def counting(path, *arguments, **keywords):
        opened.append(Path(path))
        return open(path, *arguments, **keywords)

    monkeypatch.setattr(files, "open", counting, raising=False)
    monkeypatch.setattr(Run, "from_dict", None)
    assert list(store.done(runs)) == runs[:10]
    assert opened == [store.path(each) for each in runs]


def write_without_end(root):
    store, seed = Store(root), 0
    while True:
        store.write(run(seed), outcome(seed), made())
        seed += 1


@pytest.mark.slow
def test_a_hundred_kills_at_random_moments_leave_only_whole_records(store):
    chance = random.Random(0)
    for _ in range(KILLS):
        child = os.fork()
        if child == 0:
            try:
                write_without_end(store.root)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.001, 0.05))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    records = store.records()
    seeds = [record.run.seed for record in records]
    assert len(records) == len(list(store.root.rglob("*.json"))) > KILLS / 2
    assert sorted(seeds) == list(range(len(seeds)))
    assert all(same(record.rows, outcome(record.run.seed).rows) for record in records)
    assert store.verify() == []
    leftovers.remove_half_written(store.root, age=0)
    assert not list(store.root.rglob("*.tmp")) and len(store.records()) == len(records)


def test_two_writers_at_once_store_each_run_once(store):
    def write_all(who):
        won = sum(store.write(run(seed), outcome(seed), made() | {"who": who}) for seed in range(100))
        os._exit(won)

    children = {}
    for who in "ab":
        child = os.fork()
        if child == 0:
            try:
                write_all(who)
            finally:
                os._exit(255)
        children[who] = child
    won = {who: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for who, child in children.items()}
    assert sum(won.values()) == 100
    by = [record.provenance["who"] for record in store.records()]
    assert {who: by.count(who) for who in "ab"} == won and store.verify() == []
