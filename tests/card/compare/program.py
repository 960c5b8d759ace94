"""One model under one mechanism: a run that compare.py compares. --room: bytes of VRAM that the whole may take, of which
--besides are taken by what is no weight. The last line is that of the card's other programs, with "mechanism",
"moved_in_bytes" and "moved_out_bytes" (of a step, after the first). Exit status 3: it does not fit; a line on stderr says why."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
from common import TorchReport, parser  # noqa: E402

MECHANISMS = ("none", "lowtide", "accelerate", "sdnext_balanced", "sdnext_sequential", "diffusers_model", "diffusers_group")
DOES_NOT_FIT = 3


def main():
    options = parser("program.py", __doc__)
    options.add_argument("--mechanism", choices=MECHANISMS, default="none")
    options.add_argument("--model", choices=("decoder", "pipeline"), default="decoder")
    options.add_argument("--room", type=int, default=1 << 62)
    options.add_argument("--besides", type=int, default=0)
    arguments = options.parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    import mechanisms
    from mover import Mover

    shape = (models.DECODER if arguments.model == "decoder" else models.PIPELINE)[arguments.size]
    blocks = report.blocks(shape)
    resident = arguments.mechanism in ("none", "lowtide")
    home = report.device if resident else "cpu"
    made = report.load(lambda: (models.decoder if arguments.model == "decoder" else models.pipeline)(arguments.size, home, blocks))
    parts = {"decoder": made} if arguments.model == "decoder" else dict(zip(("text_encoder", "denoiser", "vae"), made.modules()))
    report.count_weights(*parts.values())
    mover = Mover(report.device, "cpu", pin=arguments.mechanism in mechanisms.PINNED)
    if report.device.type == "cuda" and not resident and arguments.room < report.more["total_bytes"]:
        # The caching allocator gives back what it keeps rather than pass the room; a mechanism that needs more fails.
        torch.cuda.set_per_process_memory_fraction(arguments.room / report.more["total_bytes"])
    try:
        if not resident:
            mover.start_out(mover.tensors(*parts.values()))
            mechanisms.table()[arguments.mechanism](parts, mover, arguments.room - arguments.besides)
        counted, moved = [], dict(mover.bytes)

        def step(*_):
            report.step()
            counted.append({way: mover.bytes[way] - moved[way] for way in moved})
            moved.update(mover.bytes)

        report.start()
        if arguments.model == "decoder":
            result = models.generate(made, models.prompt(shape, report.device), arguments.steps or 12, step)
        else:
            result = [models.run_pipeline(made, 1 + (arguments.steps or 7), report.device,
                                          lambda stage: step() if stage == "denoise" else report.lap_ms())]
    except (mechanisms.TooLarge, torch.cuda.OutOfMemoryError) as why:
        print(f"does not fit: {str(why).splitlines()[0]}", file=sys.stderr)
        sys.exit(DOES_NOT_FIT)
    report.digest(*result)
    last = counted[-1]
    report.finish(mechanism=arguments.mechanism, moved_in_bytes=last["in"], moved_out_bytes=last["out"])


main()
