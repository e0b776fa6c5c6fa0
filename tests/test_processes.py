"""Processes beside this one: what they return, that one is replaced when it dies, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from calls import Shy, about, die_once, fail

from hardsample.errors import InputError
from hardsample.processes import TRIES, DiedError, Pool

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc"), reason="finds processes in /proc")


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def results(pool, wanted):
    """The results of all calls that were begun, by their names."""
    found = {}
    assert until(lambda: found.update(pool.ended(1.0)) or len(found) == wanted, 120)
    return found


def test_calls_return_and_raise_as_they_would_here(tmp_path):
    with Pool([{"HARDSAMPLE_PLACE": "one"}, {}]) as pool:
        assert len(pool) == pool.free == 2
        pool.begin("first", about, "HARDSAMPLE_PLACE")
        pool.begin("second", about, "HARDSAMPLE_PLACE")
        assert pool.free == 0
        assert results(pool, 2) == {"first": ("one", False), "second": (None, False)} and pool.free == 2
        pool.begin("bad", fail, InputError, "no such thing.")
        pool.begin("shy", fail, Shy, 1, 2)
        raised = results(pool, 2)
        assert type(raised["bad"]) is InputError and "in fail" in raised["bad"].__notes__[0]
        assert type(raised["shy"]) is RuntimeError and "Shy: 1 and 2" in str(raised["shy"])
        assert "HARDSAMPLE_PLACE" not in os.environ and pool.ended(0.0) == []


def test_a_call_whose_process_dies_is_done_again_but_not_for_ever(tmp_path):
    with Pool([{}]) as pool:
        pool.begin("killed once", die_once, tmp_path / "killed")
        assert results(pool, 1) == {"killed once": "alive"}
        pool.begin("always", os._exit, 1)
        died = results(pool, 1)["always"]
        assert isinstance(died, DiedError) and "its process died" in str(died) and TRIES > 1
        pool.begin("next", len, "abc")
        assert results(pool, 1) == {"next": 3}


# Calls that never end; its children know, by a variable of their own, whose they are.
SLEEPER = """
import signal, sys, time
from hardsample.processes import Pool
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
if __name__ == "__main__":
    with Pool([{}, {}]) as pool:
        pool.begin(1, time.sleep, 600)
        pool.begin(2, time.sleep, 600)
        print("begun", flush=True)
        pool.ended(600)
"""

# Notebooks that never end, drawn by the command line, in a kernel each.
DRAWER = """
import os, pathlib, signal, sys
from hardsample import cli, paths
signal.signal(signal.SIGINT, signal.default_int_handler)
paths.notebooks_dir = lambda: pathlib.Path(os.environ["NOTEBOOKS"])
if __name__ == "__main__":
    sys.exit(cli.main(["figures", "--figure", "hard-samples", "--profile", "smoke"]))
"""
ABOUT = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
PARAMETERS = "profile: str = 'smoke'\ncompute: bool = False"


# A comparison whose trainings never end, but for the first, which is done in the driver.
COMPARER = """
import os, pathlib, time, torch, hardsample
from torch import nn

begun = pathlib.Path(os.environ["HARDSAMPLE_LAB"]) / "begun"
parent = os.getpid()

def make_model():
    if os.getpid() != parent:
        (begun / str(os.getpid())).touch()
        time.sleep(600)
    return nn.Linear(3, 2)

x, y = torch.randn(16, 3), torch.arange(16) % 2
hardsample.compare(make_model, (x, y), (x, y), seeds=3, epochs=1, batch_size=8, workers=2,
                   methods=["shuffled", "uniform"])
"""


@pytest.fixture
def start(tmp_path):
    """Starts a driver of that code, in whose environment and its children's the test's folder stands."""
    started = []

    def starting(code):
        script = tmp_path / "driver.py"
        script.write_text(code)
        started.append(
            subprocess.Popen(
                [sys.executable, script],
                env=os.environ | {"NOTEBOOKS": str(tmp_path / "notebooks"), "HARDSAMPLE_LAB": str(tmp_path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return started[0]

    yield starting
    for process in started:
        process.kill()
        process.communicate()


def sleeper(start):
    process = start(SLEEPER)
    assert process.stdout.readline() == "begun\n"
    return process


def drawer(start, folder):
    """A process that draws, once two of its notebooks have begun."""
    from hardsample.commands import drawing
    from hardsample.experiments import registry

    begun = folder / "begun"
    begun.mkdir()
    code = f"import os, time; open({str(begun)!r} + f'/{{os.getpid()}}', 'x').close(); time.sleep(600)"
    cells = [
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code),
    ]
    for name in registry.names():
        path = folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=ABOUT), path)
    process = start(DRAWER)
    width = min(drawing.SIDE_BY_SIDE, os.cpu_count())
    until(lambda: len(list(begun.iterdir())) == width or process.poll() is not None, 300)
    assert len(list(begun.iterdir())) == width and len(alive(folder)) >= 1 + 2 * width
    return process


def alive(folder):
    """The living processes whose environment names the folder, by /proc."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            state = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()[0]
            if state != "Z" and f"HARDSAMPLE_LAB={folder}\0" in open(f"/proc/{entry}/environ").read():
                found.append(int(entry))
        except OSError:
            continue
    return found


@needs_proc
def test_a_killed_driver_leaves_no_process(start, tmp_path):
    sleeper(start).kill()
    assert until(lambda: not alive(tmp_path), 60), alive(tmp_path)


@needs_proc
def test_ctrl_c_ends_what_is_being_done(start, tmp_path):
    driver = sleeper(start)
    os.killpg(driver.pid, signal.SIGINT)
    shown = driver.communicate(timeout=60)[0]
    assert driver.returncode != 0 and shown.count("Traceback") == 1 and "KeyboardInterrupt" in shown, shown
    assert until(lambda: not alive(tmp_path), 60), alive(tmp_path)


@needs_proc
def test_ctrl_c_again_and_again_hangs_nothing(start, tmp_path):
    driver = sleeper(start)
    assert until(lambda: os.killpg(driver.pid, signal.SIGINT) or driver.poll() is not None, 60)
    assert until(lambda: not alive(tmp_path), 60), alive(tmp_path)


@pytest.mark.slow
@needs_proc
def test_a_killed_driver_leaves_nothing_that_draws_and_no_kernel(start, tmp_path):
    drawer(start, tmp_path).kill()
    assert until(lambda: not alive(tmp_path), 60), alive(tmp_path)


@pytest.mark.slow
@needs_proc
def test_ctrl_c_while_figures_are_drawn_ends_all_in_seconds(start, tmp_path):
    driver = drawer(start, tmp_path)
    os.killpg(driver.pid, signal.SIGINT)
    shown = driver.communicate(timeout=60)[0]
    assert driver.returncode == 130 and "interrupted" in shown and "Traceback" not in shown, shown
    assert until(lambda: not alive(tmp_path), 60), alive(tmp_path)


@pytest.mark.slow
@needs_proc
def test_a_killed_comparison_leaves_no_worker(start, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    driver = start(COMPARER)
    until(lambda: len(list(begun.iterdir())) == 2 or driver.poll() is not None, 300)
    assert driver.poll() is None, driver.communicate()[0]
    assert len(list(begun.iterdir())) == 2 and len(alive(tmp_path)) >= 3
    driver.kill()
    assert until(lambda: not alive(tmp_path), 60), alive(tmp_path)
