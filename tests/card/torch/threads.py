"""A decoder on one thread while another draws previews on a stream of its own and blocks in copies to the host, as user
interfaces do. Neither may disturb the other: the tokens are those of the decoder alone, and every preview is the same."""
import threading

from common import TorchReport, parser, wrong


def main():
    arguments = parser("threads.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    cuda = report.device.type == "cuda"
    blocks = report.blocks(models.DECODER[arguments.size])
    model = report.load(lambda: models.decoder(arguments.size, report.device, blocks))
    report.count_weights(model)
    tokens = models.prompt(model.shape, report.device)
    side = 2048 if cuda else 64
    latents = torch.randn(side, side, generator=torch.Generator().manual_seed(5)).to(report.device)
    ended, drawn, differing, failed = threading.Event(), [0], [0], []
    expected = (latents @ latents).cpu()

    def previews():
        try:
            with torch.no_grad(), torch.cuda.stream(torch.cuda.Stream() if cuda else None):
                while not ended.is_set() or not drawn[0]:
                    differing[0] += not torch.equal((latents @ latents).cpu(), expected)
                    drawn[0] += 1
        except Exception as error:  # told by the main thread, which would else report a good run
            failed.append(error)

    thread = threading.Thread(target=previews)
    report.start()
    thread.start()
    try:
        logits = models.generate(model, tokens, arguments.steps or 24, report.step)
    finally:
        ended.set()
        thread.join()
    if failed:
        wrong(f"the thread that draws previews ended: {failed[0]!r}")
    if differing[0]:
        wrong(f"{differing[0]} of {drawn[0]} previews differ")
    report.digest(*logits)
    report.digest(expected)
    report.digest_weights(model)
    report.finish(previews=drawn[0])


main()
