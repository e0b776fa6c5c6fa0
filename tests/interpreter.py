"""Triton's interpreter, where it is asked for, with bf16 as a device has it."""

import os

import numpy as np
import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
interpreted = pytest.mark.skipif(not INTERPRETED, reason="needs Triton's interpreter: make test-kernels")


def correct_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Round to bf16 and multiply bf16 numbers; Triton 3.9's interpreter cuts digits off, and multiplies the bits."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    cast, dot = InterpreterBuilder.cast_impl, InterpreterBuilder.create_dot

    def cast_impl(self, source, to):
        kinds = source.dtype.scalar, to.scalar
        data = np.asarray(source.data)
        if kinds == (tl.float32, tl.bfloat16):
            rounded = torch.from_numpy(np.ascontiguousarray(data)).bfloat16().view(torch.int16)
            return TensorHandle(rounded.numpy().view(np.uint16), tl.bfloat16)
        if kinds == (tl.bfloat16, tl.float32):
            return TensorHandle((data.astype(np.uint32) << 16).view(np.float32), tl.float32)
        return cast(self, source, to)

    def create_dot(self, *operands_and_total):
        a, b, *rest = operands_and_total
        a, b = (cast_impl(self, x, tl.float32) if x.dtype.scalar == tl.bfloat16 else x for x in (a, b))
        return dot(self, a, b, *rest)

    monkeypatch.setattr(InterpreterBuilder, "cast_impl", cast_impl)
    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)
