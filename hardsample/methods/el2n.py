"""P-EL2N: as PLB, by how far the network's probabilities are from the label."""

import torch
from torch import Tensor

from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.specs import Look, MethodSpec


class PersistentErrorNorm(PersistentLoss):
    """P-EL2N: as PLB, but the base value is ||p - y||, of the network's softmax p and the label y as a unit vector.

    The error's L2 norm (Paul, Ganguli and Dziugaite 2021, arXiv:2107.07075, section 2). They average it over networks
    early in training, to choose once what to train on; here it is that of the one network, when it last saw the
    example. It is at most the root of 2.
    """

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        log_p = logits.log_softmax(-1)
        label = (log_p + losses.unsqueeze(-1)).abs().argmin(-1, keepdim=True)  # whose -log p is the loss
        others = log_p.exp().scatter(-1, label, 0)
        return torch.hypot(others.sum(-1), others.norm(dim=-1))  # the label's p is wrong by the others' sum


SPECS = (MethodSpec("P-EL2N", PersistentErrorNorm, looks={"P-EL2N": Look("#b3a100", (0, (5, 1, 1, 1, 1, 1)), "d")}),)
