"""What every test stands on: its own folders, one thread, repeatable examples, GPU tests only where there is one."""

import os
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for every child process

import pytest
import torch
from committed import store_of_committed
from hypothesis import settings

from hardsample import paths
from hardsample.runs.store import Store

torch.set_num_threads(1)
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test reads or writes the checkout's runs, figures and report."""
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HARDSAMPLE_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("HARDSAMPLE_REPORT", str(tmp_path / "report"))


@pytest.fixture(scope="session")
def committed(tmp_path_factory) -> Store:
    """The committed runs alone, since a reader trains others beside them."""
    return store_of_committed(paths.project_root(), tmp_path_factory.mktemp("committed"))


def pytest_addoption(parser):
    parser.addoption("--minutes", type=float, help="skip the tests that have not begun after so many minutes")


def pytest_configure(config):
    config.began = time.monotonic()


def pytest_runtest_setup(item):
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - item.config.began > 60 * minutes:
        pytest.skip("the minutes are over")
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
