"""The networks by name: what they take, how they are made, and how large they are."""

import functools
from collections.abc import Sequence

import torch
from torch import nn

from hardsample import randomness
from hardsample.config import INITIALIZATIONS, INPUT_SCALINGS
from hardsample.data.dataset import Dataset
from hardsample.errors import InputError, check_choice
from hardsample.training import image_networks, letters_cnn, narrow_networks
from hardsample.training.network_spec import NETWORKS, NetworkSpec

for _spec in (letters_cnn.SPEC, *image_networks.SPECS, *narrow_networks.SPECS):
    _spec.register()

TITLES = {spec.name: spec.title for spec in image_networks.SPECS}
"""Paper B's networks in the order of its Tables 3-6, by their names in print."""
INITIALIZED_BY_LIBRARY = tuple(spec.name for spec in image_networks.SPECS if spec.initialize_as_timm is not None)
"""Those of them that torchvision and timm initialise differently; the ResNets both do alike."""


def find(network: str) -> NetworkSpec:
    """The network of that name.

    Raises:
        InputError: there is none.
    """
    check_choice("network", network, NETWORKS)
    return NETWORKS[network]


def build(
    network: str, classes: int, seed: int, image_size: int | None = None, *, initialization: str = "timm"
) -> nn.Module:
    """The network, initialised on the CPU from the seed alone.

    ``initialization``, "timm" or "torchvision", says by whose rule a network that has ``initialize_as_timm`` is
    initialised. The others have one initialisation, whatever it says: paper A's torch's own, the ResNets that of both
    libraries.

    Raises:
        InputError: unknown network or initialisation, or an image size for a network that has its own.
    """
    spec = find(network)
    check_choice("initialization", initialization, INITIALIZATIONS)
    if spec.image_shape is not None and image_size:
        size = "x".join(map(str, spec.image_shape[1:]))
        raise InputError(f"image_size is {image_size}, but {network} takes images of {size} alone: leave it out.")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(randomness.word(seed, randomness.Stream.INITIALISE))
        module = spec.build(classes, image_size)
        if initialization == "timm" and spec.initialize_as_timm is not None:
            spec.initialize_as_timm(module)
        return module


def check_initialization(network: str, initialization: str) -> None:
    """Refuse to name an initialisation for a network that has one alone: equal runs would have two keys.

    Raises:
        InputError: says so.
    """
    if initialization != INITIALIZATIONS[0] and find(network).initialize_as_timm is None:
        choices = ", ".join(name for name, spec in NETWORKS.items() if spec.initialize_as_timm is not None)
        raise InputError(
            f"initialization is {initialization!r}, but {network} has one initialisation alone: leave it out; it is a"
            f" choice for {choices}."
        )


def check_input_scaling(network: str, scaling: str, data: Dataset) -> None:
    """Refuse another scaling of the pixels for a network that scales them in its own way alone, or of pixels all alike.

    Raises:
        InputError: says so.
    """
    if scaling == INPUT_SCALINGS[0]:
        return
    if not find(network).standardizes:
        choices = ", ".join(name for name, spec in NETWORKS.items() if spec.standardizes)
        raise InputError(
            f"input_scaling is {scaling!r}, but {network} scales its images in its own way alone: leave it out; it is a"
            f" choice for {choices}."
        )
    if not data.pixel_moments[1]:
        raise InputError(
            f"input_scaling is {scaling!r}, which divides by the deviation of the pixels, but all those of {data.name}"
            " are alike: leave it out."
        )


def check_images(network: str, shape: Sequence[int]) -> None:
    """Refuse images [C, H, W] that the network cannot take.

    Raises:
        InputError: says which it takes.
    """
    spec = find(network)
    if spec.image_shape is not None and tuple(shape) != spec.image_shape:
        taken, given = ("x".join(map(str, each)) for each in (spec.image_shape, shape))
        raise InputError(f"{network} takes images of {taken}, and these are {given}: choose other data or network.")


def max_cohort_size(network: str) -> int:
    """How many seeds of a network one GPU trains together: as many as it takes to fill it."""
    return find(network).max_cohort_size


def parameters(network: str, classes: int) -> int:
    """How many numbers the network learns (paper B, Table 2)."""
    with torch.device("meta"):
        module = find(network).build(classes, None)
    return sum(parameter.numel() for parameter in module.parameters())


@functools.cache
def flops(network: str, classes: int, image_size: int) -> int:
    """Floating-point operations of a colour image forward, a multiplication and an addition being two (Table 2)."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module = find(network).build(classes, None).eval()
        module(torch.empty(1, 3, image_size, image_size, dtype=torch.uint8))
    return counter.get_total_flops()
