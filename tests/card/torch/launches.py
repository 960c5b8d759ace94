"""Thousands of launches that each do almost nothing, on few tensors: what a launch costs the host. A step is 4,000 of them."""
from common import TorchReport, parser


def main():
    arguments = parser("launches.py", __doc__).parse_args()
    report = TorchReport(arguments)
    torch = report.torch
    count = 4000 if report.device.type == "cuda" else 100
    tensors = [torch.zeros(1 << (16 if report.device.type == "cuda" else 10), device=report.device) for _ in range(8)]
    report.weights_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    report.start()
    for _ in range(1 + (arguments.steps or 5)):
        for number in range(count):
            tensors[number & 7].add_(1)
        report.step()
    report.digest(*tensors)
    report.finish()


main()
