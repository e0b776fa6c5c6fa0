"""Every script in examples/ runs, reads letters as well as the plain loop, and adopts the sampler in three lines."""

import ast
import functools
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from hardsample import paths

FOLDER = paths.project_root() / "examples"
# The registry's torchvision beside a CPU-only torch stops whoever imports it, Lightning too: mended before the script.
MENDED = (
    "import runpy, sys; from hardsample.data.torchvision_compat import import_torchvision; import_torchvision();"
    " sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
)
LAUNCHERS = {
    "plain_pytorch": (),
    "ddp": ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    "lightning_trainer": ("-c", MENDED),
    "huggingface_trainer": ("-c", MENDED),
    "accelerate_loop": (),
}
PROCESSES = {"ddp": 2}
NEEDS = {"lightning_trainer": "lightning", "huggingface_trainer": "transformers", "accelerate_loop": "accelerate"}
OUTCOME = re.compile(r".+: (\d+\.\d)% of the test letters read after (\d+) updates(?: in (\d) process(?:es|\(es\)))?")
SAMPLER = {"sampler", "BaseValuesSampler", "WithIndex"}


@functools.cache
def outcome(name):
    """What the script's last line says it reached: test accuracy in per cent, updates, processes."""
    ran = subprocess.run(
        [sys.executable, *LAUNCHERS[name], str(FOLDER / f"{name}.py")],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stderr
    said = OUTCOME.fullmatch(ran.stdout.strip().splitlines()[-1])
    assert said, ran.stdout
    return float(said[1]), int(said[2]), int(said[3] or 1)


def source(name):
    return (FOLDER / f"{name}.py").read_text()


def test_every_example_is_tested():
    assert {path.stem for path in FOLDER.glob("*.py")} == {
        *LAUNCHERS,
        "my_method",
    }  # which tests/test_leaderboard.py has


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_an_example_runs(name):
    if name in NEEDS and not importlib.util.find_spec(NEEDS[name]):
        pytest.skip(f"needs {NEEDS[name]}")
    accuracy, updates, processes = outcome(name)
    assert accuracy > 40  # a guess reads 4 %
    assert (updates, processes) == (8 * 63, PROCESSES.get(name, 1))
    # The same start and draws: whoever runs the loop, one process gets the same numbers, several differ by rounding.
    assert accuracy == pytest.approx(outcome("plain_pytorch")[0], abs=0 if processes == 1 else 3)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_an_example_is_short_and_says_how_to_run_it(name):
    assert len(source(name).splitlines()) <= 65
    docstring = ast.get_docstring(ast.parse(source(name)))
    assert f"examples/{name}.py" in docstring and "Three lines adopt it" in docstring


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_sampler_stands_in_three_marked_lines(name):
    lines = source(name).splitlines()
    marked = {number for number, line in enumerate(lines, 1) if re.search(r"  # [123] (make|pass|tell) it$", line)}
    names = ((node, getattr(node, "id", getattr(node, "attr", None))) for node in ast.walk(ast.parse(source(name))))
    assert {node.lineno for node, called in names if called in SAMPLER} == marked
    assert len(marked) == 3
