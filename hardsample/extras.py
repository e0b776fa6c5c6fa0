"""What the light installation leaves out, told in one sentence by whoever needs it."""

import contextlib
from collections.abc import Iterator

from hardsample.errors import InputError

EXTRAS = {
    **dict.fromkeys(("cloudpickle", "distributed", "loky", "tqdm"), "reproduce"),
    **dict.fromkeys(("ipykernel", "jupyter_client", "jupyterlab", "nbformat", "papermill"), "reproduce"),
    **dict.fromkeys(("matplotlib", "pandas", "seaborn", "sklearn"), "reproduce"),
    **dict.fromkeys(("bokeh", "jinja2", "markupsafe", "mistune", "PIL"), "reproduce"),
    **dict.fromkeys(("torchdata", "torchvision"), "reproduce"),
    "pyarrow": "parquet",
}
"""By top-level module, the extra that brings it."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Say which extra brings a module that is missing; a context, or a decorator.

    Raises:
        InputError: a module of ``EXTRAS`` cannot be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").split(".")[0]
        if module not in EXTRAS:
            raise
        extra = EXTRAS[module]
        raise InputError(
            f"this needs {module}, which the light installation leaves out: pip install 'hardsample[{extra}]'."
        ) from error
