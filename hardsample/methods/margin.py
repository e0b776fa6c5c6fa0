"""P-margin: as PLB, by how near the network's two likeliest classes are to each other."""

from torch import Tensor

from hardsample.methods.persistent import PersistentLoss
from hardsample.methods.specs import Look, MethodSpec


class PersistentMargin(PersistentLoss):
    """P-margin: as PLB, but the base value is 1 - (p_1 - p_2), of the softmax's two largest probabilities.

    The margin of active learning (Scheffer, Decomain and Wrobel 2001, IDA). It looks at no label. 1 - p_1 is the other
    classes' sum, so that a value near 0 is not lost to rounding.
    """

    @staticmethod
    def values(logits: Tensor, losses: Tensor) -> Tensor:
        p = logits.softmax(-1)
        others = p.scatter(-1, p.argmax(-1, keepdim=True), 0)
        return others.sum(-1) + others.amax(-1)


SPECS = (MethodSpec("P-margin", PersistentMargin, looks={"P-margin": Look("#56b4e9", (0, (7, 1.5)), "*")}),)
