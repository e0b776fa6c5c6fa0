"""Launching: the same rows in this process, on Dask and after any kill; nothing done twice, nothing lost."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from hardsample import plugins
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.runs import cluster, prepare, worker
from hardsample.runs.launch import LaunchReport, launch
from hardsample.runs.store import Store, cohort_name
from hardsample.training import cuda_graph, trainer, updates

SMALL = {"epochs": 2.0, "pretrain_epochs": 1.0, "batch_size": 16}
RUNS = [Run("dots", method, seed, **SMALL) for method in ("MB", "PEB") for seed in (0, 1)]


def rows(store):
    """What must not depend on where and how often interrupted a run was made."""
    return {record.run.key: repr(record.rows) for record in store.records()}


def here(store, runs=RUNS, **options):
    return launch(runs, device="cpu", workers=1, store=store, quiet=True, **options)


def count_calls(monkeypatch, name):
    calls, function = [], getattr(trainer, name)

    def counted(runs, *arguments, **options):
        calls.extend(runs)
        return function(runs, *arguments, **options)

    monkeypatch.setattr(trainer, name, counted)
    return calls


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """A data set that takes no time to load: noise, of four classes that differ in brightness."""
    folder, noise = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 160), ("test", 40)):
        labels = np.arange(count) % 4
        arrays[f"y_{split}"] = labels
        arrays[f"x_{split}"] = (40 * labels[:, None, None] + noise.integers(0, 99, (count, 28, 28))).astype(np.uint8)
    np.savez(folder / "dots.npz", **arrays)
    return folder


@pytest.fixture(autouse=True)
def own_data(data_folder, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_DATA", str(data_folder))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, data_folder):
    """The rows of RUNS as an uninterrupted launch in this process makes them."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARDSAMPLE_DATA", str(data_folder))
        here(store).raise_if_incomplete()
    return rows(store)


@pytest.mark.slow
def test_every_start_is_computed_once_and_what_is_done_is_not_computed_again(tmp_path, monkeypatch, undisturbed):
    starts, trained = count_calls(monkeypatch, "pretrain"), count_calls(monkeypatch, "train")
    store = Store(tmp_path)
    first = here(store, RUNS[:2])
    assert (first.found, first.computed, first.missing, first.failed) == (0, 2, 0, ())
    second = here(store, RUNS + RUNS)
    assert (second.found, second.computed, second.missing, second.failed) == (2, 2, 0, ())
    assert sorted(start.seed for start in starts) == [0, 1] and sorted(run.key for run in trained) == sorted(
        undisturbed
    )
    assert rows(store) == undisturbed

    third = here(store)
    assert (third.found, third.computed) == (4, 0) and len(trained) == 4
    record = store.read(RUNS[0])
    assert record.provenance["threads"] == 1 and record.provenance["seconds"]["pretrain"] > 0
    assert not list((tmp_path / "checkpoints").glob("*"))


def test_a_file_system_without_hard_links_loses_no_run(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store, run = Store(tmp_path), dataclasses.replace(RUNS[0], epochs=1.0, pretrain_epochs=0.0)
    here(store, [run]).raise_if_incomplete()
    assert store.has(run) and not list(tmp_path.rglob(".*.tmp"))


@pytest.mark.slow
def test_a_failing_run_is_reported_and_stops_no_other(tmp_path, monkeypatch, capsys, undisturbed):
    train, pretrain = trainer.train, trainer.pretrain

    def failing_train(runs, *arguments, **options):
        if runs[0] == RUNS[0]:
            raise RuntimeError("the weather")
        return train(runs, *arguments, **options)

    def failing_pretrain(runs, *arguments, **options):
        if runs[0].seed == 1:
            raise MemoryError("no room")
        return pretrain(runs, *arguments, **options)

    monkeypatch.setattr(trainer, "train", failing_train)
    monkeypatch.setattr(trainer, "pretrain", failing_pretrain)
    store = Store(tmp_path)
    report = launch(RUNS, device="cpu", workers=1, store=store)
    assert (report.computed, report.missing) == (1, 0)
    failed = dict(report.failed)
    assert set(failed) == {RUNS[0], RUNS[1], RUNS[3]}
    assert "the weather" in failed[RUNS[0]] and "failing_train" in failed[RUNS[0]]
    assert "no room" in failed[RUNS[1]] and "no room" in failed[RUNS[3]]
    assert rows(store) == {RUNS[2].key: undisturbed[RUNS[2].key]}
    shown = capsys.readouterr().out
    assert "RuntimeError: the weather" in shown and str(report) in shown
    with pytest.raises(InputError, match="3 runs failed.*"):
        report.raise_if_incomplete()


@pytest.mark.slow
def test_after_a_capture_that_failed_jobs_are_done_in_fresh_processes(tmp_path, monkeypatch, undisturbed):
    """CUDA cannot be trusted in this one any more; the failed job goes on without graphs, later ones with."""
    monkeypatch.setattr(cuda_graph, "_failures", [])
    tried = []

    def broken(runs, *arguments, **options):
        tried.append(runs[0])
        cuda_graph._failures.append("planted")
        raise cuda_graph.CaptureError("planted")

    monkeypatch.setattr(trainer, "train", broken)
    elsewhere = worker._elsewhere
    graphs = []
    monkeypatch.setattr(worker, "_elsewhere", lambda task: graphs.append(task.graphs) or elsewhere(task))
    store, some = Store(tmp_path), RUNS[:2]
    assert here(store, some).computed == 2
    assert rows(store) == {run.key: undisturbed[run.key] for run in some}
    assert len(tried) == 1 and graphs == [False, True]


@pytest.mark.slow
def test_out_of_time_again_and_again_equals_uninterrupted(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setattr(updates, "estimate", lambda *_, **__: 1.0)
    store, within, between = Store(tmp_path), 0, 0
    for attempt in range(200):
        report = here(store, time_limit=0.4 + attempt / 50)  # a busy machine needs more to come anywhere
        assert not report.failed
        if not report.missing:
            break
        with pytest.raises(InputError, match="missing"):
            report.raise_if_incomplete()
        stopped_within = any((tmp_path / "checkpoints").glob("*.npz"))
        within, between = within + stopped_within, between + (not stopped_within)
    assert within and within + between >= 2
    assert rows(store) == undisturbed and not any((tmp_path / "checkpoints").glob("*"))


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_is_trained_over(tmp_path, undisturbed):
    store, run = Store(tmp_path), RUNS[-1]
    name = cohort_name((run,), load("dots").fingerprint)
    store.write_checkpoint(name, {"network/of.another.age": np.zeros(3), "rest": np.frombuffer(b"{}", np.uint8)})
    here(store, [run]).raise_if_incomplete()
    assert rows(store) == {run.key: undisturbed[run.key]}


@pytest.mark.slow
def test_a_scheduler_s_workers_give_the_same_rows_though_one_is_killed(tmp_path, monkeypatch, undisturbed):
    """The way to any Dask cluster: nothing is shared with the workers but what travels through Dask."""
    store = Store(tmp_path)
    monkeypatch.setattr(prepare, "estimate_seconds", lambda runs, *_, **__: dict.fromkeys(runs, 1.0))
    with cluster.start_local(2, "cpu") as workers:
        client = workers.client
        pids = list(client.run(os.getpid).values())
        victim = pids[0]
        monkeypatch.setattr(store, "write_start", kill_after(store.write_start, victim))
        scheduler = client.scheduler.address
        launch(RUNS, device="cpu", scheduler=scheduler, store=store, quiet=True).raise_if_incomplete()
        assert victim not in client.run(os.getpid).values()
    assert rows(store) == undisturbed


def kill_after(function, victim):
    def killing(*arguments):
        function(*arguments)
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass  # killed after the first start already

    return killing


# It stands still once its first run is stored, so that whoever kills it finds its workers alive.
DRIVER = """
import signal, sys, time; sys.path.insert(0, sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
from test_launch import RUNS, Store, launch

def write_and_wait(self, *arguments, write=Store.write):
    write(self, *arguments)
    time.sleep(60)

Store.write = write_and_wait
if __name__ == "__main__":
    launch(RUNS, device="cpu", workers=2)
"""


# Its first worker, as soon as it is a process, does what Ctrl-C does: it interrupts driver and workers alike.
INTERRUPTED_AT_START = """
import os, signal, sys; sys.path.insert(0, sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)
if __name__ == "__mp_main__":
    try:
        os.close(os.open(os.environ["HARDSAMPLE_RUNS"] + ".interrupted", os.O_CREAT | os.O_EXCL))
        os.killpg(0, signal.SIGINT)
    except FileExistsError:
        pass
from test_launch import RUNS, launch
if __name__ == "__main__":
    launch(RUNS, device="cpu", workers=2, quiet=True)
"""


def start_driver(folder, environment, code=DRIVER):
    script = folder / "driver.py"
    script.write_text(code)
    return subprocess.Popen(
        [sys.executable, script, os.path.dirname(__file__)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes(session):
    """The living processes of a session, by /proc."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds processes in /proc")
def test_a_killed_driver_leaves_no_process_and_the_same_command_goes_on(tmp_path, monkeypatch, undisturbed):
    store = Store(tmp_path / "runs")
    driver = start_driver(tmp_path, {"HARDSAMPLE_RUNS": str(store.root)})
    assert until(store.records, 240), driver.communicate()[0]
    assert len(processes(driver.pid)) >= 3
    driver.kill()
    driver.wait()
    assert until(lambda: not processes(driver.pid), 15), processes(driver.pid)

    done = rows(store)
    assert len(done) == 1
    trained = count_calls(monkeypatch, "train")
    report = here(store)
    assert report.found == len(done) and {run.key for run in trained} == undisturbed.keys() - done.keys()
    assert rows(store) == undisturbed and store.verify() == []


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds processes in /proc")
def test_an_interrupt_ends_a_launch_quietly_with_its_workers(tmp_path):
    store = Store(tmp_path / "runs")
    driver = start_driver(tmp_path, {"HARDSAMPLE_RUNS": str(store.root)})
    assert until(store.records, 240), driver.communicate()[0]
    os.killpg(driver.pid, signal.SIGINT)  # as Ctrl-C does
    shown = driver.communicate(timeout=120)[0]
    assert driver.returncode != 0 and "KeyboardInterrupt" in shown
    assert shown.count("Traceback") == 1 and " - ERROR - " not in shown, shown
    assert until(lambda: not processes(driver.pid), 60), processes(driver.pid)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds processes in /proc")
def test_an_interrupt_while_workers_start_is_as_quiet(tmp_path):
    driver = start_driver(tmp_path, {"HARDSAMPLE_RUNS": str(tmp_path / "runs")}, INTERRUPTED_AT_START)
    shown = driver.communicate(timeout=240)[0]
    assert (tmp_path / "runs.interrupted").exists()
    assert driver.returncode != 0 and shown.rstrip().endswith("KeyboardInterrupt"), shown
    assert shown.count("Traceback") == 1 and not Store(tmp_path / "runs").records(), shown
    assert until(lambda: not processes(driver.pid), 60), processes(driver.pid)


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_named_within_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 1.0)
    began = time.monotonic()
    for address in ("tcp://127.0.0.1:9", "nonsense://"):
        with pytest.raises(InputError, match=f"no Dask scheduler answers at '{address}': start one with"):
            launch(RUNS, scheduler=address, store=Store(tmp_path), quiet=True)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "unknown device 'tpu' .did you mean cpu..: choose one of auto, cpu, cuda"),
        ({"workers": -1}, "workers is -1"),
        ({"workers": 1.5}, "workers is 1.5"),
        ({"time_limit": "soon"}, "time limit 'soon' is no duration: write it as 90s, 9m or 1h"),
        ({"time_limit": "-3m"}, "time limit '-3m'"),
        ({"sources": {"dots": "mnist"}}, "the source 'mnist' of the data 'dots' holds 'mnist'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        launch(RUNS, **{"store": Store(tmp_path / "new")} | options)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_cuda_without_a_gpu_is_refused(tmp_path):
    with pytest.raises(InputError, match="no CUDA GPU is at hand: choose cpu or auto"):
        launch(RUNS, device="cuda", store=Store(tmp_path), quiet=True)


@pytest.mark.slow
def test_stored_runs_of_other_data_stop_the_launch(tmp_path):
    store = Store(tmp_path)
    here(store, RUNS[:1])
    path = store.path(RUNS[0])
    fingerprint = store.read(RUNS[0]).provenance["data"]["fingerprint"]
    path.write_text(path.read_text().replace(fingerprint, "f" * 16))
    with pytest.raises(InputError, match=f"fingerprint {fingerprint}, but the stored run .* with ffff"):
        here(store)


def test_a_run_that_cannot_begin_stops_the_launch_before_anything_is_done(tmp_path):
    store = Store(tmp_path)
    wrong = Run("dots", "HMB", 1, options={"delta": 0.001}, train_examples=64)
    with pytest.raises(InputError, match="delta is 0.001, and of 2 mini-batches"):
        here(store, (*RUNS, wrong))
    assert store.records() == []


@pytest.mark.slow
def test_plain_lines_say_what_will_run_and_how_far_it_is(tmp_path, capsys):
    report = launch(RUNS[:2], device="cpu", workers=1, store=Store(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    first = "2 runs: 0 done, 2 to do after 2 pre-trainings in this process (cpu), about "
    assert any(line.startswith(first) for line in lines)
    assert lines[-2].startswith("[2/2] dots-MB-n16-lr0.05-pre1-s") and "acc/val 0." in lines[-2]
    assert lines[-1] == str(report) == repr(report)
    launch(RUNS[:2], store=Store(tmp_path), quiet=True)
    assert capsys.readouterr().out == ""


def test_reports_in_words():
    report = LaunchReport(12, 70, ((RUNS[0], "Traceback\nValueError: no"),), 1, 303.0)
    assert str(report) == "84 runs: 12 found, 70 computed, 1 missing, 1 failed in 5 min 3 s"
    LaunchReport(12, 72, (), 0, 1.0).raise_if_incomplete()


PLUGIN = """
import hardsample
from hardsample.methods.registry import METHODS

class Again:
    def register(self):
        METHODS["again"] = METHODS["PEB"]

hardsample.register(Again())
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A file of the user's own with a method, loaded as the command line does."""
    path = tmp_path / "my_again.py"
    path.write_text(PLUGIN)
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(registry, "METHODS", dict(registry.METHODS))
    plugins.load(str(path))
    yield path
    del sys.modules["my_again"]


@pytest.mark.slow
def test_workers_know_the_method_of_a_plugin_and_the_record_has_its_source(tmp_path, plugin, undisturbed):
    store, runs = Store(tmp_path / "runs"), [dataclasses.replace(run, method="again") for run in RUNS[2:]]
    launch(runs, device="cpu", workers=2, store=store, quiet=True).raise_if_incomplete()
    assert [rows(store)[run.key] for run in runs] == [undisturbed[run.key] for run in RUNS[2:]]
    made = {run.key: store.read(run).provenance for run in runs}
    assert all(about["plugins"] == plugins.record() for about in made.values())
    assert "METHODS" in made[runs[0].key]["plugins"]["my_again"]["source"]


def test_a_worker_with_another_plugin_of_that_name_is_refused(tmp_path, plugin):
    other = plugins.hashes() | {str(plugin): "0" * 64}
    with pytest.raises(InputError, match="my_again.py is not the same on this worker"):
        plugins.load_same(other)
    plugins.load_same(plugins.hashes())


@pytest.mark.slow
def test_the_record_names_no_plugins_where_there_are_none(tmp_path):
    store = Store(tmp_path)
    here(store, RUNS[:1])
    assert "plugins" not in store.read(RUNS[0]).provenance
