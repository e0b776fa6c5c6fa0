"""Run an example and write down the batches it trains on and what it ends with; kill it, if told, after an update.

    python tests/watched_example.py SCRIPT FOLDER REPORT UPDATES

FOLDER is the script's own argument, REPORT a folder for what is written, UPDATES the number after which to kill it.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

import torch

from hardsample.data.torchvision_compat import import_torchvision
from hardsample.samplers.base import LearningSampler

script, folder, report, last = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
update = LearningSampler.update
batches = []


def watched(sampler, indices, scores) -> None:
    if len(batches) == last:  # the update before it, and all that follows an update, are done
        torch.save(batches, report / "batches.pt")
        os.kill(os.getpid(), signal.SIGKILL)
    update(sampler, indices, scores)
    batches.append(indices.tolist())


import_torchvision()  # mended where it does not fit, before others import it
LearningSampler.update = watched
sys.argv = [script, folder]
names = runpy.run_path(script, run_name="__main__")
model = names["reader"].model if "reader" in names else names["model"]
torch.save(batches, report / "batches.pt")
torch.save(model.state_dict(), report / "weights.pt")
