"""The update rules against torch's own."""

import pytest
import torch

from hardsample import optimizers


@pytest.mark.parametrize("chunk", [optimizers.CHUNK, 100])
def test_adadelta_equals_torchs_bit_for_bit(chunk, monkeypatch):
    monkeypatch.setattr(optimizers, "CHUNK", chunk)
    generator = torch.Generator().manual_seed(0)
    shapes = [(17, 30), (8, 3, 3, 3), (5,)]
    ours = [torch.randn(shape, generator=generator) for shape in shapes]
    theirs = [tensor.clone().requires_grad_() for tensor in ours]
    rule = optimizers.Adadelta(ours, rho=0.95)
    reference = torch.optim.Adadelta(theirs, lr=0.05, rho=0.95, eps=1e-6, foreach=False)
    for _ in range(20):
        gradients = [torch.randn(shape, generator=generator) for shape in shapes]
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()
        rule.step(gradients, 0.05)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def test_sgd_equals_torchs_bit_for_bit():
    generator = torch.Generator().manual_seed(0)
    shapes = [(17, 30), (8, 3, 3, 3), (5,)]
    ours = [torch.randn(shape, generator=generator) for shape in shapes]
    theirs = [tensor.clone().requires_grad_() for tensor in ours]
    rule = optimizers.SGD(ours, momentum=0.9)
    reference = torch.optim.SGD(theirs, lr=0.005, momentum=0.9)
    for _ in range(20):
        gradients = [torch.randn(shape, generator=generator) for shape in shapes]
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
