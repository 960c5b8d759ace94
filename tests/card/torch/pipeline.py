"""A text-to-image pipeline in fp16: text encoder, a DiT called once a step, VAE decoder; three models that are used one after
another, and activations that grow at the end. A step is one call of the DiT."""
from common import TorchReport, parser


def main():
    arguments = parser("pipeline.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    blocks = report.blocks(models.PIPELINE[arguments.size])
    parts = report.load(lambda: models.pipeline(arguments.size, report.device, blocks))
    report.count_weights(*parts.modules())

    def tick(stage):
        if stage == "denoise":
            report.step()
        else:
            report.more[f"{stage}_ms"] = round(report.lap_ms(), 3)

    report.start()
    report.digest(models.run_pipeline(parts, 1 + (arguments.steps or 7), report.device, tick))
    report.digest_weights(*parts.modules())
    report.finish()


main()
