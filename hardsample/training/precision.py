"""What numbers are multiplied in: IEEE float32, TF32 or bf16."""

import contextlib
from collections.abc import Iterator

import torch

from hardsample.errors import InputError

ARITHMETIC = {"float32": "IEEE float32", "tf32": "TF32", "bf16": "bf16"}
"""What each precision multiplies in; sums, weights and updates are float32 in all of them."""


def check_precision(precision: str, device: str) -> None:
    """Refuse a precision that the device has no arithmetic for.

    Raises:
        InputError: "tf32" on a CPU.
    """
    if precision == "tf32" and not device.startswith("cuda"):
        raise InputError("precision 'tf32' is the arithmetic of a GPU, and this is a CPU: choose float32 or bf16.")


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """On a GPU: products of float32 numbers in IEEE's arithmetic, or for "tf32" in that of its tensor cores.

    Torch's own default there is TF32 for convolutions and IEEE for the rest.
    """
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value
