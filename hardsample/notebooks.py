"""Run a notebook through papermill, strictly: typed parameters, this interpreter, and a whole output file or none."""

import logging
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import papermill
from jupyter_client import AsyncKernelManager, BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError

from hardsample import paths
from hardsample.errors import InputError, check_choice

_INLINE = "module://matplotlib_inline.backend_inline"  # a kernel's own, whatever backend is asked for elsewhere
SHOWN_LINES = 12  # of the cell that failed

# ipykernel, too, looks for its parent, but not for one that was gone before it had begun.
_KERNEL = """
import sys
del sys.path[0]
from hardsample.processes import end_with
end_with(int(sys.argv.pop(1)))
from ipykernel import kernelapp
kernelapp.launch_new_instance()
"""

logging.getLogger("papermill").setLevel(logging.ERROR)
logging.getLogger("blib2to3").setLevel(logging.ERROR)


class ThisInterpreter(AsyncKernelManager):
    """Starts a kernel of the running interpreter that sees the same packages, whatever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-c", _KERNEL, str(os.getpid()), "-f", "{connection_file}", "--log-level=CRITICAL"],
            display_name="Python 3",
            language="python",
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "MPLBACKEND": _INLINE},
        )


def names() -> tuple[str, ...]:
    """Every notebook's name: its path in the notebooks folder, without the suffix."""
    folder = paths.notebooks_dir()
    found = (path.relative_to(folder) for path in folder.rglob("*.ipynb"))
    visible = (path for path in found if not any(part.startswith(".") for part in path.parts))
    return tuple(sorted(path.with_suffix("").as_posix() for path in visible))


def parameters(name: str) -> tuple[str, ...]:
    """The names in a notebook's parameters cell.

    Raises:
        InputError: the notebook is unknown.
    """
    return tuple(_declared(name))


def run(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    output: Path | None = None,
    *,
    plugins: Sequence[str] = (),
    kernel: ThisInterpreter | None = None,
) -> Path:
    """Execute a notebook with ``parameters`` and return the executed copy, ``runs/notebooks/<name>.ipynb`` by default.

    Where the folder of the runs cannot be written there is no copy in it, and the notebook has been executed all the
    same.

    ``plugins`` are files that the kernel loads first (:func:`hardsample.plugins.load`). A ``kernel`` that is given is
    started if it is not yet, and kept for the next notebook, which finds no variables in it.

    Raises:
        InputError: the notebook or a parameter is unknown, or a value has another type than the notebook's own.
        RuntimeError: a cell failed; says which, its last lines and its error. The copy is not written.
    """
    parameters = checked(name, _declared(name), parameters or {})
    source = _source(name)
    output = Path(output) if output else paths.runs_dir() / "notebooks" / f"{name}.ipynb"
    loading = [f"from hardsample import plugins; plugins.load({plugin!r})" for plugin in plugins]
    if loading and kernel is not None and kernel.has_kernel:  # one that runs takes no arguments any more
        _execute(kernel, "\n".join(loading))
    with tempfile.TemporaryDirectory() as folder:
        executed = Path(folder) / "executed.ipynb"
        try:
            papermill.execute_notebook(
                str(source),
                str(executed),
                parameters,
                kernel_name="python3",
                **({"kernel_manager_class": ThisInterpreter} if kernel is None else {"km": kernel}),
                extra_arguments=[f"--IPKernelApp.exec_lines={line}" for line in loading],
                progress_bar=False,
                request_save_on_cell_execute=False,
            )
        except papermill.PapermillExecutionError as error:
            raise RuntimeError(_failure(name, error)) from None
        except DeadKernelError:
            raise RuntimeError(f"notebook {name} failed: its kernel died, perhaps for want of memory.") from None
        notebook = nbformat.read(executed, as_version=4)
    if kernel is not None:
        _execute(kernel, "%reset -f")
    notebook.metadata.pop("papermill", None)  # temporary paths and the time of day
    _relink(notebook, source.parent, output.parent)
    try:
        paths.write_atomically(output, nbformat.writes(notebook).encode())
    except InputError:
        if not output.is_relative_to(paths.runs_dir()):  # there it is a copy that nothing needs
            raise
    return output


def started_kernel() -> ThisInterpreter:
    """A kernel for :func:`run` that has already loaded what the notebooks of figures and tables use."""
    kernel = ThisInterpreter()
    run_sync(kernel.start_kernel)()
    _execute(kernel, "import hardsample.runs.launch, hardsample.report.trajectories, scipy.stats")
    return kernel


def _execute(kernel: ThisInterpreter, code: str) -> None:
    client = BlockingKernelClient(parent=kernel)  # which it asks whether the kernel lives
    client.load_connection_info(kernel.get_connection_info())
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(code, store_history=False, timeout=60)
    finally:
        client.stop_channels()


def _relink(notebook: nbformat.NotebookNode, written: Path, read: Path) -> None:
    """Make the relative links of prose that was written in one folder lead to the same files from another."""

    def moved(link: re.Match) -> str:
        return f"]({Path(os.path.relpath(written / link[1], read)).as_posix()}"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((?!\w+:|#)([^)#\s]+)", moved, cell.source)


def checked(name: str, declared: Mapping[str, Mapping[str, str]], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` as plain values of the types that the notebook's parameters cell declares.

    NumPy scalars become Python's and a path becomes text. ``declared`` is papermill's: each name's inferred type.

    Raises:
        InputError: a name is not declared, or a value is of another type.
    """
    plain = {}
    for parameter, value in parameters.items():
        check_choice(f"parameter of notebook {name}", parameter, declared)
        value = value.item() if isinstance(value, np.generic) else str(value) if isinstance(value, Path) else value
        wanted = declared[parameter]["inferred_type_name"]
        given = type(value).__name__
        if given != wanted and not (wanted == "float" and given == "int"):
            raise InputError(f"parameter {parameter} of notebook {name} is {value!r} ({given}): give {wanted}.")
        plain[parameter] = value
    return plain


def _source(name: str) -> Path:
    return paths.notebooks_dir() / f"{name}.ipynb"


def _declared(name: str) -> Mapping[str, Mapping[str, str]]:
    check_choice("notebook", name, names())
    return papermill.inspect_notebook(str(_source(name)))


def _failure(name: str, error: papermill.PapermillExecutionError) -> str:
    lines = error.source.strip().splitlines()[-SHOWN_LINES:]
    cell = textwrap.indent("\n".join(lines), "    ")
    return f"notebook {name} failed in this cell:\n{cell}\n{error.ename}: {error.evalue}"
