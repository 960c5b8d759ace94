"""A few blocks of the pipeline's DiT under torch.compile: Triton kernels of PyTorch's own making, and with --mode
reduce-overhead CUDA graphs that record themselves. The first step compiles (tens of seconds where PyTorch's cache of compiled
kernels is empty); processes that compile are started from this one."""
from dataclasses import replace

from common import TorchReport, not_here, parser


def main():
    options = parser("compiled.py", __doc__)
    options.add_argument("--mode", choices=("default", "reduce-overhead"), default="default")
    options.add_argument("--backend", help="of torch.compile (inductor; aot_eager, which compiles nothing, with --device cpu)")
    arguments = options.parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    backend = arguments.backend or ("inductor" if report.device.type == "cuda" else "aot_eager")
    if backend == "inductor" and report.device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            not_here("Triton, which torch.compile needs")
    # The width of the full pipeline's DiT also where fewer blocks are wanted: compiling takes time by the block, not by its size.
    shape = models.PIPELINE["tiny" if arguments.size == "tiny" else "full"]
    shape = replace(shape, blocks={"full": 16, "small": 6, "tiny": 2}[arguments.size], latent=min(shape.latent, 64))
    shape = replace(shape, blocks=report.blocks(shape))
    model = report.load(lambda: models.build(lambda: models.Denoiser(shape), report.device, torch.float16))
    report.count_weights(model)
    # Deterministic mode keeps the compiler from timing whatever changes rounding; this keeps it from timing block sizes of its
    # elementwise kernels, too: one run has the other's kernels, whatever the bus did to their times.
    import torch._inductor.config

    torch._inductor.config.triton.autotune_pointwise = False
    compiled = torch.compile(model, backend=backend, mode=arguments.mode if backend == "inductor" else None)
    seed = torch.Generator().manual_seed(models.SEED)
    text = torch.randn(2, shape.text_length, shape.text_width, generator=seed).to(report.device, torch.float16)
    latents = torch.randn(2, 4, shape.latent, shape.latent, generator=seed).to(report.device, torch.float16)
    outputs = []
    report.start()
    with torch.no_grad():
        for number in range(1 + (arguments.steps or 7)):
            time = torch.full((2,), 1 - number / 64, device=report.device)
            torch.compiler.cudagraph_mark_step_begin()
            # The output's memory is the graph's own: what is kept is a copy.
            latents = latents - compiled(latents, time, text).clone() / 8
            outputs.append(latents)
            report.step()
    report.digest(*outputs)
    report.digest_weights(model)
    report.finish()


main()
