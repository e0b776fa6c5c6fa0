"""How the pixels of letters enter a network: from 0 to 1, or with their mean and deviation taken out."""

from torch import Tensor, nn


class Pixels(nn.Module):
    """What a letters network begins with.

    ``moments`` are the mean and standard deviation that pixels from 0 to 1 are scaled by; None leaves them so. They are
    no part of the network's state: whoever trains it sets them, from the training set.
    """

    moments: tuple[float, float] | None = None

    def pixels(self, images: Tensor, like: Tensor) -> Tensor:
        """uint8 images of any shape -> the same in the dtype of ``like``, scaled."""
        x = images.to(like.dtype).div(255)
        if self.moments is None:
            return x
        mean, deviation = self.moments
        return x.sub(mean).div(deviation)
