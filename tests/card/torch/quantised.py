"""A decoder whose weights are packed, int8 (one scale a row) or 4-bit (two to a byte, one scale to 64), and unpacked to bf16 in
each forward: weights-only quantisation as it works without kernels of its own. Offloading that looks at tensors' types breaks
such formats; memory has none."""
from common import TorchReport, parser


def main():
    options = parser("quantised.py", __doc__)
    options.add_argument("--bits", type=int, choices=(8, 4), default=8)
    arguments = options.parse_args()
    report = TorchReport(arguments)
    import models
    import packed

    shape = packed.SHAPE[arguments.size]
    shape = models.with_blocks(shape, report.blocks(shape, times=arguments.bits / 16))
    model = report.load(lambda: packed.decoder(shape, arguments.bits, report.device))
    report.count_weights(model)
    tokens = models.prompt(shape, report.device)
    report.start()
    logits = models.generate(model, tokens, arguments.steps or 16, report.step)
    report.digest(*logits)
    report.digest_weights(model)
    report.finish()


main()
