"""A data set whose items carry their index."""

from collections.abc import Callable, Sized
from typing import Any, cast

from torch.utils.data import Dataset

from hardsample.errors import InputError


class WithIndex(Dataset):
    """A data set whose items carry their index, as the samplers' ``update`` wants it.

    ``(x, y)`` becomes ``(x, y, index)``, and so does any tuple; a dict gets the key "index"; anything else becomes
    ``(item, index)``.

    Raises:
        InputError: when an item is a dict that has the key "index".
    """

    def __init__(self, dataset: Dataset) -> None:
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
    if isinstance(item, tuple):
        return (*item, index)
    if not isinstance(item, dict):
        return item, index
    if "index" in item:
        raise InputError('items have the key "index" already: rename it, or use the data set as it is.')
    return {**item, "index": index}
