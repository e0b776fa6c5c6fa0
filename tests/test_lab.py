"""`make lab` works on copies: git stays clean, links lead where they led, and what a reader wrote is kept."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from committed import changed, checkout_of
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output

from hardsample import notebooks, paths
from hardsample.commands import lab


@pytest.fixture
def originals(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    for name in ("a", "b/c"):
        path = folder / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(new_notebook(cells=[new_code_cell("x = 1")])))
    monkeypatch.setattr(paths, "notebooks_dir", lambda: folder)
    return folder


def written(path: Path, source: str, outputs=()) -> None:
    """What a reader makes of a notebook, keeping its metadata."""
    book = nbformat.read(path, as_version=4)
    book.cells[0].source, book.cells[0].outputs = source, list(outputs)
    path.write_text(nbformat.writes(book))


def source(path: Path) -> str:
    return nbformat.read(path, as_version=4).cells[0].source


def test_a_second_time_nothing_is_copied(originals, tmp_path):
    assert lab.copy(originals, tmp_path / "lab")[0].endswith("2 new.")
    before = {path: path.read_bytes() for path in (tmp_path / "lab").rglob("*.ipynb")}
    assert len(before) == 2 and lab.copy(originals, tmp_path / "lab")[0].endswith("0 new.")
    assert {path: path.read_bytes() for path in before} == before


def test_what_was_edited_is_kept_and_named_and_what_was_only_run_is_brought_up_to_date(originals, tmp_path):
    folder = tmp_path / "lab"
    lab.copy(originals, folder)
    written(folder / "a.ipynb", "x = 1", [new_output("stream", text="run")])
    written(folder / "b" / "c.ipynb", "x = 'mine'")
    assert len(lab.copy(originals, folder)) == 1  # nothing newer is there: nothing is said
    for name in ("a", "b/c"):
        written(originals / f"{name}.ipynb", "x = 2")
    said = lab.copy(originals, folder)
    assert said[0].endswith("1 new.") and said[1].startswith("kept") and said[1].endswith(": b/c")
    assert source(folder / "a.ipynb") == "x = 2" and source(folder / "b" / "c.ipynb") == "x = 'mine'"
    (folder / "b" / "c.ipynb").unlink()
    assert len(lab.copy(originals, folder)) == 1 and source(folder / "b" / "c.ipynb") == "x = 2"


@pytest.mark.parametrize("content", ["no notebook", "[]", "{}", '{"cells": [1]}'])
def test_a_file_that_is_no_notebook_is_kept(content, originals, tmp_path):
    path = tmp_path / "lab" / "a.ipynb"
    path.parent.mkdir()
    path.write_text(content)
    assert lab.copy(originals, tmp_path / "lab")[1].endswith(": a") and path.read_text() == content


def test_git_stays_clean_and_links_lead_where_they_led(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    checkout = checkout_of(paths.project_root(), tmp_path / "checkout")
    lab.copy(paths.notebooks_dir(), checkout / "lab")
    for name in notebooks.names():
        book = nbformat.read(checkout / "lab" / f"{name}.ipynb", as_version=4)
        prose = "".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
        links = re.findall(r"\]\((?!\w+:)([^)#\s]+)", prose)
        assert [link for link in links if not (checkout / "lab" / name).parent.joinpath(link).is_file()] == []
    path = checkout / "lab" / "hard-samples" / "figure-2.ipynb"
    book = nbformat.read(path, as_version=4)
    [knobs] = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    knobs.source += "\nn_batches = 10"
    environment = {"HARDSAMPLE_FIGURES": str(checkout / "figures"), "PYTHONPATH": str(paths.project_root())}
    code = f"import os; os.environ.update({environment})"
    book.cells.insert(0, new_code_cell(code))
    NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    path.write_text(nbformat.writes(book))
    assert (checkout / "figures" / "hard-samples" / "changed" / "N10-E100" / "figure-2.png").is_file()
    assert changed(checkout) == ""


def test_where_there_are_no_notebooks_it_says_so(tmp_path, monkeypatch, capsys):
    from hardsample.cli import main

    monkeypatch.setattr(paths, "notebooks_dir", lambda: tmp_path / "notebooks")
    assert main(["lab"]) == 2 and "go to a checkout" in capsys.readouterr().err


def test_it_names_what_it_does_and_takes_jupyter_s_options(originals, tmp_path, monkeypatch, capsys):
    from hardsample.cli import main

    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    started = []
    monkeypatch.setattr(lab.os, "execv", lambda *command: started.append(command))
    main(["lab", "--", "--no-browser"])
    assert "2 new" in capsys.readouterr().out
    [(python, command)] = started
    assert python == sys.executable and command[1:3] == ["-m", "jupyterlab"] and command[-1] == "--no-browser"
    assert f"--ServerApp.root_dir={tmp_path}" in command and any("lab/00-tutorial.ipynb" in part for part in command)
