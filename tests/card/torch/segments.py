"""Models that follow one another in the caching allocator's memory: one is run and dropped, small and large tensors come and go,
another is cut from the same segments, everything cached goes back to the driver (empty_cache), and the first is loaded again and
must give what it gave. Dead memory that only PyTorch knows to be free is what a pager must not take for use."""
from common import TorchReport, parser, wrong


def main():
    arguments = parser("segments.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    count = arguments.steps or 4
    blocks = report.blocks(models.DECODER[arguments.size])

    def decoder():
        model = report.load(lambda: models.decoder(arguments.size, report.device, blocks))
        report.start()
        logits = models.generate(model, models.prompt(model.shape, report.device), count, report.step)
        report.digest_weights(model)
        return model, torch.cat([step.cpu() for step in logits])

    model, before = decoder()
    report.count_weights(model)
    del model
    generator = torch.Generator().manual_seed(2)
    whole = torch.randn(1 << 18, generator=generator)
    small = [(whole + number).to(report.device) for number in range(64 if report.device.type == "cuda" else 4)]
    kept = small[::2]
    del small
    large = torch.cat([tensor.repeat(16) for tensor in kept])
    report.digest(large.view(torch.int32).sum(), *kept[:2])
    del large
    parts = report.load(lambda: models.pipeline("tiny" if arguments.size == "tiny" else "small", report.device))
    report.start()
    image = models.run_pipeline(parts, count, report.device, report.step)
    report.digest(image, *kept[-2:])
    report.digest_weights(*parts.modules())
    del parts, image, kept
    if report.device.type == "cuda":
        torch.cuda.empty_cache()
    model, after = decoder()
    if not torch.equal(before.view(torch.int16), after.view(torch.int16)):
        wrong("the first model's outputs changed when it was loaded again")
    report.digest(before, after)
    report.finish()


main()
