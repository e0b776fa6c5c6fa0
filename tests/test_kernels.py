"""Every kernel beside what it stands for; the whole step is in test_fused.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from interpreter import INTERPRETED, correct_bf16

from hardsample import randomness
from hardsample.methods.trees import LARGEST, DeviceTrees
from hardsample.randomness import Stream
from hardsample.training import optimizers, pooling

if not INTERPRETED:
    pytest.skip("needs Triton's interpreter: make test-kernels", allow_module_level=True)

import triton
import triton.language as tl

from hardsample.training.fused import kernels, kernels_shared, layout

SEEDS = torch.tensor([3, -(2**62)])
STEP = torch.tensor(11)
EXACT = {"DTYPE": tl.float32, "PRECISION": "ieee"}


@pytest.fixture(autouse=True)
def as_on_a_device(monkeypatch):
    correct_bf16(monkeypatch)
    for module in ("randomness", "training.optimizers"):
        monkeypatch.setattr(f"hardsample.{module}.uses_numba", lambda device: False)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@triton.jit
def _masks(seeds, step, out, n, WIDTH: tl.constexpr, THRESHOLD: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    kept = kernels_shared.keep(seeds, tl.program_id(0), 4, step, i, WIDTH, THRESHOLD)
    at = (tl.program_id(0) * n + i)[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    tl.store(out + at, kept.to(tl.uint8), (i < n)[:, None])


@pytest.mark.parametrize(("width", "drop"), [(64, 0.25), (128, 0.5)])
def test_masks_are_those_of_the_plain_step(width, drop):
    out = torch.zeros(2, 13, width, dtype=torch.uint8)
    _masks[2,](SEEDS, STEP, out, 13, WIDTH=width, THRESHOLD=int(256 * drop), BLOCK=16)
    assert torch.equal(out.bool(), randomness.keep_masks(SEEDS, 4, STEP, (13, width), drop))


def test_uniform_draws_are_those_of_the_plain_step():
    out = torch.zeros(2, 37, dtype=torch.int64)
    kernels.uniform[3, 2](SEEDS, STEP, out, 37, 124_800, STREAM=int(Stream.DRAW), BLOCK=16)
    assert torch.equal(out, randomness.uniforms(SEEDS, Stream.DRAW, STEP, 37).mul_(124_800).long())


def test_shuffled_examples_are_those_of_the_order():
    orders = torch.arange(2 * 20).view(2, 20)
    out = torch.zeros(2, 3, dtype=torch.int64)
    kernels.shuffled[1, 2](orders, STEP, out, 3, 10, 20, BLOCK=16)
    first = 11 * 3 % 10
    assert torch.equal(out, orders[:, first : first + 3])


def trees(size):
    made = DeviceTrees(size, 2, 1e-8, torch.device("cpu"))
    values = random(2, size).abs_().pow_(8)
    made.fill(values)
    return made


def drawn(made, numbers, size):
    leaves, sums = made._levels
    seeds, rows, n = numbers.shape
    out = torch.zeros(seeds, n, dtype=torch.int64)
    kernels.draw[-(-n // 16), seeds](
        *(leaves, sums, numbers, STEP, out, n, rows, leaves.shape[1], size),
        ROOT=triton.next_power_of_2(leaves.shape[1]),
        FANOUT=leaves.shape[2],
        BLOCK=16,
    )
    return out


def test_draws_are_those_of_the_trees():
    made, numbers = trees(2000), torch.rand(2, 3, 100, dtype=torch.float64)
    made.adopt(numbers)
    assert torch.equal(drawn(made, numbers, 2000), made.draw(11 % 3))


@pytest.mark.parametrize("size", [1025, 2000, 2048])
def test_the_largest_number_draws_the_last_example_and_the_smallest_the_first(size):
    numbers = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64).expand(2, 1, 2).contiguous()
    assert drawn(trees(size), numbers, size).tolist() == [[0, size - 1]] * 2
    beyond = torch.full((2, 1, 2), 1.5, dtype=torch.float64)  # as if a sum had come out larger than the last one
    assert (drawn(trees(size), beyond, size) < size).all()


def test_values_are_stored_as_the_trees_store_them():
    plain, other, n = trees(2000), trees(2000), 5
    index = torch.tensor([[3, 700, 3, 1999, 0], [256, 255, 511, 512, 256]])
    values = torch.tensor([[1.0, torch.nan, 2.0, torch.inf, -1.0], [5.0, 0.0, 3.0, 4.0, 6.0]])
    plain.update(index, values)
    leaves, sums = other._levels
    kernels.update_values[2,](
        *(leaves, sums, index, values, n, leaves.shape[1], 1e-8, LARGEST), FANOUT=leaves.shape[2], BLOCK=8
    )
    assert torch.equal(plain.values, other.values) and other.values[0, 3] == 2
    torch.testing.assert_close(plain._levels[1], sums, rtol=1e-14, atol=0)


def small_row():
    """A row of small parameters, and its pieces: both convolutions' weights and biases."""
    width = layout.CONVOLUTION_1 + layout.CONVOLUTION_2 + 3520
    row = random(2, width, seed=5) / 10
    first, second = row[:, :320], row[:, 320:18816]
    return row, (
        first[:, :288].view(2, 3, 3, 32).permute(0, 3, 1, 2).unsqueeze(2),
        first[:, 288:],
        second[:, :18432].view(2, 3, 3, 32, 64).permute(0, 4, 3, 1, 2),
        second[:, 18432:],
    )


def convolved(images, index, row, n):
    x = torch.full((2, n, 676, 32), torch.nan)
    kernels.convolution_1[-(-n * 676 // 512), 2](images, index, n, row, row.shape[1], x, n, BLOCK=512, DTYPE=tl.float32)
    return x


def test_the_convolutions_forward_and_backward():
    n, scale = 3, 1 / 0.75
    images = torch.randint(0, 256, (5, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    index = torch.tensor([[4, 0, 4], [1, 2, 3]])
    row, pieces = small_row()
    leaves = [piece.clone().requires_grad_() for piece in pieces]
    keep = randomness.keep_masks(SEEDS, Stream.DROPOUT, STEP, (n, 12, 12, 64), 0.25)
    outs = []
    for seed in range(2):
        weight_1, bias_1, weight_2, bias_2 = (leaf[seed] for leaf in leaves)
        x = F.relu(F.conv2d(images[index[seed]].unsqueeze(1) / 255, weight_1, bias_1))
        outs.append(pooling.plain(F.conv2d(x, weight_2, bias_2), keep[seed], 0.25))
    expected = torch.stack(outs)
    back = random(*expected.shape, seed=3)
    gradients = torch.autograd.grad((expected * back).sum(), leaves)

    x = convolved(images, index, row, n)
    out, where = torch.full((2, n, 144, 64), torch.nan), torch.full((2, n, 144, 64), 9, dtype=torch.uint8)
    kernels.convolution_2_pool[-(-n * 144 // 256), 2](
        *(x, row, row.shape[1], SEEDS, STEP, out, where, n, scale),
        **{"TRAIN": True, "STREAM": int(Stream.DROPOUT), "THRESHOLD": 64, "BLOCK": 256, "DEPTH": 16},
        **EXACT,
    )
    torch.testing.assert_close(out.view_as(expected), expected.detach(), rtol=1e-5, atol=1e-5)

    parts_1, parts_2 = torch.full((2, 2, 2080), torch.nan), torch.full((2, 3, 18496), torch.nan)
    kernels.convolution_2_weight[3, 2](x, back, where, parts_2, n, scale, BLOCK=64, **EXACT)
    kernels.convolution_1_weight[2, 2](
        back, where, row, row.shape[1], x, images, index, parts_1, n, scale, BLOCK=128, DEPTH=32, **EXACT
    )
    parts_3 = random(2, 5, 3520, seed=8)
    states = [row.clone(), torch.rand(row.shape) + 0.5, torch.rand(row.shape)]
    plain = [state.clone() for state in states]
    kernels.update_small[1 + 5 + 1, 2](
        *(parts_1, parts_2, parts_3, *states, states[0], row.shape[1], torch.tensor(0.5)),
        **{"RHO": 0.9, "EPS": 1e-6, "PARTS_1": 2, "POWER_1": 2, "PARTS_2": 3, "POWER_2": 4, "PARTS_3": 5, "POWER_3": 8},
        **{"BLOCK": 4096, "DTYPE": tl.float32},
    )
    weight_1, bias_1, weight_2, bias_2 = gradients
    gradient = torch.cat(
        [
            *(weight_1.squeeze(2).permute(0, 2, 3, 1).reshape(2, -1), bias_1),
            *(weight_2.permute(0, 3, 4, 2, 1).reshape(2, -1), bias_2, parts_3.sum(1)),
        ],
        1,
    )
    adadelta = optimizers.Adadelta(plain[:1], rho=0.9)
    adadelta.squares, adadelta.deltas = plain[1:2], plain[2:]
    adadelta.step([gradient], 0.5)
    for one, other in zip(plain, states, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("corner", range(4))
def test_a_nan_is_never_pooled_away(corner):
    x = random(1, 1, 676, 32).abs()
    row, (_, _, weight, bias) = small_row()
    x[0, 0, 26 * (5 + corner // 2 * 2) + 7 + corner % 2 * 2, 3] = torch.nan
    out = torch.zeros(1, 1, 144, 64)
    kernels.convolution_2_pool[1, 1](
        *(x, row, row.shape[1], SEEDS, STEP, out, out, 1, 1.0),
        **{"TRAIN": False, "STREAM": 3, "THRESHOLD": 64, "BLOCK": 256, "DEPTH": 16},
        **EXACT,
    )
    expected = pooling.plain(F.conv2d(x.view(1, 26, 26, 32).permute(0, 3, 1, 2), weight[0], bias[0]), None, 0.25)
    assert 0 < out.isnan().sum() < out.numel() and torch.equal(out.isnan().view_as(expected), expected.isnan())


@pytest.mark.parametrize("classes", [2, 33])
def test_the_linear_layers_forward_and_backward(classes):
    n, size, rate, columns = 19, 9, torch.tensor(0.5), max(16, triton.next_power_of_2(classes))
    x, weight_1 = random(2, n, 9216), random(2, 128, 9216, seed=1) / 100
    own = classes * 129 + 128
    row = torch.zeros(2, 18816 + -(-own // 64) * 64)
    row[:, 18816 : 18816 + own] = random(2, own, seed=2) / 10
    head = row[:, 18816:]
    weight_2, bias_2, bias_1, _ = head.tensor_split((classes * 128, classes * 129, own), 1)
    leaves = [leaf.clone().requires_grad_() for leaf in (x, weight_1, weight_2, bias_2, bias_1)]
    keep = randomness.keep_masks(SEEDS, Stream.DROPOUT + 1, STEP, (n, 128), 0.5)
    labels = torch.arange(size) % classes
    index = torch.tensor([[0, 8, 8, 3, 1], [2, 0, 7, 6, 5]]).repeat(1, 4)[:, :n].contiguous()
    hidden = pooling.dropped(F.relu(leaves[0] @ leaves[1].mT + leaves[4].unsqueeze(1)), keep, 0.5)
    logits = hidden @ leaves[2].view(2, classes, 128).mT + leaves[3].unsqueeze(1)
    losses = F.cross_entropy(logits.flatten(0, 1), labels[index].flatten(), reduction="none").view(2, n)
    gradients = torch.autograd.grad(losses.mean(1).sum(), leaves)
    log_p = logits.detach().log_softmax(-1)

    parts, loss, entropy = torch.full((2, 3, n, 128), torch.nan), torch.zeros(2, n), torch.zeros(2, n)
    kernels.linear_1[3, 2, 2](x, weight_1, parts, n, PER=3072, ROWS=16, BLOCK=1024, PRECISION="ieee")
    counts, gradient, out = (
        torch.zeros(2, size, dtype=torch.int32),
        torch.zeros(2, n, 128),
        torch.zeros(2, 2, len(head[0])),
    )
    kernels.head[2, 2](
        *(parts, row, row.shape[1], labels, 0, index, counts, size, SEEDS, STEP, loss, entropy, gradient, out, n, 2.0),
        **{"PARTS": 3, "ROWS": 16, "CLASSES": classes, "COLUMNS": columns, "STREAM": int(Stream.DROPOUT) + 1},
        **{"THRESHOLD": 128},
        **EXACT,
    )
    torch.testing.assert_close(loss, losses.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropy, -(log_p.exp() * log_p).sum(-1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out.sum(1)[:, :own], torch.cat([part.flatten(1) for part in gradients[2:]], 1))
    assert counts[0].tolist() == [4, 3, 0, 4, 0, 0, 0, 0, 8] and counts.sum() == 2 * n

    for back in (True, False):
        states = [weight_1.clone(), torch.rand(weight_1.shape) + 0.5, torch.rand(weight_1.shape)]
        plain, into = [state.clone() for state in states], torch.zeros_like(x)
        kernels.linear_1_backward[9, 1, 2](
            *(x, gradient, *states, states[0], into, rate, n),
            **{"RHO": 0.9, "EPS": 1e-6, "BACK": back, "OUTPUTS": 128, "ROWS": 16, "BLOCK": 1024},
            **EXACT,
        )
        adadelta = optimizers.Adadelta(plain[:1], rho=0.9)
        adadelta.squares, adadelta.deltas = plain[1:2], plain[2:]
        adadelta.step([gradients[1]], 0.5)
        for one, other in zip(plain, states, strict=True):
            torch.testing.assert_close(other, one)
        torch.testing.assert_close(into, gradients[0] if back else torch.zeros_like(x))


@pytest.mark.parametrize(
    ("capability", "precision"),
    [
        *((capability, "bf16") for capability in (80, 90, 100)),
        *(pytest.param(90, precision, marks=pytest.mark.slow) for precision in ("float32", "tf32")),
    ],
)
def test_every_launch_compiles_for_a_gpu(tmp_path, capability, precision):
    """In a process of its own, since an interpreted kernel cannot be compiled."""
    here = Path(__file__).parent
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    told = subprocess.run(
        [sys.executable, here / "front_end.py", str(capability), precision, "32"],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    spilled = {}
    for line in told.splitlines():
        name, registers, spills, shared = line.split()
        assert int(registers) <= 255 and int(shared) <= (163 if capability == 80 else 227) * 1024
        spilled[name] = max(int(spills), spilled.get(name, 0))
    own = {name for name in vars(kernels) if not name.startswith("_") and hasattr(getattr(kernels, name), "fn")}
    assert spilled.keys() == own
    if (capability, precision) == (90, "bf16"):  # what the block sizes were chosen for
        assert not any(spilled.values())
