"""Folders follow their variable; a file is whole or absent, whatever happens while it is written."""

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hardsample import paths
from hardsample.errors import InputError

FOLDERS = {"data": paths.data_dir, "runs": paths.runs_dir, "figures": paths.figures_dir}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_project_root_is_the_checkout():
    assert (paths.project_root() / "pyproject.toml").is_file()
    assert paths.notebooks_dir() == paths.project_root() / "notebooks"


def test_installed_without_a_checkout_the_current_folder_is_the_root(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages" / "hardsample" / "paths.py"))
    monkeypatch.chdir(tmp_path)
    assert paths.project_root() == tmp_path


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_follow_their_variable(name, tmp_path, monkeypatch):
    variable = f"HARDSAMPLE_{name.upper()}"
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert FOLDERS[name]() == tmp_path / "elsewhere"
    monkeypatch.delenv(variable)
    assert FOLDERS[name]() == paths.project_root() / name
    monkeypatch.setenv(variable, "")
    assert FOLDERS[name]() == paths.project_root() / name


def test_a_relative_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDSAMPLE_RUNS", "mine")
    assert paths.runs_dir() == tmp_path / "mine"


def test_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "file.json"
    paths.write_atomically(path, b"first")
    paths.write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["file.json"]


def test_first_writer_wins_without_overwrite(tmp_path):
    path = tmp_path / "file.json"
    paths.write_atomically(path, b"first", overwrite=False)
    paths.write_atomically(path, b"second", overwrite=False)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["file.json"]


def test_file_and_folder_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    paths.write_atomically(tmp_path / "file.json", b"x")
    assert len(synced) == 2 and synced[0].endswith(".tmp") and synced[1] == str(tmp_path)


@pytest.mark.parametrize("overwrite", [True, False])
def test_full_disk_leaves_the_old_file_and_nothing_else(overwrite, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write file\.json in .* \(the disk is full\)"):
        paths.write_atomically(path, b"new", overwrite=overwrite)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.json"]


def test_a_write_cut_short_leaves_nothing(tmp_path):
    code = (
        "import resource, sys, pathlib; from hardsample import paths\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "paths.write_atomically(pathlib.Path(sys.argv[1]), bytes(5000))"
    )
    child = subprocess.run([sys.executable, "-c", code, tmp_path / "file.json"], capture_output=True, text=True)
    assert child.returncode == 1 and "InputError: cannot write file.json" in child.stderr
    assert names(tmp_path) == []


def test_a_kill_leaves_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "file.json"
    code = (
        "import os, signal, sys, pathlib; from hardsample import paths\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "paths.write_atomically(pathlib.Path(sys.argv[1]), b'new')"
    )
    path.write_bytes(b"old")
    child = subprocess.run([sys.executable, "-c", code, path], capture_output=True)
    assert child.returncode == -9
    assert path.read_bytes() == b"old"


@pytest.fixture(params=["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])
def without_links(request, monkeypatch):
    """A file system without hard links, such as exFAT."""
    asked = []

    def refuse(source, target):
        asked.append(target)
        raise OSError(getattr(errno, request.param), "no links here")

    monkeypatch.setattr(os, "link", refuse)
    return asked


def test_without_links_the_first_writer_wins_too(tmp_path, without_links):
    path = tmp_path / "file.json"
    for content in (b"first", b"second"):
        paths.write_atomically(path, content, overwrite=False)
        assert path.read_bytes() == b"first" and names(tmp_path) == ["file.json"]


def test_what_is_probed_is_what_is_used(tmp_path, without_links, monkeypatch):
    paths.check_writable(tmp_path)
    assert without_links and names(tmp_path) == []
    monkeypatch.setattr(os, "replace", no_links)
    with pytest.raises(InputError, match="no links here"):
        paths.check_writable(tmp_path)


def no_links(*_):
    raise OSError(errno.EPERM, "no links here")


def test_without_links_many_writers_leave_one_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    contents = [bytes([number]) * 10_000 for number in range(8)]
    replaced, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (replaced.append(names), replace(*names)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: paths.write_atomically(tmp_path / "file", content, overwrite=False), contents))
    assert (tmp_path / "file").read_bytes() in contents and names(tmp_path) == ["file"] and len(replaced) == 1


@pytest.mark.parametrize("moment", ["replace", "close"])
def test_without_links_a_kill_leaves_nothing_and_the_next_writer_goes_on(moment, tmp_path, monkeypatch):
    code = (
        "import errno, os, signal, sys, pathlib; from hardsample import paths\n"
        "def refuse(*_): raise OSError(errno.EPERM, 'no links here')\n"
        "os.link = refuse\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "paths.write_atomically(pathlib.Path(sys.argv[1]), b'killed', overwrite=False)"
    )
    path = tmp_path / "file.json"
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -9
    left = names(tmp_path)
    assert not path.exists() and len(left) == 2  # the whole file and the claim, which `hardsample clean` knows
    assert [found.name for found in paths.half_written(tmp_path)] == left
    monkeypatch.setattr(paths, "_PATIENCE", 0.05)
    monkeypatch.setattr(os, "link", no_links)
    paths.write_atomically(path, b"next", overwrite=False)
    assert path.read_bytes() == b"next" and len(names(tmp_path)) == 2


@pytest.mark.parametrize("reason", ["EINVAL", "ENOTSUP", "EBADF", "EISDIR"])
def test_a_folder_that_cannot_be_synced_is_no_reason_to_lose_a_file(reason, tmp_path, monkeypatch):
    sync = os.fsync

    def of_files_alone(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(getattr(errno, reason), "no folders")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_alone)
    paths.write_atomically(tmp_path / "file.json", b"x")
    assert names(tmp_path) == ["file.json"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path):
    (tmp_path / "runs").write_bytes(b"")
    with pytest.raises(InputError, match="a file stands where a folder is needed"):
        paths.write_atomically(tmp_path / "runs" / "file.json", b"x")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write")
def test_a_folder_nobody_can_write_is_told():
    with pytest.raises(InputError, match="cannot write file.json in /proc"):
        paths.write_atomically(Path("/proc/file.json"), b"x")


def test_check_writable_leaves_no_trace(tmp_path):
    paths.check_writable(tmp_path)
    assert names(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="a file stands where a folder is needed"):
        paths.check_writable(tmp_path / "file")
