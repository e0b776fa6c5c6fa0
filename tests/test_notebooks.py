"""Notebooks: the wrapper is strict and leaves nothing half-written; every notebook of the project runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
from committed import tracked
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hardsample import notebooks, paths, statistics
from hardsample.errors import InputError
from hardsample.report import found

PROJECT = (
    "00-tutorial",
    "01-your-own-training",
    "02-on-your-own",
    "base-values/choices",
    "base-values/draws",
    "base-values/figure-1",
    "base-values/figure-2",
    "base-values/figure-3",
    "base-values/figure-4",
    "base-values/lasting",
    "base-values/lb-readings",
    "base-values/measures",
    "base-values/staleness",
    "base-values/where",
    "hard-samples/audit",
    "hard-samples/causes",
    "hard-samples/controls",
    "hard-samples/convergence",
    *(f"hard-samples/figure-{number}" for number in range(1, 6)),
    "hard-samples/spread",
    *(f"hard-samples/table-{number}" for number in range(1, 7)),
    "rivals/images",
    "rivals/letters",
)
KINDS = (  # of one kind are notebooks whose code differs in the name alone: the first of each runs in the quick tier
    tuple(f"base-values/figure-{number}" for number in range(1, 5)),
    tuple(f"hard-samples/figure-{number}" for number in range(3, 6)),
    tuple(f"hard-samples/table-{number}" for number in range(3, 6)),
    ("rivals/letters", "rivals/images"),
)
QUICK = ("base-values/figure-1", "hard-samples/figure-2")  # the other kinds run there without computing, below
TABLES = (
    *("hard-samples/audit", "hard-samples/spread", "hard-samples/convergence"),
    *(f"hard-samples/table-{number}" for number in range(1, 7)),
)
STUDIES = (  # one table each
    *(f"base-values/{name}" for name in ("lb-readings", "choices", "staleness", "where")),
    "hard-samples/causes",
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MB_IS_USUAL = SimpleNamespace(baseline="MB")
KERNELSPEC = {"name": "some-other-kernel", "display_name": "Other", "language": "python"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A notebooks folder with one notebook, whose metadata ask for a kernel that does not exist."""
    folder = tmp_path / "notebooks"
    parameters = 'word: str = "quick"\ncount: int = 0\nrate: float = 0.5'
    body = (
        "import sys, os\nassert count >= 0, 'count is negative'\nprint(word, count, rate, sys.executable, os.getcwd())"
    )
    book = new_notebook(
        cells=[new_code_cell(parameters, metadata={"tags": ["parameters"]}), new_code_cell(body)],
        metadata={"kernelspec": KERNELSPEC},
    )
    (folder / "paper").mkdir(parents=True)
    (folder / "paper" / "figure.ipynb").write_text(nbformat.writes(book))
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "figure-checkpoint.ipynb").write_text(nbformat.writes(book))
    monkeypatch.setattr(paths, "notebooks_dir", lambda: folder)
    return folder


def printed(path):
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells if cell.cell_type == "code" for output in cell.outputs)


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_names_are_paths_without_checkpoints(folder):
    assert notebooks.names() == ("paper/figure",)


@pytest.mark.slow
def test_run_uses_this_interpreter_and_the_parameters(folder, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    environment = dict(os.environ)
    output = notebooks.run("paper/figure", {"word": "mine", "count": np.int64(3), "rate": 1})
    assert dict(os.environ) == environment
    assert output == paths.runs_dir() / "notebooks" / "paper" / "figure.ipynb"
    assert printed(output).split() == ["mine", "3", "1", sys.executable, str(elsewhere)]
    assert not files(elsewhere)


@pytest.mark.slow
def test_a_foreign_kernel_named_python3_is_not_used(folder, tmp_path, monkeypatch):
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "Broken", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert sys.executable in printed(notebooks.run("paper/figure", {}))


@pytest.mark.slow
def test_a_kernel_has_its_own_backend_and_runs_need_not_be_written_to(folder, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "bogus")
    book = nbformat.read(folder / "paper" / "figure.ipynb", as_version=4)
    book.cells[1].source = "import matplotlib, pathlib; pathlib.Path(word).touch()"
    (folder / "paper" / "figure.ipynb").write_text(nbformat.writes(book))
    paths.runs_dir().mkdir()
    (paths.runs_dir() / "notebooks").touch()  # where a folder would be made
    output = notebooks.run("paper/figure", {"word": str(folder / "done")})
    assert (folder / "done").exists() and not output.exists()
    with pytest.raises(InputError, match="a file stands where a folder is needed"):
        notebooks.run("paper/figure", {"word": "x"}, folder / "paper" / "figure.ipynb" / "copy.ipynb")


@pytest.mark.slow
def test_the_output_goes_where_it_is_wanted_and_the_source_stays(folder, tmp_path):
    before = (folder / "paper" / "figure.ipynb").read_bytes()
    output = notebooks.run("paper/figure", {"word": "here"}, tmp_path / "copy.ipynb")
    assert output == tmp_path / "copy.ipynb" and "here" in printed(output)
    assert (folder / "paper" / "figure.ipynb").read_bytes() == before


@pytest.mark.slow
def test_links_of_the_executed_copy_lead_where_the_notebook_s_lead(folder, tmp_path):
    path = folder / "paper" / "figure.ipynb"
    (folder / "picture.png").touch()
    book = nbformat.read(path, as_version=4)
    prose = "![](../picture.png) [page](../page.md#part) [site](https://example.org/x) [here](#part)"
    book.cells.insert(0, new_markdown_cell(prose))
    path.write_text(nbformat.writes(book))
    copy = nbformat.read(notebooks.run("paper/figure", {}, tmp_path / "deep" / "er" / "copy.ipynb"), as_version=4)
    assert "![](../../notebooks/picture.png) [page](../../notebooks/page.md#part)" in copy.cells[0].source
    assert "[site](https://example.org/x) [here](#part)" in copy.cells[0].source


@pytest.mark.slow
def test_a_failing_cell_is_shown_and_leaves_nothing(folder, tmp_path):
    before = files(tmp_path)
    with pytest.raises(RuntimeError) as failure:
        notebooks.run("paper/figure", {"count": -1}, tmp_path / "copy.ipynb")
    for words in ("paper/figure", "assert count >= 0", "AssertionError", "count is negative"):
        assert words in str(failure.value)
    assert files(tmp_path) == before


@pytest.mark.slow
def test_a_failing_cell_leaves_the_former_copy(folder, tmp_path):
    output = notebooks.run("paper/figure", {}, tmp_path / "copy.ipynb")
    before = output.read_bytes()
    with pytest.raises(RuntimeError):
        notebooks.run("paper/figure", {"count": -1}, output)
    assert output.read_bytes() == before


def test_an_unknown_notebook_is_refused(folder):
    with pytest.raises(InputError, match="unknown notebook 'figure'.*paper/figure"):
        notebooks.run("figure", {})


def test_an_unknown_parameter_is_refused(folder):
    with pytest.raises(InputError, match="unknown parameter of notebook paper/figure 'words'.*word, count, rate"):
        notebooks.run("paper/figure", {"words": "mine"})


@pytest.mark.parametrize(
    ("parameter", "value", "wanted"),
    [
        *(("count", "3", "int"), ("count", 3.0, "int"), ("count", True, "int"), ("count", None, "int")),
        *(("word", 3, "str"), ("word", ["a"], "str"), ("rate", "0.5", "float"), ("word", np.arange(2), "str")),
    ],
)
def test_a_mistyped_parameter_is_refused(folder, parameter, value, wanted):
    with pytest.raises(InputError, match=f"parameter {parameter} of notebook paper/figure .*give {wanted}"):
        notebooks.run("paper/figure", {parameter: value})


def test_paths_and_numpy_values_become_plain():
    declared = {name: {"inferred_type_name": kind} for name, kind in (("data", "str"), ("n", "int"), ("x", "float"))}
    plain = notebooks.checked("any", declared, {"data": Path("a/b.npz"), "n": np.int32(2), "x": np.float32(0.5)})
    assert plain == {"data": "a/b.npz", "n": 2, "x": 0.5}
    assert [type(value) for value in plain.values()] == [str, int, float]


def test_the_projects_notebooks():
    assert notebooks.names() == PROJECT


def test_the_projects_notebooks_hold_no_output():
    files = [str(paths.notebooks_dir() / f"{name}.ipynb") for name in PROJECT]
    subprocess.run([sys.executable, "-m", "nbstripout", "--verify", *files], check=True)


@pytest.mark.parametrize("name", [name for name in PROJECT if not name.startswith("hard-samples")])
def test_a_notebook_that_lists_letters_lists_those_of_nist(name):
    text = (paths.notebooks_dir() / f"{name}.ipynb").read_text()
    assert "emnist-letters" not in text or "sd19-letters" in text


@pytest.mark.parametrize("name", PROJECT)
def test_a_notebook_has_a_caption_and_one_parameters_cell(name):
    path = paths.notebooks_dir() / f"{name}.ipynb"
    book = nbformat.read(path, as_version=4)
    assert book.metadata.kernelspec.name == "python3"
    assert book.cells[0].cell_type == "markdown"
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in book.cells) == 1


def cells(name: str, kind: str) -> list[str]:
    book = nbformat.read(paths.notebooks_dir() / f"{name}.ipynb", as_version=4)
    return [cell.source for cell in book.cells if cell.cell_type == kind]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_notebooks_of_a_kind_differ_in_their_name_alone(kind):
    codes = [[code.replace(f'"{name}"', "NAME") for code in cells(name, "code")] for name in kind]
    assert len(codes[0]) > 3 and any("NAME" in code for code in codes[0])
    assert [name for name, code in zip(kind, codes, strict=True) if code != codes[0]] == []


def test_no_paragraph_stands_in_more_than_three_notebooks():
    where = {}
    for name in PROJECT:
        prose = [source for source in cells(name, "markdown") if not source.startswith(found.HEADING)]
        for paragraph in "\n\n".join(prose).split("\n\n"):
            if len(words := paragraph.split()) > 20:
                where.setdefault(" ".join(words), set()).add(name)
    assert len(where) > 50
    assert {paragraph: names for paragraph, names in where.items() if len(names) > 3} == {}


@pytest.mark.parametrize("name", PROJECT)
def test_links_of_a_notebook_resolve_and_its_committed_figure_is_shown(name):
    prose = "\n".join(cells(name, "markdown"))
    links = [link.split("#")[0] for link in LINK.findall(prose)]
    folder = (paths.notebooks_dir() / name).parent
    assert [link for link in links if not (folder / link).is_file()] == []
    pictures = re.compile(rf"figures/{Path(name).parent}/([^/]+/)?{Path(name).name}\.png")
    root = paths.project_root()
    committed = [root / file for file in tracked(root, "figures") if pictures.fullmatch(file)]
    shown = {(folder / link).resolve() for link in re.findall(r"!\[[^]]+\]\(([^)]+)\)", cells(name, "markdown")[0])}
    assert not committed or len(shown) == 1 and shown <= set(committed)


@pytest.mark.parametrize("name", [name for name in PROJECT if "profile" in notebooks.parameters(name) and "/" in name])
def test_a_notebook_of_runs_says_what_to_see_what_is_claimed_and_where_the_knobs_are(name):
    first, *others = cells(name, "markdown")
    assert "**What to see.**" in first and "docs/running.md#knobs" in first
    assert "**What the paper" in first.split("**What to see.**")[0] or "Six things it says" in first
    assert [other.split("\n")[0] for other in others][-1] in ("## What your runs show", "## What the measurement shows")


@pytest.mark.parametrize("name", PROJECT)
def test_a_notebook_says_what_was_found_as_computed_from_the_committed_tables(name):
    book = nbformat.read(paths.notebooks_dir() / f"{name}.ipynb", as_version=4)
    [told] = [cell for cell in book.cells if found.TAG in cell.metadata.get("tags", ())]
    assert told is book.cells[1], "it stands before the code"
    assert told.source == found.cell(name), "python -m hardsample.report.found writes it anew"


def test_what_was_found_is_of_the_figure_that_is_shown():
    for name in PROJECT:
        shown, told = cells(name, "markdown")[:2]
        pictures, tables = ({Path(link).parent for link in LINK.findall(text)} for text in (shown, told))
        assert not [folder for folder in pictures if "figures" in folder.parts] or pictures & tables, name


def test_what_somebody_drew_is_not_taken_for_what_is_shipped(tmp_path, monkeypatch):
    """`make reproduce` leaves trials in figures/, where git does not see them."""
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)
    for name in ("hard-samples/figure-4", "hard-samples/table-1", "base-values/figure-1"):
        (tmp_path / "figures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "figures" / f"{name}.csv").touch()
        assert found.committed(name) is None and found.NOTHING in found.cell(name)


def test_what_was_found_follows_its_table_and_names_what_was_not_run(tmp_path, monkeypatch):
    rows = pd.DataFrame(
        [
            ("a", "MB", 8, np.nan, np.nan, np.nan, np.nan),
            ("a", "PEB", 8, 0.02, 0.01, 0.03, 0.01),
            ("b", "PEB", 8, -0.02, -0.03, -0.01, 0.01),
            ("c", "PEB", 8, 0.01, -0.01, 0.03, 0.4),
            ("c", "LB", 0, np.nan, np.nan, np.nan, np.nan),
        ],
        columns=["panel", "method", "n", "difference", "difference_low", "difference_high", "p_holm"],
    ).assign(metric="acc/val", p=0.01)
    rows = pd.concat([rows, rows.assign(metric="loss/val")])
    folder = tmp_path / "figures" / "base-values" / "sd19-letters"
    folder.mkdir(parents=True)
    (folder / "figure-2.csv").touch()
    (folder / "figure-2-statistics.md").touch()
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path)

    def told(table):
        table.to_csv(folder / "figure-2-statistics.csv", index=False)
        return found.cell("base-values/figure-2")

    text = told(rows)
    counts = "significantly above in 1, significantly below in 1, inconclusive in 1 of 3 settings"
    assert f"**PEB against MB**: test accuracy {counts}; test loss {counts}." in text
    assert (
        "| b | PEB | -2.00 [-3.00, -1.00] | 0.01, significant | -0.020 [-0.030, -0.010] | 0.01, significant |" in text
    )
    assert "Not run: LB (c)." in text and "n = 8 seeds" in text
    few = told(rows.assign(n=rows.n.clip(upper=3), p_holm=np.nan))
    assert "**With 3 seeds no difference can be significant, whatever its size: 6 tests take 8.**" in few
    assert "significantly" not in few
    assert found.cell("base-values/figure-3") == f"{found.HEADING}\n\n{found.NOTHING}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in PROJECT]
)
def test_every_notebook_runs(name, shared, monkeypatch):
    monkeypatch.setenv("HARDSAMPLE_RUNS", str(shared / "runs"))
    monkeypatch.setenv("HARDSAMPLE_FIGURES", str(shared / "figures"))
    if "/" not in name:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # a reader's shell has none, and torchrun warns of it
    knobs = {"profile": "smoke", "seeds": 1, "workers": 1, "device": "cpu", "turns": 1, "passes": 1}
    output = notebooks.run(name, {knob: knobs[knob] for knob in notebooks.parameters(name) if knob in knobs})
    cells = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    images = [out for cell in cells for out in cell.outputs if "image/png" in out.get("data", {})]
    assert [out.text for cell in cells for out in cell.outputs if out.get("name") == "stderr"] == []  # a red box
    assert len(images) == 0 if name in TABLES else images
    if "/" not in name:  # they teach, and save nothing
        return
    ends = (".md", ".csv", ".tex") if name in TABLES else (".pdf", ".png", ".csv")
    if name not in (*TABLES, "hard-samples/figure-2", *STUDIES):
        assert len(images) == 1
        ends += ("-statistics.csv", "-statistics.md")
    written = {f"{Path(name).name}{end}" for end in ends}
    folder = shared / "figures" / Path(name).parent
    assert written <= {path.name for path in folder.iterdir()}
    assert all(str(folder) in line for line in printed(output).splitlines()[-len(ends) :])


def test_the_answer_is_no_stronger_than_the_interval():
    row = {"metric": "acc/val", "method": "PEB", "pairs": 10, "seeds_won": 8, "smallest": 0.004}
    row |= {"difference": 0.0129, "difference_low": 0.0111, "difference_high": 0.0147, "p_holm": 0.016}
    usual = dict.fromkeys(row, np.nan) | {"metric": "acc/val", "method": "MB"}

    def told(*rows):
        return found.answer(SimpleNamespace(frame=pd.DataFrame([usual, *rows]), curves=MB_IS_USUAL, tests=4))

    assert told(row).startswith(
        "- **PEB against MB: +1.29 [+1.11, +1.47] points of test accuracy, significant** (p = 0.01"
    )
    assert "would be 0.40 points" in told(row) and told(row).endswith("10 seeds, 8 of them won.")
    assert "inconclusive**" in told(row | {"p_holm": 0.3}) and "significant**" not in told(row | {"p_holm": 0.3})
    few = told(row | {"p_holm": np.nan, "smallest": np.nan, "pairs": 3})
    assert "With 3 seeds no difference can be significant" in few and "**" not in few
    assert "nothing to compare" in told()


def test_the_tutorial_begins_with_the_three_lines_and_ends_with_an_answer():
    codes = cells("00-tutorial", "code")
    loops = ["BaseValuesSampler(" in code and "sampler.update(index, losses)" in code for code in codes]
    own = next(at for at, code in enumerate(codes) if "library_methods.build(" in code)
    assert loops.index(True) < own and "found.answer(" in codes[-1]
    assert "taken_for[i]" in "".join(codes) and "sampler.values[i]" in "".join(codes)


def test_notebook_01_computes_its_verdict():
    cells = nbformat.read(paths.notebooks_dir() / "01-your-own-training.ipynb", as_version=4).cells
    (source,) = (cell.source for cell in cells if "def compare(" in cell.source)
    scope = {"statistics": statistics, "outcomes": None, "seeds": 0}
    exec(source.split("\n\n\n")[0], scope)

    def told(gains):
        scope["outcomes"] = pd.DataFrame({"shuffled": 0.5, "mine": 0.5 + np.array(gains)})
        scope["seeds"] = len(gains)
        return scope["compare"]("mine")

    lower = told([-0.01, -0.02, -0.03, -0.01, -0.02, -0.03])
    assert lower.startswith("mine - shuffled: -2.0 points (95 % interval -2.9 to -1.1), better for 0 of 6 seeds.")
    assert "Significant: p = 0.031" in lower and "not over test images" in lower
    assert "Inconclusive: p = 1" in told([-0.01, 0.01, -0.02, 0.02, -0.03, 0.03])
    for few in (1, 5):
        assert f"Inconclusive: of {few} seeds no difference can be significant, it takes 6." in told([0.01] * few)
    prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert not re.search(r"\*\*(No|Yes)\b|ends \*(below|above)", prose)


@pytest.mark.parametrize("name", [name for name in PROJECT if "profile" in notebooks.parameters(name) and "/" in name])
def test_every_notebook_of_runs_can_be_told_to_compute_nothing(name):
    assert "compute" in notebooks.parameters(name)


@pytest.mark.parametrize(
    "name",
    [
        "hard-samples/table-3",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("hard-samples/figure-3", "rivals/images")),
    ],
)
def test_a_notebook_told_to_compute_nothing_computes_nothing(name, tmp_path):
    notebooks.run(name, {"profile": "smoke", "compute": False}, tmp_path / "executed.ipynb")
    assert not (tmp_path / "runs").exists()
    assert any("no run is done yet" in path.read_text() for path in (tmp_path / "figures").rglob("*.md"))
