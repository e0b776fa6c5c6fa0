"""Hard-first with Hugging Face's Trainer.

    pip install 'transformers[torch]'
    python examples/huggingface_trainer.py [FOLDER]

Three lines adopt it: make the sampler (1), pass it to the DataLoader (2), tell it every example's loss (3). The loader
is made in get_train_dataloader, where Trainer would share out once more what the sampler shares out. A killed training
goes on from the last checkpoint in FOLDER, within an epoch too, with the very same batches: Keep saves the sampler's
state, which knows where it stands, so that Trainer must not skip batches (ignore_data_skip).
"""

import sys
import tempfile

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

import hardsample


def learned(args, state):
    return f"{args.output_dir}/checkpoint-{state.global_step}/learned.pt"


class Keep(TrainerCallback):
    def on_save(self, args, state, control, train_dataloader, **_):
        if state.is_world_process_zero:
            torch.save(train_dataloader.batch_sampler.state_dict(), learned(args, state))

    def on_train_begin(self, args, state, control, train_dataloader, **_):
        if state.global_step:
            train_dataloader.batch_sampler.load_state_dict(torch.load(learned(args, state)))


class Reading(Trainer):
    def get_train_dataloader(self):
        self.sampler = hardsample.BaseValuesSampler(len(train), batch_size=32, seed=1, device=args.device)  # 1 make it
        return DataLoader(hardsample.WithIndex(train), batch_sampler=self.sampler)  # 2 pass it

    def compute_loss(self, model, inputs, **_):
        x, y, index = inputs
        losses = F.cross_entropy(model(x), y, reduction="none")
        self.sampler.update(index, losses)  # 3 tell it
        return losses.mean()


letters = hardsample.load("glyphs", train_examples=2000, test_examples=1000)
train = TensorDataset(letters.x_train / 255, letters.y_train)
torch.manual_seed(1)
model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 64), nn.ReLU(), nn.Linear(64, letters.num_classes))
folder = sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp()
plain = {"lr_scheduler_type": "constant", "max_grad_norm": 0, "disable_tqdm": True}
args = TrainingArguments(folder, num_train_epochs=8, save_steps=21, ignore_data_skip=True, **plain)
trainer = Reading(model, args, callbacks=[Keep], optimizers=(torch.optim.Adam(model.parameters(), lr=3e-3), None))
trainer.train(resume_from_checkpoint=get_last_checkpoint(folder))

right = (model(letters.x_test.to(args.device) / 255).argmax(1).cpu() == letters.y_test).float().mean()
updates, ranks = trainer.state.global_step, args.world_size
if trainer.is_world_process_zero():
    print(f"Trainer: {right:.1%} of the test letters read after {updates} updates in {ranks} process(es)")
