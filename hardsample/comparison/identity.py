"""What a comparison is, as its source and data say it: an edited model is never answered from old trainings."""

import dis
import enum
import functools
import hashlib
import importlib.util
import inspect
import json
import logging
import pickle
import sys
import textwrap
import types
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from hardsample.code_fingerprint import is_installed, is_own
from hardsample.comparison.items import Items

LOOKED_AT_TWICE = 3  # items, to see whether a data set gives the same ones again
_UNVERSIONED = ("torch", "numpy", "hardsample")  # a training's record names their versions


class UnknownSourceError(Exception):
    """Something was passed whose source cannot be had, so that no key can stand for it; says what."""


def digest(value: Any) -> str:
    """16 hexadecimal digits for plain JSON values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def source_of(name: str, value: Any) -> str:
    """16 hexadecimal digits of what was passed as ``name``: its source, the values it holds, and all that it refers to.

    The code that is loaded counts beside the source: a file that was edited since it was imported is not what runs.

    What comes with Python or an installed package counts by name and version.

    Raises:
        UnknownSourceError: the source of a part cannot be read, as of a lambda, or of what was typed at a prompt.
    """
    try:
        return digest(_Walk().described(value))
    except UnknownSourceError as error:
        raise UnknownSourceError(f"{name} ({error})") from None


def fingerprint(name: str, items: Items) -> str:
    """16 hexadecimal digits of a data set: of all its items, or of its source where it gives other ones each time.

    Raises:
        UnknownSourceError: neither can be told.
    """
    dataset = items.dataset
    if isinstance(dataset, TensorDataset):
        return digest([_array(tensor) for tensor in dataset.tensors])
    try:
        looked_at = range(min(LOOKED_AT_TWICE, len(items)))
        if [_item(dataset, place) for place in looked_at] == [_item(dataset, place) for place in looked_at]:
            every = hashlib.sha256()
            for place in range(len(items)):
                every.update(_item(dataset, place).encode())
            return every.hexdigest()[:16]
    except UnknownSourceError:
        pass
    return source_of(name, dataset)


def _item(dataset: Any, place: int) -> str:
    return digest(_Walk().described(dataset[place]))  # a walk of its own, which holds no other item


class _Walk:
    """Describes values by plain JSON, each object once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}  # by id: its number, and the object, which keeps the id its own

    def described(self, value: Any) -> Any:
        """Plain JSON that differs where the value does."""
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | enum.Enum):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, torch.dtype | torch.device | torch.Size | np.dtype | np.generic | slice | range):
            return repr(value)
        if isinstance(value, Tensor | np.ndarray):
            return _array(value)
        if isinstance(value, tuple | list):
            return [type(value).__name__, *map(self.described, value)]
        if id(value) in self._seen:
            return f"number {self._seen[id(value)][0]}"
        self._seen[id(value)] = len(self._seen), value
        if isinstance(value, Mapping):
            return {"mapping": [[self.described(key), self.described(part)] for key, part in value.items()]}
        if isinstance(value, set | frozenset):
            return {"set": sorted(json.dumps(self.described(part)) for part in value)}
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, functools.partial):
            return ["partial", *map(self.described, (value.func, value.args, value.keywords))]
        if isinstance(value, types.MethodType):
            return ["method", self.described(value.__func__), self.described(value.__self__)]
        if isinstance(value, types.FunctionType | type | types.BuiltinFunctionType):
            return self._defined(value)
        return self._instance(value)

    def _defined(self, value: Any) -> Any:
        """A function or class: by name and version where it is installed, else by its source and what that names."""
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        if isinstance(value, types.BuiltinFunctionType) or (module is not None and not is_own(module)):
            return f"{value.__module__}.{value.__qualname__} {_version(value.__module__)}"
        if isinstance(value, type):
            body = {
                name: self.described(_unwrapped(part))
                for name, part in sorted(vars(value).items())
                if name not in ("__module__", "__dict__", "__weakref__", "__doc__", "__firstlineno__", "_abc_impl")
            }
            return {"class": value.__qualname__, "bases": [self.described(base) for base in value.__bases__]} | body
        if value.__name__ == "<lambda>":
            raise UnknownSourceError("a lambda has no source of its own: write it as a function with def")
        try:
            text = textwrap.dedent(inspect.getsource(value))
        except (OSError, TypeError):
            raise UnknownSourceError(f"the source of {value.__qualname__} cannot be read") from None
        values = {name: self.described(value.__globals__[name]) for name in _globals(value)}
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        values |= {f"{name} (closed over)": self.described(cell.cell_contents) for name, cell in cells}
        defaults = self.described([value.__defaults__, value.__kwdefaults__])
        parts = {"names": values, "defaults": defaults, "imports": self._imports(value.__code__)}
        return {"source": text, "compiled": _compiled(value.__code__)} | parts

    def _imports(self, code: types.CodeType) -> list:
        return [self._module_named(name) for name in sorted(_names(code, "IMPORT_NAME"))]

    def _module_named(self, name: str) -> Any:
        if name in sys.modules:
            return self.described(sys.modules[name])
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        origin = spec.origin if spec else None
        return name if origin is None or is_installed(Path(origin)) else Path(origin).read_text(encoding="utf-8")

    def _module(self, module: types.ModuleType) -> Any:
        if not is_own(module):
            return f"{module.__name__} {_version(module.__name__)}"
        try:
            text = inspect.getsource(module)
        except (OSError, TypeError):
            raise UnknownSourceError(f"the source of the module {module.__name__} cannot be read") from None
        parts = {name: part for name, part in vars(module).items() if isinstance(part, types.ModuleType)}
        from_others = {
            part.__module__: sys.modules[part.__module__]
            for part in vars(module).values()
            if isinstance(part, types.FunctionType | type) and part.__module__ in sys.modules
        }
        others = {other.__name__: other for other in (*parts.values(), *from_others.values())}
        return {"source": text, "imports": {name: self.described(others[name]) for name in sorted(others)}}

    def _instance(self, value: Any) -> Any:
        if isinstance(value, logging.Logger):
            return f"logger {value.name}"
        if hasattr(value, "__array__"):
            state: Any = _array(np.asarray(value))
        elif hasattr(value, "__dict__"):
            state = self.described(vars(value))
        else:
            try:
                state = hashlib.sha256(pickle.dumps(value, protocol=4)).hexdigest()
            except (pickle.PicklingError, TypeError, AttributeError):
                raise UnknownSourceError(f"what a {type(value).__qualname__} holds cannot be told") from None
        return {"instance of": self.described(type(value)), "state": state}


def _unwrapped(part: Any) -> Any:
    """What a class holds, out of what a decorator put around it."""
    if isinstance(part, staticmethod | classmethod):
        return part.__func__
    if isinstance(part, property):
        return [part.fget, part.fset, part.fdel]
    if isinstance(part, functools.cached_property):
        return part.func
    if isinstance(part, types.MemberDescriptorType | types.GetSetDescriptorType):
        return part.__name__
    return part


def _array(value: Tensor | np.ndarray) -> str:
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous()
        kind, content = str(value.dtype), value.reshape(-1).view(torch.uint8).numpy() if value.numel() else b""
    elif value.dtype.hasobject:
        raise UnknownSourceError("an array of objects")
    else:
        value = np.ascontiguousarray(value)
        kind, content = value.dtype.str, value.tobytes()
    return f"{kind} {tuple(value.shape)} {hashlib.sha256(content).hexdigest()[:16]}"


def _compiled(code: types.CodeType) -> str:
    """What is loaded, which the source is not where its file was edited since."""
    inner = [_compiled(part) for part in code.co_consts if isinstance(part, types.CodeType)]
    constants = [repr(part) for part in code.co_consts if not isinstance(part, types.CodeType | frozenset)]
    return digest([code.co_code.hex(), code.co_names, code.co_varnames, constants, inner])


def _globals(function: types.FunctionType) -> list[str]:
    """The names that a function reads and its module defines."""
    return sorted(
        name for name in _names(function.__code__, "LOAD_GLOBAL", "LOAD_NAME") if name in function.__globals__
    )


def _names(code: types.CodeType, *instructions: str) -> set[str]:
    names = {step.argval for step in dis.get_instructions(code) if step.opname in instructions}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant, *instructions)
    return names


@functools.cache
def _version(module: str) -> str:
    top = module.split(".")[0]
    if top in _UNVERSIONED or top in sys.stdlib_module_names:
        return ""
    names = metadata.packages_distributions().get(top, [top])
    try:
        return metadata.version(names[0])
    except metadata.PackageNotFoundError:
        return ""
