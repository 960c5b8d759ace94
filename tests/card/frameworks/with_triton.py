"""Triton: kernels that it compiles and launches by itself (it looks the driver's functions up with dlsym), on PyTorch's memory; by
pointers, and with --descriptors by tensor descriptors, opaque parameters that the GPU's tensor memory accelerator (TMA) reads
addresses from. On the CPU: Triton's interpreter."""
import os

from shared import TorchReport, framework, not_here, parser


def main():
    options = parser("with_triton.py", __doc__)
    options.add_argument("--descriptors", action="store_true", help="pass tensor descriptors (sm_90 or later)")
    arguments = options.parse_args()
    if arguments.device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    report = TorchReport(arguments)
    torch, triton = report.torch, framework("triton")
    import models
    import triton_kernels

    if arguments.descriptors:
        if arguments.device == "cuda" and torch.cuda.get_device_capability() < (9, 0):
            not_here("tensor descriptors on a GPU below sm_90")
        descriptor = framework("triton.tools.tensor_descriptor").TensorDescriptor.from_tensor
    width, layers = {"full": (4096, 128), "small": (4096, 32), "tiny": (64, 2)}[arguments.size]
    layers = arguments.blocks or layers
    rows, block = 64, {"ROWS": 64, "COLUMNS": 64, "DEPTH": 64} if width > 64 else {"ROWS": 32, "COLUMNS": 32, "DEPTH": 32}
    whole = models.Weights(torch.float16, width * width)
    weights = report.load(lambda: [whole.take((width, width)).to(report.device) for _ in range(layers)])
    report.weights_bytes = sum(weight.numel() * weight.element_size() for weight in weights)
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(7)).to(report.device, torch.float16)
    grid = (rows // block["ROWS"], width // block["COLUMNS"])
    outputs = []
    report.start()
    for _ in range(1 + (arguments.steps or 7)):
        for weight in weights:
            out = torch.empty_like(x)
            if arguments.descriptors:
                triton_kernels.by_descriptors[grid](
                    descriptor(x, [block["ROWS"], block["DEPTH"]]), descriptor(weight, [block["DEPTH"], block["COLUMNS"]]),
                    descriptor(out, [block["ROWS"], block["COLUMNS"]]), width, width, **block)
            else:
                triton_kernels.by_pointers[grid](x, weight, out, width, width, **block)
            x = torch.nn.functional.layer_norm(x + out, (width,))
        outputs.append(x)
        report.step()
    report.digest(*outputs)
    for weight in weights:
        report.digest(weight.view(torch.int32).sum())
    report.finish(version=triton.__version__)


main()
