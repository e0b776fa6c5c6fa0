"""The stages ``benchmarks`` and ``tests``: programs of the checkout, run as a user would."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from hardsample import paths
from hardsample.gpu.task import StageLeftOut, Task

BENCHMARKS = ("fused", "cohort", "choosing", "networks")
TESTS = ("test_training", "test_base_values", "test_randomness")


def benchmarks(task: Task) -> dict[str, Any]:
    """The benchmarks of a GPU, part by part; one that breaks stops no other."""
    root = paths.project_root()
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise StageLeftOut(f"there is no folder benchmarks in {root}")
    result: dict[str, Any] = {"parts": {}}
    for part in ("cohort",) if task.tiny else BENCHMARKS:
        command = (sys.executable, "-m", "benchmarks", part, "--out", str(task.work / "files"))
        code = _run(command, task)
        result["parts"][part] = "done" if code == 0 else "out of time" if code is None else f"exit status {code}"
        task.keep(result)
    undone = [part for part, state in result["parts"].items() if state != "done"]
    return result | ({"state": "failed", "reason": f"not done: {', '.join(undone)}"} if undone else {"state": "done"})


def tests(task: Task) -> dict[str, Any]:
    """The tests that need a GPU and are most worth it."""
    root = paths.project_root()
    if not (root / "tests" / "conftest.py").is_file():
        raise StageLeftOut(f"there is no folder tests in {root}")
    if absent := [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]:
        raise StageLeftOut(f"{' and '.join(absent)} is not installed")
    report = task.work / "scratch" / "tests.xml"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    chosen = ("-m", "gpu", *(f"tests/{name}.py" for name in TESTS)) if not task.tiny else ("tests/test_paths.py",)
    quiet = ("-q", "-o", "addopts=", "-p", "no:cacheprovider", f"--junitxml={report}")
    code = _run((sys.executable, "-m", "pytest", *quiet, *chosen), task)
    if code is None or not report.exists():
        return {"state": "out of time" if code is None else "failed", "reason": f"pytest ended with status {code}"}
    cases = list(ElementTree.parse(report).iter("testcase"))
    names = {kind: [_case(case) for case in cases if case.find(kind) is not None] for kind in ("failure", "error")}
    bad = names["failure"] + names["error"]
    counts = {"tests": len(cases), "skipped": sum(case.find("skipped") is not None for case in cases), "failed": bad}
    if bad or code != 0:
        return counts | {"state": "failed", "reason": f"{len(bad)} of {len(cases)} tests failed"}
    return counts | {"state": "done"}


def _case(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}"


def _run(command: Sequence[str], task: Task) -> int | None:
    """A program's exit status, None if it was not done by the deadline; it prints where this process does."""
    try:
        return subprocess.run(
            command, cwd=paths.project_root(), stdin=subprocess.DEVNULL, timeout=max(1.0, task.left)
        ).returncode
    except subprocess.TimeoutExpired:
        return None
