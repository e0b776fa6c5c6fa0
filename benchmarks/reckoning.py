"""On paper: the bytes and operations of each kernel of the letters network's fused step, and the minutes of paper A.

Every kernel is taken to read each of its inputs once and to write each of its outputs once, and all of both to go
through the GPU's memory, though at small mini-batches much of it stays in the cache. Operations are those of products,
a multiplication and an addition being two; element-wise ones are left out. The gradients behind the pooling, of which
three quarters are 0, are multiplied whole, as tensor cores do.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import cohort
from benchmarks.measure import Row

ELEMENT = {"float32": 4, "tf32": 4, "bf16": 2}
"""Bytes of an activation, and of a weight as products read it, by precision."""

CLASSES, EXAMPLES = 26, 124_800
IMAGE, FIRST, CONVOLVED, POOLED, HIDDEN = 28 * 28, 26 * 26 * 32, 24 * 24 * 64, 12 * 12 * 64, 128
FANOUT = 256  # base values of a block, hardsample.methods.trees.FANOUT
CONVOLUTION_1, CONVOLUTION_2, LINEAR_1 = 9 * 32, 9 * 32 * 64, POOLED * HIDDEN  # weights
PROTOTYPE = Path(__file__).parent / "results" / "nvidia-h200-prototype.json"
AIMED = {4: 0.16e-3, 32: 0.25e-3, 1024: 2.7e-3}  # seconds of a step, thought to be in reach
MINUTES, BYTES, CHOOSING = 6.0, 3.0, 1.02
"""Wanted at most: of paper A's runs; of a step over what its weights' bytes take; of PEB's step over MB's."""

IMAGES_AT_ONCE = 2_400  # of an evaluation
FLOAT, INDEX, SUM = 4, 8, 8  # bytes of a weight as it is kept, an index and a sum of base values


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One launch: what it moves, in bytes, and multiplies, in operations."""

    name: str
    bytes: int
    operations: int = 0


@dataclasses.dataclass(frozen=True)
class Rate:
    """What a GPU gives: bytes a second of its memory, and dense bf16 operations a second of its tensor cores."""

    name: str
    memory: float
    products: float = 989e12

    def seconds(self, kernels: Sequence[Kernel]) -> float:
        """Of kernels one after another, each as long as its bytes or its operations take, whichever is more."""
        return sum(max(kernel.bytes / self.memory, kernel.operations / self.products) for kernel in kernels)


RATES = (Rate("H100", 3.35e12), Rate("H200", 4.8e12), Rate("H200 at 4.3 TB/s", 4.3e12))


def rest(classes: int = CLASSES) -> int:
    """Parameters of a network without ``linear_1``'s weight."""
    return (CONVOLUTION_1 + 32) + (CONVOLUTION_2 + 64) + HIDDEN + (HIDDEN + 1) * classes


def state_bytes(seeds: int, classes: int = CLASSES, element: int = ELEMENT["bf16"]) -> int:
    """Bytes that the weights of a step take at least, whatever the mini-batch.

    Adadelta reads and writes each parameter and its two averages. Where products take bf16, it writes the parameter in
    that too, and the forward pass reads it; the backward pass has it from the update. Else both passes read it.
    """
    return seeds * (LINEAR_1 + rest(classes)) * (6 * FLOAT + 2 * element)


def step(seeds: int, n: int, classes: int = CLASSES, element: int = ELEMENT["bf16"]) -> list[Kernel]:
    """The kernels of a fused step of PEB, in their order."""
    e, small = element, rest(classes)
    shadow = e if e < FLOAT else 0
    head = (HIDDEN + 1) * classes + HIDDEN
    product = 2 * HIDDEN * classes * n
    convolved, linear = 2 * 9 * 32 * CONVOLVED * n, 2 * LINEAR_1 * n
    blocks = -(-EXAMPLES // FANOUT)
    each = (
        Kernel("draw", blocks * SUM + n * (FANOUT * FLOAT + INDEX)),
        Kernel("convolution 1", n * (IMAGE + FIRST * e) + (CONVOLUTION_1 + 32) * e, 2 * 9 * FIRST * n),
        Kernel(
            "convolution 2, pooling, dropout",
            n * (FIRST * e + POOLED * (e + 1)) + (CONVOLUTION_2 + 64) * e,
            convolved,
        ),
        Kernel("linear 1", n * (POOLED * e + HIDDEN * FLOAT) + LINEAR_1 * e, linear),
        Kernel(
            "head, forward and backward",
            n * (HIDDEN * (FLOAT + e) + INDEX + 2 * FLOAT) + head * (e + FLOAT),
            3 * product,
        ),
        *_linear_1_backward(n, e),
        Kernel(
            "convolution 2's weight gradient",
            n * (FIRST * e + POOLED * (e + 1)) + (CONVOLUTION_2 + 64) * FLOAT,
            convolved,
        ),
        Kernel(
            "convolution 2's input gradient with convolution 1's weight gradient",
            n * (POOLED * (e + 1) + FIRST * e + IMAGE) + CONVOLUTION_2 * e + (CONVOLUTION_1 + 32) * FLOAT,
            convolved + 2 * 9 * FIRST * n,
        ),
        Kernel("Adadelta of the rest", small * (7 * FLOAT + shadow)),
        Kernel("update of base values and counts", n * (INDEX + 2 * FLOAT + FANOUT * FLOAT + SUM + 2 * FLOAT)),
    )
    return [Kernel(kernel.name, seeds * kernel.bytes, seeds * kernel.operations) for kernel in each]


def _linear_1_backward(n: int, element: int) -> list[Kernel]:
    """One kernel in bf16, which then reads each weight once for the update and for the input's gradient; else two."""
    operations, activations = 2 * LINEAR_1 * n, n * (POOLED + HIDDEN) * element
    back, update = "linear 1's input gradient", "linear 1's weight gradient with Adadelta"
    if element < FLOAT:
        moved = activations + n * POOLED * element + LINEAR_1 * (6 * FLOAT + element)
        return [Kernel(f"{back} and {update}", moved, 2 * operations)]
    return [
        Kernel(back, activations + LINEAR_1 * element, operations),
        Kernel(update, activations + LINEAR_1 * 6 * FLOAT, operations),
    ]


def evaluation(seeds: int, images: int, classes: int = CLASSES, element: int = ELEMENT["bf16"]) -> list[Kernel]:
    """The forward passes of an evaluation, ``IMAGES_AT_ONCE`` at a time."""
    kernels = []
    for first in range(0, images, IMAGES_AT_ONCE):
        n = min(IMAGES_AT_ONCE, images - first)
        forward = {kernel.name: kernel for kernel in step(seeds, n, classes, element)}
        where, logits = n * POOLED, n * classes * FLOAT  # no place of a maximum is kept; logits are
        pooled = forward["convolution 2, pooling, dropout"]
        kernels += [
            forward["convolution 1"],
            Kernel("convolution 2, pooling", pooled.bytes - seeds * where, pooled.operations),
            forward["linear 1"],
            Kernel("linear 2", seeds * (n * HIDDEN * FLOAT + logits), seeds * 2 * HIDDEN * classes * n),
        ]
    return kernels


def prototype() -> dict[str, list[Row]]:
    """What was measured of the prototype, by part."""
    parts = json.loads(PROTOTYPE.read_text())["parts"]
    return {name: [Row(**row) for row in part["rows"]] for name, part in parts.items()}


def prototype_seconds() -> dict[str, float]:
    """Seconds of what paper A's runs are made of, as the prototype of the fused step was measured.

    LB, which it did not have, counts as PEB.
    """
    parts = prototype()
    ms = {row.what: row.value for row in parts["prototype steps"]}
    other = {row.what: row.value for rows in parts.values() for row in rows if row.unit == "s"}
    kinds = {(run.method, run.batch_size) for run in cohort.cohorts(cohort.paper_a_runs())}
    steps = {
        f"{method}, n = {n}": ms[f"fused step, n = {n}, {'PEB' if method == 'LB' else method}"] / 1e3
        for method, n in kinds
    }
    return steps | {
        "evaluation": other[f"evaluation of {cohort.TRAIN + cohort.TEST:,} images"],
        "start": other["a cohort beside its steps and evaluations"],
        "process": other["starting a process with data, torch and 12 networks"]
        + other["compilation of all kernels, bare machine"],
    }


def aimed_seconds() -> dict[str, float]:
    """The same with the steps that are thought to be in reach, whatever the method."""
    seconds = prototype_seconds()
    return {name: AIMED[int(name.split("n = ")[1])] if "n = " in name else value for name, value in seconds.items()}


def least_seconds(rate: Rate) -> dict[str, float]:
    """The same with steps and evaluations that take as long as their bytes and operations do on paper."""
    seconds = prototype_seconds()
    steps = {name: rate.seconds(step(cohort.SEEDS, int(name.split("n = ")[1]))) for name in seconds if "n = " in name}
    return seconds | steps | {"evaluation": rate.seconds(evaluation(cohort.SEEDS, cohort.TRAIN + cohort.TEST))}


def minutes(seconds: Mapping[str, float]) -> dict[str, float]:
    """Of paper A's runs on one GPU, one cohort of twelve seeds after another in one process, by what they go into."""
    spent = dict.fromkeys((*(f"n = {n}" for n in sorted(cohort.SIZES)), "evaluations", "beside them"), 0.0)
    for run, count in cohort.cohorts(cohort.paper_a_runs()).items():
        updates, evaluations = cohort.work(run, EXAMPLES)
        spent[f"n = {run.batch_size}"] += count * updates * seconds[f"{run.method}, n = {run.batch_size}"]
        spent["evaluations"] += count * evaluations * seconds["evaluation"]
        spent["beside them"] += count * seconds["start"]
    spent["beside them"] += seconds["process"]
    return {name: value / 60 for name, value in spent.items()}


def minutes_table() -> str:
    """At the measured rates, at those aimed at, and at those that bytes and operations allow; in Markdown."""
    rates = {"the prototype's, measured": prototype_seconds(), "steps as aimed at, the rest as it was": aimed_seconds()}
    rates |= {f"what bytes and operations take on an {rate.name}": least_seconds(rate) for rate in RATES[:2]}
    found = {name: minutes(seconds) for name, seconds in rates.items()}
    columns = ("minutes at", *next(iter(found.values())), "all")
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    lines += [
        f"| {' | '.join((name, *map(_number, spent.values()), _number(sum(spent.values()))))} |"
        for name, spent in found.items()
    ]
    return "\n".join(lines)


def page(measured: bool) -> str:
    """What is known of a GPU without one, in Markdown; ``measured``: is there a result of the fused step itself?"""
    aims = ", ".join(f"{1e3 * seconds:.3g} ms at n = {n}" for n, seconds in AIMED.items())
    runs = len(cohort.paper_a_runs())
    package = "what was measured of it is above" if measured else "it is unmeasured"
    return f"""## On paper: the package's fused step, computed

This is how the prototype stands to what is wanted. The package's own step is another, and {package};
`python -m benchmarks fused` measures it where there is a GPU.

{targets_table("as above" if measured else "unmeasured")}

### Expected minutes of `hardsample gpu`

These are paper A's {runs} runs on {EXAMPLES:,} letters. Twelve seeds are trained at a time, one cohort after another;
updates and evaluations are counted as the package makes them. Steps aimed at are
{aims}. Beside steps and evaluations are building the networks,
starting a process and compiling the kernels. LB counts as PEB, since the prototype did not have it.

{minutes_table()}

### The kernels of a fused step of twelve seeds, n = 32, PEB, bf16

Each kernel takes as long as its bytes or its operations do, whichever is more: at 3.35 TB/s for an H100's memory, at
4.8 TB/s for an H200's, or at the 4.3 TB/s that the prototype's page counts with, and at 989 TFLOP/s of dense bf16.
Every input is read once, every output is written once, and all of it goes through the memory, though much of the
activations stays in the cache. Operations are those of products. Beside them is what the first form of the prototype
took, in other kernels here and there.

{kernels_table()}

### Whole steps, and an evaluation

{totals_table()}
"""


def targets_table(package: str) -> str:
    """What the prototype keeps of what is wanted, and what is known of the ``package``; in Markdown."""
    seconds, memory = prototype_seconds(), RATES[-1]
    found = []
    for n in (4, 32):  # beyond them operations take longer than bytes
        least = state_bytes(cohort.SEEDS) / memory.memory
        what = f"step, n = {n}, over its weights' bytes at {memory.memory / 1e12:g} TB/s"
        found.append(Row(what, "", seconds[f"PEB, n = {n}"] / least, at_most=BYTES))
    for n in sorted(cohort.SIZES):
        found.append(
            Row(
                f"choosing, n = {n}: PEB / MB", "", seconds[f"PEB, n = {n}"] / seconds[f"MB, n = {n}"], at_most=CHOOSING
            )
        )
    found.append(Row("paper A's runs", "", sum(minutes(seconds).values()), "min", at_most=MINUTES))
    lines = ["| what | wanted | the prototype | kept | the package's step |", "| --- " * 5 + "|"]
    lines += [
        f"| {row.what} | {row.wanted} | {row.value:.3g} {row.unit} | {row.verdict} | {package} |" for row in found
    ]
    return "\n".join(lines)


def kernels_table(seeds: int = cohort.SEEDS, n: int = 32) -> str:
    """Each kernel of a step, and what the prototype's first form took for the same; in Markdown."""
    took = {row.what: row.value for row in prototype()["prototype profile"]}
    lines = [_head("kernel", "the prototype's first form, µs")]
    for kernel in step(seeds, n):
        parts = {kernel.name, *kernel.name.split(" with "), *kernel.name.split(" and ")}
        lines.append(_line(kernel.name, [kernel], _number(sum(took.get(part, 0.0) for part in parts))))
    return "\n".join([*lines, _line("**all**", step(seeds, n), _number(sum(took.values())))])


def totals_table(seeds: int = cohort.SEEDS) -> str:
    """Whole steps of every mini-batch size, what their weights alone take, and an evaluation, in Markdown."""
    images = cohort.TRAIN + cohort.TEST
    lines = [_head("what"), _line("any step: its weights alone", [Kernel("", state_bytes(seeds))])]
    lines += [_line(f"step, n = {n}", step(seeds, n)) for n in sorted(cohort.SIZES)]
    return "\n".join([*lines, _line(f"evaluation of {images:,} images", evaluation(seeds, images))])


def _head(*names: str) -> str:
    columns = (names[0], "MB", "GFLOP", *(f"{rate.name}, µs" for rate in RATES), *names[1:])
    return f"| {' | '.join(columns)} |\n" + "| --- " * len(columns) + "|"


def _line(name: str, kernels: Sequence[Kernel], *more: str) -> str:
    moved, operations = (sum(getattr(kernel, what) for kernel in kernels) for what in ("bytes", "operations"))
    times = (_number(1e6 * rate.seconds(kernels)) for rate in RATES)
    return f"| {' | '.join((name, _number(moved / 1e6), _number(operations / 1e9), *times, *more))} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.3g}"
