"""Which runs the fused step serves, and why it does not serve another."""

import importlib.util

import torch

from hardsample.config import Run
from hardsample.methods import loss_based, persistent, uniform
from hardsample.methods.base import Method
from hardsample.training import letters_cnn

METHODS = (
    *(uniform.MiniBatches, uniform.UniformStream, persistent.PersistentLoss, persistent.PersistentEntropy),
    loss_based.LossBased,
)
PRECISIONS = {"bf16": torch.bfloat16, "float32": torch.float32, "tf32": torch.float32}
MOST_CLASSES = 128  # a program holds all the logits of its examples
_NETWORK = letters_cnn.SPEC.name


def reason_against(run: Run, method: Method, classes: int, device: torch.device) -> str:
    """Why the fused step does not serve a run, as the end of a sentence; "" where it does.

    Args:
        method: what was built for the run.
        classes: number of classes K.
        device: where the run would be computed.
    """
    reasons = {
        f"it runs on CUDA alone, and this is {device.type}": device.type != "cuda",
        "Triton cannot be imported": importlib.util.find_spec("triton") is None,
    }
    return _first(reasons) or unserved(run, method, classes)


def unserved(run: Run, method: Method, classes: int) -> str:
    """What of a run the step does not know, as the end of a sentence; "" where it knows all."""
    return _first(
        {
            f"it knows {_NETWORK} alone, and this is {run.network}": run.network != _NETWORK,
            f"it knows Adadelta alone, and this is {run.optimizer}": run.optimizer != "adadelta",
            f"it knows the cross-entropy alone, and the loss is {run.loss}": run.loss != "cross-entropy",
            f"it knows input_scaling unit alone, and this is {run.input_scaling}": run.input_scaling != "unit",
            f"it has no arithmetic for {run.precision}": run.precision not in PRECISIONS,
            f"it knows no step of {run.method}": type(method) not in METHODS,
            f"{run.method} does not draw in a fixed number of operations": not method.capturable,
            "examples are not scored by the step's own logits": method.scored != ("before", True),
            "losses are weighted (beta)": bool(run.options.get("beta")),
            "scores are not stored as they are (power, clip)": _reshaped(run),
            "it does not count the draws of single examples (detail)": run.detail != "metrics",
            f"it takes at most {MOST_CLASSES} classes, and there are {classes}": classes > MOST_CLASSES,
        }
    )


def _reshaped(run: Run) -> bool:
    return run.options.get("power", 1) != 1 or run.options.get("clip") is not None


def _first(reasons: dict[str, bool]) -> str:
    return next((reason for reason, holds in reasons.items() if holds), "")
