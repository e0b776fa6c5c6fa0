"""What a network is to this package, and the registry of those known."""

import dataclasses
from collections.abc import Callable

import torch
from torch import nn

from hardsample import arguments
from hardsample.errors import InputError

OWN = "own"  # in place of a paper's name, for a network that is of neither


def _as_built(module: nn.Module, stacked: bool, device: torch.device, precision: str) -> None:
    """Leave the module as it is."""


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """A network by name, and all that the training needs to know of it.

    Its modules take images uint8 [n, C, H, W], and as a second argument, where they have the attribute ``dropout`` (the
    rate and shape of each mask), the masks bool [n, \\*shape] in training and () else; they give logits [n, classes].

    Args:
        name: what :attr:`hardsample.config.Run.network` says.
        title: its name in print.
        build: makes a module of a number of classes and an image size (None: images as they are), initialised from
            torch's default generator.
        image_shape: the only shape (C, H, W) of images that it takes; None for any, resized where a run says so.
        batch_normalized: has it batch normalisation, which cannot be trained on a single image?
        max_cohort_size: how many seeds one GPU trains together: as many as it takes to fill it.
        images_on_gpu: how many images of each seed pass together on a GPU, without gradients.
        standardizes: do its modules subtract and divide by the mean and the deviation of pixels from 0 to 1 that their
            attribute ``moments`` holds, if it is not None?
        initialize_as_timm: draws a module's weights anew by timm's rule; None where there is one initialisation alone.
        specialize: makes a module compute the same faster, alone or stacked, on a device, in a precision.
        paper: whose network it is, ``base-values`` or ``hard-samples``, which is where its runs are stored.
    """

    name: str
    title: str
    build: Callable[[int, int | None], nn.Module]
    image_shape: tuple[int, int, int] | None = None
    batch_normalized: bool = False
    max_cohort_size: int = 1
    images_on_gpu: int = 500
    standardizes: bool = False
    initialize_as_timm: Callable[[nn.Module], None] | None = None
    specialize: Callable[[nn.Module, bool, torch.device, str], None] = _as_built
    paper: str = OWN

    def register(self) -> None:
        """Enter the registry.

        Raises:
            InputError: the name is another network's, or a number is out of range.
        """
        arguments.file_name("the name of the network", self.name)
        for field in ("title", "paper"):
            arguments.text(field, getattr(self, field), "words")
        for field in ("build", "specialize", "initialize_as_timm"):
            arguments.function(field, getattr(self, field))
        if not callable(self.build):
            raise InputError(f"build of {self.name} is None: give a function of a number of classes and an image size.")
        shape = self.image_shape
        if shape is not None and not (
            isinstance(shape, tuple) and len(shape) == 3 and all(type(s) is int for s in shape)
        ):
            raise InputError(f"image_shape is {arguments.told(shape)}: give (C, H, W), or None for any.")
        for field in ("max_cohort_size", "images_on_gpu"):
            arguments.whole(f"{field} of {self.name}", getattr(self, field), 1, "at least 1")
        if NETWORKS.get(self.name, self) != self:
            raise InputError(f"there is another network named {self.name!r}: give yours a name of its own.")
        if not set(self.name) <= _LETTERS:
            raise InputError(f"a network is named {self.name!r}: give letters, digits, - and _, which name files too.")
        NETWORKS[self.name] = self


_LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
NETWORKS: dict[str, NetworkSpec] = {}
"""All networks, by name; :mod:`hardsample.training.networks` enters those of the papers."""
