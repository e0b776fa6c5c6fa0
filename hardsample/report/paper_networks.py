"""Table 2 of paper B: parameters and FLOPs of its networks."""

import pandas as pd

from hardsample.experiments import published
from hardsample.report.paper_tables import build
from hardsample.training import networks


def table_2(image_size: int = 128, classes: int = 10) -> pd.DataFrame:
    """Parameters and FLOPs (2 x multiply-adds) of the networks for one image, in the paper's order.

    ``_millions`` and ``_giga`` are cut after two decimals, as the paper's numbers are; ``_difference`` is zero where
    they are the printed number exactly.
    """
    rows = []
    for paper in published.read("hard-samples-table-2").itertuples():
        parameters = networks.parameters(paper.network, classes)
        flops = networks.flops(paper.network, classes, image_size)
        millions, giga = _cut(parameters, 10**6), _cut(flops, 10**9)
        rows.append(
            {
                "network": paper.network,
                "image_size": image_size,
                "classes": classes,
                "parameters": parameters,
                "parameters_millions": millions,
                "parameters_paper": paper.parameters_millions,
                "parameters_difference": _difference(millions, paper.parameters_millions),
                "flops": flops,
                "flops_giga": giga,
                "flops_paper": paper.flops_giga,
                "flops_difference": _difference(giga, paper.flops_giga),
            }
        )
    head = [f"Counted for images of {image_size}x{image_size} and {classes} classes; no data and no training."]
    if image_size != 128 or classes != 10:
        head.append("The paper's numbers are for 128x128 and 10 classes.")
    notes = [
        "FLOPs: 2 x multiply-adds of one image's forward pass by torch's counter, which counts convolutions and linear"
        " layers and neither normalisation, activations nor pooling. The paper cuts its numbers after two decimals, and"
        ' ours are cut alike before they are compared: "exact" means the same digits.',
    ]
    return build("table-2", rows, "Table 2: parameters and FLOPs of the networks", head, notes)


def _cut(count: int, unit: int) -> float:
    """``count`` in units, cut after two decimals."""
    return count * 100 // unit / 100


def _difference(ours: float, printed: float) -> float:
    return round(ours - printed, 2) + 0.0  # never -0.0
