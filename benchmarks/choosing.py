"""What choosing costs: a draw of 32 with their new values, and a whole step of base-value methods against SMB's.

Every rival does what it must to draw from the current values and to store 32 new ones. Trees are timed over 500 calls
in a row. What passes over all values is timed over fewer, and so is the tree beside it, which is slower then: what it
reads has left the caches meanwhile.
"""

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from torch.utils.data import WeightedRandomSampler

from benchmarks.attempts import NO_GPU, Attempts, captured
from benchmarks.measure import Row, Way, gpu
from benchmarks.step import library
from hardsample.methods.base_values import BaseValues

N = 32
SIZES = {5: (20, 20), 6: (12, 5), 7: (5, 1), 8: (3, 1), 9: (3, 1)}
"""Powers of ten, each with the rounds and calls in a round of what passes over all values."""

SMALLEST = min(SIZES)
SHARE = 0.6  # of the memory at hand that the ways of a comparison may take together
STORE, TREE = 4.3, 8.3  # bytes a value, of the store and with the values that it is filled from

STARTS = 3


def start(size: int, device: str) -> Tensor:
    """The first values of every way: float32 [size]."""
    return torch.rand(size, generator=torch.Generator(device).manual_seed(0), device=device)


def fresh(device: str) -> Tensor:
    """What every call stores: float32 [32]."""
    return torch.rand(N, generator=torch.Generator(device).manual_seed(1), device=device)


def tree(size: int) -> Way:
    """Ours."""
    values, new = BaseValues(size, torch.tensor([1])), fresh("cpu")[None]
    values.fill(start(size, "cpu")[None])
    return lambda number: values.update(values.draw(number, N), new)


def multinomial(size: int, device: str = "cpu") -> Way:
    """torch's own function."""
    weights, new = start(size, device), fresh(device)

    def once(_: int | Tensor) -> None:
        weights[torch.multinomial(weights, N, replacement=True)] = new

    return once


def sampler(size: int) -> Way:
    """``WeightedRandomSampler``: draws all of its samples at once, so is made anew to draw from the current weights."""
    weights, new = start(size, "cpu").double(), fresh("cpu").double()

    def once(_: int) -> None:
        weights[list(WeightedRandomSampler(weights, N))] = new

    return once


def cumulative_sum(size: int, device: str = "cpu") -> Way:
    """The running sums of all values in float64, and a search in them."""
    weights, new = start(size, device).double(), fresh(device).double()
    sums = torch.empty_like(weights)

    def once(_: int | Tensor) -> None:
        torch.cumsum(weights, 0, out=sums)
        target = torch.rand(N, dtype=torch.float64, device=device) * sums[-1]
        weights[torch.searchsorted(sums, target, right=True)] = new

    return once


def segment_tree(size: int, extension: str) -> Way:
    """torchrl's binary tree of float32 sums in C++."""
    kind, new = _load(extension).SumSegmentTreeFp32, fresh("cpu")
    sums = kind.__new__(kind)
    sums.__setstate__((start(size, "cpu").numpy(),))  # as unpickling does: in one pass

    def once(_: int) -> None:
        sums[sums.scan_lower_bound(torch.rand(N) * sums.query(0, size))] = new

    return once


def torchrl() -> tuple[str, str]:
    """Name and file of torchrl's extension, built from the sources in its wheel where the wheel's own does not load.

    Raises:
        RuntimeError: there is none; the message says why.
    """
    spec = importlib.util.find_spec("torchrl")
    if spec is None:
        raise RuntimeError("torchrl is not installed")
    name, folder = f"torchrl {importlib.metadata.version('torchrl')}", Path(spec.submodule_search_locations[0])
    for file in folder.glob("_torchrl*.so"):
        try:
            _load(str(file))
            return name, str(file)
        except ImportError:  # made for another version of torch
            break
    sources = sorted(str(source) for source in folder.glob("csrc/*.cpp"))
    try:
        from torch.utils import cpp_extension

        os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # for ninja
        built = cpp_extension.load("_torchrl", sources, extra_cflags=["-O3", "-std=c++20"])
    except (ImportError, OSError, RuntimeError) as error:
        reason = f"does not load with torch {torch.__version__} and cannot be built: {str(error).splitlines()[0]}"
        raise RuntimeError(f"{name}: its extension {reason}") from None
    return f"{name} built here", built.__file__


def _load(file: str) -> ModuleType:
    """The extension alone: the package would import much else."""
    loader = importlib.machinery.ExtensionFileLoader("_torchrl", file)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("_torchrl", file, loader=loader))
    loader.exec_module(module)
    return module


def in_a_graph(once: Way, prepare: Callable[[int], object] = lambda number: None) -> Way:
    """A way on the GPU as the library's own training takes it there: one CUDA graph, replayed."""
    counter = torch.zeros((), dtype=torch.int64, device="cuda")
    prepare(0)
    graph = captured(lambda: once(counter))

    def replay(number: int) -> None:
        prepare(number)
        counter.fill_(number)
        graph.replay()

    return replay


def tree_on_gpu(size: int) -> Way:
    """Ours."""
    values, new = BaseValues(size, torch.tensor([1], device="cuda")), fresh("cuda")[None]
    values.fill(start(size, "cuda")[None])
    return in_a_graph(lambda step: values.update(values.draw(step, N), new), functools.partial(values.prepare, n=N))


def multinomial_on_gpu(size: int) -> Way:
    return in_a_graph(multinomial(size, "cuda"))


def cumulative_sum_on_gpu(size: int) -> Way:
    return in_a_graph(cumulative_sum(size, "cuda"))


def measure() -> list[Row]:
    """Memory, growth, rivals on the CPU and on the GPU, whole steps."""
    return [*memory(), *trees(), *passes(), *on_gpu(), *steps()]


def memory() -> list[Row]:
    """Bytes of the whole store against those of its values."""
    rows = []
    for power in SIZES:
        what, size = f"store of 10^{power}", 10**power
        _, reasons = _fitting({"the store": (tree, STORE * size)}, _memory())
        if reasons:
            rows.append(Row(what, reasons["the store"]))
            continue
        count = sum(tensor.nbytes for tensor in BaseValues(size, torch.tensor([1])).tensors.values())
        rows.append(Row(what, f"{count:,} bytes", count / (4 * size), "bytes / 4N", n=1, at_most=1.1))
    return rows


def trees() -> list[Row]:
    """The tree at every size, against itself at the smallest and against torchrl's."""
    missing = ""
    try:
        rival, extension = torchrl()
    except RuntimeError as error:
        rival, missing = "torchrl", str(error)
    ours, theirs = ({power: f"{name} of 10^{power}" for power in SIZES} for name in ("tree", rival))
    ways = {}
    for power in SIZES:
        size = 10**power
        ways[ours[power]] = functools.partial(tree, size), TREE * size
        if not missing:
            nodes = 2 * 2 ** size.bit_length()
            ways[theirs[power]] = functools.partial(segment_tree, size, extension), 4 * nodes + 4 * size
    attempts = Attempts("cpu")
    makers, attempts.reasons = _fitting(ways, _memory())
    attempts.reasons |= {name: missing for name in theirs.values() if name not in ways}
    seconds = attempts.seconds(makers, rounds=30, inner=500)
    rows = []
    for power in SIZES:
        what = f"draw and update 32 of 10^{power}"
        rows.append(attempts.compare(what, seconds, ours[power], theirs[power], at_least=1))
    for power in list(SIZES)[1:]:
        what, bound = f"the same, 10^{power} against 10^{SMALLEST}", power / SMALLEST
        rows.append(attempts.compare(what, seconds, ours[SMALLEST], ours[power], at_most=bound))
    return rows


def passes() -> list[Row]:
    """The tree against what passes over all values, a size at a time."""
    rows = []
    for power, (rounds, inner) in SIZES.items():
        size = 10**power
        ways = {
            "tree": (functools.partial(tree, size), TREE * size),
            "torch.multinomial": (functools.partial(multinomial, size), 8 * size),
            "WeightedRandomSampler": (functools.partial(sampler, size), 16 * size),
            "cumulative sum": (functools.partial(cumulative_sum, size), 16 * size),
        }
        refusals = _refusals(size, ("torch.multinomial", "WeightedRandomSampler"))
        what = f"draw and update 32 of 10^{power}"
        rows += _against_tree(Attempts("cpu"), what, ways, refusals, _memory(), rounds, inner)
    return rows


def _against_tree(
    attempts: Attempts,
    what: str,
    ways: Mapping[str, tuple[Callable[[], Way], float]],
    refusals: Mapping[str, str],
    budget: float,
    rounds: int,
    inner: int,
) -> list[Row]:
    """The first of the ways, "tree", against the rest, in a budget of memory."""
    makers, reasons = _fitting({name: way for name, way in ways.items() if name not in refusals}, budget)
    attempts.reasons |= reasons | refusals
    seconds = attempts.seconds(makers, rounds=rounds, inner=inner) if len(makers) > 1 else {}
    return [attempts.compare(what, seconds, "tree", name, at_least=1) for name in list(ways)[1:]]


def on_gpu() -> list[Row]:
    """The tree of a GPU, size by size; each way is a CUDA graph."""
    if not gpu():
        return [Row("draw and update 32 on a GPU", NO_GPU, at_least=1)]
    rows = []
    with Attempts() as attempts:
        for power in SIZES:
            size = 10**power
            ways = {
                "tree": (functools.partial(tree_on_gpu, size), TREE * size),
                "torch.multinomial": (functools.partial(multinomial_on_gpu, size), 12 * size),
                "cumulative sum": (functools.partial(cumulative_sum_on_gpu, size), 20 * size),
            }
            refusals, free = _refusals(size, ("torch.multinomial",)), SHARE * torch.cuda.mem_get_info()[0]
            what = f"draw and update 32 of 10^{power}, GPU"
            rows += _against_tree(attempts, what, ways, refusals, free, rounds=20, inner=20)
    return rows


def steps() -> list[Row]:
    """The base-value methods' steps against SMB's."""
    rows = []
    for precision in ("float32", "bf16"):
        names = ("SMB", "PLB", "PEB")
        makers = {name: functools.partial(library, method=name, precision=precision) for name in names}
        attempts = Attempts("cpu")
        seconds = attempts.seconds(makers, rounds=8, inner=10, starts=STARTS)
        what = f"training step, {precision}"
        rows += [attempts.compare(what, seconds, "SMB", name, at_most=1.02) for name in names[1:]]
    return rows


def _memory() -> float:
    try:
        import psutil
    except ImportError:
        return SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return SHARE * psutil.virtual_memory().available


def _fitting(
    ways: Mapping[str, tuple[Callable[[], Way], float]], budget: float
) -> tuple[dict[str, Callable[[], Way]], dict[str, str]]:
    """Of ways and the bytes they take at most: what fits in the budget together, and why the rest does not."""
    makers, reasons, taken = {}, {}, 0.0
    for name, (maker, count) in ways.items():
        if taken + count <= budget:
            makers[name], taken = maker, taken + count
        else:
            wanted, given = (f"{part / 2**30:.1f} GiB" for part in (taken + count, budget))
            reasons[name] = f"{name} would make it {wanted} of memory, and {given} may be taken"
    return makers, reasons


def _refusals(size: int, names: Sequence[str]) -> dict[str, str]:
    """Why these ways, which call torch.multinomial, do not take so many values."""
    try:
        torch.multinomial(torch.ones(min(size, 2**24 + 1)), 1, replacement=True)
        return {}
    except RuntimeError as error:
        return {name: f"{name}: {str(error).splitlines()[0]}" for name in names}
