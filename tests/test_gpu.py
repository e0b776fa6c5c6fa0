"""The campaign of a GPU, rehearsed on a CPU: whatever ends whenever, the next call goes on, to the same numbers."""

import dataclasses
import gzip
import io
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import fake_cuda
import pytest
import torch

import hardsample
from hardsample import archive, cli, paths, seals
from hardsample.config import Run
from hardsample.errors import InputError
from hardsample.gpu import campaign as gpu
from hardsample.gpu import cohorts, correctness, merge, place, plan, programs, trainings
from hardsample.gpu import stages as gpu_stages
from hardsample.gpu.plan import AGAIN, Settings, Stage
from hardsample.gpu.task import Task
from hardsample.runs import provenance
from hardsample.runs.store import Store
from hardsample.training import agreement
from hardsample.training import trainer as training
from hardsample.training.cuda_graph import CaptureError
from hardsample.training.results import COLUMNS, TrainingResult

ROOT = Path(hardsample.__file__).parents[1]
FAULTY = (sys.executable, str(Path(__file__).with_name("faulty_stage.py")))
REHEARSED = "environment,correctness,runs,float32,networks"  # the other two start programs that have tests of their own
ABSENT = ("papermill", "distributed", "dask", "torchdata", "seaborn", "scipy", "pandas", "IPython", "jupyterlab")
KILLS = 3


def command(folder: Path, stages: str, root: Path = ROOT) -> list[str]:
    arguments = ("--device", "cpu", "--tiny", "--minutes", "30", "--out", str(folder), "--stages", stages)
    return [sys.executable, "-m", "hardsample", "gpu", *arguments]


def environment(root: Path = ROOT, **more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"} | more


def states(folder: Path) -> dict[str, str]:
    return {name: about["state"] for name, about in json.loads((folder / "status.json").read_bytes())["stages"].items()}


def rows(folder: Path) -> dict[str, bytes]:
    """The bytes of each run's rows, by the file's name."""
    files = archive.unpack(folder / archive.NAME)[1]
    return {name: seals.unsealed(content).split(b'"rows": [')[1] for name, content in files.items()}


def sound(folder: Path) -> bool:
    """At most 8 whole files of 16 MiB with the plainest names, and no folder."""
    files = list(folder.iterdir())
    assert all(re.fullmatch(r"[\w-][\w.-]*", file.name) and file.stat().st_size <= 16 << 20 for file in files)
    return len(files) <= 8 and not any(file.is_dir() for file in files)


@pytest.fixture(autouse=True)
def own_work(tmp_path, monkeypatch):
    """Work in progress lies in the test's own folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "work"))
    monkeypatch.setattr(place.tempfile, "tempdir", None)


# The whole way, with real numbers


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a whole rehearsal left, run from an export: no .git, and none of the packages that a bare machine lacks."""
    export = tmp_path_factory.mktemp("export")
    shutil.copytree(ROOT / "hardsample", export / "hardsample", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", export)
    finder = f"""
import sys
from importlib.machinery import PathFinder
class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {ABSENT!r} else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
"""
    (export / "sitecustomize.py").write_text(finder)
    folder, temporary = export / "out", export / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        command(folder, REHEARSED),
        env=environment(export, TMPDIR=str(temporary), HARDSAMPLE_RUNS=str(export / "runs")),
        capture_output=True,
        text=True,
        cwd=export,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{(folder / 'log.txt').read_text()}"
    return folder


@pytest.mark.slow
def test_a_rehearsal_does_every_stage_and_leaves_a_few_whole_files(undisturbed):
    assert states(undisturbed) == dict.fromkeys(REHEARSED.split(","), "done")
    assert sound(undisturbed) and json.loads((undisturbed / "status.json").read_bytes())["troubles"] == []
    found = json.loads((undisturbed / "results.json").read_bytes())
    assert found["environment"]["source"] == provenance.source_hash() and found["environment"]["bytes a second"] > 0
    assert found["correctness"]["reference"]["agrees"] and all(
        about["agrees"] and about["computed"]["way"] == "plain" for about in found["correctness"]["ways"].values()
    )
    assert {label.split("-cnn-")[1].split("-")[0] for label in found["runs"]["cohorts"]} == {"MB", "LB", "PEB"}
    assert {label.split("-cnn-")[1].split("-")[0] for label in found["float32"]["cohorts"]} == {"MB", "PLB", "PEB"}
    for size in found["networks"]["sizes"].values():
        assert set(size["deltas"]) == {"1.0", "0.5"}
        assert all(0 < about["of forward and backward"] for about in size["deltas"].values())


@pytest.mark.slow
def test_what_was_brought_home_is_stored_once(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "commit", lambda: "c" * 40)
    store = Store(tmp_path / "store")
    told = merge.merge(undisturbed, store)
    assert told == [
        "commit ccccccc filled in for 20 runs: this checkout's sources made them",
        f"20 runs stored in {store.root}, 0 there before",
    ]
    assert store.verify() == [] and {record.provenance["commit"] for record in store.records()} == {"c" * 40}
    before = {path: path.read_bytes() for path in store.root.rglob("*.json")}
    assert merge.merge(undisturbed, store) == [f"0 runs stored in {store.root}, 20 there before"]
    assert {path: path.read_bytes() for path in store.root.rglob("*.json")} == before
    stored = {path.relative_to(store.root).as_posix(): text for path, text in before.items()}
    assert {name: seals.unsealed(text).split(b'"rows": [')[1] for name, text in stored.items()} == rows(undisturbed)


@pytest.mark.slow
def test_killed_again_and_again_it_goes_on_to_the_same_numbers(undisturbed, tmp_path):
    """kill -9 of the campaign, or of the stage that it runs, at random moments of its progress."""
    chance, folder = random.Random(7), tmp_path / "out"
    for kill in range(KILLS):
        process = subprocess.Popen(command(folder, "runs"), env=environment(), stdout=subprocess.DEVNULL)
        stage = until(lambda process=process: child(process.pid))
        until(lambda kill=kill, stage=stage: stored(folder) >= kill or not alive(stage))
        time.sleep(chance.uniform(0.0, 1.0))
        assert process.poll() is None, "it ended before it could be killed"
        victim = process.pid if kill % 2 == 0 else stage
        os.kill(victim, signal.SIGKILL)
        assert process.wait(60) == (-signal.SIGKILL if victim == process.pid else 1)
        until(lambda stage=stage: not alive(stage))
        assert states(folder)["runs"] == ("running" if victim == process.pid else "failed")
    before = rows(folder)
    assert subprocess.run(command(folder, "runs"), env=environment(), stdout=subprocess.DEVNULL).returncode == 0
    assert states(folder) == {"runs": "done"} and sound(folder)
    wanted = {name: content for name, content in rows(undisturbed).items() if "-PLB-" not in name}
    assert rows(folder) == wanted and before.items() <= wanted.items() and len(before) < len(wanted)
    store = Store(tmp_path / "store")
    assert merge.merge(folder, store)[-1].startswith("18 runs stored")
    assert merge.merge(folder, store)[-1].startswith("0 runs stored")


def stored(folder: Path) -> int:
    """Cohorts that the folder tells of."""
    try:
        found = json.loads((folder / "results.json").read_bytes()).get("runs", {}).get("cohorts", {})
    except OSError:
        return 0
    return sum(about["state"] == "stored" for about in found.values())


def child(process: int) -> int:
    """The process group that a process leads besides its own, 0 while there is none."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return next((int(pid) for pid in children if os.getpgid(int(pid)) == int(pid)), 0)


def alive(process: int) -> bool:
    """Whether it runs, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


# The parent, with stages of no work


@pytest.fixture
def quick(monkeypatch):
    """Three stages that must show life every second."""
    stages = tuple(Stage(name, "", 20.0, 1.5) for name in ("environment", "correctness", "runs"))
    for name, value in {"STAGES": stages, "LEAST": 0.0, "GRACE": 0.3, "LONGEST_LOG": 1 << 20}.items():
        monkeypatch.setattr(gpu, name, value)


def campaign(folder: Path, **options) -> dict:
    options = {"minutes": 2, "settings": Settings("cpu", True, "glyphs"), "command": FAULTY} | options
    return gpu.campaign(folder, **options)


FAULTS = {
    "hangs": ("stopped", "no sign of life"),
    "raises": ("failed", "RuntimeError: the weather"),
    "fills the disk": ("failed", "File too large"),
    "prints without end": ("stopped", "printed more than"),
    "breaks its process": ("failed", f"{gpu.ATTEMPTS} processes of it failed"),
    "is killed": ("failed", "exit status -9"),
    "leaves half a result": ("failed", "it left no result"),
    "says nothing of itself": ("failed", "it left no result"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stage_that_goes_wrong_stops_no_other_and_is_done_the_next_time(fault, tmp_path, quick, monkeypatch):
    monkeypatch.setenv("FAULT", fault)
    said: list[str] = []
    found = campaign(tmp_path / "out", say=said.append)
    state, reason = FAULTS[fault]
    assert [about["state"] for about in found.values()] == ["done", state, "done"]
    assert reason in found["correctness"]["reason"] and reason in said[1]
    assert states(tmp_path / "out") == {name: about["state"] for name, about in found.items()}
    assert sound(tmp_path / "out") and "== correctness\n" in (tmp_path / "out" / "log.txt").read_text()
    [work] = (tmp_path / "work").iterdir()
    assert not (work / "scratch").exists()
    if fault == "hangs":
        assert not any(alive(int(pid)) for pid in (work / "pids").read_text().split())

    monkeypatch.delenv("FAULT")
    before = json.loads((tmp_path / "out" / "results.json").read_bytes())
    assert [about["state"] for about in campaign(tmp_path / "out").values()] == ["done"] * 3
    after = json.loads((tmp_path / "out" / "results.json").read_bytes())
    assert {name: after[name] for name in ("environment", "runs")} == {
        name: before[name] for name in ("environment", "runs")
    }, "what was done was done again"


@pytest.mark.slow
def test_a_polite_end_takes_the_stage_along_and_the_next_call_goes_on(tmp_path, quick):
    code = (
        "from hardsample.gpu import campaign as gpu;"
        f"gpu.campaign({str(tmp_path / 'out')!r}, minutes=2, settings=gpu.Settings('cpu', True, 'glyphs'),"
        f" stages='correctness', command={FAULTY!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=environment(FAULT="hangs"), stderr=subprocess.DEVNULL)
    until(lambda: list((tmp_path / "work").glob("*/pids")))
    [pids] = (tmp_path / "work").glob("*/pids")
    until(lambda: len(pids.read_text().split()) == 2)
    process.terminate()
    assert process.wait(60) != 0
    assert not any(alive(int(pid)) for pid in pids.read_text().split())
    about = json.loads((tmp_path / "out" / "status.json").read_bytes())["stages"]["correctness"]
    assert (about["state"], about["reason"]) == ("stopped", "interrupted")
    assert campaign(tmp_path / "out", stages="correctness")["correctness"]["state"] == "done"


def test_a_stage_too_many_for_the_time_is_not_begun(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(gpu, "LEAST", 15.0)
    found = campaign(tmp_path / "out", minutes=0.2)
    assert {about["state"] for about in found.values()} == {"out of time"}
    assert not (tmp_path / "out" / "results.json").read_bytes().strip(b"{}\n")


def test_what_cannot_be_written_is_told_and_written_the_next_time(tmp_path, quick, monkeypatch):
    write, full = paths.write_atomically, [True]

    def on_a_full_disk(path, content, **options):
        if full[0] and Path(path).name == "results.json" and b"environment" in content:
            raise InputError("the disk is full")
        write(path, content, **options)

    monkeypatch.setattr(paths, "write_atomically", on_a_full_disk)
    said: list[str] = []
    assert {about["state"] for about in campaign(tmp_path / "out", say=said.append).values()} == {"done"}
    assert said[-1] == "results.json could not be written: the disk is full"
    full[0] = False
    campaign(tmp_path / "out", say=said.append)
    assert set(json.loads((tmp_path / "out" / "results.json").read_bytes())) == {"environment", "correctness", "runs"}


def test_the_folder_alone_is_enough_to_go_on_elsewhere(tmp_path, quick, monkeypatch):
    monkeypatch.setenv("FAULT", "raises")
    campaign(tmp_path / "out")
    store_in(tmp_path / "made", range(2))
    (tmp_path / "out" / archive.NAME).write_bytes(archive.pack(tmp_path / "made"))
    shutil.rmtree(next((tmp_path / "work").iterdir()))
    monkeypatch.delenv("FAULT")
    campaign(tmp_path / "out")
    assert set(json.loads((tmp_path / "out" / "results.json").read_bytes())) == {"environment", "correctness", "runs"}
    assert len(archive.unpack(tmp_path / "out" / archive.NAME)[1]) == 2


def test_other_settings_another_use_and_other_files_are_refused(tmp_path, quick):
    campaign(tmp_path / "out", stages="environment")
    with pytest.raises(InputError, match="was begun with device cpu, data glyphs, tiny.*cpu, data mine, tiny"):
        campaign(tmp_path / "out", settings=Settings("cpu", True, "mine"))
    with place.Place.of(tmp_path / "out", Settings("cpu", True, "glyphs")):
        with pytest.raises(InputError, match="is being filled already"):
            campaign(tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        campaign(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"minutes": 0}, "minutes is 0"),
        ({"minutes": math.nan}, "minutes is nan"),
        ({"stages": "runs,painting"}, "unknown stage 'painting': choose one of environment"),
        ({"settings": Settings("tpu")}, "unknown device 'tpu' (did you mean cpu?): choose one of cuda, cpu"),
    ],
)
def test_bad_arguments_are_one_sentence(options, told, tmp_path):
    with pytest.raises(InputError, match=re.escape(told)):
        campaign(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_one_sentence(tmp_path, capsys):
    assert cli.main(["gpu", "--out", str(tmp_path / "out")]) == 2
    output, error = capsys.readouterr()
    assert output == "" and error.startswith("hardsample: no CUDA GPU is at hand") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_parent_imports_no_torch():
    code = "import sys, hardsample.gpu.campaign; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment()).stdout
    assert "hardsample.gpu.campaign" in loaded.split() and not {"torch", "numpy"} & set(loaded.split())


@pytest.mark.parametrize(
    ("name", "options"),
    [("gpu", {"--minutes", "--out", "--device", "--tiny", "--data", "--stages"}), ("gpu-merge", set())],
)
def test_help_tells_every_option(name, options, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert set(re.findall(r"^  (--[\w-]+)", shown, re.MULTILINE)) == options
    assert name != "gpu" or all(stage.name in shown for stage in gpu.STAGES)


def test_the_stages_are_those_that_can_be_done():
    assert [stage.name for stage in gpu.STAGES] == list(gpu_stages.STAGES)


# The stages, in this process


@pytest.fixture
def task(tmp_path):
    return Task("runs", tmp_path / "gpu", "cpu", plan.TINY, tiny=True)


@pytest.fixture
def two(monkeypatch):
    """Two cohorts of one seed alone, and what was trained of them: a list of (label, keywords)."""
    some = cohorts.cohorts(plan.TINY, "float32", cohorts.FIGURES[:1], tiny=True)[:2]
    some = [dataclasses.replace(cohort, runs=cohort.runs[:1]) for cohort in some]
    monkeypatch.setattr(trainings, "cohorts", lambda *_, **__: some)
    monkeypatch.setattr(trainings._Pace, "_timed", lambda *_: 0.01)
    return some


@pytest.fixture
def trained(monkeypatch):
    calls, train = [], training.train

    def recording(runs, data, **options):
        calls.append((runs[0].label, {name: options[name] for name in options.keys() & {"graphs"}}))
        return train(runs, data, **options)

    monkeypatch.setattr(training, "train", recording)
    return calls


@pytest.mark.slow
def test_a_cohort_that_fails_is_left_to_a_fresh_process_that_does_the_others(task, two, trained, monkeypatch):
    train = training.train

    def failing(runs, *arguments, **options):
        if runs[0].label == two[0].label:
            raise RuntimeError("illegal memory access")
        return train(runs, *arguments, **options)

    monkeypatch.setattr(training, "train", failing)
    assert gpu_stages.perform(task) == AGAIN and trained == []
    again = dataclasses.replace(task, again=True)
    assert gpu_stages.perform(again) == 0
    found = task.earlier()
    assert [found["cohorts"][cohort.label]["state"] for cohort in two] == ["failed", "stored"]
    assert "illegal memory access" in found["cohorts"][two[0].label]["reason"]
    assert found["state"] == "failed" and found["reason"].startswith("1 of 2 cohorts failed")
    monkeypatch.setattr(training, "train", train)
    assert gpu_stages.perform(task) == 0 and task.earlier()["state"] == "done"
    assert [label for label, _ in trained] == [two[1].label, two[0].label]


@pytest.mark.slow
def test_a_step_that_no_graph_can_hold_is_left_to_a_fresh_process_without(task, two, trained, monkeypatch):
    train = training.train

    def failing(runs, data, **options):
        if runs[0].label == two[0].label and options.get("graphs", True):
            raise CaptureError("the step could not be captured")
        return train(runs, data, **options)

    monkeypatch.setattr(training, "train", failing)
    assert gpu_stages.perform(task) == AGAIN
    assert gpu_stages.perform(dataclasses.replace(task, again=True)) == 0
    assert trained == [(two[0].label, {"graphs": False}), (two[1].label, {})]
    assert task.earlier()["state"] == "done"

    def networks(task):
        raise CaptureError("the step could not be captured")

    monkeypatch.setitem(gpu_stages.STAGES, "networks", networks)
    other = dataclasses.replace(task, stage="networks")
    assert gpu_stages.perform(other) == AGAIN and other.earlier() == {"graphs": False}


@pytest.mark.slow
def test_a_cohort_begins_only_where_it_should_end_in_time(task, two, trained, monkeypatch):
    monkeypatch.setattr(trainings._Pace, "_timed", lambda *_: 1e6)
    hurried = dataclasses.replace(task, deadline=time.monotonic() + 1000)
    assert gpu_stages.perform(hurried) == 0 and trained == []
    assert task.earlier()["state"] == "out of time" and task.earlier()["reason"] == "0 of 2 cohorts are stored"
    monkeypatch.setattr(trainings._Pace, "_timed", lambda *_: 0.01)
    assert gpu_stages.perform(dataclasses.replace(task, deadline=time.monotonic() + 1000)) == 0
    assert task.earlier()["state"] == "done" and len(trained) == 2


@pytest.mark.slow
def test_pretrainings_are_shared_and_stored_runs_are_not_trained(task, two, trained, monkeypatch):
    calls, pretrain = [], training.pretrain
    monkeypatch.setattr(training, "pretrain", lambda runs, *a, **k: calls.append(runs) or pretrain(runs, *a, **k))
    Store().write(two[0].runs[0], TrainingResult(COLUMNS, made_up(), {}), made())  # at home
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "check_fingerprints", lambda *_: None)
        assert gpu_stages.perform(task) == 0
    assert [label for label, _ in trained] == [two[1].label] and len(calls) == 1
    shutil.rmtree(task.work / "runs")
    shutil.rmtree(Store().root)
    assert gpu_stages.perform(task) == 0
    assert [label for label, _ in trained] == [two[1].label, two[0].label, two[1].label] and len(calls) == 2


def test_runs_at_home_of_other_data_are_refused(task, two, trained):
    Store().write(two[0].runs[0], TrainingResult(COLUMNS, made_up(), {}), made("f" * 16))
    assert gpu_stages.perform(task) == 0 and trained == []
    assert task.earlier()["state"] == "failed" and "ffff" in task.earlier()["reason"]


def test_a_full_disk_ends_a_cohort_and_not_its_message(task, two, trained, monkeypatch):
    def full(*_):
        raise InputError("cannot write: the disk is full")

    monkeypatch.setattr(Store, "write", full)
    assert gpu_stages.perform(task) == AGAIN
    assert "the disk is full" in task.earlier()["cohorts"][two[0].label]["reason"]


@pytest.mark.slow
def test_the_plain_step_is_the_one_that_the_reference_was_made_of():
    kept = json.loads(correctness.REFERENCE.read_bytes())["steps"]
    found = correctness.reference_steps(steps=2)
    for method, steps in found.items():
        for row, wanted in zip(steps, kept[method], strict=False):
            assert row.keys() == wanted.keys()
            assert all(values == pytest.approx(wanted[name], rel=1e-6) for name, values in row.items())


@pytest.mark.slow
def test_another_step_is_told_from_the_reference(task, monkeypatch):
    monkeypatch.setattr(correctness, "Run", lambda *a, **k: Run(*a, **k, learning_rate=0.5))
    about = correctness._against_reference(task)
    assert not about["agrees"] and about["farthest"] > correctness.CLOSE


@pytest.mark.slow
def test_another_way_is_told_from_the_plain_one(task, monkeypatch):
    make, made_so_far = correctness._trainer, []

    def trainer(runs, data, device, way):
        if way == "auto":
            runs = [dataclasses.replace(run, learning_rate=0.06) for run in runs]
        made_so_far.append(way)
        return make(runs, data, device, way)

    monkeypatch.setattr(correctness, "_trainer", trainer)
    about = correctness._against_plain(task, "MB")
    assert made_so_far == ["auto", "plain", "plain"]
    assert not about["agrees"] and about["ratio"] > 10 and about["computed"]["way"] == "plain"


def test_what_is_expected_covers_paper_a():
    wanted = cohorts.cohorts(plan.DATA, "bf16")
    runs_of = [run for cohort in wanted for run in cohort.runs]
    assert len(runs_of) == len(set(runs_of)) == 240 + 108 and all(run.options for run in runs_of if run.method == "LB")
    assert all(len(cohort.runs) == 12 for cohort in wanted)
    found = cohorts.expected()
    assert list(found["bf16"]) == ["starting", *cohorts.FIGURES]
    # Figure 1: three cohorts of 8 epochs after one pre-training of 2, 3,900 steps and 2 evaluations an epoch
    figure_1 = (3 * 8 + 2) * 3900 * 0.4e-3 + (3 * 8 + 2) * 2 * 0.15 + 4 * 2.0
    assert found["bf16"]["base-values/figure-1"] == pytest.approx(figure_1, rel=0.02)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of no more than what a test puts there."""
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path / "project")
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_benchmarks_are_done_part_by_part(task, project, monkeypatch):
    task = dataclasses.replace(task, stage="benchmarks", tiny=False)
    assert gpu_stages.perform(task) == 0
    assert task.earlier()["state"] == "left out" and "no folder benchmarks" in task.earlier()["reason"]
    (project / "benchmarks").mkdir()
    (project / "benchmarks" / "__init__.py").touch()  # or another package of that name on the path goes before it
    (project / "benchmarks" / "__main__.py").write_text(
        "import sys; part, _, out = sys.argv[1:]\n"
        "if part == 'second': sys.exit(3)\n"
        "import pathlib; pathlib.Path(out).mkdir(exist_ok=True); (pathlib.Path(out) / 'a-gpu.json').write_text(part)"
    )
    monkeypatch.setattr(programs, "BENCHMARKS", ("first", "second", "third"))
    (task.work / "files").mkdir(parents=True)
    assert gpu_stages.perform(task) == 0
    assert task.earlier()["parts"] == {"first": "done", "second": "exit status 3", "third": "done"}
    assert task.earlier()["state"] == "failed" and (task.work / "files" / "a-gpu.json").read_text() == "third"


@pytest.mark.slow
def test_tests_are_counted(task, project, monkeypatch):
    task = dataclasses.replace(task, stage="tests", tiny=False)
    assert gpu_stages.perform(task) == 0
    assert task.earlier()["state"] == "left out" and "no folder tests" in task.earlier()["reason"]
    (project / "tests").mkdir()
    (project / "tests" / "conftest.py").touch()
    (project / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\nmarkers = ['gpu: of one']\naddopts = ['--none']"
    )
    (project / "tests" / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.gpu\ndef test_good(): pass\n"
        "@pytest.mark.gpu\ndef test_bad(): assert False\n"
        "@pytest.mark.gpu\ndef test_unfit(): pytest.skip('no')\n"
        "def test_other(): assert False\n"
    )
    monkeypatch.setattr(programs, "TESTS", ("test_some",))
    assert gpu_stages.perform(task) == 0
    assert task.earlier() == {
        **{"tests": 3, "skipped": 1, "failed": ["tests.test_some.test_bad"]},
        **{"state": "failed", "reason": "1 of 3 tests failed"},
    }
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    assert gpu_stages.perform(task) == 0
    assert task.earlier() == {"state": "left out", "reason": "pytest and hypothesis is not installed"}


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return tmp_path_factory.mktemp("guard")


@pytest.mark.slow
@pytest.mark.skipif(not fake_cuda.AVAILABLE, reason="needs g++ to make the device")
@pytest.mark.parametrize("stage", ["environment", "correctness", "runs", "float32", "networks"])
def test_each_stage_is_whole_on_a_device_that_computes_nothing(stage, guard, tmp_path, monkeypatch):
    """What a GPU would be asked to do, traced; it gives zeros, which no reference agrees with."""
    zeros = agreement.Agreement("network/linear_1.weight", 0.0, 3)
    monkeypatch.setattr(agreement, "compare", lambda *_: zeros)
    wanted = cohorts.cohorts
    some = {"runs": slice(0, None, 2), "float32": slice(2, None)}.get(stage)  # each mini-batch size; PEB
    monkeypatch.setattr(trainings, "cohorts", lambda *a, **k: wanted(*a, **k)[some])
    task = Task(stage, tmp_path / "gpu", "cuda", plan.TINY, tiny=True)
    trainings._source(task)  # images that show something, before there is a device that computes nothing
    with fake_cuda.device(guard) as device:
        assert gpu_stages.perform(task) == 0
    found = task.earlier()
    if stage == "correctness":
        assert (found["state"], found["reason"]) == ("failed", "reference differs by more than rounding explains")
        assert found["ways"]["PEB"]["computed"]["captured"]
    else:
        assert found["state"] == "done"
    if stage == "environment":
        assert found["device"] == "no GPU at all" and {"cuda", "cudnn", "driver"} <= found["versions"].keys()
    elif stage == "networks":
        assert all(about["computed"]["captured"] for about in found["sizes"]["32"]["deltas"].values())
    else:
        assert device.replays > 0
    if stage in ("runs", "float32"):
        records = Store(task.work / "runs").records()
        assert len(records) == {"runs": 10, "float32": 2}[stage]
        assert all(record.provenance["device"] == "no GPU at all" for record in records)


# What is brought home


def run(seed: int) -> Run:
    return Run("glyphs", "MB", seed, epochs=1.0, evaluations_per_epoch=1.0)


def made_up(seed: int = 0, *, diverged: bool = False) -> tuple[tuple, ...]:
    rest = (0.25, 0.5, None, 0.125, None, 9, 64, 32)
    last = (0.2, math.nan, 0.5, math.nan) if not diverged else (math.nan,) * 4
    last = last if diverged else (0.2, seed / 20, 0.5, 0.4)
    rest_of_last = (math.nan, math.nan, *rest[2:]) if diverged else rest
    return ((0, 0.0, 0.1, 0.1, 3.2, 3.2, None, None, *rest), (4, 1.0, *last, 3, [1, 0, 3], *rest_of_last))


def made(fingerprint: str = "a" * 16, source: str = "") -> dict:
    about = {"commit": "unknown", "source": source or provenance.source_hash(), "versions": {"torch": "2.11"}}
    about |= {"seconds": {"wall": 2.0}, "cohort": 1}
    return about | {"data": {"name": "glyphs", "fingerprint": fingerprint, "stand_in": True, "classes": 26}}


def store_in(root: Path, seeds, made=made, **options) -> Store:
    store = Store(root)
    for seed in seeds:
        store.write(run(seed), TrainingResult(COLUMNS, made_up(seed, **options), {}), made())
    return store


@pytest.fixture
def brought(tmp_path):
    """A folder with three runs."""
    folder = tmp_path / "brought"
    folder.mkdir()
    (folder / archive.NAME).write_bytes(archive.pack(store_in(tmp_path / "made", range(3)).root))
    return folder


def members(folder: Path) -> dict[str, bytes]:
    with tarfile.open(folder / archive.NAME) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def repack(folder: Path, files: dict[str, bytes], *odd: tarfile.TarInfo) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in odd:
            tar.addfile(member)
    (folder / archive.NAME).write_bytes(gzip.compress(file.getvalue()))


def refused(folder: Path, tmp_path: Path, *told: str) -> None:
    """The merge says so in a sentence, and stores nothing."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as error:
        merge.merge(folder, Store(tmp_path / "home"))
    assert all(words in str(error.value) for words in told), error.value
    assert sorted(tmp_path.rglob("*")) == before


def forged(folder: Path, change) -> None:
    """Runs changed by someone who mends the manifest and the checksums too."""
    files = {
        name: seals.sealed(change(seals.unsealed(content)))
        for name, content in members(folder).items()
        if name != archive.MANIFEST
    }
    root = folder.parent / "forged"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (folder / archive.NAME).write_bytes(archive.pack(root))


def test_a_packed_store_comes_back_and_is_equal_each_time(tmp_path):
    store = store_in(tmp_path / "made", range(3))
    packed = archive.pack(store.root)
    (tmp_path / archive.NAME).write_bytes(packed)
    manifest, files = archive.unpack(tmp_path / archive.NAME)
    assert files == {path.relative_to(store.root).as_posix(): path.read_bytes() for path in store.root.rglob("*.json")}
    assert [entry["rows"] for entry in manifest["runs"]] == [2, 2, 2] and manifest["versions"] == [{"torch": "2.11"}]
    assert archive.pack(store.root) == packed


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_archive_is_refused(share, brought, tmp_path):
    path = brought / archive.NAME
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(brought, tmp_path, str(path), "is damaged", "copy it anew")


@pytest.mark.parametrize("name", ["/etc/evil.json", "../../evil.json", "a/../evil.json", "a/b/.evil.json", "a/b.json"])
def test_no_name_leads_out_of_the_store(name, brought, tmp_path):
    repack(brought, members(brought) | {name: b"{}"})
    refused(brought, tmp_path, repr(name), "no name of a run's file")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_only_plain_files_are_read(kind, brought, tmp_path):
    odd = tarfile.TarInfo("base-values/glyphs/link.json")
    odd.type, odd.linkname = kind, "/etc/passwd"
    repack(brought, members(brought), odd)
    refused(brought, tmp_path, "is no plain file")


def test_what_is_too_large_is_refused(brought, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "UNPACKED", 1 << 20)
    repack(brought, members(brought) | {"base-values/glyphs/zeros.json": bytes(1 << 21)})
    refused(brought, tmp_path, "unpacks to more than 1 MiB")
    monkeypatch.setattr(archive, "LARGEST", 100)
    refused(brought, tmp_path, "is larger than")


def test_files_and_manifest_must_agree(brought, tmp_path):
    files = members(brought)
    names = [name for name in files if name != archive.MANIFEST]
    repack(brought, {name: content for name, content in files.items() if name != archive.MANIFEST})
    refused(brought, tmp_path, "there is no manifest.json")
    repack(brought, {name: content for name, content in files.items() if name != names[1]})
    refused(brought, tmp_path, f"differ in {names[1]!r}")
    repack(brought, files | {names[0].replace("s0", "s9"): b"{}"})
    refused(brought, tmp_path, "differ in", "s9")
    repack(brought, files | {archive.MANIFEST: b'{"format": 7}'})
    refused(brought, tmp_path, "not of format 1")
    repack(brought, files | {archive.MANIFEST: files[archive.MANIFEST].replace(b'"rows": 2', b'"rows": 3')})
    refused(brought, tmp_path, "the manifest in", "is not of")


def test_a_tampered_row_is_refused(brought, tmp_path):
    files = members(brought)
    name = next(name for name in files if name != archive.MANIFEST)
    repack(brought, files | {name: files[name].replace(b"0.1, 3.2", b"0.9, 3.2")})
    refused(brought, tmp_path, repr(name), "is not what the manifest says")


FORGED = {
    "no number": (b"0.2, ", b"NaN, ", "it holds NaN"),
    "above one": (b"0.2, ", b"1.2, ", "has acc/train 1.2 in row 1"),
    "below zero": (b"[4, 1.0, ", b"[4, -1.0, ", "has epoch -1.0 in row 1"),
    "a word": (b"0.2, ", b'"0.2", ', "has acc/train '0.2' in row 1"),
    "missing": (b"[4, 1.0, ", b"[4, null, ", "has no epoch in row 1"),
    "half diverged": (b"0.2, ", b"null, ", "has a loss/train and no acc/train in row 1"),
    "backwards": (b"[4, 1.0, ", b"[0, 1.0, ", "has steps that do not rise"),
    "too short": (b"[4, 1.0, ", b"[1.0, ", "values each"),
    "other columns": (b'"loss/val"', b'"loss/vil"', "its columns are not those"),
    "of an odd commit": (b'"commit": "unknown"', b'"commit": null', "which sources made it"),
    "another key": (b'"seed": ', b'"seed": 1', "its key is"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_run_is_refused(what, brought, tmp_path):
    old, new, told = FORGED[what]
    forged(brought, lambda content: content.replace(old, new))
    refused(brought, tmp_path, told)


def test_a_run_under_the_name_of_another_is_refused(brought, tmp_path):
    root = tmp_path / "made"
    first, second = sorted(root.rglob("*.json"))[:2]
    second.write_bytes(first.read_bytes())
    (brought / archive.NAME).write_bytes(archive.pack(root))
    refused(brought, tmp_path, "holds the run of")


def test_diverged_runs_are_numbers_of_their_own(brought, tmp_path):
    root = store_in(tmp_path / "diverged", [5], diverged=True).root
    (brought / archive.NAME).write_bytes(archive.pack(root))
    store = Store(tmp_path / "home")
    assert merge.merge(brought, store)[-1].startswith("1 runs stored")
    assert math.isnan(store.read(run(5)).rows[-1][2])


def test_other_data_than_those_of_stored_runs_are_refused(brought, tmp_path):
    home = store_in(tmp_path / "home", [7], lambda: made("b" * 16))
    refused(brought, tmp_path, "fingerprint bbbb", "aaaa")
    assert len(home.records()) == 1
    root = store_in(tmp_path / "mixed", [1]).root
    store_in(root, [2], lambda: made("c" * 16))
    (brought / archive.NAME).write_bytes(archive.pack(root))
    shutil.rmtree(home.root)
    refused(brought, tmp_path, "fingerprint aaaa", "cccc")


def test_the_first_writer_wins_and_differences_are_told(brought, tmp_path):
    home = Store(tmp_path / "home")
    home.write(run(1), TrainingResult(COLUMNS, made_up(9), {}), made())
    home.write(run(2), TrainingResult(COLUMNS, made_up(2), {}), made())
    stays = home.path(run(1)).read_bytes()
    differs, total = merge.merge(brought, home)[-2:] if not_filled() else merge.merge(brought, home)[::2]
    assert "seed 1 stays as it is stored" in differs and "acc/val 0.4500 and 0.0500" in differs
    assert total == f"1 runs stored in {home.root}, 2 there before"
    assert home.path(run(1)).read_bytes() == stays


def not_filled() -> bool:
    """Whether this checkout has no clean commit to fill in."""
    return provenance.commit() == "unknown" or provenance.commit().endswith("-dirty")


@pytest.mark.parametrize("here", ["unknown", "d" * 40 + "-dirty", "d" * 40])
def test_a_commit_is_filled_in_only_where_it_is_certain(here, brought, tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "commit", lambda: here)
    told = merge.merge(brought, Store(tmp_path / "home"))
    certain = here == "d" * 40
    assert any("commit ddddddd filled in for 3 runs" in line for line in told) == certain
    assert {record.provenance["commit"] for record in Store(tmp_path / "home").records()} == {
        here if certain else "unknown"
    }


def test_other_sources_are_told_and_get_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "commit", lambda: "d" * 40)
    root = store_in(tmp_path / "made", [1], lambda: made(source="5" * 16)).root
    (tmp_path / archive.NAME).write_bytes(archive.pack(root))
    told = merge.merge(tmp_path, Store(tmp_path / "home"))
    assert told[0].startswith(
        f"made by other sources than this checkout's ({'5' * 16}, here {provenance.source_hash()})"
    )
    assert Store(tmp_path / "home").records()[0].provenance["commit"] == "unknown"


def test_runs_without_a_manifest_and_other_folders_are_refused(brought, tmp_path, capsys):
    assert cli.main(["gpu-merge", str(tmp_path / "made")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hardsample: there is no runs.tar.gz in") and error.count("\n") == 1
    assert cli.main(["gpu-merge", str(brought)]) == 0
    assert capsys.readouterr().out.endswith(f"3 runs stored in {Store().root}, 0 there before\n")
