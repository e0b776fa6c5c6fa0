"""Losses of every example, for any number of networks at once."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every example: logits [S, n, K] and labels [S, n] -> [S, n]."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)


def focal_loss(losses: Tensor, gamma: float) -> Tensor:
    """Focal losses (1 - p)^gamma (-log p) from cross-entropies -log p of any shape (Lin et al. 2017, equation 4)."""
    return (-torch.expm1(-losses)).clamp(min=0).pow(gamma) * losses
