"""Without a card: every mechanism on the processor, small. That it computes what bare computes, that no layer runs before its
weights are there (the mover looks), and that it moves the bytes it must (theory.py). Nothing of speed or memory."""
import importlib
import os
import sys

import mechanisms
import plan
import running
import theory

BESIDE_BYTES = 100_000
PART_OF_WEIGHTS = {"decoder": 0.6, "pipeline": 0.3}  # the room for weights: too little for the largest component
STEPS = {"decoder": 3, "pipeline": 2}
DENOISE = 6
LISTS = {"decoder": ("blocks",), "text_encoder": ("blocks",), "denoiser": ("time_in", "modulation", "blocks"), "vae": ("middle", "up_blocks")}
CALLS = {"decoder": {"decoder": 1}, "pipeline": {"text_encoder": 1, "denoiser": DENOISE, "vae": 1}}
HALF_BYTES = 2  # a weight's, bf16 or fp16


def sizes_of(model):
    """Of the tiny models, from their shapes alone."""
    sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
    import models
    import torch

    with torch.device("meta"):
        if model == "decoder":
            made = {"decoder": models.Decoder(models.DECODER["tiny"])}
        else:
            parts = (("text_encoder", models.TextEncoder), ("denoiser", models.Denoiser), ("vae", models.VaeDecoder))
            made = {name: part(models.PIPELINE["tiny"]) for name, part in parts}
    components = {name: [(n, p.numel() * HALF_BYTES) for n, p in module.named_parameters()] for name, module in made.items()}
    return theory.Sizes(components, CALLS[model])


def problems(run, bare, sizes, room):
    """What is wrong with a run that ended well."""
    wrong, mechanism = [], run["mechanism"]
    if run["digest"] != bare["digest"]:
        wrong.append("another digest than bare")
    if run["counted"]:
        kept = run["chosen"].get("kept_bytes", 0)
        if mechanism == "diffusers_group_kept" and not 0 < kept <= room:
            wrong.append(f"keeps {kept} bytes where there is room for {room}")
        must = theory.must_move(mechanism, sizes, LISTS, room, kept)
        does = run["moved_in_bytes"][-1], run["moved_out_bytes"][-1]
        if does != must:
            wrong.append(f"moves {does[0]} bytes in and {does[1]} out a step, must move {must[0]} and {must[1]}")
    return wrong


def rehearse(models, compare, record, say):
    """True where nothing was wrong. compare: the Comparison that runs them."""
    try:
        importlib.import_module("torch")
    except ImportError:
        say("PyTorch is not here: no mechanism was rehearsed")
        return True
    passed = failed = 0
    for model in models:
        sizes, bare = sizes_of(model), None
        room = int(PART_OF_WEIGHTS[model] * sum(sizes.whole(name) for name in sizes.components))
        for mechanism in mechanisms.TABLE:
            step = plan.Run(model, 0, mechanism, "share")
            name = f"{model} {mechanism}"
            if not compare.has_time():
                record.left_out.append({"name": name, "why": "no time"})
                continue
            arguments = ["--device", "cpu", "--size", "tiny", "--steps", STEPS[model], "--vram-bytes", room + BESIDE_BYTES,
                         "--beside-bytes", BESIDE_BYTES]
            run = compare.run_program(step, arguments, None)
            run["name"] = name
            record.runs.append(run)
            if run["cut"]:
                record.left_out.append({"name": name, "why": "cut by the budget"})
                continue
            if run["status"] == running.NOT_HERE:
                say(f"  {name}: needs a card" if mechanism == "accelerate_dispatch" else f"  {name}: {run['why']}")
                continue
            if mechanism == "none":
                bare = run
            wrong = [run["why"]] if run["why"] else problems(run, bare, sizes, room)
            run["same"] = not wrong
            passed, failed = passed + (not wrong), failed + bool(wrong)
            for what in wrong:
                record.faults.append(f"{name}: {what}")
                say(f"  {name}: {what}")
            if not wrong:
                moved = f"{run['moved_in_bytes'][-1]:,} bytes in and {run['moved_out_bytes'][-1]:,} out a step, as it must"
                say(f"  {name}: computes what bare does, {moved if run['counted'] else 'its bytes are not counted'}")
            record.write()
    say(f"rehearsed: {passed} passed, {failed} failed")
    return not failed
