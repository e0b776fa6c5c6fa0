"""P-confidence: as PLB, by how far the network is from being sure of one class."""

from torch import Tensor

from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.specs import Look, MethodSpec


class PersistentConfidence(PersistentLoss):
    """P-confidence: as PLB, but the base value is 1 - p_1, with p_1 the largest probability of the network's softmax.

    Least confidence, an uncertainty of active learning (Lewis and Gale 1994, SIGIR; Settles 2009, section 3.1). It
    looks at no label. The other classes' probabilities are added up, so that a value near 0 is not lost to rounding.
    """

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        p = logits.softmax(-1)
        return p.scatter(-1, p.argmax(-1, keepdim=True), 0).sum(-1)


SPECS = (
    MethodSpec(
        "P-confidence",
        PersistentConfidence,
        looks={"P-confidence": Look("#8c564b", (0, (1.5, 1)), "p")},
    ),
)
