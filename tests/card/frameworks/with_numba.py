"""Numba (numba-cuda): kernels compiled from Python, arrays allocated one by one without a pool, copies from pageable memory, and
atomic additions. On the CPU: Numba's simulator of CUDA."""
import os

from shared import Report, framework, not_here, parser, pieces, sizes, wrong


def main():
    arguments = parser("with_numba.py", __doc__).parse_args()
    if arguments.device == "cpu":
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
    numpy = framework("numpy")
    if not hasattr(numpy, "row_stack"):  # gone since NumPy 2.5; a Numba from before asks for it as it first compiles
        numpy.row_stack = numpy.vstack
    cuda = framework("numba.cuda")
    if not cuda.is_available():
        not_here("a CUDA device that Numba can use")
    import numba_kernels

    width, layers = sizes(arguments, (4096, 16), (4096, 64), (32, 2))
    layers = arguments.blocks or layers
    report = Report(arguments, cuda.synchronize)
    report.start()
    made = [(width, width)] * layers
    weights = report.load(lambda: [cuda.to_device(piece) for piece in pieces(numpy, made, numpy.float32, 1.0)])
    report.weights_bytes = 4 * width * width * layers
    start = numpy.random.default_rng(7).standard_normal(width, dtype=numpy.float32)
    x, counts = cuda.to_device(start), cuda.to_device(numpy.zeros(17, dtype=numpy.int64))
    block = min(64, width)
    outputs = []
    report.start()
    for _ in range(1 + (arguments.steps or 3)):
        for weight in weights:
            out = cuda.device_array(width, dtype=numpy.float32)
            numba_kernels.product[width // block, block](x, weight, out)
            numba_kernels.squash[width // block, block](out, counts)
            x = out
        outputs += [x.copy_to_host(), counts.copy_to_host()]
        report.step()
    for here in outputs:
        if not numpy.isfinite(here).all():
            wrong("an output is not finite")
        report.digest_bytes(here.tobytes(), f"{here.shape} {here.dtype}")
    for weight, piece in zip(weights, pieces(numpy, made, numpy.float32, 1.0)):
        if not (weight.copy_to_host() == piece).all():
            wrong("a weight does not read back as it was uploaded")
    # Numba asks for each array separately and keeps no pool.
    taken = report.weights_bytes + 3 * 4 * width + counts.nbytes if arguments.device == "cuda" else 0
    report.finish(taken, version=framework("numba").__version__)


main()
