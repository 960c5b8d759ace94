"""SD.Next's balanced offload (modules/sd_offload.py, 2025): hooks on whole components. Before a component's forward the others
are evicted, whole, with `.to("cpu")` (to fresh pageable memory, copied back), if more than the low watermark is in use; then
the component is brought in. What of it is above the high watermark is left to accelerate's dispatch: those layers stay in RAM
and come in one by one for their forward. Here both watermarks are bytes: the high one is the room, the low one a quarter of it
(SD.Next's presets are 0.2 and 0.6 to 0.8 of the card). Left out: never and always lists, the limit on RAM and the disk."""
from mechanisms import TooLarge
from mechanisms.leaves import hook_leaf, leaves_of

LOW_OF_HIGH = 0.25


def apply(parts, mover, room_bytes):
    stay = {name: split(part, mover, room_bytes) for name, part in parts.items()}

    def before(name):
        def hook(module, inputs):
            del module, inputs
            taken = sum(mover.bytes_of([t for t in tensors if mover.is_in(t)]) for tensors in stay.values())
            if taken + mover.bytes_of([t for t in stay[name] if not mover.is_in(t)]) > room_bytes * LOW_OF_HIGH:
                for other, tensors in stay.items():
                    if other != name:
                        mover.leave(tensors)
            mover.bring(stay[name], keep=False)
        return hook

    for name, part in parts.items():
        part.register_forward_pre_hook(before(name))


def split(part, mover, room_bytes):
    """The weights that stay in VRAM while the component is in use; the layers of the others come one by one."""
    leaves = leaves_of(part)
    sizes = [mover.bytes_of(mover.tensors(leaf, recurse=False)) for leaf in leaves]
    if max(sizes) > room_bytes:
        raise TooLarge(f"its largest layer takes {max(sizes)} bytes")
    stays, taken = [], 0
    # Room for the largest layer that does not stay, as accelerate's device map keeps it.
    limit = room_bytes if sum(sizes) <= room_bytes else room_bytes - max(sizes)
    full = False
    for leaf, size in zip(leaves, sizes):
        full = full or taken + size > limit
        if full:
            hook_leaf(leaf, mover)
        else:
            stays += mover.tensors(leaf, recurse=False)
            taken += size
    return stays
