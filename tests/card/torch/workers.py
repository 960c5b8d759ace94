"""A model fed by DataLoader workers that are forked after the GPU is in use: batches come through shared memory, a thread of
PyTorch pins them, and they are uploaded without waiting. The workers inherit everything and use nothing of it; they come and go
twice."""
import os
from dataclasses import replace

from common import TorchReport, parser, wrong


def main():
    arguments = parser("workers.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    shape = models.PIPELINE["tiny" if arguments.size == "tiny" else "full"]
    shape = replace(shape, text_blocks={"full": 40, "small": 10, "tiny": 2}[arguments.size])
    # By what a block of text takes: 12 matrices of its width.
    text = models.DecoderShape(shape.text_width, 1, 1, 8 * shape.text_width // 3, shape.text_blocks, shape.vocabulary, 0, 0)
    shape = replace(shape, text_blocks=report.blocks(text))
    model = report.load(lambda: models.build(lambda: models.TextEncoder(shape), report.device, torch.float16))
    report.count_weights(model)
    batches, batch = 1 + (arguments.steps or 11), 8

    class Texts(torch.utils.data.Dataset):
        def __len__(self):
            return batches * batch

        def __getitem__(self, number):
            seed = torch.Generator().manual_seed(number)
            return torch.randint(shape.vocabulary, (shape.text_length,), generator=seed), os.getpid()

    loader = torch.utils.data.DataLoader(Texts(), batch_size=batch, num_workers=2, multiprocessing_context="fork",
                                         pin_memory=report.device.type == "cuda", prefetch_factor=2)
    for epoch in range(2):
        outputs, workers = [], set()
        report.start()
        with torch.no_grad():
            for tokens, process in loader:
                outputs.append(model(tokens.to(report.device, non_blocking=True)).sum(dim=1))
                workers.update(process.tolist())
                if epoch and len(outputs) == 1:
                    report.more["restart_ms"] = round(report.lap_ms(), 3)
                else:
                    report.step()
        if os.getpid() in workers or len(workers) != 2:
            wrong(f"the batches came from {len(workers)} processes, of which two should be workers")
        report.digest(*outputs)
    report.digest_weights(model)
    report.finish()


main()
