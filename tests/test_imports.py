"""Every module imports, imports point one way, and what is heavy or optional is loaded only where it is used."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hardsample

ORDER = (
    "errors",
    "paths",
    "archive",
    "configuration",
    "compiled",
    "randomness",
    "trees",
    "base_values",
    "rounds",
    "streams",
    "loss_based",
    "rivals",
    "methods",
    "indexed",
    "ranks",
    "samplers",
    "pooling",
    "glyphs",
    "formats",
    "catalogue",
    "data",
    "models",
    "optimizers",
    "kernels",
    "fused",
    "cuda_graph",
    "agreement",
    "training",
    "panels",
    "paper_a",
    "lb_study",
    "paper_b",
    "contest",
    "experiments",
    "runs",
    "launch",
    "timing",
    "statistics",
    "printed",
    "outputs",
    "canvas",
    "figures",
    "diagrams",
    "pictures",
    "tables",
    "large_batches",
    "standings",
    "side_by_side",
    "lb_readings",
    "audit",
    "replicates",
    "deviations",
    "notebooks",
    "gpu",
    "gpu_stages",
    "gpu_merge",
    "cli",
)
HEAVY = ("torchvision", "matplotlib", "pandas", "papermill", "distributed", "seaborn", "scipy")
ONLY = {  # who may know whom
    "distributed": {"launch"},
    "papermill": {"notebooks"},
    "torchvision": {"data", "models"},
    "triton": {"kernels", "gpu_stages"},
}
NEEDS = {"kernels": "triton"}  # which comes with torch for CUDA alone
PACKAGE = Path(hardsample.__file__).parent


def imported(module: str) -> set[str]:
    """Every module, and every name in a module, that an import anywhere in the source of ``module`` asks for."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}.py imports relatively: write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_order_names_every_module():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_module_imports(module):
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    importlib.import_module(f"hardsample.{module}")


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_one_way(module):
    above = {f"hardsample.{name}" for name in ORDER[: ORDER.index(module)]}
    own = {".".join(name.split(".")[:2]) for name in imported(module) if name.startswith("hardsample.")}
    assert own - {"hardsample.__version__"} <= above


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_known_only_where_it_is_used(library):
    knowing = {module for module in ORDER if any(name.split(".")[0] == library for name in imported(module))}
    assert knowing <= ONLY[library]


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import hardsample") & {*HEAVY, "torch", "numpy"}


def test_importing_the_command_line_loads_nothing_heavy():
    assert not loaded_by("import hardsample.cli") & {*HEAVY, "torch", "numpy"}


def test_the_training_core_needs_torch_numpy_and_numba_alone():
    core = loaded_by("import hardsample.training, hardsample.experiments")
    assert not (core - loaded_by("import numba")) & set(HEAVY)


def test_using_every_public_name_loads_nothing_heavier():
    used = loaded_by("import hardsample; [getattr(hardsample, name) for name in hardsample.__all__]")
    assert "torch" in used and not (used - loaded_by("import numba")) & {*HEAVY, "dask"}


def test_a_run_can_be_written_down_without_torch():
    assert not loaded_by("import hardsample; hardsample.Run; hardsample.InputError") & {*HEAVY, "torch", "numpy"}


def test_public_names_resolve():
    assert hardsample.__all__
    for name in hardsample.__all__:
        assert getattr(hardsample, name).__name__ == name
        assert name in dir(hardsample)


def test_the_readme_has_every_public_name_in_one_table():
    text = (PACKAGE.parent / "README.md").read_text().split("### API\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)", text, re.MULTILINE) == hardsample.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hardsample.nothing  # noqa: B018
