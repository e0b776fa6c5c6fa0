"""A data set whose items carry their index."""

import copy
import dataclasses
import functools
from collections import UserDict, namedtuple
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, cast

from torch.utils.data import Dataset, IterableDataset

from hardsample.errors import InputError


class WithIndex(Dataset):
    """A data set whose items carry their index, as the samplers' ``update`` wants it.

    Items stay what they are:

    - a tuple or a list gets the index as its last entry: ``(x, y)`` becomes ``(x, y, index)``;
    - a namedtuple becomes one of the same name with a last field ``index``, without methods of its class;
    - a dict, or another mapping, gets the key "index"; one that its type cannot be made of becomes a plain dict;
    - a dataclass gets an attribute ``index`` beside its fields, for a ``collate_fn`` to read;
    - anything else, such as a tensor or a number, becomes ``(item, index)``.

    The data set's own items are not changed. One whose items bring their index needs no WithIndex.

    Args:
        dataset: with ``__getitem__`` and ``__len__``; a list of items will do.

    Raises:
        InputError: the data set is a stream, such as an IterableDataset; or, when an item is asked for, it has a key,
            field or attribute "index", or is a dataclass with slots.
    """

    def __init__(self, dataset: Dataset | Sequence) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__"):
            raise InputError(
                f"{type(dataset).__name__} is a stream, of which no sampler can choose: collect items of it in a list,"
                " give that list, and let the sampler grow(size) when it gets longer."
            )
        self.dataset = dataset

    def __len__(self) -> int:
        return len(cast(Sized, self.dataset))  # torch's own type promises no length

    def __getitem__(self, index: Any) -> Any:
        return _with_index(self.dataset[index], index)

    @property
    def __getitems__(self) -> Callable[[list[int]], list] | None:
        """Fetches many at once where the data set can; None, which a loader takes for no, where it cannot."""
        fetch = getattr(self.dataset, "__getitems__", None)
        return fetch and (lambda indices: [_with_index(*pair) for pair in zip(fetch(indices), indices, strict=True)])


def _with_index(item: Any, index: Any) -> Any:
    if isinstance(item, tuple):  # first, as what most data sets give: the others take longer to tell
        return _named(type(item))(*item, index) if hasattr(item, "_fields") else (*item, index)
    if isinstance(item, Mapping):
        return _with_key(item, index)
    if isinstance(item, list):
        return [*item, index]
    if dataclasses.is_dataclass(item):
        return _with_attribute(item, index)
    return item, index


def _with_key(item: Mapping, index: Any) -> Mapping:
    if "index" in item:
        raise _taken("key")
    if isinstance(item, (dict, UserDict)):  # whose copy holds entries of its own, and what else belongs to the type
        copied = copy.copy(item)
        copied["index"] = index
        return copied
    try:
        return cast(Any, type(item))({**item, "index": index})
    except TypeError:
        return {**item, "index": index}


@functools.cache
def _named(kind: Any) -> type:
    """The namedtuple of the same name with a field more."""
    if "index" in kind._fields:
        raise _taken("field")
    made = cast(Any, namedtuple)(kind.__name__, (*kind._fields, "index"), module=kind.__module__)
    made.__reduce__ = lambda self: (_named_again, (kind, tuple(self)))  # no module has the type under this name
    return made


def _named_again(kind: type, values: tuple) -> tuple:
    """From a pickle, as a loader's workers send."""
    return _named(kind)(*values)


def _with_attribute(item: Any, index: Any) -> Any:
    if hasattr(item, "index"):
        raise _taken("attribute")
    copied = copy.copy(item)
    try:
        object.__setattr__(copied, "index", index)  # a frozen one refuses its own
    except AttributeError:
        raise InputError(
            f"items are {type(item).__name__} with slots, which has no room for an index: make the dataclass without"
            " slots=True, or let the data set give pairs (item, index) itself."
        ) from None
    return copied


def _taken(what: str) -> InputError:
    return InputError(f'items have the {what} "index" already: rename it, or use the data set as it is.')
