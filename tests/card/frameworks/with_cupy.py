"""CuPy: its memory pool, cuBLAS products, a kernel compiled by NVRTC from text, reductions, a sort, gathers by index, an FFT, and
a second stream."""
import os

from shared import Report, framework, not_here, parser, pieces, sizes, wrong

SOURCE = r"""
extern "C" __global__ void fold(const float *a, const float *b, float *out, long long rows, long long width)
{
	long long column = (long long)blockIdx.x * blockDim.x + threadIdx.x;
	if (column >= width)
		return;
	float sum = 0;
	for (long long row = 0; row < rows; row++)
		sum = sum * 0.5f + a[row * width + column] * b[column];
	out[column] = sum;
}
"""


def main():
    arguments = parser("with_cupy.py", __doc__).parse_args()
    if arguments.device == "cpu":
        not_here("CuPy on a CPU")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cupy, numpy = framework("cupy"), framework("numpy")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # the runtime's own type of error, which needs the runtime to be named
        not_here(f"a CUDA device that CuPy can use ({error})")
    if not count:
        not_here("a CUDA device that CuPy can use")
    width, layers = sizes(arguments, (4096, 16), (4096, 64), (64, 2))
    layers = arguments.blocks or layers
    report = Report(arguments, lambda: cupy.cuda.Device().synchronize())
    report.start()
    fold = cupy.RawKernel(SOURCE, "fold")
    weights = report.load(lambda: [cupy.asarray(piece) for piece in
                                   pieces(numpy, [(width, width)] * layers, numpy.float32, width ** -0.5)])
    report.weights_bytes = sum(weight.nbytes for weight in weights)
    start = numpy.random.default_rng(7).standard_normal((64, width), dtype=numpy.float32)
    x = cupy.asarray(start)
    side = cupy.cuda.Stream(non_blocking=True)
    outputs = []
    report.start()
    for _ in range(1 + (arguments.steps or 7)):
        for number, weight in enumerate(weights):
            x = cupy.tanh(x @ weight)
            if number % 4 == 0:
                folded = cupy.empty(width, dtype=cupy.float32)
                fold((-(-width // 128),), (128,), (weight, x[0], folded, width, width))
                x = x + folded * 1e-3
        order = cupy.argsort(x[1])
        spectrum = cupy.fft.rfft(x[2])
        ready = cupy.cuda.Event()
        ready.record()
        with side:
            side.wait_event(ready)
            gathered = weights[0][order[:16]].sum(axis=1)
            done = cupy.cuda.Event()
            done.record()
        cupy.cuda.get_current_stream().wait_event(done)
        outputs += [x, spectrum, gathered, x.sum(), order]
        report.step()
    for output in outputs:
        here = cupy.asnumpy(output)
        if not numpy.isfinite(here).all():
            wrong("an output is not finite")
        report.digest_bytes(here.tobytes(), f"{here.shape} {here.dtype}")
    for weight, piece in zip(weights, pieces(numpy, [(width, width)] * layers, numpy.float32, width ** -0.5)):
        if not (cupy.asnumpy(weight) == piece).all():
            wrong("a weight does not read back as it was uploaded")
    report.finish(cupy.get_default_memory_pool().total_bytes(), version=cupy.__version__)


main()
