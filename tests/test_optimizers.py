"""The update rules against torch's own."""

import pytest
import torch

from hardsample import InputError, jit
from hardsample.training import optimizers

SHAPES = [(17, 30), (8, 3, 3, 3), (5,)]


@pytest.mark.parametrize("available", [True, False])
def test_adadelta_equals_torchs(available, monkeypatch):
    """The plain operations bit for bit; the compiled loop but for roundings, of which torch makes fewer."""
    monkeypatch.setattr(jit, "AVAILABLE", available)
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(shape, generator=generator) for shape in SHAPES]
    ours[1] = ours[1].to(memory_format=torch.channels_last)
    theirs = [tensor.clone().requires_grad_() for tensor in ours]
    rule = optimizers.Adadelta(ours, rho=0.95)
    reference = torch.optim.Adadelta(theirs, lr=0.05, rho=0.95, eps=1e-6, foreach=False)
    for _ in range(20):
        gradients = [torch.randn(shape, generator=generator) for shape in SHAPES]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()
        rule.step(gradients, 0.05)
    averages = [torch.cat([reference.state[p][key].flatten() for p in theirs]) for key in ("square_avg", "acc_delta")]
    tolerance = {"rtol": 1e-5, "atol": 1e-7} if available else {"rtol": 0, "atol": 0}
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other.detach(), **tolerance)
    for one, other in zip((rule.squares, rule.deltas), averages, strict=True):
        torch.testing.assert_close(torch.cat([tensor.flatten() for tensor in one]), other, **tolerance)


def test_sgd_equals_torchs_bit_for_bit():
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(shape, generator=generator) for shape in SHAPES]
    theirs = [tensor.clone().requires_grad_() for tensor in ours]
    rule = optimizers.SGD(ours, momentum=0.9)
    reference = torch.optim.SGD(theirs, lr=0.005, momentum=0.9)
    for _ in range(20):
        gradients = [torch.randn(shape, generator=generator) for shape in SHAPES]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()
        rule.step(gradients, 0.005)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def test_a_stacked_cohort_is_updated_as_its_members_are():
    parameters, gradients = torch.randn(3, 40), torch.randn(3, 40)
    together = parameters.clone()
    optimizers.Adadelta([together], rho=0.9).step([gradients], 1.0)
    for place in range(3):
        alone = parameters[place].clone()
        optimizers.Adadelta([alone], rho=0.9).step([gradients[place]], 1.0)
        assert torch.equal(alone, together[place])


@pytest.mark.parametrize("rule, options", [(optimizers.Adadelta, {"rho": 0.95}), (optimizers.SGD, {"momentum": 0.9})])
def test_a_rate_on_the_device_is_the_rate(rule, options, monkeypatch):
    """What a captured step reads, so that a schedule needs no new capture."""
    monkeypatch.setattr(jit, "AVAILABLE", False)
    start = [torch.randn(shape) for shape in SHAPES]
    found = []
    for rate in (torch.zeros(()), None):
        parameters = [tensor.clone() for tensor in start]
        made = rule(parameters, **options)
        for value in (0.05, 0.01):
            made.step(start, value if rate is None else rate.fill_(value))
        found.append(parameters)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.skipif(not jit.AVAILABLE, reason="torch has its own messages")
def test_gradients_of_another_shape_and_parameters_with_gaps_are_refused():
    rule = optimizers.Adadelta([torch.ones(4, 3)], rho=0.95)
    with pytest.raises(InputError, match="give its own"):
        rule.step([torch.ones(2, 3)], 0.05)
    with pytest.raises(InputError, match="gaps in memory"):
        optimizers.Adadelta([torch.ones(4, 3)[:, :2]], rho=0.95)
