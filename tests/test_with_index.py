"""Items that get their index stay what they are, in loaders too; streams have none to choose by."""

import itertools
import pickle
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from hardsample.errors import InputError
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.with_index import WithIndex

Pair = namedtuple("Pair", "x y")


class Typed(NamedTuple):
    x: torch.Tensor
    y: int = 0


@dataclass
class Item:
    x: torch.Tensor
    y: int


@dataclass(frozen=True)
class Frozen:
    x: torch.Tensor
    y: int


@dataclass(slots=True)
class Slotted:
    x: int


@dataclass
class Indexed:
    x: int
    index: int = 0


class Shown(Mapping):
    """A mapping that cannot be made of a dict."""

    def __init__(self, x: int, y: int) -> None:
        self._entries = {"x": x, "y": y}

    def __getitem__(self, name):
        return self._entries[name]

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)


class Made(Dataset):
    """Example i is what is made of the tensor 2 i and the number i % 3."""

    def __init__(self, make, size: int = 9) -> None:
        self.make, self.size = make, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index):
        return self.make(torch.tensor(2.0 * index), index % 3)


def entries(x, y) -> dict[str, Any]:
    return {"x": x, "y": y}


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(100))


def first(dataset, workers: int = 0, **options):
    """The first batch of three."""
    return next(iter(DataLoader(dataset, batch_size=3, num_workers=workers, **options)))


def test_tuples_and_single_values():
    x, y = torch.arange(5.0), torch.arange(5) % 2
    pairs = WithIndex(TensorDataset(x, y))
    assert len(pairs) == 5 and pairs[3] == (3.0, 1, 3) and type(pairs[3]) is tuple
    assert WithIndex(TensorDataset(x))[2] == (2.0, 2)
    assert WithIndex(list("abc"))[1] == ("b", 1)
    assert WithIndex(x)[4] == (4.0, 4)


def test_lists_stay_lists():
    kept = [[5, 6], [7, 8]]
    assert WithIndex(kept)[1] == [7, 8, 1]
    assert kept == [[5, 6], [7, 8]]
    x, y, index = first(WithIndex(Made(lambda x, y: [x, y])))
    assert (x.tolist(), y.tolist(), index.tolist()) == ([0, 2, 4], [0, 1, 2], [0, 1, 2])


@pytest.mark.parametrize("kind", [Pair, Typed])
def test_a_namedtuple_gets_a_field(kind):
    dataset = WithIndex(Made(kind))
    item = dataset[4]
    assert type(item).__name__ == kind.__name__ and item._fields == ("x", "y", "index")
    assert item == (8.0, 1, 4) and item.index == 4
    assert type(item) is type(dataset[5]) is type(WithIndex(Made(kind))[0])
    again = pickle.loads(pickle.dumps(item))
    assert type(again) is type(item) and again == item
    batch = first(dataset)
    assert type(batch) is type(item) and batch.index.tolist() == [0, 1, 2] and batch.x.tolist() == [0, 2, 4]


@pytest.mark.slow
def test_workers_send_namedtuples():
    batch = first(WithIndex(Made(Pair)), workers=1)
    assert batch.index.tolist() == [0, 1, 2] and batch.y.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [dict, OrderedDict, UserDict, MappingProxyType, lambda e: defaultdict(int, e)])
def test_a_mapping_stays_of_its_type(kind):
    kept = kind({"x": 1, "y": 2})
    item = WithIndex([kept])[0]
    assert type(item) is type(kept) and dict(item) == {"x": 1, "y": 2, "index": 0}
    assert dict(kept) == {"x": 1, "y": 2}
    assert getattr(item, "default_factory", int) is int


def test_a_mapping_that_cannot_be_made_of_entries_becomes_a_dict():
    kept = Shown(1, 2)
    assert WithIndex([kept])[0] == {"x": 1, "y": 2, "index": 0} and "index" not in kept


def test_mappings_are_collated():
    for kind in (dict, OrderedDict, UserDict):
        batch = first(WithIndex(Made(lambda x, y, kind=kind: kind(entries(x, y)))))
        assert type(batch) is kind and batch["index"].tolist() == [0, 1, 2] and batch["x"].tolist() == [0, 2, 4]


def test_rows_of_hugging_face_data_sets():
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"x": [0.5, 1.5, 2.5], "labels": [0, 1, 0]}).with_format("torch")
    item = WithIndex(rows)[2]
    assert (item["x"], item["labels"], item["index"]) == (2.5, 0, 2)
    batch = first(WithIndex(rows))
    assert batch["index"].tolist() == [0, 1, 2] and batch["x"].tolist() == [0.5, 1.5, 2.5]


def test_encodings_of_tokenizers():
    transformers = pytest.importorskip("transformers")
    item = WithIndex([transformers.BatchEncoding({"input_ids": [3, 4]})])[0]
    assert type(item) is transformers.BatchEncoding and item["index"] == 0 and item.input_ids == [3, 4]


@pytest.mark.parametrize("kind", [Item, Frozen])
def test_a_dataclass_gets_an_attribute_for_a_collate_fn(kind):
    kept = kind(torch.tensor(1.0), 2)
    item = WithIndex([kept])[0]
    assert type(item) is kind and (item.x, item.y, item.index) == (1.0, 2, 0)
    assert not hasattr(kept, "index") and item == kept

    def collated(items):
        return torch.stack([item.x for item in items]), torch.tensor([item.index for item in items])

    x, index = first(WithIndex(Made(kind)), collate_fn=collated)
    assert x.tolist() == [0, 2, 4] and index.tolist() == [0, 1, 2]
    assert pickle.loads(pickle.dumps(item)).index == 0


@pytest.mark.parametrize(
    "item, message",
    [
        ({"index": 1}, 'items have the key "index" already: rename it, or use the data set as it is'),
        (UserDict(index=1), 'items have the key "index" already'),
        (namedtuple("Row", "x index")(1, 2), 'items have the field "index" already'),
        (Indexed(3), 'items have the attribute "index" already'),
        (Slotted(3), "items are Slotted with slots, which has no room for an index: make the dataclass without slots"),
    ],
)
def test_an_item_without_room_for_an_index_is_refused(item, message):
    with pytest.raises(InputError, match=message):
        WithIndex([item])[0]


def test_items_are_fetched_together_where_the_data_set_can():
    asked = []

    class Many(Made):
        def __getitems__(self, indices):
            asked.append(indices)
            return [self[i] for i in indices]

    batch = first(WithIndex(Many(entries)))
    assert asked == [[0, 1, 2]] and batch["index"].tolist() == [0, 1, 2] and batch["x"].tolist() == [0.0, 2.0, 4.0]
    assert first(WithIndex(Made(entries)))["index"].tolist() == [0, 1, 2]
    options = {"batch_size": 2}
    assert next(iter(DataLoader(WithIndex(Subset(Made(entries), [5, 8])), **options)))["index"].tolist() == [0, 1]
    assert next(iter(DataLoader(Subset(WithIndex(Made(entries)), [5, 8]), **options)))["index"].tolist() == [5, 8]


def test_items_that_bring_their_index_need_nothing():
    rows = [{"x": 0.5 * i, "index": i} for i in range(9)]
    sampler = BaseValuesSampler(len(rows), 3, seed=1)
    for batch in DataLoader(rows, batch_sampler=sampler):
        assert batch["x"].tolist() == [0.5 * i for i in batch["index"]]
        sampler.update(batch["index"], batch["x"] + 1)
    assert sampler.state_dict()["updates"] == 3


@pytest.mark.parametrize("stream", [Stream(), (i for i in range(9))])
def test_a_stream_is_refused(stream):
    message = f"{type(stream).__name__} is a stream, of which no sampler can choose: collect items of it in a list"
    with pytest.raises(InputError, match=message):
        WithIndex(stream)


def test_a_list_that_takes_in_a_stream_is_chosen_from_as_it_grows():
    stream, kept = iter(Stream()), []
    kept += itertools.islice(stream, 8)
    sampler = BaseValuesSampler(len(kept), 4, seed=1)
    loader, seen = DataLoader(WithIndex(kept), batch_sampler=sampler), set()
    for _ in range(12):
        for x, index in loader:
            assert torch.equal(x, index)
            sampler.update(index, 1.0 + index)
            seen |= set(x.tolist())
        kept += itertools.islice(stream, 2)
        sampler.grow(len(kept))
    assert len(kept) == 32 and max(seen) >= 24
