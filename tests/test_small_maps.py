"""Convolutions to a few pixels, against torch's own in double precision."""

import pytest
import torch
from torch import nn

from hardsample import Run, load
from hardsample.training import networks, small_maps
from hardsample.training.step import TrainingStep

CPU = torch.device("cpu")
CASES = [  # height, width, taps, stride, padding
    (1, 1, 3, 1, 1),
    (2, 2, 3, 1, 1),
    (2, 2, 3, 2, 1),
    (4, 4, 3, 2, 1),
    (3, 4, 3, 2, 1),
    (2, 1, 5, 1, 2),
    (2, 2, 2, 2, 0),
    (1, 1, 3, 3, 3),  # pixels that see padding alone
    (8, 8, 7, 2, 0),
]


def pair(taps, stride, padding, bias=True, channels=(5, 7)):
    torch.manual_seed(0)
    ours = nn.Conv2d(*channels, taps, stride, padding, bias=bias).to(memory_format=torch.channels_last)
    assert small_maps.use_small_maps(ours)
    theirs = nn.Conv2d(*channels, taps, stride, padding, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs.double()


@pytest.mark.parametrize(("height", "width", "taps", "stride", "padding"), CASES)
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_torch(height, width, taps, stride, padding, bias, monkeypatch):
    ours, theirs = pair(taps, stride, padding, bias)
    x = torch.randn(6, 5, height, width).to(memory_format=torch.channels_last).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    exact = theirs(exact_x)
    assert exact.shape[-1] * exact.shape[-2] <= 9
    monkeypatch.setattr(small_maps, "FEW", 9)
    monkeypatch.setattr(nn.Conv2d, "forward", None)  # no way around the products
    out = ours(x)
    assert out.shape == exact.shape
    torch.testing.assert_close(out, exact.float())
    to = torch.randn_like(out)
    found = torch.autograd.grad(out, [x, *ours.parameters()], to)
    expected = torch.autograd.grad(exact, [exact_x, *theirs.parameters()], to.double())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other.float())
    for parameter, gradient in zip(ours.parameters(), found[1:], strict=True):
        assert gradient.stride() == parameter.stride()  # which multi-tensor updates ask for


def test_larger_maps_are_left_to_torch_bit_for_bit():
    ours, _ = pair(3, 1, 1)
    theirs = nn.Conv2d(5, 7, 3, 1, 1).to(memory_format=torch.channels_last)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 3, 3)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_convolutions_of_other_kinds_stay_what_they_are(layer):
    assert not small_maps.use_small_maps(layer)
    assert type(layer) is nn.Conv2d


def gradients(module, images):
    labels = torch.arange(len(images)) % 10
    loss = nn.functional.cross_entropy(module(images), labels)
    return torch.autograd.grad(loss, list(module.parameters()))


def test_gradients_of_resnet18_are_as_near_to_those_in_double_precision_as_the_plain_ones():
    torch.manual_seed(1)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    plain = networks.build("resnet18", 10, 1, 32).to(memory_format=torch.channels_last)
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)  # the last of a block is 0 at first, and hides the block
    ours = networks.build("resnet18", 10, 1, 32).to(memory_format=torch.channels_last)
    ours.load_state_dict(plain.state_dict())
    networks.find("resnet18").specialize(ours, False, CPU, "float32")
    assert ours.small_maps
    found, other = gradients(ours, images), gradients(plain, images)
    exact = gradients(plain.double(), images)
    error = [sum((a - b).norm() ** 2 for a, b in zip(each, exact, strict=True)) ** 0.5 for each in (found, other)]
    assert error[0] <= 3 * error[1]


@pytest.mark.parametrize(
    ("stacked", "device", "precision"), [(True, "cpu", "float32"), (False, "cpu", "bf16"), (False, "cuda", "float32")]
)
def test_only_a_single_network_in_float32_on_a_cpu_computes_so(stacked, device, precision):
    module = networks.build("resnet18", 10, 1, 32)
    networks.find("resnet18").specialize(module, stacked, torch.device(device), precision)
    assert not module.small_maps


def test_a_record_says_so():
    run = Run(data="glyphs", method="MB", seed=1, network="resnet18", optimizer="sgd", batch_size=4, image_size=32)
    step = TrainingStep([run], load("glyphs", train_examples=16, test_examples=8), CPU)
    assert step.computed["convolutions"] == "small maps as products"
