"""A file of one's own joins the package: loaded once, told clearly where it cannot be, and part of the record."""

import hashlib
import sys

import nbformat
import pytest
from jupyter_core.utils import run_sync

import hardsample
from hardsample import notebooks, paths, plugins
from hardsample.cli import main
from hardsample.errors import InputError


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.setattr(plugins, "_loaded", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "my_own.py"
    path.write_text("import sys\nsys.my_own_was_run = getattr(sys, 'my_own_was_run', 0) + 1\n")
    yield path
    del sys.my_own_was_run


def test_a_file_is_run_once_by_path_or_by_name(own, monkeypatch):
    plugins.load(str(own))
    monkeypatch.chdir(own.parent)
    plugins.load("my_own")
    assert sys.my_own_was_run == 1 and plugins.loaded() == [str(own)]
    assert sys.modules["my_own"].__file__ == str(own)


def test_the_record_has_the_source_that_was_run(own):
    text = own.read_text()
    plugins.load(str(own))
    own.write_text("changed afterwards")
    assert plugins.record() == {"my_own": {"sha256": hashlib.sha256(text.encode()).hexdigest(), "source": text}}


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("absent.py", None, "no plugin .*absent.py"),
        ("json.py", "", "has the name of a module that is loaded"),
        ("broken.py", "1 / 0", "broken.py fails with ZeroDivisionError: division by zero; mend the file"),
        ("syntax.py", "def", "syntax.py fails with SyntaxError"),
        (
            "nothing.py",
            "import hardsample; hardsample.register(3)",
            "nothing.py: 3 cannot be registered: give a MethodSpec",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_is_refused_and_leaves_nothing(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    modules = set(sys.modules)
    with pytest.raises(InputError, match=message):
        plugins.load(str(tmp_path / name))
    assert plugins.loaded() == [] and set(sys.modules) == modules


def test_register_enters_and_returns_what_it_is_given():
    class Spec:
        def register(self):
            self.entered = True

    spec = Spec()
    assert hardsample.register(spec) is spec and spec.entered
    with pytest.raises(InputError, match="cannot be registered"):
        hardsample.register(Spec)


@pytest.mark.slow
def test_a_notebook_and_the_command_line_know_the_file(own, tmp_path, monkeypatch, capfd):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import sys; assert 'my_own' in sys.modules, 'not loaded'")]
    )
    notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    monkeypatch.setattr(paths, "notebooks_dir", lambda: tmp_path)
    nbformat.write(notebook, tmp_path / "asks.ipynb")
    with pytest.raises(RuntimeError, match="not loaded"):
        notebooks.run("asks", output=tmp_path / "out.ipynb")
    notebooks.run("asks", output=tmp_path / "out.ipynb", plugins=[str(own)])
    running = notebooks.started_kernel()
    notebooks.run("asks", output=tmp_path / "out.ipynb", plugins=[str(own)], kernel=running)
    run_sync(running.shutdown_kernel)(now=True)
    assert main(["status", "--figure", "table-3", "--plugin", str(own)]) == 0
    assert plugins.loaded() == [str(own)]
    assert main(["status", "--plugin", "absent"]) == 2
    assert "no plugin 'absent'" in capfd.readouterr().err
