"""JAX: XLA's own allocator (growing as needed), one compiled program for a step over all layers, which XLA runs as CUDA graphs
where it likes, donated buffers, and random numbers made on the device."""
import os

from shared import Report, framework, not_here, parser, pieces, sizes, wrong

# XLA chooses between implementations by timing them, unless told otherwise.
UNTIMED = {"xla_gpu_autotune_level": 0, "xla_gpu_deterministic_ops": True}


def main():
    arguments = parser("with_jax.py", __doc__).parse_args()
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if arguments.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
    jax, numpy = framework("jax"), framework("numpy")
    jnp = jax.numpy
    try:
        device = jax.devices("gpu" if arguments.device == "cuda" else "cpu")[0]
    except RuntimeError as error:
        not_here(f"a device that JAX can use ({str(error).splitlines()[0]})")
    width, layers = sizes(arguments, (4096, 24), (4096, 96), (64, 2))
    layers = arguments.blocks or layers
    waiting = []
    report = Report(arguments, lambda: [jax.block_until_ready(item) for item in waiting])

    def load():
        made = [jax.device_put(piece, device) for piece in
                pieces(numpy, [(width, width)] * layers, jnp.bfloat16, width ** -0.5)]
        waiting[:] = made
        return made

    weights = report.load(load)
    report.weights_bytes = sum(weight.nbytes for weight in weights)

    def step(x, key, weights):
        key, now = jax.random.split(key)
        x = x + jax.random.normal(now, x.shape, x.dtype) * 0.01
        for weight in weights:
            y = x @ weight
            x = jax.nn.gelu(y) + x
            x = x / jnp.sqrt(jnp.mean(jnp.square(x.astype(jnp.float32)), axis=-1, keepdims=True)).astype(x.dtype)
        return x, key, jnp.sort(x[0]).astype(jnp.float32).cumsum()

    start = numpy.random.default_rng(7).standard_normal((64, width), dtype=numpy.float32)
    with jax.default_device(device):
        x, key = jax.device_put(jnp.asarray(start, jnp.bfloat16), device), jax.random.key(7)
        lowered = jax.jit(step, donate_argnums=(0,)).lower(x, key, weights)
        outputs = []
        report.start()
        try:
            compiled, untimed = lowered.compile(compiler_options=UNTIMED if arguments.device == "cuda" else None), True
        except Exception as error:  # JAX passes on whatever XLA says of an option that it has no more
            if "option" not in str(error).lower():
                raise
            compiled, untimed = lowered.compile(), False
        for _ in range(1 + (arguments.steps or 7)):
            x, key, sums = compiled(x, key, weights)
            outputs += [numpy.array(x), numpy.array(sums)]  # copies: x is given away to the next step
            waiting[:] = [x, sums]
            report.step()
    for here in outputs:
        if not numpy.isfinite(here.astype(numpy.float32)).all():
            wrong("an output is not finite")
        report.digest_bytes(here.tobytes(), f"{here.shape} {here.dtype}")
    for weight, piece in zip(weights, pieces(numpy, [(width, width)] * layers, jnp.bfloat16, width ** -0.5)):
        if not (numpy.asarray(weight).view(numpy.int16) == piece.view(numpy.int16)).all():
            wrong("a weight does not read back as it was uploaded")
    told = device.memory_stats() or {}
    report.finish(told.get("peak_pool_bytes") or told.get("peak_bytes_in_use", 0) if arguments.device == "cuda" else 0,
                  version=jax.__version__, untimed=untimed)


main()
