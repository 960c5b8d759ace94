"""What the programs of frameworks other than PyTorch share: their way to ../torch/common.py, and weights from numpy. Imports
without any framework."""
import math
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "torch"))
from common import Report, TorchReport, framework, not_here, parser, wrong  # noqa: E402,F401

PERIOD = 16_777_259  # a prime above 2^24, as in ../torch/models.py, and for the same reason


def pieces(numpy, shapes, dtype, scale, seed=20):
    """Arrays of normal numbers, one for each shape, each another piece of one sequence: made in a moment."""
    sizes = [math.prod(shape) for shape in shapes]
    period = PERIOD if max(sizes) > 1 << 20 else 65_537
    draw = (numpy.random.default_rng(seed).standard_normal(period, dtype=numpy.float32) * scale).astype(dtype)
    whole = numpy.tile(draw, 1 + -(-max(sizes) // period))
    taken = 0
    for size, shape in zip(sizes, shapes):
        start = taken % period
        taken += size
        yield whole[start:start + size].reshape(shape)


def sizes(arguments, small, full, tiny):
    """Picks by --size; small by default on a GPU, tiny on the CPU."""
    arguments.size = arguments.size or ("small" if arguments.device == "cuda" else "tiny")
    return {"small": small, "full": full, "tiny": tiny}[arguments.size]
