"""The tutorial's pictures: every example shown under its caption, every epoch a violin."""

import pytest
import torch

from hardsample.report import pictures


@pytest.mark.slow
def test_examples_stand_under_their_captions():
    figure = pictures.examples(torch.zeros(14, 1, 28, 28, dtype=torch.uint8), list("ABCDEFGHIJKLMN"))
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == list("ABCDEFGHIJKLMN")
    assert shown[0].images[0].get_array().shape == (28, 28)


def test_colour_examples_are_shown_in_colour():
    figure = pictures.examples(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), ["cat", "dog"])
    assert figure.axes[0].images[0].get_array().shape == (32, 32, 3)


def test_base_values_show_every_epoch_and_the_uniform_guess():
    figure = pictures.base_values({epoch: torch.rand(50) for epoch in range(4)}, 26)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2", "3"]
    assert axes.texts[0].get_text() == "uniform guess, ln 26"
