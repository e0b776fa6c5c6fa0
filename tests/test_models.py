"""The letters CNN: its size, its initialisation, its cohort."""

import pytest
import torch
import torch.nn.functional as F

from hardsample import models
from hardsample.errors import InputError
from hardsample.models import Cohort, LettersCNN

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (3, 6, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_paper_a_s_parameter_count():
    assert sum(parameter.numel() for parameter in LettersCNN(26).parameters()) == 1_201_946


def test_the_network_computes_what_its_layers_say():
    """Section 4.1's order of layers, written out: ReLU before the pooling, one image at a time."""
    module = models.build("letters-cnn", 26, 1)
    keep = torch.rand(6, 12, 12, 64) > 0.25, torch.rand(6, 128) > 0.5
    x = F.relu(module.convolution_1(IMAGES[0] / 255))
    x = F.max_pool2d(F.relu(module.convolution_2(x)), 2).permute(0, 2, 3, 1)
    dropped = (x * keep[0] / 0.75).flatten(1)
    hidden = F.relu(module.linear_1(dropped)) * keep[1] / 0.5
    torch.testing.assert_close(module(IMAGES[0], keep), module.linear_2(hidden))
    plain = module.linear_2(F.relu(module.linear_1(x.flatten(1))))
    torch.testing.assert_close(module(IMAGES[0]), plain)


def test_initialisation_is_the_seeds_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (models.build("letters-cnn", 26, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.linear_1.weight, again.linear_1.weight)
    assert not torch.equal(first.linear_1.weight, other.linear_1.weight)


def test_a_cohort_computes_what_its_members_do():
    cohort = Cohort("letters-cnn", 26, [1, 2, 3], CPU, "float32")
    masks = cohort.masks(4, 6)
    together = cohort.logits(IMAGES, masks, training=True)
    labels = torch.arange(6)
    shared = cohort.scores(IMAGES[0], labels)
    for place, seed in enumerate((1, 2, 3)):
        alone = Cohort("letters-cnn", 26, [seed], CPU, "float32")
        own = alone.masks(4, 6)
        assert all(torch.equal(mask[place], mine[0]) for mask, mine in zip(masks, own, strict=True))
        logits = alone.logits(IMAGES[place : place + 1], own, training=True)
        torch.testing.assert_close(logits[0], together[place], rtol=1e-4, atol=1e-5)
        for one, all_ in zip(alone.scores(IMAGES[0], labels), shared, strict=True):
            torch.testing.assert_close(one[0], all_[place], rtol=1e-4, atol=1e-5)


def test_scores_are_the_same_in_parts(monkeypatch):
    cohort, labels = Cohort("letters-cnn", 26, [1], CPU, "float32"), torch.arange(6)
    whole = cohort.scores(IMAGES[0], labels)
    monkeypatch.setattr(models, "IMAGES_AT_ONCE", 4)
    for one, other in zip(cohort.scores(IMAGES[0], labels), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_bf16_computes_nearly_the_same():
    exact, rough = (Cohort("letters-cnn", 26, [1], CPU, precision) for precision in ("float32", "bf16"))
    a, b = (cohort.logits(IMAGES[:1], training=False) for cohort in (exact, rough))
    assert b.dtype == torch.float32 and not torch.equal(a, b)
    torch.testing.assert_close(a, b, atol=0.05, rtol=0.05)


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match="unknown network 'resnet': choose one of letters-cnn"):
        models.build("resnet", 26, 1)
