"""Loaders that Accelerate or Lightning prepares: one process trains by them, several are told to leave them as made."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from prepared_loaders import LAG, SIZE, N, by_batches, by_examples

from hardsample.errors import InputError
from hardsample.samplers.base_values import BaseValuesSampler

MAKES = pytest.mark.parametrize("make", [by_batches, by_examples])
WAY_OUT = (
    "leave the loader out of accelerator.prepare and move its batches to accelerator.device, or give Lightning's"
    " Trainer use_distributed_sampler=False."
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> list[dict[str, tuple[int, str, str]]]:
    """Of either process."""
    for needed in ("accelerate", "lightning"):  # found and not imported, since a torchvision that does not fit stops it
        if not importlib.util.find_spec(needed):
            pytest.skip(f"needs {needed}")
    folder = tmp_path_factory.mktemp("reports")
    launched = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    ran = subprocess.run(
        [*launched, str(Path(__file__).with_name("prepared_loaders.py")), str(folder)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
@MAKES
@pytest.mark.parametrize("how", ["default", "split", "uneven", "seedable"])
def test_a_loader_prepared_for_several_processes_is_refused_before_its_first_batch(reports, how, make):
    expected = "BatchSamplerShard shares out once more what the sampler has shared out among the processes: " + WAY_OUT
    for report in reports:
        assert report[f"{how} {make.__name__}"] == [0, "InputError", expected]


@pytest.mark.slow
@MAKES
def test_batches_dispatched_from_one_process_are_refused_at_the_first_update(reports, make):
    first, second = (report[f"dispatched {make.__name__}"] for report in reports)
    assert first[:2] == second[:2] == [1, "InputError"]
    assert second[2].endswith("in every process; a prepared loader that dispatches batches draws in one alone.")


@pytest.mark.slow
@MAKES
@pytest.mark.parametrize("how", ["unprepared", "lightning told"])
def test_a_loader_left_as_it_is_trains(reports, how, make):
    for report in reports:
        assert report[f"{how} {make.__name__}"] == [SIZE // N, "", ""]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lightning by_batches", "lightning hard by_batches", "lightning by_examples"])
def test_lightning_s_own_sampler_is_refused_before_the_first_batch(reports, name):
    for report in reports:
        batches, _, message = report[name]
        assert batches == 0 and "use_distributed_sampler=False" in message


@MAKES
def test_one_process_trains_by_a_prepared_loader_that_looks_a_batch_ahead(make):
    accelerate = pytest.importorskip("accelerate")

    def seen(prepared: bool, lag: int) -> list[list[int]]:
        sampler, batches = BaseValuesSampler(SIZE, N, lag=lag), []
        loader = make(sampler)
        if prepared:
            loader = accelerate.Accelerator(cpu=True).prepare(loader)
        for _ in range(3):
            for x, index in loader:
                sampler.update(index, 1.0 + x[:, 0])
                batches.append(index.tolist())
        return batches

    for lag in (2, LAG):
        assert seen(True, lag) == seen(False, lag)
    assert seen(False, 2) != seen(False, LAG)
    with pytest.raises(InputError, match="lag is 1, but 2 batches were drawn .* give the sampler lag=2"):
        seen(True, 1)


@MAKES
def test_a_sampler_without_processes_or_a_count_of_them_may_stand_between(make):
    """The refusal looks at who shares out, not at who asks."""

    class Between(torch.utils.data.BatchSampler):
        def __iter__(self):
            yield from self.sampler

    for share in (0, 1):
        sampler = BaseValuesSampler(SIZE, N, rank=share, world_size=2)
        between = Between(make(sampler).batch_sampler, 1, False)
        assert len(next(iter(between))) == N // 2
        between.num_replicas = 2
        with pytest.raises(InputError, match="^Between shares out once more"):
            next(iter(between))
        alone = BaseValuesSampler(SIZE, N)
        between.sampler = make(alone).batch_sampler
        assert len(next(iter(between))) == N
