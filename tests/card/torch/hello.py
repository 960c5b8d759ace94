"""The smallest program that allocates, uploads, multiplies and reduces: for the first contact. Small whole numbers, so that every
product and sum is exact, and what the GPU says is compared with what the CPU says."""
from common import TorchReport, parser, wrong


def main():
    arguments = parser("hello.py", __doc__).parse_args()
    report = TorchReport(arguments)
    torch = report.torch
    width, layers = (4096, {"full": 32, "small": 8}.get(arguments.size, 4)) if report.device.type == "cuda" else (128, 4)
    seed = torch.Generator().manual_seed(6)
    here = torch.randint(-1, 2, (width + layers, width), generator=seed).to(torch.bfloat16)
    # Two thirds of x are zeros: then every sum, and every part of one, stays below 256 and is exact in bf16 too.
    x = (torch.randint(-1, 2, (16, width), generator=seed) * torch.randint(0, 2, (16, width), generator=seed)).to(torch.bfloat16)
    expected = [(x.float() @ here[n:n + width].float()).sum(dim=1) for n in range(layers)]

    weights = report.load(lambda: [here[n:n + width].to(report.device) for n in range(layers)])
    report.weights_bytes = sum(weight.numel() * weight.element_size() for weight in weights)
    there = x.to(report.device)
    report.start()
    for _ in range(1 + (arguments.steps or 3)):
        sums = [(there @ weight).float().sum(dim=1) for weight in weights]
        report.step()
        for number, (got, wanted) in enumerate(zip(sums, expected)):
            if not torch.equal(got.cpu(), wanted):
                wrong(f"layer {number} sums to {got.tolist()}, not {wanted.tolist()}")
        report.digest(*sums)
        report.start()
    for number, weight in enumerate(weights):
        if not torch.equal(weight.cpu(), here[number:number + width]):
            wrong(f"weight {number} does not read back as it was uploaded")
    report.finish()


main()
