"""Two processes train by loaders that Accelerate or Lightning prepares; each writes down what was raised, and when.

torchrun starts it, with a folder for the reports.
"""

import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

from hardsample.data.torchvision_compat import import_torchvision
from hardsample.samplers.base_values import BaseValuesSampler
from hardsample.samplers.hard_mini_batches import HardMiniBatchSampler
from hardsample.samplers.with_index import WithIndex

SIZE, N, LAG = 40, 8, 9  # a lag that no loader here exceeds
DATA = WithIndex(TensorDataset(torch.arange(float(SIZE))[:, None]))


def by_batches(sampler) -> DataLoader:
    return DataLoader(DATA, batch_sampler=sampler)


def by_examples(sampler) -> DataLoader:
    return DataLoader(DATA, sampler=sampler.examples, batch_size=N // sampler.world_size)


def tried(train) -> tuple[int, str, str]:
    """How many batches there were before the error, its type, and what it says."""
    batches = []
    try:
        train(batches)
    except Exception as error:
        return len(batches), type(error).__name__, str(error)
    return len(batches), "", ""


def accelerated() -> dict[str, tuple[int, str, str]]:
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

    def train(make, options, batches) -> None:
        accelerator = Accelerator(dataloader_config=DataLoaderConfiguration(**(options or {})))
        sampler = BaseValuesSampler(SIZE, N, lag=LAG)
        loader = make(sampler)
        if options is not None:
            loader = accelerator.prepare(loader)
        for x, index in loader:
            batches.append(index)
            sampler.update(index, 1.0 + x[:, 0])

    ways = {
        "unprepared": None,
        "default": {},
        "split": {"split_batches": True},
        "uneven": {"even_batches": False},
        "seedable": {"use_seedable_sampler": True},
        "dispatched": {"dispatch_batches": True},
    }
    return {
        f"{name} {make.__name__}": tried(lambda batches, make=make, way=way: train(make, way, batches))
        for name, way in ways.items()
        for make in (by_batches, by_examples)
    }


def lightened() -> dict[str, tuple[int, str, str]]:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self, kind, make, batches) -> None:
            super().__init__()
            self.kind, self.make, self.batches = kind, make, batches
            self.weight = torch.nn.Parameter(torch.ones(1))

        def train_dataloader(self):
            self.told = self.kind(SIZE, N, lag=LAG)
            return self.make(self.told)

        def training_step(self, batch):
            x, index = batch
            self.batches.append(index)
            losses = 1.0 + (self.weight * x)[:, 0] ** 2
            self.told.update(index, losses)
            return losses.mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-5)

    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)

    def fit(kind, make, batches, **options) -> None:
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", **options, **quiet)
        trainer.fit(Module(kind, make, batches))

    def named(kind, make, **options) -> tuple[int, str, str]:
        return tried(lambda batches: fit(kind, make, batches, **options))

    return {
        "lightning by_batches": named(BaseValuesSampler, by_batches),
        "lightning hard by_batches": named(HardMiniBatchSampler, by_batches),
        "lightning by_examples": named(BaseValuesSampler, by_examples),
        "lightning told by_batches": named(BaseValuesSampler, by_batches, use_distributed_sampler=False),
        "lightning told by_examples": named(BaseValuesSampler, by_examples, use_distributed_sampler=False),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    import_torchvision()  # mended where it does not fit, before Lightning imports it
    reports = accelerated() | lightened()
    rank = torch.distributed.get_rank()
    (Path(sys.argv[1]) / f"{rank}.json").write_text(json.dumps(reports))
    torch.distributed.destroy_process_group()
