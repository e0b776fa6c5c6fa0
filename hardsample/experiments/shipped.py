"""The figures and tables whose runs come with the package, and what was chosen for each: all of real images."""

from collections.abc import Collection
from typing import Any

from hardsample.experiments.panels import Experiment
from hardsample.experiments.registry import grid

_NIST: dict[str, Any] = {"profile": "paper", "data": "sd19-letters", "precision": "bf16"}
_STUDY: dict[str, Any] = {"profile": "hour", "data": "sd19-letters"}
_OCR: dict[str, Any] = {"profile": "paper", "data": "ocr-letters", "examples": 12_000, "precision": "bf16"}
_CIFAR_10: dict[str, Any] = {"profile": "hour", "data": "cifar10-rebuilt"}
_RESNET_18: dict[str, Any] = _CIFAR_10 | {"networks": "resnet18"}
_CIFAR_100: dict[str, Any] = _RESNET_18 | {"data": "cifar100"}
SHIPPED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rivals/letters", {"profile": "hour", "data": "ocr-letters", "precision": "bf16"}),  # takes longest: begun first
    *((f"base-values/{name}", _NIST) for name in ("figure-1", "figure-2", "figure-3", "figure-4", "draws")),
    *((f"base-values/{name}", _STUDY) for name in ("lb-readings", "choices", "where", "staleness")),
    *((f"base-values/{name}", _OCR) for name in ("figure-1", "draws")),
    *(
        (f"hard-samples/{name}", _RESNET_18)
        for name in ("figure-1", "figure-3", "controls", "convergence", "table-3", "table-6")
    ),
    *((f"hard-samples/{name}", _CIFAR_10) for name in ("causes", "spread")),
    *((f"hard-samples/{name}", _CIFAR_100) for name in ("figure-5", "table-4")),
    ("rivals/images", {"profile": "hour", "data": "cifar10-jpeg"}),
)
"""Full names, and what :func:`hardsample.experiments.registry.grid` is told."""


def shipped(names: Collection[str]) -> list[tuple[Experiment, dict[str, Any]]]:
    """Those of the figures and tables named whose runs come with the package, each with what was chosen for it."""
    return [(grid(name, **choices), choices) for name, choices in SHIPPED if name in names]
