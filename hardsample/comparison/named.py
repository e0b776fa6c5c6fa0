"""What the command line names: data, a model, losses and metrics, out of files of one's own."""

import importlib
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hardsample import plugins
from hardsample.arguments import MOST
from hardsample.comparison.problem import are_classes
from hardsample.data.dataset import load, names
from hardsample.data.formats import ARRAYS, check_range
from hardsample.errors import InputError, check_choice, check_names
from hardsample.training.networks import NETWORKS

OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


def function(flag: str, text: str, known: Mapping[str, Any] | None = None) -> Any:
    """What a word of the command line names: one of those known, or NAME out of "my_module:NAME".

    Raises:
        InputError: it is neither, or the module has no such thing.
    """
    known = known or {}
    if text in known:
        return known[text]
    module, colon, name = text.partition(":")
    if not colon or not module or not name:
        others = f"one of {', '.join(known)}, or " if known else ""
        raise InputError(f"--{flag} is {text!r}: give {others}a function of a file of yours, such as my_module:{flag}.")
    found = _module(flag, module)
    if not hasattr(found, name):
        raise InputError(f"--{flag}: {module} has no {name!r}; give the name of a function that it defines.")
    return getattr(found, name)


def model(text: str) -> Any:
    """A registered network's name, or what makes a model."""
    return text if text in NETWORKS else function("model", text, dict.fromkeys(NETWORKS))


def data(text: str, *, as_bytes: bool) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]] | Any:
    """Training and test set: of a registered name, of an .npz file's four arrays, or what "my_module:NAME" returns.

    ``as_bytes``: are uint8 images to stay so, as the package's networks take them, or to be float32 from 0 to 1?

    Raises:
        InputError: there is nothing of that name, or it is not as it should be.
    """
    if text.endswith(".npz"):
        arrays = _npz(Path(text))
    elif ":" in text:
        made = function("data", text)()
        if not isinstance(made, tuple | list) or len(made) != 2:
            raise InputError(f"--data: {text} returns a {type(made).__name__}: have it return (train_set, test_set).")
        return made
    else:
        check_choice("data", text, names(), also=[f"{text}.npz"])
        loaded = load(text)
        arrays = {name: getattr(loaded, name) for name in ARRAYS}
    x_train, y_train, x_test, y_test = (_tensor(text, name, arrays[name], as_bytes) for name in ARRAYS)
    return (x_train, y_train), (x_test, y_test)


def parts(kind: str, text: str) -> list[str]:
    """The parts of "PLB(power=0.6, uniform=0.1),PEB", by the commas that stand outside of brackets; none of "".

    Raises:
        InputError: one is empty, or stands twice; ``kind`` says what they are.
    """
    if not text:
        return []
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    names = [part.strip() for part in found]
    check_names(kind, text, names)
    return names


def _module(flag: str, name: str) -> Any:
    """A file of that name, run once, or an installed module."""
    path = Path(name if name.endswith(".py") else f"{name.replace('.', '/')}.py")
    if path.is_file():
        plugins.load(name)
        return sys.modules[path.stem]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"--{flag}: there is no file {path} here, and no module {name!r} ({error}): name a file of yours."
        ) from error


def _npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ARRAYS if name not in file.files]
            if missing:
                raise InputError(f"{path} has no {missing[0]}: give it the arrays {', '.join(ARRAYS)}.")
            return {name: file[name] for name in ARRAYS}
    except FileNotFoundError:
        raise InputError(f"there is no file {path}: give an .npz file with {', '.join(ARRAYS)}.") from None
    except InputError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}): give an .npz file of numbers, without pickle.") from error


def _tensor(where: str, name: str, values: Any, as_bytes: bool) -> torch.Tensor:
    """Whole numbers, one an example, as int64; images of bytes checked, and made float32 from 0 to 1 if they may be."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "u" and values.max(initial=0) > MOST:
        raise InputError(f"{name} in {where} has {values.max()}: number the classes from 0.")
    tensor = torch.as_tensor(values)
    if tensor.dtype == torch.uint8 and tensor.dim() > 1 and len(tensor):
        check_range(where, name, tensor.cpu().numpy())
        return tensor if as_bytes else tensor.float() / 255
    return tensor.long() if are_classes(tensor) else tensor
