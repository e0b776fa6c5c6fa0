"""What a record says of its making: where and with what, the source where there is no commit, and nobody's name."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from hardsample import paths
from hardsample.config import Run
from hardsample.runs import provenance
from hardsample.runs.launch import launch
from hardsample.runs.store import Store
from hardsample.training.results import COLUMNS, TrainingResult

RUN = Run("glyphs", "MB", 1)


def outcome():
    return TrainingResult(COLUMNS, (), {"train": 1.5, "evaluate": 0.5}, None)


def test_provenance_says_where_and_with_what_but_not_who():
    data = SimpleNamespace(name="glyphs", fingerprint="0" * 16, stand_in=True, classes=tuple("abc"))
    values = provenance.provenance(RUN, data, "cpu", outcome(), pretrain=3.0, wall=9.0, cohort=1)
    assert json.loads(json.dumps(values)) == values
    assert values["seconds"] == {"train": 1.5, "evaluate": 0.5, "pretrain": 3.0, "wall": 9.0}
    assert values["data"] == {"name": "glyphs", "fingerprint": "0" * 16, "stand_in": True, "classes": 3}
    assert set(values["versions"]) == {"python", "torch", "numpy", "numba", "torchvision", "hardsample"}
    assert values["device"] and values["threads"] == 1 and values["finished"].endswith("+00:00")
    assert os.uname().nodename not in json.dumps(values) and "/" not in values["platform"]


def test_provenance_says_how_a_run_was_computed(monkeypatch):
    data = SimpleNamespace(name="glyphs", fingerprint="0" * 16, stand_in=True, classes=tuple("abc"))
    how = {"way": "fused", "captured": True, "arithmetic": "bf16"}
    about = provenance.provenance(
        RUN, data, "cpu", dataclasses.replace(outcome(), computed=how), pretrain=0.0, wall=1.0, cohort=1
    )
    assert {name: about[name] for name in how} == how
    assert not about.keys() & {"cuda", "cudnn", "driver"}
    monkeypatch.setattr(provenance, "device_name", lambda device: "a GPU")
    about = provenance.provenance(RUN, data, "cuda", outcome(), pretrain=0.0, wall=1.0, cohort=12)
    assert {"cuda", "cudnn", "driver"} <= about.keys() and about["device"] == "a GPU"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of one file in the package's place, and what git says of it asked anew."""
    package = tmp_path / "hardsample"
    package.mkdir()
    (package / "module.py").write_text("1\n")
    own = ("-c", "user.name=reader", "-c", "user.email=reader@example.org", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "-A"), (*own, "commit", "-qm", "as it is")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(paths, "package_dir", lambda: package)
    monkeypatch.setattr(provenance, "commit", provenance.commit.__wrapped__)
    return package


def test_a_commit_is_told_in_a_checkout_of_another_owner(checkout, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True)
    assert "dubious ownership" in asked.stderr
    assert re.fullmatch("[0-9a-f]{40}", provenance.commit()) and provenance.doubt() == ""


def test_a_changed_checkout_and_a_commit_that_git_does_not_tell_are_said(checkout, monkeypatch, capsys):
    (checkout / "module.py").write_text("2\n")
    assert provenance.commit().endswith("-dirty") and "differs from commit" in provenance.doubt()
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() == "unknown" and "git does not tell the commit" in provenance.doubt()
    shutil.rmtree(checkout.parent / ".git")
    assert provenance.commit() == "unknown" and provenance.doubt() == ""  # installed without a checkout


def test_a_launch_says_once_that_the_commit_is_doubtful(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(provenance, "doubt", lambda: "The commit is doubtful.")
    small = {
        "train_examples": 32,
        "test_examples": 16,
        "epochs": 1.0,
        "batch_size": 16,
        "network": "narrow-letters-cnn",
    }
    runs = [Run("easy-letters", "MB", seed, **small) for seed in (1, 2)]
    launch(runs, store=Store(tmp_path), workers=1)
    launch(runs, store=Store(tmp_path), workers=1)
    assert capsys.readouterr().out.count("The commit is doubtful.") == 1


def test_the_source_has_a_hash_where_there_is_no_commit(tmp_path, monkeypatch):
    package = tmp_path / "hardsample"
    shutil.copytree(paths.package_dir(), package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(paths, "package_dir", lambda: package)
    assert provenance.commit.__wrapped__() == "unknown"
    as_here = provenance.source_hash.__wrapped__()
    assert as_here == provenance.source_hash() and len(as_here) == 16
    (package / "trees.py").write_text("changed")
    assert provenance.source_hash.__wrapped__() != as_here


def test_sources_have_a_hash_that_any_change_changes(tmp_path, monkeypatch):
    for name, text in (("a.py", "x"), ("sub/b.py", "y"), ("data.csv", "z")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(paths, "package_dir", lambda: tmp_path)
    found = []
    for name, text in (("data.csv", "other"), ("a.py", "X"), ("sub/b.py", ""), ("c.py", "")):
        found.append(provenance.source_hash.__wrapped__())
        (tmp_path / name).write_text(text)
    found.append(provenance.source_hash.__wrapped__())
    assert found[0] == found[1] and len(set(found[1:])) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in found)
