"""A loader that others share out among the processes once more: seen when it asks for the first batch of a pass."""

import sys
from types import FrameType

from torch.utils.data import Sampler

from hardsample.errors import InputError

_COUNTS = ("num_processes", "num_replicas")  # how samplers that share out call the number of processes


def check_shared_once() -> None:
    """Raise where another sampler asks for this one's batches in order to share them out.

    A sampler is not told who asks. But whoever asks stands among the calls that are running, below the loader's own.

    Raises:
        InputError: there is such a sampler, as ``accelerator.prepare`` puts one between where several processes run.
    """
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_code.co_name != "_next_index":  # the loader's
        asking = frame.f_locals.get("self")
        if isinstance(asking, Sampler) and any(hasattr(asking, count) for count in _COUNTS):
            raise InputError(
                f"{type(asking).__name__} shares out once more what the sampler has shared out among the processes:"
                " leave the loader out of accelerator.prepare and move its batches to accelerator.device, or give"
                " Lightning's Trainer use_distributed_sampler=False."
            )
        frame = frame.f_back
