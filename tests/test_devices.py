"""Devices: threads are given back."""

import torch

from hardsample.runs.devices import one_thread


def test_threads_are_given_back():
    torch.set_num_threads(2)
    try:
        with one_thread("cpu"):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
