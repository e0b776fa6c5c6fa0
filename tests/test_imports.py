"""Every module imports, imports point one way, and what is heavy or optional is loaded only where it is used."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hardsample

MAY_IMPORT = {  # beside itself and the ground, which is every module that stands in no package
    "data": (),
    "methods": (),
    "samplers": ("data", "methods"),
    "training": ("data", "methods"),
    "experiments": ("data", "methods", "training"),
    "runs": ("data", "methods", "training", "experiments"),
    "report": ("data", "methods", "training", "experiments"),
    "gpu": ("data", "methods", "training", "experiments", "runs"),
    "comparison": ("data", "methods", "training", "experiments", "runs", "report"),
    "verdicts": ("data", "methods", "training", "experiments", "runs", "report"),
    "commands": ("data", "methods", "training", "experiments", "runs", "report", "gpu", "comparison", "verdicts"),
}
TOP = {"cli", "commands", "notebooks", "__main__"}  # may import everything, and nothing imports them
HEAVY = ("torchvision", "matplotlib", "pandas", "papermill", "distributed", "seaborn", "scipy")
KERNELS = {f"training.fused.kernels_{part}" for part in ("shared", "draw", "forward", "backward")}
ONLY = {  # who may know whom
    "PIL": {"data.glyphs", "verdicts.embedded"},
    "bokeh": {"verdicts.curves"},
    "distributed": {"runs.cluster"},
    "jinja2": {"verdicts.page"},
    "loky": {"comparison.pool"},
    "mistune": {"verdicts.prose"},
    "papermill": {"notebooks"},
    "torchvision": {"data.torchvision_compat"},
    "triton": {*KERNELS, "gpu.environment"},
}
NEEDS = dict.fromkeys((*KERNELS, "training.fused.kernels"), "triton")  # which comes with torch for CUDA alone
PACKAGE = Path(hardsample.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.parent != PACKAGE or path.stem not in ("__init__", "__main__")
)


def imported(module: str, *, types: bool = True) -> set[str]:
    """Every module, and every name in a module, that an import anywhere in the source of ``module`` asks for.

    Without ``types`` what is imported for a type checker alone is left out.
    """
    names, path = set(), PACKAGE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text())
    if not types:
        tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE" in ast.unparse(node.test))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively: write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def own_imports(module: str, *, types: bool = True) -> set[str]:
    """The modules of the package that ``module`` imports."""
    own = {name for name in imported(module, types=types) if name.startswith("hardsample.")}
    asked = {name.removeprefix("hardsample.") for name in own}
    return {known for known in MODULES if known in asked}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_table_names_every_package():
    assert {module.split(".")[0] for module in MODULES if (PACKAGE / module.split(".")[0]).is_dir()} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_module_imports(module):
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    importlib.import_module(f"hardsample.{module}")


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    packages = {name.split(".")[0] for name in own_imports(module) if (PACKAGE / name.split(".")[0]).is_dir()}
    top = module.split(".")[0]
    assert top in TOP or not own_imports(module) & TOP
    if top not in TOP:
        assert packages <= {top, *MAY_IMPORT.get(top, ())}


@pytest.mark.slow
def test_no_two_modules_need_each_other():
    """Within a package, too, imports point one way."""
    graph = {module: own_imports(module, types=False) for module in MODULES}
    tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.slow
@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_known_only_where_it_is_used(library):
    knowing = {module for module in MODULES if any(name.split(".")[0] == library for name in imported(module))}
    assert knowing <= ONLY[library]


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import hardsample") & {*HEAVY, "torch", "numpy"}


def test_importing_the_command_line_loads_nothing_heavy():
    assert not loaded_by("import hardsample.cli") & {*HEAVY, "torch", "numpy"}


@pytest.mark.slow
def test_the_training_core_needs_torch_numpy_and_numba_alone():
    core = loaded_by("import hardsample.training.trainer, hardsample.experiments.registry")
    assert not (core - loaded_by("import numba")) & set(HEAVY)


@pytest.mark.slow
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


def test_one_page_has_every_public_name_in_one_table():
    text = (PACKAGE.parent / "docs" / "api.md").read_text().split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)", text, re.MULTILINE) == hardsample.__all__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hardsample.nothing  # noqa: B018
