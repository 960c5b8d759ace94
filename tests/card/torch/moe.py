"""A mixture of experts, bf16: each token's two experts are gathered by index from one tensor a layer and multiplied by bmm; or
(--how grouped) tokens are sorted by expert and multiplied by grouped_mm. A step names every expert's memory and reads the
chosen ones' only; which those are depends on every bit before."""
from common import TorchReport, not_here, parser


def main():
    options = parser("moe.py", __doc__)
    options.add_argument("--how", choices=("gather", "grouped"), default="gather")
    arguments = options.parse_args()
    report = TorchReport(arguments)
    import experts
    import models

    torch = report.torch
    if arguments.how == "grouped" and not hasattr(torch.nn.functional, "grouped_mm"):
        not_here("torch.nn.functional.grouped_mm, which is newer than this PyTorch")
    if arguments.how == "grouped" and report.device.type == "cuda" and torch.cuda.get_device_capability() < (8, 0):
        not_here("grouped_mm on a GPU below sm_80")
    shape = experts.SHAPE[arguments.size]
    shape = models.with_blocks(shape, report.blocks(shape))
    model = report.load(lambda: models.build(lambda: experts.Experts(shape, arguments.how), report.device, torch.bfloat16))
    report.count_weights(model)
    seed = torch.Generator().manual_seed(models.SEED)
    x = torch.randn(shape.tokens, shape.width, generator=seed).to(report.device, torch.bfloat16)
    outputs = []
    report.start()
    with torch.no_grad():
        for _ in range(1 + (arguments.steps or 15)):
            x = model(x)
            outputs.append(x)
            report.step()
    report.digest(*outputs)
    report.digest_weights(model)
    report.finish()


main()
