"""Hugging Face accelerate itself (the installed package, 1.15 when this was written): cpu_offload(), which moves each layer's
weights before and drops them after its forward; or, dispatch, infer_auto_device_map() and dispatch_model(), which keep on the
card what fits and offload the rest that way (transformers' device_map="auto" with max_memory)."""
import logging

import mechanisms
from mechanisms.moving import all_of, size_of

RAM = 1 << 50


def attach(components, mover, knobs, dispatch=False):
    try:
        import accelerate
    except ImportError as error:
        raise mechanisms.NotHere(f"accelerate cannot be imported ({error})") from None
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    chosen = {"accelerate": accelerate.__version__}
    if not dispatch:
        for _, module in components:
            # offload_buffers as diffusers and SD.Next call it.
            accelerate.cpu_offload(module, mover.onload_device, offload_buffers=len(module._parameters) > 0)
        return chosen
    if mover.onload_device.type != "cuda":
        raise mechanisms.NotHere("a device map needs a card")
    room = knobs.room_bytes()
    # The largest first: it is the one that is called again and again.
    for name, module in sorted(components, key=lambda c: -size_of(all_of(c[1]))):
        device_map = accelerate.infer_auto_device_map(module, max_memory={0: room, "cpu": RAM})
        before = size_of(all_of(module))
        accelerate.dispatch_model(module, device_map=device_map, main_device=0, force_hooks=True)
        stays = size_of(t for t in all_of(module) if t.device.type == "cuda")
        room = max(0, room - stays)
        chosen[f"{name}_stays_bytes"], chosen[f"{name}_bytes"] = stays, before
    return chosen
