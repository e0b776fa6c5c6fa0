"""The three lists of dependencies agree, and `make help` leaves nothing out."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hardsample
from hardsample.paths import project_root

ROOT = project_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = PROJECT["dependencies"] + EXTRAS["reproduce"] + EXTRAS["test"]
MAKEFILE = (ROOT / "Makefile").read_text()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def make(*arguments: str, cwd: Path = ROOT, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess:
    """`make` as from a fresh shell: the one that runs these tests hands its knobs down."""
    return subprocess.run(
        [shutil.which("make"), *arguments], cwd=cwd, env={"PATH": path}, capture_output=True, text=True
    )


def test_environment_yml_repeats_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    [by_pip] = [entry["pip"] for entry in environment if isinstance(entry, dict)]
    assert by_pip[0] == "--constraint constraints.txt"
    assert sorted(by_pip[1:]) == sorted(DIRECT)
    [python] = [entry for entry in environment if str(entry).startswith("python=")]
    assert f">={python.removeprefix('python=')}" == PROJECT["requires-python"]


def test_direct_dependencies_are_pinned_within_their_ranges():
    for requirement in map(Requirement, DIRECT):
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])
    assert (pins()["torch"], pins()["torchvision"]) == ("2.13.0", "0.28.0")


def test_everything_the_dependencies_bring_is_pinned():
    pinned, waiting, seen = pins(), [Requirement(line) for line in DIRECT], set()
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *requirement.extras):
            if (requirement.name, extra) in seen:
                continue
            seen.add((requirement.name, extra))
            assert canonicalize_name(requirement.name) in pinned, f"constraints.txt lacks {requirement.name}"
            brought = map(Requirement, importlib.metadata.requires(requirement.name) or [])
            waiting += [
                child
                for child in brought
                if (child.marker is None or child.marker.evaluate({"extra": extra})) and not is_cuda(child)
            ]


def is_cuda(requirement: Requirement) -> bool:
    """What only a CUDA build of torch brings: it pins these itself."""
    return requirement.name.startswith(("nvidia-", "cuda-", "triton"))


def test_constraints_are_exact_sorted_and_free_of_places():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert lines == sorted(lines, key=lambda line: line.split("==")[0].lower())


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == hardsample.__version__


def test_make_help_lists_every_target_and_every_knob():
    output = make("help").stdout
    listed = {line.split()[0] for line in output.splitlines() if line.startswith("  ")}
    targets = set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))
    knobs = set(re.findall(r"\$\(call flag,([A-Z_]+),", MAKEFILE)) | {"PYTHON"}
    known = {"reproduce", "figures", "tables", "test", "smoke", "bench", "data", "status", "verify", "lab", "clean"}
    assert targets >= known
    assert listed == targets | knobs
    assert all(len(line.split()) > 2 for line in output.splitlines() if line.startswith("  "))
    assert make().stdout == output


def test_every_target_is_phony():
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert sorted(phony) == sorted(set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE)))


def test_knobs_reach_the_command_line_only_when_set():
    assert make("-n", "reproduce", "PYTHON=python").stdout.split() == [
        '"$KNOB_PYTHON"',
        "-m",
        "hardsample",
        "reproduce",
    ]
    line = make("-n", "reproduce", "PYTHON=python", "PROFILE=paper", "DATA=my letters.npz", "WORKERS=2").stdout
    assert line.split()[-3:] == ['--profile="$KNOB_PROFILE"', '--data="$KNOB_DATA"', '--workers="$KNOB_WORKERS"']


VALUES = [
    "'; touch made; echo '",
    "$(shell touch made)",
    "${shell touch made}",
    '"$(touch made)" `touch made`; $HOME $$ \\ #',
    "my  letters (1).npz",
    "--help",
    "two\nlines",
]


@pytest.mark.parametrize("by", ["argument", "environment"])
@pytest.mark.parametrize("value", VALUES)
def test_a_knob_s_value_arrives_as_it_was_typed_and_nothing_in_it_is_run(checkout, value, by):
    python = checkout / "its own" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nfor each; do printf '%s\\0' \"$each\" >> log; done\n")
    python.chmod(0o755)
    given = [f"DATA={value}", f"FIGURE={value}"]
    environment = {"PATH": os.environ["PATH"]} | (
        dict(each.split("=", 1) for each in given) if by != "argument" else {}
    )
    command = [shutil.which("make"), "status", f"PYTHON={python}", *(given if by == "argument" else [])]
    ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    asked = (checkout / "log").read_bytes().decode().split("\0")[:-1]
    assert asked == ["-m", "hardsample", "status", f"--figure={value}", f"--data={value}"]
    assert not (checkout / "made").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("PROFLE=quick", " (did you mean PROFILE?)"),
        ("profile=quick", " (did you mean PROFILE?)"),
        ("LEARNINGRATE=1", " (did you mean LEARNING_RATE?)"),
        ("SEED=$(shell touch made)", " (did you mean SEEDS?)"),
        ("COLOUR=red", ""),
    ],
)
def test_a_knob_that_there_is_not_is_refused(checkout, typed, meant):
    result = make("status", "PYTHON=/bin/false", typed, cwd=checkout)
    assert result.returncode == 2
    assert f"there is no knob {typed.split('=')[0]}{meant}: give one of PROFILE FIGURE DATA" in result.stderr
    assert result.stdout == "" and not (checkout / "made").exists()


def test_every_knob_is_known_to_the_makefile_itself():
    known = re.search(r"^knobs := (.*\\\n.*)$", MAKEFILE, re.MULTILINE)[1].replace("\\\n", " ").split()
    assert known == re.findall(r"^([A-Z_]+) *\?= ## ", MAKEFILE, re.MULTILINE)


def test_own_python_makes_no_environment():
    assert "venv" not in make("-n", "test", f"PYTHON={sys.executable}").stdout.replace(sys.executable, "")


@pytest.fixture
def checkout(tmp_path):
    """A bare checkout, and a stand-in for Python that logs what it is asked and makes an equally fake .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "python3.11"
    fake.write_text(
        '#!/bin/sh\necho "$@" >> log\n'
        'case "$*" in\n'
        '  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;\n'
        '  "-m pip "*) test ! -e offline ;;\n'
        "esac\n"
    )
    fake.chmod(0o755)
    return tmp_path


def fake_make(checkout, *arguments):
    result = make(*arguments, cwd=checkout, path=f"{checkout / 'tools'}:{os.environ['PATH']}")
    log = checkout / "log"
    asked = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return result.returncode, [line for line in asked if not line.startswith("-c")]


def test_the_environment_is_made_once(checkout):
    code, asked = fake_make(checkout, "status")
    assert code == 0
    assert asked[0] == "-m venv .venv"
    assert asked[1].endswith("pip install --disable-pip-version-check -c constraints.txt -e .[reproduce,test]")
    assert asked[2] == "-m hardsample status"
    assert fake_make(checkout, "status") == (0, ["-m hardsample status"])


def test_an_interrupted_environment_is_made_anew(checkout):
    (checkout / "offline").touch()
    code, asked = fake_make(checkout, "status")
    assert code != 0 and "-m hardsample status" not in asked
    (checkout / ".venv" / "half").touch()
    (checkout / "offline").unlink()
    code, asked = fake_make(checkout, "status")
    assert code == 0 and asked[0] == "-m venv .venv" and asked[-1] == "-m hardsample status"
    assert not (checkout / ".venv" / "half").exists()


def test_changed_pins_update_the_environment(checkout):
    fake_make(checkout, "status")
    stamp = (checkout / ".venv" / ".complete").stat().st_mtime
    later = (stamp + 60, stamp + 60)
    os.utime(checkout / "constraints.txt", later)
    assert len(fake_make(checkout, "status")[1]) == 3


def test_without_a_python_make_says_what_is_missing(checkout):
    (checkout / "tools" / "python3.11").unlink()
    result = make("test", cwd=checkout, path=str(checkout / "tools"))
    assert result.returncode != 0 and "hardsample needs Python 3.11 or newer" in result.stderr


def test_ci_runs_the_readme_s_command():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.startswith("#!") and "make test" in script
