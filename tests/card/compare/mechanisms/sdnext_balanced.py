"""SD.Next's balanced offload, restated from modules/sd_offload.py of vladmandic/sdnext (2025; OffloadHook and
apply_balanced_offload). Before a component's forward, when another one ran last, every other component on the card is moved
to RAM by .to(), if more than the low mark is used, and the allocator's cache is emptied. Then the component comes by .to(),
from pageable memory. The high mark bounds the weights of one component: where they are more, accelerate's
infer_auto_device_map keeps what fits in the order of the layers, less the largest layer still to come, and the rest is
offloaded leaf by leaf.

The marks: the card is taken to be as small as the VRAM it may take; low 0, as SD.Next chooses for cards up to 12 GB; high so
that what runs beside the weights fits (SD.Next's own is 0.6 to 0.8 of the card).
Left out: lists of classes always or never offloaded, the limit on RAM and the tier on disk, quantised and compiled modules,
removing and adding the hook at each move (a cost in Python only), moves to RAM on a side stream (off unless chosen)."""
from mechanisms.leaves import Leaves
from mechanisms.moving import OFF, ON, all_of, direct, owners, size_of

LOW_BYTES = 0


class Balanced:
    def __init__(self, components, mover, high_bytes):
        self.modules, self.mover = [module for _, module in components], mover
        self.last = None
        self.staying, split = {}, set()
        for module in self.modules:
            layers = owners(module)
            stays = staying(layers, high_bytes)
            self.staying[id(module)] = [t for layer in layers[:stays] for t in direct(layer)]
            split.update(id(layer) for layer in layers[stays:])
        for module in self.modules:
            module.register_forward_pre_hook(self.before)
            Leaves(mover, owners(module), enabled=split)

    def is_on(self, module):
        staying = self.staying[id(module)]
        return bool(staying) and self.mover.is_here(staying)

    def before(self, module, inputs):
        if self.last is not module:
            for other in self.modules:
                if other is not module and self.is_on(other) and self.mover.bytes_here() > LOW_BYTES:
                    self.mover.move(self.staying[id(other)], OFF)
                    self.mover.empty_cache()
        if not self.is_on(module):
            self.mover.move(self.staying[id(module)], ON)
        self.last = module


def staying(layers, high_bytes):
    """How many of the layers, from the first, stay on the card while the component runs."""
    sizes, used = [size_of(direct(layer)) for layer in layers], 0
    for number, size in enumerate(sizes):
        if used + size > high_bytes - max(sizes[number + 1:], default=0):
            return number
        used += size
    return len(sizes)


def attach(components, mover, knobs):
    high = knobs.room_bytes()
    balanced = Balanced(components, mover, high)
    chosen = {"low_bytes": LOW_BYTES, "high_bytes": high}
    for name, module in components:
        chosen[f"{name}_stays_bytes"] = size_of(balanced.staying[id(module)])
        chosen[f"{name}_bytes"] = size_of(all_of(module))
    return chosen
