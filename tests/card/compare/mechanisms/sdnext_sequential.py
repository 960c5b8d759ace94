"""SD.Next's sequential offload ("sequential", --lowvram), restated from modules/sd_offload.py of vladmandic/sdnext (2025): it
calls diffusers' enable_sequential_cpu_offload, that is, accelerate's cpu_offload of every component: each layer's weights come
from pageable memory by a copy that is waited for, and are dropped after the layer.

Left out: accelerate empties the allocator's cache after each tensor it places; without that this is faster than the original
(which is measured too: "accelerate")."""
from mechanisms.leaves import Leaves
from mechanisms.moving import owners


def attach(components, mover, knobs):
    for _, module in components:
        Leaves(mover, owners(module))
