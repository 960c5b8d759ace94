"""One model run under one mechanism (mechanisms/), as one process: the decoder or the pipeline of ../torch/models.py. A step is
one token after the prompt, or one whole image (text encoder, DENOISE calls of the denoiser, VAE decoder) after the first. Its
last line is one JSON object; what it has besides the fields of every program (../torch/common.py) is in README.md.

Exit status: 77, what it needs is not here; 3, it does not fit in --vram-bytes; 1, a wrong result."""
import os
import sys

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import common  # noqa: E402
import mechanisms  # noqa: E402

DOES_NOT_FIT = 3
DENOISE = 6
BESIDE_BYTES = 256 << 20  # where nobody says what a bare run took beside its weights


def arguments():
    made = common.parser("program.py", __doc__)
    made.add_argument("--mechanism", choices=tuple(mechanisms.TABLE), required=True)
    made.add_argument("--model", choices=("decoder", "pipeline"), required=True)
    made.add_argument("--vram-bytes", type=common.positive, help="what PyTorch may take of the card (all it has)")
    made.add_argument("--beside-bytes", type=int, default=BESIDE_BYTES, help="what a bare run took beside its weights")
    return made.parse_args()


class Peaks:
    """What PyTorch took, over the whole run (reserved) and in each step (allocated)."""

    def __init__(self, report):
        self.cuda = report.torch.cuda if report.device.type == "cuda" else None
        self.reserved = self.step = 0

    def lap(self, of_a_step):
        if self.cuda:
            self.reserved = max(self.reserved, self.cuda.max_memory_reserved())
            if of_a_step:
                self.step = max(self.step, self.cuda.max_memory_allocated())
            self.cuda.reset_peak_memory_stats()


class Run:
    """The model's parts, in RAM or on the card, and what is counted while they run."""

    def __init__(self, report, models):
        self.report, self.models, self.options = report, models, report.arguments
        self.mechanism = mechanisms.TABLE[self.options.mechanism]
        self.peaks = Peaks(report)
        self.moved = []
        self.limit()
        self.shape = (models.DECODER if self.options.model == "decoder" else models.PIPELINE)[self.options.size]
        blocks = report.blocks(self.shape)
        report.load(lambda: self.make(blocks))
        report.count_weights(*(module for _, module in self.components))
        self.rows_bytes = self.table.weight.numel() * self.table.weight.element_size()
        self.chosen = report.load(self.attach)

    def limit(self):
        """The allocator refuses more than the VRAM the mechanism may take, having given back what it only caches. Lowtide
        holds the cap itself."""
        options, cuda = self.options, self.report.torch.cuda
        if options.device != "cuda":
            options.vram_bytes = options.vram_bytes or 1 << 62
            return
        total = cuda.get_device_properties(self.report.device).total_memory
        options.vram_bytes = min(options.vram_bytes or total, total)
        if not self.mechanism.resident:
            cuda.set_per_process_memory_fraction(options.vram_bytes / total)

    def make(self, blocks):
        place = self.report.device if self.mechanism.resident else "cpu"
        if self.options.model == "decoder":
            model = self.models.decoder(self.options.size, place, blocks)
            self.components, self.table = [("decoder", model)], model.embed
        else:
            self.parts = self.models.pipeline(self.options.size, place, blocks)
            self.components = [(name, getattr(self.parts, name)) for name in ("text_encoder", "denoiser", "vae")]
            self.table = self.parts.text_encoder.embed

    def attach(self):
        from mechanisms.moving import Mover

        self.mover = Mover(self.report.device)
        knobs = mechanisms.Knobs(self.options.vram_bytes, self.options.beside_bytes)
        try:
            chosen = mechanisms.attach(self.options.mechanism, self.components, self.mover, knobs)
        except mechanisms.NotHere as why:
            common.not_here(str(why))
        if self.report.device.type == "cpu" and self.mechanism.counted and not self.mechanism.resident:
            for _, module in self.components:
                self.mover.check_uses(module)
        return chosen

    def step(self):
        self.report.step()
        self.moved.append(self.mover.take_counts())

    def weights_of(self, *names):
        from mechanisms.moving import all_of, size_of

        return sum(size_of(all_of(module)) for name, module in self.components if name in names)

    def decoder(self):
        model = self.components[0][1]
        tokens = self.models.prompt(model.shape, self.report.device)
        self.report.start()
        self.peaks.lap(False)

        def tick():
            self.peaks.lap(of_a_step=bool(self.moved))
            self.step()

        self.report.digest(*self.models.generate(model, tokens, self.options.steps or 10, tick))
        return 1, self.peaks.step - self.rows_bytes

    def pipeline(self):
        torch, first = self.report.torch, None
        self.stages_ms, clock = {}, self.report
        for number in range(1 + (self.options.steps or 2)):
            clock.start()
            began = clock.since

            def tick(stage):
                self.peaks.lap(of_a_step=stage == "denoise")
                self.stages_ms.setdefault(stage, []).append(round(clock.lap_ms(), 3))

            image = self.models.run_pipeline(self.parts, DENOISE, self.report.device, tick)
            clock.since = began  # the image is the step
            self.step()
            if first is None:
                first = image
            elif not torch.equal(first, image):
                common.wrong(f"image {number + 1} is another than the first")
        self.report.digest(first)
        self.report.more["stages_ms"] = self.stages_ms
        return DENOISE, self.peaks.step - self.weights_of("text_encoder", "vae")

    def finish(self, calls, needed_bytes):
        """needed_bytes: what each of a step's calls needs at once. Of the embedding a call reads a few rows only."""
        self.peaks.lap(False)
        more = self.report.more
        more["peak_reserved_bytes"] = self.peaks.reserved
        more.update(mechanism=self.options.mechanism, model=self.options.model, calls=calls,
                    moved_in_bytes=[m[0] for m in self.moved], moved_out_bytes=[m[1] for m in self.moved],
                    counted=self.mechanism.counted, vram_bytes=self.options.vram_bytes,
                    chosen={key: value() if callable(value) else value for key, value in self.chosen.items()})
        if self.options.mechanism == "none":
            more.update(needed_bytes=max(0, needed_bytes), read_bytes=self.report.weights_bytes - self.rows_bytes)
        self.report.finish()


def main():
    options = arguments()
    report = common.TorchReport(options)
    import models

    try:
        run = Run(report, models)
        run.finish(*getattr(run, options.model)())
    except report.torch.OutOfMemoryError as error:
        print(f"does not fit in {options.vram_bytes} bytes: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(DOES_NOT_FIT)


main()
