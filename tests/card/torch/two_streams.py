"""Two halves of a model on two streams: what the first makes on one stream, the second reads on the other after an event, and
the memory between is given back while it is still being read (record_stream). Micro-batches overlap; results leave by copies
into pinned memory on the second stream."""
from common import TorchReport, parser


def main():
    arguments = parser("two_streams.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    cuda = report.device.type == "cuda"
    shape = models.DECODER[arguments.size]
    blocks = report.blocks(shape)

    def half(seed):
        layers = (models.GatedFeedForward(shape.width, shape.inner) for _ in range(max(1, blocks // 2)))
        return models.build(lambda: torch.nn.ModuleList(layers), report.device, torch.bfloat16, seed)

    halves = report.load(lambda: (half(1), half(2)))
    report.count_weights(*halves)
    seed = torch.Generator().manual_seed(models.SEED)
    parts = 8
    inputs = [torch.randn(256 if cuda else 4, shape.width, generator=seed).to(report.device, torch.bfloat16) for _ in range(parts)]

    def through(layers, x):
        for layer in layers:
            x = torch.nn.functional.layer_norm(x + layer(x), (shape.width,))
        return x

    streams = [torch.cuda.Stream() for _ in range(2)] if cuda else None
    kept = [torch.empty(x.shape, dtype=x.dtype, pin_memory=cuda) for x in inputs]
    report.start()
    with torch.no_grad():
        for _ in range(1 + (arguments.steps or 7)):
            if not cuda:
                for x, result in zip(inputs, kept):
                    result.copy_(through(halves[1], through(halves[0], x)))
            else:
                for stream in streams:
                    stream.wait_stream(torch.cuda.current_stream())
                for x, result in zip(inputs, kept):
                    with torch.cuda.stream(streams[0]):
                        between = through(halves[0], x)
                        made = torch.cuda.Event()
                        made.record(streams[0])
                    with torch.cuda.stream(streams[1]):
                        streams[1].wait_event(made)
                        between.record_stream(streams[1])
                        result.copy_(through(halves[1], between), non_blocking=True)
                    del between
                for stream in streams:
                    torch.cuda.current_stream().wait_stream(stream)
            report.step()
            report.digest(*kept)
            inputs = [result.to(report.device) for result in kept]
            report.start()
    report.digest_weights(*halves)
    report.finish()


main()
