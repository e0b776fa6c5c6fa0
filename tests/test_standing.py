"""Evidence that cannot go stale: which code decides a run's numbers, and what is said of runs of other code."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import plausible
import pytest

from hardsample import cli, code_fingerprint, seals
from hardsample.code_fingerprint import fingerprint
from hardsample.commands import chosen
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.experiments import registry
from hardsample.records import Standing, StoredRun
from hardsample.report import figures, wording
from hardsample.runs import rerun, standing
from hardsample.runs.launch import launch
from hardsample.runs.store import Store
from hardsample.training import deciding_code
from hardsample.training.results import COLUMNS, TrainingResult

CODE = '''
"""A module."""
from decisive_other import scale as scaled
LIMIT = 3


def root(x: int) -> int:
    """What it does."""
    if x > LIMIT:
        raise ValueError("too much")
    return scaled(helper(x))


def helper(x):
    return x + 1


def bystander(x):
    return x - 1
'''
OTHER = "def scale(x):\n    return 2 * x\n"
SMALL = {"train_examples": 64, "test_examples": 32, "epochs": 1.0, "batch_size": 16, "network": "narrow-letters-cnn"}
SAME = {  # changes that decide nothing
    "a comment": ("return x + 1", "return x + 1  # one more"),
    "a docstring": ('"""What it does."""', '"""What it does, in other words."""'),
    "the words of an error": ('"too much"', 'f"{x} is too much"'),
    "an annotation": ("x: int) -> int", "x: float) -> float"),
    "what is not reached": ("return x - 1", "return x - 2"),
    "how it is laid out": ("return x + 1", "return (\n        x\n        + 1\n    )"),
}
DIFFERENT = {
    "the root": ("scaled(helper(x))", "helper(scaled(x))"),
    "what it names": ("return x + 1", "return x + 2"),
    "a constant": ("LIMIT = 3", "LIMIT = 4"),
    "a condition": ("x > LIMIT", "x >= LIMIT"),
}


@pytest.fixture
def code(tmp_path, monkeypatch):
    """The fingerprint of two modules of one's own, given their source, as a fresh process would take it."""
    monkeypatch.syspath_prepend(tmp_path)

    def of(source: str = CODE, other: str = OTHER, root: str = "root") -> str:
        for name, text in (("decisive", source), ("decisive_other", other)):
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(code_fingerprint, "_BEGAN", np.inf)
        code_fingerprint._read.cache_clear()
        __import__("decisive")
        return fingerprint([("decisive", root)])

    return of


@pytest.mark.parametrize("change", SAME)
def test_what_decides_nothing_does_not_count(change, code):
    before, after = SAME[change]
    assert before in CODE and code(CODE.replace(before, after)) == code()


@pytest.mark.parametrize("change", DIFFERENT)
def test_what_decides_the_numbers_counts(change, code):
    before, after = DIFFERENT[change]
    assert before in CODE and code(CODE.replace(before, after)) != code()


def test_what_is_imported_counts_and_a_move_does_not(code):
    plain = code()
    assert code(other=OTHER.replace("2 *", "3 *")) != plain
    moved = CODE.replace("def helper(x):\n    return x + 1\n", "")
    moved = moved.replace("import scale as scaled", "import helper, scale as scaled")
    assert code(moved, OTHER + "\n\ndef helper(x):\n    return x + 1\n") == plain
    alone = CODE.replace("from decisive_other import scale as scaled", "import decisive_other")
    assert code(alone.replace("scaled(", "decisive_other.scale(")) == plain


def test_code_that_was_edited_since_the_process_began_is_not_known(code, monkeypatch):
    code()
    monkeypatch.setattr(code_fingerprint, "_BEGAN", 0.0)
    code_fingerprint._read.cache_clear()
    assert fingerprint([("decisive", "root")]) == code_fingerprint.UNKNOWN


def test_a_run_s_fingerprint_is_of_its_own_method_network_and_data():
    runs = {
        "MB": Run("glyphs", "MB", 1),
        "PEB": Run("glyphs", "PEB", 1),
        "resnet18": Run("glyphs10-32", "MB", 1, network="resnet18"),
        "sgd": Run("glyphs", "MB", 1, optimizer="sgd"),
        "no stand-in": Run("mnist", "MB", 1),
        "imbalanced": Run("glyphs", "MB", 1, class_imbalance=10.0),
    }
    found = {name: deciding_code.fingerprint(run, {}) for name, run in runs.items()}
    assert len(set(found.values())) == len(runs) and all(re.fullmatch("[0-9a-f]{16}", each) for each in found.values())
    alike = Run("glyphs", "MB", 2, learning_rate=0.1, batch_size=64, epochs=3.0)
    assert deciding_code.fingerprint(alike, {}) == found["MB"]
    assert deciding_code.fingerprint(runs["MB"], {"way": "fused"}) != found["MB"]
    assert deciding_code.fingerprint(dataclasses.replace(runs["MB"], method="a method of yours"), {}) == ""


def test_the_fingerprint_is_the_same_in_every_process():
    ask = (
        "from hardsample.config import Run; from hardsample.training import deciding_code;"
        "print(deciding_code.fingerprint(Run('glyphs', 'PEB', 1), {}))"
    )
    shown = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True).stdout
    assert shown == deciding_code.fingerprint(Run("glyphs", "PEB", 1), {}) + "\n"


# what is said of stored runs


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HARDSAMPLE_FIGURES", str(tmp_path / "figures"))
    return Store()


def experiment():
    return registry.grid("base-values/figure-1", profile="smoke")


def store_all(store, code=None, **about):
    """Made-up finished runs of an experiment, of today's code or of another."""
    made = {"data": {"name": "easy-letters", "fingerprint": "0" * 16, "stand_in": True, "classes": 26}}
    made |= {"seconds": {"wall": 24.0}, "cohort": 1, "device": "a processor", "source": "1234567890abcdef"} | about
    for run in experiment().runs:
        own = made | {"code": code or deciding_code.fingerprint(run, {})}
        store.write(run, TrainingResult(COLUMNS, plausible.rows(run), {}), own)
    return experiment().runs


def test_runs_of_today_s_code_are_current_and_nothing_is_said(store, capsys):
    store_all(store)
    curves = store.curves(experiment())
    assert curves.standing == Standing() and "code" not in wording.origin_statement(curves)
    assert cli.main(["verify"]) == 0 and "other code" not in capsys.readouterr().out


def test_runs_of_other_code_are_named_by_figures_tables_status_and_verify(store, capsys):
    count = len(store_all(store, code="f" * 16))
    curves = store.curves(experiment())
    said = f"Made by other code than today's: all of {count} runs"
    assert f"{said}: MB, PLB, PEB (source 1234567)." in wording.origin_statement(curves)
    assert f"{said}." in figures.caption_of(curves, "A figure.")
    for command in (["verify"], ["status", "--profile", "smoke", "--figure", "base-values/figure-1"]):
        assert cli.main(command) == 0
        assert f"other code  {count} runs of {count}: source 1234567" in capsys.readouterr().out


def test_runs_without_a_fingerprint_are_of_other_code(store):
    runs = store_all(store, code="")
    done = store.done(runs)
    assert all(not standing.is_current(run, dict(about) | {"code": ""}) for run, about in done.items())


def again(store, run, rows=None, **about):
    """Store a run as executed again with today's code."""
    record = store.read(run)
    made = dict(record.provenance) | {"code": deciding_code.fingerprint(run, {})} | about
    store.reruns.write(run, TrainingResult(COLUMNS, rows or record.rows, {}), made)


def test_a_re_execution_that_gives_the_same_makes_its_setting_current(store):
    runs = store_all(store, code="f" * 16)
    chosen_run = runs[0]
    again(store, chosen_run)
    curves = store.curves(experiment())
    setting = [run for run in runs if standing.setting(run) == standing.setting(chosen_run)]
    assert len(setting) > 1 and set(curves.standing.other) == set(runs) - set(setting)
    told = wording.origin_statement(curves)
    assert f"with the same result: MB (seed {chosen_run.seed} bit for bit)." in told
    assert f"today's: {len(runs) - len(setting)} of {len(runs)} runs" in told


def test_a_re_execution_by_other_code_or_with_another_result_counts_for_nothing(store):
    runs = store_all(store, code="f" * 16)
    again(store, runs[0], code="e" * 16)
    again(store, runs[-1], rows=plausible.rows(runs[-1], **{"acc/val": 0.9}))
    assert set(store.curves(experiment()).standing.other) == set(runs)


@pytest.mark.parametrize(
    ("apart", "about", "same", "words"),
    [
        (0.0, {}, True, "bit for bit"),
        (0.01, {}, False, "differs on the same processor and versions"),
        (0.01, {"device": "another"}, True, "as near as two seeds"),
        (0.05, {"device": "another"}, False, "differs by more than two seeds do, in acc/val"),
        (np.nan, {"device": "another"}, False, "differs by more than two seeds do, in acc/val"),
        (0.01, {"versions": {"torch": "9"}}, True, "as near as two seeds"),
    ],
)
def test_how_a_re_execution_agrees(apart, about, same, words):
    machine = {"device": "a processor", "instructions": "AVX2", "way": "plain", "captured": False, "cohort": 1}
    machine |= {"versions": {"torch": "2", "numpy": "2", "numba": "0", "torchvision": "0"}}
    run = Run("glyphs", "MB", 1)
    stored = StoredRun(run, machine, COLUMNS, plausible.rows(run))
    other = StoredRun(run, machine | about, COLUMNS, plausible.rows(run, **{"acc/val": 0.5 + apart}))
    found = standing.agreement(stored, other, {"acc/val": 0.02, "loss/val": 0.02})
    assert (found.same, found.words) == (same, words)


def test_seeds_lie_apart_by_their_standard_deviation_and_too_few_say_nothing(store):
    runs = [Run("easy-letters", "MB", seed, **SMALL) for seed in range(6)]
    made = {"data": {"name": "easy-letters", "fingerprint": "0" * 16}, "seconds": {"wall": 1.0}, "cohort": 1}
    for run, end in zip(runs, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True):
        assert standing.seeds_apart(store, runs[0]) == {} or run.seed == 5
        store.write(
            run, TrainingResult(COLUMNS, plausible.rows(run, **{"acc/val": end, "loss/val": 2 * end}), {}), made
        )
    for run in runs:  # of another setting with the same label
        other = dataclasses.replace(run, epochs=2.0)
        store.write(other, TrainingResult(COLUMNS, plausible.rows(other), {}), made)
    assert other.label == run.label
    found = standing.seeds_apart(store, runs[0])
    sd = np.std([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], ddof=1)
    assert found["acc/val"] == pytest.approx(4.032 * sd * 2**0.5, rel=1e-3)  # t of 5 degrees at 99.5 %
    assert found["loss/val"] == pytest.approx(2 * found["acc/val"])


def test_too_few_seeds_judge_nothing():
    run = Run("glyphs", "MB", 1)
    one, other = (StoredRun(run, {}, COLUMNS, plausible.rows(run, **{"acc/val": value})) for value in (0.4, 0.5))
    assert not standing.agreement(one, other, {}).same
    assert "fewer than 5 seeds" in standing.agreement(one, other, {}).words


def test_stale_runs_are_kept_refused_or_trained_again(store, capsys):
    runs = store_all(store, code="f" * 16)
    assert chosen.to_rerun("keep", runs) == () and set(chosen.to_rerun("rerun", runs)) == set(runs)
    with pytest.raises(InputError, match=f"{len(runs)} stored runs were made by other code.*--stale rerun.*keep"):
        chosen.to_rerun("refuse", runs)
    before = {path.name: path.read_bytes() for path in store.run_files()}
    assert cli.main(["reproduce", "--profile", "smoke", "--figure", "base-values/figure-1", "--stale", "refuse"]) == 2
    assert "other code" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in store.run_files()} == before


def test_a_dry_run_says_how_many_are_stale(store, capsys, monkeypatch):
    runs = store_all(store, code="f" * 16)
    asked = ["run", "--profile", "smoke", "--figure", "base-values/figure-1", "--dry-run"]
    assert cli.main([*asked, "--stale", "rerun"]) == 0
    assert f"{len(runs)} runs (0 missing, {len(runs)} stored but of other code)" in capsys.readouterr().out
    assert cli.main(asked) == 0 and "0 runs (0 missing, 0 stored" in capsys.readouterr().out


# trained


def test_training_again_keeps_the_old_record_aside_and_names_its_code(store):
    run = Run("easy-letters", "MB", 1, **SMALL)
    launch([run], quiet=True)
    first = store.read(run)
    assert first.provenance["code"] == deciding_code.fingerprint(run, first.provenance)
    assert standing.is_current(run, first.provenance)
    report = launch([run], quiet=True, again=[run])
    assert report.computed == 1 and store.read(run).provenance["finished"] >= first.provenance["finished"]
    [old] = (store.root / "superseded").rglob("*.json")
    assert json.loads(old.read_bytes())["key"] == run.key and store.verify() == [] and len(store.records()) == 1


def test_verify_trains_runs_again_and_says_how_they_agree(store, capsys):
    runs = [Run("easy-letters", method, seed, **SMALL) for method in ("MB", "PLB") for seed in (1, 2)]
    launch(runs, quiet=True)
    assert cli.main(["verify", "--rerun", "2", "--workers", "1"]) == 0
    told = capsys.readouterr().out
    assert told.count("  bit for bit") == 2 and "2 of 2 runs gave the same" in told
    again = Store().reruns.records()
    assert {record.run.method for record in again} == {"MB", "PLB"} and not (store.root / "reruns/starts").exists()


def test_verify_tells_a_run_that_gives_something_else(store, capsys):
    run = Run("easy-letters", "MB", 1, **SMALL)
    launch([run], quiet=True)
    record = store.read(run)
    store.path(run).unlink()
    rows = [
        tuple(0.125 if name == "acc/val" else value for name, value in zip(COLUMNS, row, strict=True))
        for row in record.rows
    ]
    store.write(run, TrainingResult(COLUMNS, tuple(rows), {}), record.provenance)
    assert cli.main(["verify", "--rerun", "1", "--workers", "1"]) == 1
    told = capsys.readouterr().out
    assert "differs on the same processor and versions" in told and "0 of 1 run gave the same" in told


def test_only_what_can_be_trained_here_is_chosen(store):
    run = Run("data of yours", "MB", 1, **SMALL)
    record = StoredRun(run, {}, COLUMNS, plausible.rows(run))
    with pytest.raises(InputError, match="none of these runs can be trained here"):
        rerun.choose([record], 1, "cpu", np.random.default_rng(0))


# checksums and plausibility


def spoil_row(values, **changes):
    row = values["rows"][-1]
    for name, value in changes.items():
        row[values["columns"].index(name)] = value


SPOILT = {
    "a digit": lambda values: spoil_row(values, **{"loss/val": 0.51}),
    "a range": lambda values: spoil_row(values, **{"acc/val": 7.5}),
    "a row dropped": lambda values: values["rows"].pop(1),
    "a row doubled": lambda values: values["rows"].insert(1, values["rows"][1]),
    "rows in another order": lambda values: values["rows"].reverse(),
    "a column renamed": lambda values: values["columns"].__setitem__(3, "acc/test"),
}


@pytest.mark.parametrize("kind", ["sealed", "kept beside", "neither"])
@pytest.mark.parametrize("spoil", SPOILT)
def test_verify_sees_a_record_that_was_changed(spoil, kind, store, capsys):
    """Without any checksum, what no training gives is seen still."""
    run = store_all(store)[0]
    path = store.path(run)
    if kind != "sealed":
        path.write_bytes(seals.unsealed(path.read_bytes()))
        assert cli.main(["verify"] + ["--keep-checksums"] * (kind == "kept beside")) == 0
        assert ("1 run: `hardsample verify" in capsys.readouterr().out) == (kind == "neither")
    values = json.loads(path.read_bytes())
    SPOILT[spoil](values)
    path.write_text(json.dumps(values))
    expected = 0 if (spoil, kind) == ("a digit", "neither") else 1
    assert cli.main(["verify"]) == expected
    assert (path.name in capsys.readouterr().err) == bool(expected)
    if kind != "neither":
        assert store.find(run) is None


def test_checksums_are_as_sha256sum_writes_them(store, capsys):
    path = store.path(store_all(store)[0])
    path.write_bytes(seals.unsealed(path.read_bytes()))
    assert cli.main(["verify", "--keep-checksums"]) == 0 and "1 checksum kept" in capsys.readouterr().out
    [line] = (store.root / seals.CHECKSUMS).read_text().splitlines()
    assert re.fullmatch(r"[0-9a-f]{64}  base-values/easy-letters/.*\.json", line)
    assert cli.main(["verify", "--keep-checksums"]) == 0 and "0 checksums kept" in capsys.readouterr().out
