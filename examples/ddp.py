"""Hard-first in several processes, with DistributedDataParallel.

    torchrun --nproc-per-node 2 examples/ddp.py

Three lines adopt it: make the sampler (1), pass it to the DataLoader (2), tell it every example's loss (3). It takes
the place of DistributedSampler. batch_size is that of all processes together: every rank makes the same draw and trains
on its share, and update gathers the losses of all. Make it after init_process_group, so that it finds out its rank; on
GPUs, with nccl, give it the model's device.
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

import hardsample


def main():
    letters = hardsample.load("glyphs", train_examples=2000, test_examples=1000)
    train = TensorDataset(letters.x_train / 255, letters.y_train)
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, letters.num_classes))
    model = DistributedDataParallel(network)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    sampler = hardsample.BaseValuesSampler(len(train), batch_size=32, seed=1)  # 1 make it
    loader = DataLoader(hardsample.WithIndex(train), batch_sampler=sampler)  # 2 pass it
    for _ in range(8):
        for x, y, index in loader:
            losses = F.cross_entropy(model(x), y, reduction="none")
            losses.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            sampler.update(index, losses)  # 3 tell it

    with torch.no_grad():
        right = (network(letters.x_test / 255).argmax(1) == letters.y_test).float().mean()
    if dist.get_rank() == 0:
        updates, ranks = 8 * len(loader), dist.get_world_size()
        print(f"DDP: {right:.1%} of the test letters read after {updates} updates in {ranks} processes")


dist.init_process_group("gloo")
main()
dist.destroy_process_group()
