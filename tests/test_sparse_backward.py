"""The letters CNN's backward pass without the zeros, against the plain one in double precision."""

import subprocess
import sys

import pytest
import torch

from hardsample import InputError, Run, load
from hardsample.training import letters_cnn, sparse_backward
from hardsample.training.step import TrainingStep

pytest.importorskip("numba")

CPU = torch.device("cpu")
GLYPHS = {"train_examples": 64, "test_examples": 32}
BITS = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import test_sparse_backward as tested
module, images, masks = tested.case(4)
print([gradient.view(torch.int32).sum().item() for gradient in tested.gradients(module, images, masks)])
"""


def case(n):
    torch.manual_seed(n)
    module = letters_cnn.LettersCNN(26).to(memory_format=torch.channels_last)
    letters_cnn.specialize(module, False, CPU, "float32")
    masks = [torch.rand(n, *shape) >= rate for rate, shape in module.dropout]
    return module, torch.randint(0, 256, (n, 1, 28, 28), dtype=torch.uint8), masks


def gradients(module, images, masks):
    labels = torch.arange(len(images)) % 26
    loss = torch.nn.functional.cross_entropy(module(images, masks), labels)
    return torch.autograd.grad(loss, list(module.parameters()))


def plain(module):
    """The same network without loops of our own."""
    other = letters_cnn.LettersCNN(26).to(memory_format=torch.channels_last)
    other.load_state_dict(module.state_dict())
    return other


@pytest.mark.parametrize("n", [1, 4, 33])
@pytest.mark.parametrize("dropout", [True, False])
def test_gradients_are_as_near_to_those_in_double_precision_as_the_plain_ones(n, dropout):
    module, images, masks = case(n)
    masks = masks if dropout else ()
    ours, theirs = gradients(module, images, masks), gradients(plain(module), images, masks)
    exact = gradients(plain(module).double(), images, masks)
    for one, other, number in zip(ours, theirs, exact, strict=True):
        assert (other - number).norm() < 1e-5 * number.norm()
        assert (one - number).norm() <= 3 * (other - number).norm()
    for parameter, gradient in zip(module.parameters(), ours, strict=True):
        assert gradient.stride() == parameter.stride()  # which multi-tensor updates ask for


def test_the_forward_pass_is_the_plain_one_bit_for_bit():
    module, images, masks = case(4)
    with_gradients = module(images, masks)
    assert with_gradients.requires_grad and torch.equal(with_gradients, plain(module)(images, masks))
    with torch.no_grad():
        assert torch.equal(with_gradients, module(images, masks))


def test_nothing_comes_through_where_all_is_dropped():
    module, images, masks = case(4)
    convolutions = gradients(module, images, [torch.zeros_like(masks[0]), masks[1]])[:4]
    assert all(not gradient.any() for gradient in convolutions)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["convolution_1.weight", "convolution_2.weight", "linear_1.weight", "linear_2.bias"])
def test_what_is_not_finite_is_not_hidden(name, value):
    module, images, masks = case(4)
    with torch.no_grad():
        parameter = module.get_parameter(name)
        parameter[(0,) * parameter.dim()] = value
    ours, theirs = gradients(module, images, masks), gradients(plain(module), images, masks)
    assert [bool(one.isfinite().all()) for one in ours] == [bool(one.isfinite().all()) for one in theirs]


def test_the_bits_are_the_same_each_time_and_in_another_process():
    module, images, masks = case(4)
    first, again = (gradients(module, images, masks) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    torch.randn(100_000)
    asked = [sys.executable, "-c", BITS, __file__.rpartition("/")[0]]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    here = [gradient.view(torch.int32).sum().item() for gradient in gradients(*case(4))]
    torch.set_num_threads(threads)
    assert said.strip() == str(here)


@pytest.mark.parametrize(
    ("precision", "seeds", "said"), [("float32", [1], "sparse"), ("bf16", [1], None), ("float32", [1, 2], None)]
)
def test_a_record_says_where_zeros_were_skipped(precision, seeds, said):
    runs = [Run("glyphs", "MB", seed, precision=precision, **GLYPHS) for seed in seeds]
    step = TrainingStep(runs, load("glyphs", **GLYPHS), CPU)
    assert step.computed.get("backward") == said


def test_other_convolutions_and_masks_are_refused():
    images, keep = torch.rand(2, 1, 12, 12), torch.ones(2, 4, 4, 64, dtype=torch.bool)
    first, second = torch.nn.Conv2d(1, 32, 3), torch.nn.Conv2d(32, 64, 3)
    assert sparse_backward.features(images, first, second, keep, 0.25).shape == keep.shape
    for bad in (
        (images, torch.nn.Conv2d(1, 16, 3), torch.nn.Conv2d(16, 64, 3), keep),
        (images, first, torch.nn.Conv2d(32, 64, 5), keep),
        (images, first, second, keep[:1]),
    ):
        with pytest.raises(InputError, match="give"):
            sparse_backward.features(*bad, 0.25)
