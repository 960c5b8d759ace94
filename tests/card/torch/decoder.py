"""A decoder with a KV cache, bf16: a prompt, then tokens one by one. Every step reads every weight once; the cache grows by
torch.cat, in new allocations each step."""
from common import TorchReport, parser


def main():
    options = parser("decoder.py", __doc__)
    options.add_argument("--one-segment", action="store_true",
                         help="let the caching allocator take one segment for all weights first, as transformers does")
    arguments = options.parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    blocks = report.blocks(models.DECODER[arguments.size])
    if arguments.one_segment and report.device.type == "cuda":
        with torch.device("meta"):
            size = models.bytes_of(models.Decoder(models.with_blocks(models.DECODER[arguments.size], blocks)).bfloat16())
        torch.empty(size, dtype=torch.uint8, device=report.device)  # freed at once: the weights are cut from it
    model = report.load(lambda: models.decoder(arguments.size, report.device, blocks))
    report.count_weights(model)
    tokens = models.prompt(model.shape, report.device)
    report.start()
    logits = models.generate(model, tokens, arguments.steps or 32, report.step)
    report.digest(*logits)
    report.digest_weights(model)
    report.finish()


main()
