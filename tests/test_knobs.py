"""A knob has one default, and one word for it, wherever it can be turned."""

import ast
import inspect
import json
import re

import pytest

from hardsample.commands import knobs
from hardsample.experiments import registry
from hardsample.experiments.hard_samples import KNOBS
from hardsample.experiments.overrides import Overrides
from hardsample.paths import notebooks_dir, project_root
from hardsample.runs import timing
from hardsample.runs.launch import launch

ALL = knobs.FIGURES | knobs.PLUGIN | knobs.WHERE
DEFAULTS = {flag.strip("-").replace("-", "_"): settings.get("default") for flag, settings in ALL.items()}
NOTEBOOKS = ("00-tutorial", *registry.names())


def words(flag: str) -> str:
    """What --help says of an option, as far as its default."""
    settings = ALL[flag]
    text = settings["help"].replace("%(default)s", str(settings.get("default")))
    return re.match(r".*\(default: [^)]*\)", text)[0]


def declared(notebook: str) -> dict[str, object]:
    """The names and values in a notebook's parameters cell."""
    cells = json.loads((notebooks_dir() / f"{notebook}.ipynb").read_text())["cells"]
    [source] = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    return {line.target.id: ast.literal_eval(line.value) for line in ast.parse(source).body}


def test_make_help_and_the_command_line_s_say_the_same():
    lines = dict(re.findall(r"^([A-Z_]+) *\?= ## (.*)$", (project_root() / "Makefile").read_text(), re.MULTILINE))
    for flag in ALL.keys() - {"--time-limit"}:
        assert lines.pop(flag.strip("-").upper().replace("-", "_")) == words(flag)
    own = {"reproduce": knobs.STALE, "verify": {"--rerun": knobs.VERIFY["--rerun"]}}
    own["gpu"] = {flag: knobs.GPU[flag] for flag in ("--minutes", "--out")}
    for command, options in own.items():
        for flag, settings in options.items():
            said = f"of {command}: {settings['help']}".replace(" than today's", "").split(" (")[0]
            assert lines.pop(flag.strip("-").upper()).split(" (")[0] == said
    assert list(lines) == ["PYTHON"]


def test_help_names_the_default_that_there_is():
    for flag, settings in ALL.items():
        said, default = re.search(r"\(default: ([^,)]*)", words(flag))[1], settings.get("default")
        assert said == str(default) if default else said in ("0", "all", "the profile's", "none", "this machine")
        assert (said == "0") == (type(default) in (int, float))


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_s_first_cell_has_the_command_line_s_defaults(notebook):
    own = {name: value for name, value in declared(notebook).items() if name in DEFAULTS}
    if notebook in ("hard-samples/figure-2", "hard-samples/table-2"):
        own.pop("epochs", None)  # the schedule that is drawn, not trained
    assert own == {name: DEFAULTS[name] for name in own}
    assert [type(value) for value in own.values()] == [type(DEFAULTS[name]) for name in own]


@pytest.mark.parametrize("function", [registry.grid, launch, timing.measure, timing.costs, Overrides])
def test_python_has_the_command_line_s_defaults(function):
    own = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name in DEFAULTS and parameter.default is not parameter.empty
    }
    assert own and own == {name: DEFAULTS[name] for name in own}


def test_the_figures_own_knobs_have_the_command_line_s_defaults():
    assert KNOBS == {name: DEFAULTS[name] for name in KNOBS}


def test_every_command_has_the_same_default_for_the_same_option():
    for options, _ in knobs.COMMANDS.values():
        for flag in options.keys() & ALL.keys():
            assert options[flag].get("default") in (ALL[flag].get("default"), None)  # None: nothing is said


def test_the_page_of_knobs_has_every_one_with_its_default():
    text = (project_root() / "docs" / "running.md").read_text()
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| ([^|]*) \|", text, re.MULTILINE)
    told = {name: default.strip("`") for names, default in rows for name in re.findall(r"\w+", names)}
    expected = {
        flag.strip("-").upper().replace("-", "_"): re.search(r"\(default: ([^,)]*)", words(flag))[1]
        for flag in ALL
        if flag != "--time-limit"
    }
    assert told == expected
