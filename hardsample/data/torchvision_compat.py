"""torchvision, which knows where data sets lie and how networks are built: imported where it is used, through here."""

import functools
import importlib
import sys
from types import ModuleType

import torch


@functools.cache
def import_torchvision(module: str = "torchvision") -> ModuleType:
    """torchvision or a module of it, also where its compiled operators do not fit the installed torch.

    The wheel of the registry is compiled against CUDA; beside a CPU-only torch its operators are absent, and the
    import stops where it describes the two it takes for granted.
    """
    try:
        return importlib.import_module(module)
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)
    for half_imported in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[half_imported]
    return importlib.import_module(module)
