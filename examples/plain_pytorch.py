"""Hard-first in a plain PyTorch loop.

    python examples/plain_pytorch.py

Three lines adopt it: make the sampler (1), pass it to the DataLoader (2), tell it every example's loss (3). Two others
are written differently: a batch brings the indices of its examples, and the loss keeps one value for each of them.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hardsample

device = "cuda" if torch.cuda.is_available() else "cpu"
letters = hardsample.load("glyphs", train_examples=2000, test_examples=1000)
train = TensorDataset(letters.x_train / 255, letters.y_train)
torch.manual_seed(1)
model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, letters.num_classes)).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

sampler = hardsample.BaseValuesSampler(len(train), batch_size=32, seed=1, device=device)  # 1 make it
loader = DataLoader(hardsample.WithIndex(train), batch_sampler=sampler)  # 2 pass it
for _ in range(8):
    for x, y, index in loader:
        losses = F.cross_entropy(model(x.to(device)), y.to(device), reduction="none")
        losses.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        sampler.update(index, losses)  # 3 tell it

with torch.no_grad():
    right = (model(letters.x_test.to(device) / 255).argmax(1).cpu() == letters.y_test).float().mean()
print(f"plain PyTorch: {right:.1%} of the test letters read after {8 * len(loader)} updates")
