"""How the letters network lies in memory for the kernels, and how large their blocks are.

Activations have the channels last. The small parameters of a seed lie in one row: convolution 1 as [9, 32] and its 32
biases, convolution 2 as [9, 32, 64] and its 64, linear 2 as [classes, 128] and its biases, linear 1's 128 biases, and
zeros up to ``width``, a multiple of 64, so that every row begins where wide loads may.
"""

from hardsample.randomness import Stream
from hardsample.training import letters_cnn

PIXELS, POOLED, FEATURES, HIDDEN = 26 * 26, 12 * 12, 9216, 128
CONVOLUTION_1, CONVOLUTION_2 = 320, 18496  # parameters, biases included
PARTS_1 = 2080  # of a part of convolution 1's gradient: [4, 16, 32] and [32]
DROP = tuple(rate for rate, _ in letters_cnn.LettersCNN.dropout)


def mask(layer: int) -> dict[str, int]:
    """Of the dropout of a layer: its stream, and what a byte of it must reach for a value to be kept."""
    return {"STREAM": int(Stream.DROPOUT) + layer, "THRESHOLD": int(256 * DROP[layer])}


def next_power_of_2(number: int) -> int:
    """The least power of 2 that is no less."""
    return 1 << (number - 1).bit_length()


def tiles(precision: str, n: int) -> dict[str, dict[str, int | bool]]:
    """Block sizes and warps of every kernel, for mini-batches of n; PARTS are the programs that share a sum."""
    rows = min(max(16, next_power_of_2(n)), 128)
    parts = 16 if n <= 64 else 4 if n <= 256 else 2
    if precision == "bf16":
        block, warps = (128, 8) if n >= 256 else (64, 4)
        many = {"BLOCK": 32, "num_warps": 8} if n >= 256 else {"BLOCK": 16, "num_warps": 4, "maxnreg": 128}
        return {
            "convolution_1": {"BLOCK": 128, "num_warps": 4},
            "convolution_2_pool": {"BLOCK": block, "DEPTH": 32, "num_warps": warps},
            "linear_1": {"PARTS": parts, "ROWS": rows, "BLOCK": 64, "num_warps": 8},
            "head": {"ROWS": 16 if n <= 64 else 64, "num_warps": 8},
            "linear_1_backward": {"BACK": True, "OUTPUTS": 128, "ROWS": 64 if n > 32 else 32, "num_stages": 1} | many,
            "convolution_2_weight": {"PARTS": 22, "BLOCK": 32, "num_warps": 4, "num_stages": 2},
            "convolution_1_weight": {"PARTS": 33, "BLOCK": block, "DEPTH": 64, "num_warps": warps, "num_stages": 1},
            "update_small": {"BLOCK": 64, "num_warps": 4},
        }
    units = precision == "tf32"  # there are units for these products; those of IEEE float32 numbers fill the registers
    return {
        "convolution_1": {"BLOCK": 128, "num_warps": 4},
        "convolution_2_pool": {"BLOCK": 16, "DEPTH": 32 if units else 8, "num_warps": 4, "num_stages": 1},
        "linear_1": {"PARTS": parts, "ROWS": min(rows, 32), "BLOCK": 16, "num_warps": 8},
        "head": {"ROWS": 16, "num_warps": 8},
        "linear_1_backward": {"BACK": False, "OUTPUTS": 64, "ROWS": 16, "BLOCK": 64, "num_warps": 8},
        "convolution_2_weight": {"PARTS": 22, "BLOCK": 16 if units else 8, "num_warps": 8, "num_stages": 1},
        "convolution_1_weight": {"PARTS": 33, "BLOCK": 16, "DEPTH": 16, "num_warps": 4, "num_stages": 1},
        "update_small": {"BLOCK": 64, "num_warps": 4},
    }
