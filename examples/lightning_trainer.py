"""Hard-first with PyTorch Lightning.

    pip install lightning
    python examples/lightning_trainer.py [FOLDER]

Three lines adopt it: make the sampler (1), pass it to the DataLoader (2), tell it every example's loss (3). Make it in
train_dataloader: by then Lightning has started its processes and moved the model. use_distributed_sampler=False keeps
Lightning from sharing out once more what the sampler shares out. A killed training goes on from the last checkpoint in
FOLDER with the very same batches, within an epoch too, whatever Lightning warns of: the sampler knows where it stands.
"""

import sys
import tempfile

import lightning
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hardsample

letters = hardsample.load("glyphs", train_examples=2000, test_examples=1000)
train = TensorDataset(letters.x_train / 255, letters.y_train)


class Reader(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.learned = None
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, letters.num_classes))

    def train_dataloader(self):
        self.sampler = hardsample.BaseValuesSampler(len(train), batch_size=32, seed=1, device=self.device)  # 1 make it
        loader = DataLoader(hardsample.WithIndex(train), batch_sampler=self.sampler)  # 2 pass it
        if self.learned:
            loader.batch_sampler.load_state_dict(self.learned)
        return loader

    def on_save_checkpoint(self, checkpoint):
        checkpoint["learned"] = self.trainer.train_dataloader.batch_sampler.state_dict()

    def on_load_checkpoint(self, checkpoint):
        self.learned = checkpoint["learned"]

    def training_step(self, batch):
        x, y, index = batch
        losses = F.cross_entropy(self.model(x), y, reduction="none")
        self.sampler.update(index, losses)  # 3 tell it
        return losses.mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


torch.manual_seed(1)
reader = Reader()
keep = ModelCheckpoint(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp(), every_n_train_steps=21, save_last=True)
trainer = lightning.Trainer(max_epochs=8, use_distributed_sampler=False, callbacks=keep, logger=False)
trainer.fit(reader, ckpt_path="last")

right = (reader.model(letters.x_test / 255).argmax(1) == letters.y_test).float().mean()
updates, ranks = trainer.global_step, trainer.world_size
trainer.print(f"Lightning: {right:.1%} of the test letters read after {updates} updates in {ranks} process(es)")
