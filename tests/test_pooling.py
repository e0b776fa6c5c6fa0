"""Pooling, ReLU and dropout in one pass against the plain operations, bit for bit."""

import pytest
import torch
import torch.nn.functional as F

from hardsample.errors import InputError
from hardsample.training import pooling


def cases(dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 8, 6, generator=generator).to(dtype).to(memory_format=torch.channels_last)
    x[1] = x[1].round()  # ties, zeros and negative zeros
    x[2] = -x[2].abs()
    x[0, :2, 0, 0] = torch.tensor([torch.inf, -torch.inf])
    keep = torch.rand(3, 4, 3, 5, generator=generator) < 0.75
    return x, keep, torch.randn(3, 4, 3, 5, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [True, False])
def test_the_one_pass_equals_the_plain_operations(dtype, dropout):
    x, keep, gradient = cases(dtype)
    results = []
    for pool in (pooling.pool_relu_dropout, pooling.plain):
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        out = pool(leaf, keep if dropout else None, 0.25)
        results.append((out, *torch.autograd.grad(out, leaf, gradient)))
    for one, plain in zip(*results, strict=True):
        assert one.dtype == dtype and torch.equal(one, plain)


def test_the_plain_operations_are_the_layers_in_the_papers_order():
    x, keep, _ = cases(torch.float32)
    layers = F.max_pool2d(F.relu(x), 2).permute(0, 2, 3, 1).masked_fill(~keep, 0) / 0.75
    torch.testing.assert_close(pooling.plain(x, keep, 0.25), layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("corner", range(4))
def test_a_nan_is_never_pooled_away(dtype, sign, corner):
    x, _, _ = cases(dtype)
    bits = x.view(torch.int32 if dtype == torch.float32 else torch.int16)
    nan = torch.tensor(torch.nan, dtype=dtype).view(bits.dtype)
    bits[1, 2, 4 + corner // 2, 2 + corner % 2] = nan if sign > 0 else nan | torch.iinfo(bits.dtype).min
    x.requires_grad_()
    out = pooling.pool_relu_dropout(x, None, 0.25)
    assert out[1, 2, 1, 2].isnan() and out.isnan().sum() == 1
    assert torch.equal(out.isnan(), pooling.plain(x, None, 0.25).isnan())


def test_any_memory_layout_will_do():
    x, keep, _ = cases(torch.float32)
    assert torch.equal(pooling.pool_relu_dropout(x.contiguous(), keep, 0.25), pooling.pool_relu_dropout(x, keep, 0.25))


def test_what_the_compiled_loops_cannot_walk_is_refused():
    x, keep, _ = cases(torch.float32)
    for bad in ((x.double(), keep), (x[0], None), (x, keep[:2]), (x, keep[..., :4]), (x, keep.int())):
        with pytest.raises(InputError, match="give"):
            pooling.pool_relu_dropout(*bad, 0.25)
