"""Data sets of one's own as batches: what a model takes, and what the loss holds it against."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from hardsample.errors import InputError

TARGETS = ("labels", "label", "target")
"""The keys under which an item that is a mapping may hold its target; the rest are the model's keyword arguments."""


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """A map-style data set, and how its items make a batch.

    An item is (inputs, target), or a mapping with a target under one of ``TARGETS``. Inputs are a tensor, which the
    model is called with, or a tuple or a mapping of its positional or keyword arguments.
    """

    dataset: Dataset
    collate: Callable[[list], Any] | None = None

    def __len__(self) -> int:
        return len(cast(Sized, self.dataset))

    def batch(self, indices: Sequence[int] | Tensor, device: torch.device) -> tuple[Any, Any]:
        """Inputs and targets of those examples, on the device.

        Raises:
            InputError: an item is neither of the two kinds.
        """
        places = torch.as_tensor(indices)
        if isinstance(self.dataset, TensorDataset) and self.collate is None:
            whole = tuple(tensor[places.to(tensor.device)] for tensor in self.dataset.tensors)
        else:
            whole = self._collated(self._fetch(places.tolist()))
        inputs, targets = _split(whole)
        return _moved(inputs, device), _moved(targets, device)

    def on(self, device: torch.device) -> "Items":
        """The same, whole on the device where they are plain tensors."""
        if device.type == "cpu" or not isinstance(self.dataset, TensorDataset):
            return self
        return Items(TensorDataset(*(tensor.to(device) for tensor in self.dataset.tensors)), self.collate)

    def _collated(self, items: list) -> Any:
        try:
            return (self.collate or default_collate)(items)
        except (TypeError, ValueError, RuntimeError, KeyError, IndexError) as error:
            kind = type(items[0]).__name__
            raise InputError(
                f"items such as a {kind} make no batch ({str(error).splitlines()[0]}): have each be (inputs, target) of"
                " one kind and shape, or give a collate that makes batches of them."
            ) from error

    def _fetch(self, indices: list[int]) -> list:
        fetch = getattr(self.dataset, "__getitems__", None)
        return fetch(indices) if fetch else [self.dataset[index] for index in indices]


def as_items(name: str, given: Any, collate: Callable[[list], Any] | None) -> Items:
    """What was given as a data set: a map-style one, or (inputs, targets) as tensors or arrays.

    Raises:
        InputError: it is neither, is empty, or its parts differ in length.
    """
    if isinstance(given, tuple | list) and given and all(isinstance(part, Tensor | np.ndarray) for part in given):
        parts = [torch.as_tensor(part) for part in given]
        lengths = [len(part) if part.dim() else 0 for part in parts]
        if len(parts) < 2 or len(set(lengths)) > 1:
            raise InputError(
                f"{name} has parts of the lengths {lengths}: give inputs and targets, (x, y), one entry an example."
            )
        given = TensorDataset(*(_plain(part) for part in parts))
    if isinstance(given, IterableDataset):
        raise InputError(
            f"{name} is an IterableDataset, of which no example can be chosen: give a data set with __getitem__ and"
            " __len__, or tensors (x, y)."
        )
    if not (hasattr(given, "__getitem__") and hasattr(given, "__len__")) or isinstance(given, str | Mapping):
        raise InputError(
            f"{name} is a {type(given).__name__}: give a data set with __getitem__ and __len__, or tensors (x, y)."
        )
    if not len(given):
        raise InputError(f"{name} is empty: give at least one example.")
    return Items(given, collate)


def call(model: Callable, inputs: Any) -> Tensor:
    """What a model makes of a batch's inputs: a tensor, or what it calls ``logits``.

    Raises:
        InputError: it is no tensor and has no logits.
    """
    if isinstance(inputs, Mapping):
        given = model(**inputs)
    elif isinstance(inputs, tuple | list):
        given = model(*inputs)
    else:
        given = model(inputs)
    if isinstance(given, Mapping):
        given = given.get("logits")
    given = getattr(given, "logits", given)
    if not isinstance(given, Tensor):
        raise InputError(
            f"the model returns a {type(given).__name__}: have it return a tensor, or logits by that name."
        )
    return given


def _split(whole: Any) -> tuple[Any, Any]:
    if isinstance(whole, Mapping):
        for name in TARGETS:
            if name in whole:
                return {key: value for key, value in whole.items() if key != name}, whole[name]
        raise InputError(
            f"items have the keys {', '.join(map(str, whole))}: give the target as one of {', '.join(TARGETS)}."
        )
    if isinstance(whole, tuple | list) and len(whole) >= 2:
        return (whole[0] if len(whole) == 2 else tuple(whole[:-1])), whole[-1]
    raise InputError(
        f"items collate to a {type(whole).__name__}: have each be (inputs, target), or a mapping with one of"
        f" {', '.join(TARGETS)}."
    )


def _plain(part: Tensor) -> Tensor:
    """NumPy's float64, which no network takes, as torch's default; all else as it is."""
    return part.to(torch.get_default_dtype()) if part.dtype == torch.float64 else part


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: _moved(part, device) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_moved(part, device) for part in value)
    return value
