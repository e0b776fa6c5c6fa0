"""Hard-first with PyTorch Lightning.

    pip install lightning
    python examples/lightning_trainer.py

Three lines adopt it: make the sampler (1), pass it to the DataLoader (2), tell it every example's loss (3). Make it in
train_dataloader: by then Lightning has started its processes and moved the model. The sampler shares every draw out
among the processes itself; use_distributed_sampler=False keeps Lightning from sharing it out once more.
"""

import lightning
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hardsample


class Reader(lightning.LightningModule):
    def __init__(self, letters):
        super().__init__()
        self.letters = letters
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, letters.num_classes))

    def train_dataloader(self):
        train = TensorDataset(self.letters.x_train / 255, self.letters.y_train)
        self.sampler = hardsample.BaseValuesSampler(len(train), batch_size=32, seed=1, device=self.device)  # 1 make it
        return DataLoader(hardsample.WithIndex(train), batch_sampler=self.sampler)  # 2 pass it

    def training_step(self, batch):
        x, y, index = batch
        losses = F.cross_entropy(self.model(x), y, reduction="none")
        self.sampler.update(index, losses)  # 3 tell it
        return losses.mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


letters = hardsample.load("glyphs", train_examples=2000, test_examples=1000)
torch.manual_seed(1)
reader = Reader(letters)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = lightning.Trainer(max_epochs=8, use_distributed_sampler=False, **quiet)
trainer.fit(reader)

with torch.no_grad():
    right = (reader.model(letters.x_test / 255).argmax(1) == letters.y_test).float().mean()
updates, ranks = trainer.global_step, trainer.world_size
if trainer.is_global_zero:
    print(f"Lightning: {right:.1%} of the test letters read after {updates} updates in {ranks} process(es)")
