"""Hard-first with Hugging Face Accelerate.

    pip install accelerate
    accelerate launch examples/accelerate_loop.py
    ACCELERATE_USE_CPU=1 torchrun --nproc-per-node 2 examples/accelerate_loop.py  # two processes without a GPU

Three lines adopt it: make the sampler (1), pass it to the DataLoader (2), tell it every example's loss (3). The model
and the optimizer go through prepare, the loader does not: the sampler shares every draw out among the processes itself,
and a prepared loader would share it out once more. So the loop moves each batch to the device.
"""

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hardsample

accelerator = Accelerator()
letters = hardsample.load("glyphs", train_examples=2000, test_examples=1000)
train = TensorDataset(letters.x_train / 255, letters.y_train)
torch.manual_seed(1)
model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, letters.num_classes))
model, optimizer = accelerator.prepare(model, torch.optim.Adam(model.parameters(), lr=3e-3))

sampler = hardsample.BaseValuesSampler(len(train), batch_size=32, seed=1, device=accelerator.device)  # 1 make it
loader = DataLoader(hardsample.WithIndex(train), batch_sampler=sampler)  # 2 pass it
for _ in range(8):
    for x, y, index in loader:
        x, y = x.to(accelerator.device), y.to(accelerator.device)
        losses = F.cross_entropy(model(x), y, reduction="none")
        accelerator.backward(losses.mean())
        optimizer.step()
        optimizer.zero_grad()
        sampler.update(index, losses)  # 3 tell it

with torch.no_grad():
    x_test = letters.x_test.to(accelerator.device) / 255
    right = (accelerator.unwrap_model(model)(x_test).argmax(1).cpu() == letters.y_test).float().mean()
updates, ranks = 8 * len(loader), accelerator.num_processes
accelerator.print(f"Accelerate: {right:.1%} of the test letters read after {updates} updates in {ranks} process(es)")
accelerator.end_training()
