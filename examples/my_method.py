"""A method of one's own for the leaderboard: the hardest half of a random draw, by the losses that were last seen.

    hardsample leaderboard --plugin examples/my_method.py --methods HardHalf

It draws twice as many examples as an update has, and keeps those whose last loss is highest; unseen ones come first.
"""

import torch

import hardsample
from hardsample import Draw, FullMiniBatches, MethodSpec
from hardsample.randomness import Stream, uniforms


class HardHalf(FullMiniBatches):
    """Is built for N examples, mini-batches of n and one seed or several, int64 [S]."""

    def __init__(self, size, n, seeds, first_step=0, *, of=2.0):
        super().__init__(size, n)
        self.size, self.n, self.seeds = size, n, seeds
        self.candidates = round(of * n)
        self.losses = torch.full((len(seeds), size), torch.inf, device=seeds.device)  # last seen

    def draw(self, step):
        numbers = uniforms(self.seeds, Stream.DRAW, step, self.candidates)  # of seed and step alone
        drawn = (numbers * self.size).long().clamp_(max=self.size - 1)
        hardest = self.losses.gather(1, drawn).argsort(dim=1, descending=True, stable=True)[:, : self.n]
        return Draw(drawn.gather(1, hardest))

    def observe(self, indices, logits, losses):
        self.losses.scatter_(1, indices, losses)

    @property
    def tensors(self):
        return {"losses": self.losses}


hardsample.register(MethodSpec("HardHalf", HardHalf))
