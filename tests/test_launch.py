"""Launching: the same rows in this process, on Dask and after any kill; nothing done twice, nothing lost."""

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import distributed
import numpy as np
import pytest
import torch

from hardsample import locks, plugins, seals
from hardsample.config import Run
from hardsample.data.dataset import load
from hardsample.errors import InputError
from hardsample.methods import registry
from hardsample.records import data_choice
from hardsample.runs import cluster, local, prepare, worker
from hardsample.runs.claims import Claims
from hardsample.runs.launch import LaunchReport, launch
from hardsample.runs.store import Store, cohort_name
from hardsample.training import cuda_graph, trainer, updates
from hardsample.training.checkpoint import StateMismatchError
from hardsample.training.results import DeadlineError

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


@contextlib.contextmanager
def dask_workers(count, processes=False):
    """A Dask scheduler with so many workers, by default threads of this process, and a client of it."""
    with (
        distributed.LocalCluster(
            n_workers=count, processes=processes, threads_per_worker=1, memory_limit=0, dashboard_address=None
        ) as started,
        distributed.Client(started, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def unprobed(monkeypatch):
    """No update is timed before a launch."""
    monkeypatch.setattr(prepare, "estimate_seconds", lambda runs, *_, **__: dict.fromkeys(runs, 1.0))


@pytest.mark.slow
def test_a_scheduler_s_workers_give_the_same_rows_though_one_is_killed(tmp_path, monkeypatch, undisturbed, unprobed):
    """The way to any Dask cluster: nothing is shared with the workers but what travels through Dask."""
    store = Store(tmp_path)
    with dask_workers(2, processes=True) as client:
        pids = list(client.run(os.getpid).values())
        victim = pids[0]
        monkeypatch.setattr(store, "write_start", kill_after(store.write_start, victim))
        scheduler = client.scheduler.address
        launch(RUNS, device="cpu", scheduler=scheduler, store=store, quiet=True).raise_if_incomplete()
        assert victim not in client.run(os.getpid).values()
    assert rows(store) == undisturbed


@pytest.mark.slow
def test_local_workers_give_the_same_rows_though_one_is_killed(tmp_path, monkeypatch, undisturbed, unprobed):
    store, started = Store(tmp_path), []

    class Watched(local.LocalWorkers):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            started.extend(member.process for member in self._members)

    def killing(*arguments, write=store.write_start):
        write(*arguments)
        started[0].kill()

    monkeypatch.setattr(local, "LocalWorkers", Watched)
    monkeypatch.setattr(store, "write_start", killing)
    launch(RUNS, device="cpu", workers=2, store=store, quiet=True).raise_if_incomplete()
    assert rows(store) == undisturbed and len(started) == 2
    assert until(lambda: not started[0].is_alive(), 10)


def test_a_worker_has_its_gpu_and_one_thread(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with local.LocalWorkers(3, "cuda") as workers:
        assert len(workers) == workers.free == 3
        for place in range(3):
            workers.begin(place, os.getenv, "CUDA_VISIBLE_DEVICES")
        found = {}
        assert until(lambda: found.update(workers.ended(1.0)) or len(found) == 3, 60)
    assert found == {0: "5", 1: "7", 2: "5"}


@pytest.mark.slow
def test_checkpoints_travel_to_workers_without_the_store_and_back(tmp_path, monkeypatch, undisturbed, unprobed):
    store, within = Store(tmp_path), 0
    write = store.write_checkpoint
    kept = []
    monkeypatch.setattr(store, "write_checkpoint", lambda name, state: kept.append(name) or write(name, state))
    with dask_workers(1) as client:
        for attempt in range(200):
            report = launch(
                RUNS,
                device="cpu",
                scheduler=client.scheduler.address,
                store=store,
                time_limit=0.4 + attempt / 50,
                quiet=True,
            )
            assert not report.failed
            if not report.missing:
                break
            within += any((tmp_path / "checkpoints").glob("*.npz"))
    assert kept and within
    assert rows(store) == undisturbed and not any((tmp_path / "checkpoints").glob("*"))


def test_a_scheduler_without_workers_is_left_when_the_time_is_over(tmp_path):
    with dask_workers(0) as client:
        began = time.monotonic()
        with pytest.raises(InputError, match="still has no worker: start some with `dask worker ADDRESS"):
            launch(RUNS, scheduler=client.scheduler.address, store=Store(tmp_path), time_limit=1, quiet=True)
        assert time.monotonic() - began < 60


@pytest.mark.slow
def test_workers_that_are_gone_when_the_time_is_over_are_not_waited_for(tmp_path, unprobed, monkeypatch):
    with dask_workers(1) as client:
        [worker_name] = client.scheduler_info()["workers"]
        monkeypatch.setattr(trainer, "pretrain", lambda *_, **__: client.retire_workers([worker_name]) and 1 / 0)
        address = client.scheduler.address
        report = launch(RUNS[:1], device="cpu", scheduler=address, store=Store(tmp_path), time_limit=3, quiet=True)
        assert report.missing or report.failed


@pytest.mark.slow
def test_a_worker_that_lacks_the_data_names_itself_and_them(tmp_path, monkeypatch, unprobed, data_folder):
    """A path is meant from where it was launched; and one sentence a run says what a worker elsewhere lacks."""
    (tmp_path / "here").mkdir()
    shutil.copy(data_folder / "dots.npz", tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    seen, load_data = [], worker.load_data

    def absent(run, source):
        if threading.current_thread() is not threading.main_thread():
            seen.append(source)
            source = "/nowhere/dots.npz"
        return load_data(run, source)

    monkeypatch.setattr(worker, "load_data", absent)
    with dask_workers(1) as client:
        report = launch(
            [Run("dots", "MB", 0, batch_size=16)],
            sources={"dots": "dots.npz"},
            device="cpu",
            scheduler=client.scheduler.address,
            store=Store(tmp_path / "runs"),
            quiet=True,
        )
    where = str(tmp_path / "here" / "dots.npz")
    [(_, told)] = report.failed
    assert seen == [where] and "\n" not in told
    assert told.startswith(f"the worker on {socket.gethostname()} lacks the data {where!r}: there is no file /nowhere")


WIDE = [Run("dots", "MB", seed, epochs=1.0, batch_size=16) for seed in (0, 1, 2)]


@pytest.fixture
def cohorts(monkeypatch, unprobed):
    """Seeds are trained together, as on a GPU."""
    make_jobs = prepare.make_jobs
    monkeypatch.setattr(prepare, "make_jobs", lambda *arguments, on_gpu: make_jobs(*arguments, on_gpu=True))


@pytest.mark.parametrize(
    "error", [torch.cuda.OutOfMemoryError("no room"), RuntimeError("CUDA error: out of memory\nand much more")]
)
def test_a_cohort_that_does_not_fit_on_the_gpu_is_halved(tmp_path, monkeypatch, cohorts, capsys, error):
    train, widths = trainer.train, []

    def small(runs, *arguments, **options):
        widths.append(len(runs))
        if len(runs) > 1:
            raise error
        return train(runs, *arguments, **options)

    monkeypatch.setattr(trainer, "train", small)
    store = Store(tmp_path)
    report = launch(WIDE, device="cpu", workers=1, store=store)
    assert (report.computed, report.failed, report.missing) == (3, (), 0) and sorted(widths) == [1, 1, 1, 2, 3]
    assert {store.read(run).provenance["cohort"] for run in WIDE} == {1}
    assert "3 seeds of dots-MB-n16-lr0.05-pre0 do not fit on the GPU: halves." in capsys.readouterr().out


def test_a_single_run_that_does_not_fit_fails_with_what_to_lower(tmp_path, monkeypatch, cohorts):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("no room")

    monkeypatch.setattr(trainer, "train", full)
    report = here(Store(tmp_path), WIDE[:2])
    assert {run for run, _ in report.failed} == {*WIDE[:2]}
    told = report.failed[0][1]
    assert told.startswith("the GPU has too little memory for dots-MB-n16") and "choose a smaller batch_size" in told


def test_a_full_disk_at_a_checkpoint_stops_no_training_and_is_said_once(tmp_path, monkeypatch, unprobed, capsys):
    train, asked = trainer.train, []

    def often(runs, *arguments, **options):
        return train(runs, *arguments, **options | {"checkpoint_seconds": 0.0})

    def full(self, name, state):
        asked.append(name)
        raise InputError("cannot write it (the disk is full)")

    monkeypatch.setattr(trainer, "train", often)
    monkeypatch.setattr(Store, "write_checkpoint", full)
    store = Store(tmp_path)
    launch(WIDE[:2], device="cpu", workers=1, store=store).raise_if_incomplete()
    assert len(asked) > 2 and len(store.records()) == 2
    assert capsys.readouterr().out.count("no checkpoint is kept") == 1


@pytest.mark.parametrize("damage", ["another's", "of an older version"])
def test_a_checkpoint_of_something_else_is_trained_over(tmp_path, monkeypatch, unprobed, damage):
    [run], states = WIDE[:1], []
    here(Store(tmp_path / "whole"), [run]).raise_if_incomplete()
    data = load("dots")
    other = dataclasses.replace(run, learning_rate=0.01) if damage == "another's" else run
    with pytest.raises(DeadlineError):
        trainer.train([other], data, save_checkpoint=states.append, deadline=0.0)
    [state] = states
    if damage == "of an older version":
        rest = json.loads(state["rest"].tobytes())
        del rest["backwards"]
        state["rest"] = np.frombuffer(json.dumps(rest).encode(), np.uint8)
    store = Store(tmp_path / "damaged")
    store.write_checkpoint(cohort_name([run], data.fingerprint), state)
    here(store, [run]).raise_if_incomplete()
    assert rows(store) == rows(Store(tmp_path / "whole"))


def test_a_start_of_another_key_is_none_and_one_of_other_code_is_removed(tmp_path, unprobed):
    store, run = Store(tmp_path), RUNS[0]
    fingerprint = load("dots").fingerprint
    here(store, [run]).raise_if_incomplete()
    own = store._start(run.start, fingerprint)
    other = RUNS[1].start
    store._start(other, fingerprint).write_bytes(own.read_bytes())
    assert store.read_start(run.start, fingerprint) is not None and store.read_start(other, fingerprint) is None

    start = store.read_start(run.start, fingerprint)
    renamed = {f"{name}_": array for name, array in start.state.items()}
    store.write_start(run.start, fingerprint, dataclasses.replace(start, state=renamed))
    store.path(run).unlink()
    [(_, told)] = here(store, [run]).failed
    assert "is of other code, and was removed: run the same again" in told and not own.exists()
    here(store, [run]).raise_if_incomplete()


def test_checkpoints_know_the_start_that_they_go_on_from():
    data, run, states = load("dots"), RUNS[0], []
    starts = trainer.pretrain([run.start], data)
    with pytest.raises(DeadlineError):
        trainer.train([run], data, starts=starts, save_checkpoint=states.append, deadline=0.0)
    others = trainer.pretrain([dataclasses.replace(run.start, seed=7)], data)
    with pytest.raises(StateMismatchError, match="of another run, start or version"):
        trainer.train([run], data, starts=others, checkpoint=states[0])


def test_what_another_launch_is_doing_is_waited_for_and_found(tmp_path, unprobed):
    store, elsewhere = Store(tmp_path / "one"), Store(tmp_path / "other")
    here(elsewhere, WIDE[:1]).raise_if_incomplete()
    other = Claims(store.root / "claims")
    assert other.take(WIDE[:2])

    def end():
        store.path(WIDE[0]).write_bytes(elsewhere.path(WIDE[0]).read_bytes())
        other.release(WIDE[:2])  # the second one was not done

    store.path(WIDE[0]).parent.mkdir(parents=True)
    timer = threading.Timer(3.0, end)
    timer.start()
    report = here(store, WIDE)
    timer.join()
    assert (report.found, report.computed, report.missing, report.failed) == (1, 2, 0, ())
    assert not list((store.root / "claims").iterdir())


def test_what_another_launch_is_doing_is_left_when_the_time_is_over(tmp_path, unprobed):
    store = Store(tmp_path)
    with Claims(store.root / "claims") as other:
        assert other.take(WIDE[:1])
        report = here(store, WIDE[:1], time_limit=2)
        assert (report.computed, report.missing) == (0, 1)


def test_a_dead_process_holds_no_claim(tmp_path):
    code = (
        "import sys, time; from hardsample.config import Run; from hardsample.runs.claims import Claims;"
        "c = Claims(__import__('pathlib').Path(sys.argv[1])); print(c.take([Run('dots', 'MB', 0)]), flush=True);"
        "time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "True\n"
    with Claims(tmp_path) as claims:
        assert not claims.take([Run("dots", "MB", 1), Run("dots", "MB", 0)])
        other.kill()
        other.communicate()
        assert claims.take([Run("dots", "MB", 1), Run("dots", "MB", 0)]) and len(list(tmp_path.iterdir())) == 2
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_locked_everything_can_be_claimed(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        assert one.take(WIDE) and other.take(WIDE)


def test_timing_ends_with_its_share_of_the_time(monkeypatch):
    calls = []
    sizes = {data_choice(run): 160 for run in WIDE}

    def call(function, cohort, source, device, wanted, seconds):
        calls.append(seconds)
        return 4.0

    arguments = (WIDE, [], {"dots": "dots"}, sizes, "cpu", call)
    assert [job.seconds for job in prepare.estimated_jobs(*arguments, time.time() + 60)] == [4.0, 4.0, 4.0]
    assert 0 < calls[0] <= 6.0
    prepare.estimated_jobs(*arguments)
    assert 6.0 < calls[1] <= prepare.PROBING
    assert all(job.seconds > 0 for job in prepare.estimated_jobs(*arguments, time.time())) and len(calls) == 2


@pytest.mark.parametrize(("within", "sizes"), [(0.0, [8]), (1000.0, [8, 16])])
def test_an_estimate_begins_with_a_few_images_and_ends_there_if_time_is_short(monkeypatch, within, sizes):
    made, agreed_step = [], updates.agreed_step

    def noting(runs, *arguments, **options):
        made.append(runs[0].batch_size)
        return agreed_step(runs, *arguments, **options)

    monkeypatch.setattr(updates, "agreed_step", noting)
    assert updates.estimate(WIDE[0], load("dots"), within=within) > 0
    assert made == sizes


def start_scheduler(port):
    code = "import sys; from distributed.cli.dask_scheduler import main; main()"
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    return subprocess.Popen(
        [sys.executable, "-c", code, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["count_workers", "call", "do"])
@pytest.mark.parametrize("found_again", [False, True])
def test_a_scheduler_that_is_lost_ends_a_launch_with_a_sentence(tmp_path, monkeypatch, unprobed, moment, found_again):
    """Before its first run, or while it has one to do; be there another one at its address in a moment or not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [start_scheduler(port)]

    def lose():
        started[-1].kill()
        started[-1].wait()
        if found_again:
            started.append(start_scheduler(port))

    watched = "count_workers" if moment == "count_workers" else "_wait"
    original = getattr(cluster.Cluster, watched)

    def losing(self, *arguments):
        if len(lost) < 1:
            lost.append(lose())
        return original(self, *arguments)

    lost = []
    monkeypatch.setattr(cluster.Cluster, watched, losing)
    if moment == "do":
        monkeypatch.setattr(cluster.Cluster, "call", lambda self, function, *arguments: function(*arguments))
    try:
        assert until(lambda: listens(port), 120)
        began = time.monotonic()
        told = "the Dask scheduler is gone; the runs that had ended are stored"
        if found_again and moment == "count_workers":  # nothing had been asked of the first one: it goes on
            told = "still has no worker"
        address = f"tcp://127.0.0.1:{port}"
        with pytest.raises(InputError, match=told):
            launch(RUNS, device="cpu", scheduler=address, store=Store(tmp_path), time_limit=15, quiet=True)
        assert lost and time.monotonic() - began < 60
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_an_address_with_tls_wants_certificates_and_is_passed_on(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="wants certificates: name them in Dask's configuration"):
        launch(RUNS, scheduler="tls://127.0.0.1:9", store=Store(tmp_path), quiet=True)
    asked = []

    def client(address, **_):
        asked.append(address)
        raise OSError

    monkeypatch.setattr(distributed, "Client", client)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        launch(RUNS, scheduler="tls://127.0.0.1:9", store=Store(tmp_path), quiet=True)
    assert asked == ["tls://127.0.0.1:9"]


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
    changed = seals.unsealed(path.read_bytes()).replace(fingerprint.encode(), b"f" * 16)
    path.write_bytes(seals.sealed(changed))
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
