"""Training steps: fp32 weights, bf16 autocast, AdamW with foreach, gradients clipped. Everything is written every step, by
kernels that name a hundred tensors at once through tables in their parameters; nothing of what is paged is clean."""
from common import TorchReport, parser


def main():
    arguments = parser("training.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    shape = {
        "full": models.DecoderShape(width=1536, heads=16, kv_heads=16, inner=4096, blocks=20, vocabulary=16000, batch=4, prompt=256),
        "small": models.DecoderShape(width=1024, heads=16, kv_heads=16, inner=2816, blocks=10, vocabulary=16000, batch=4, prompt=256),
        "tiny": models.DECODER["tiny"],
    }[arguments.size]
    # In bf16 weights' sizes: 2 the fp32 weights, 2 gradients, 4 the optimiser's state, 4 what its foreach steps hold between.
    shape = models.with_blocks(shape, report.blocks(shape, times=12))
    model = report.load(lambda: models.build(lambda: models.Decoder(shape), report.device, torch.float32))
    report.count_weights(model)
    model.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)
    seed = torch.Generator().manual_seed(models.SEED)
    losses = []
    position = torch.arange(shape.prompt, device=report.device)
    # Flash attention's backward pass has a deterministic form, the memory-efficient one's has none; math is for GPUs before
    # sm_80 and for the CPU.
    attention = torch.nn.attention.sdpa_kernel([torch.nn.attention.SDPBackend.FLASH_ATTENTION, torch.nn.attention.SDPBackend.MATH])
    report.start()
    with attention:
        for _ in range(1 + (arguments.steps or 4)):
            tokens = torch.randint(shape.vocabulary, (shape.batch, shape.prompt + 1), generator=seed).to(report.device)
            with torch.autocast(report.device.type, torch.bfloat16):
                logits = model(tokens[:, :-1], position, models.NoCache(), all_tokens=True)
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.detach())
            report.step()
    report.digest(*losses, *model.parameters())
    for state in optimizer.state.values():
        report.digest(*(value.sum() for value in state.values()))
    report.more["losses"] = [round(loss.item(), 4) for loss in losses]
    report.finish()


main()
