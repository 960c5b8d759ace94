"""Leaf by leaf: restates diffusers' enable_sequential_cpu_offload, which SD.Next's "sequential" is (accelerate's
AlignDevicesHook with offload): each module that has weights of its own brings them in before its forward and drops them after
it. The copy in RAM stays, so nothing is copied back. Copies are from pageable memory, on the stream of the computation."""
from mechanisms import TooLarge


def leaves_of(part):
    return [m for m in part.modules() if any(True for _ in (*m.parameters(recurse=False), *m.buffers(recurse=False)))]


def hook_leaf(module, mover):
    """Its own weights only; a module within it has its own hooks."""
    tensors = mover.tensors(module, recurse=False)
    module.register_forward_pre_hook(lambda m, i: mover.bring(tensors, keep=True))
    module.register_forward_hook(lambda m, i, o: mover.leave(tensors))


def apply(parts, mover, room_bytes):
    leaves = [leaf for part in parts.values() for leaf in leaves_of(part)]
    largest = max(mover.bytes_of(mover.tensors(leaf, recurse=False)) for leaf in leaves)
    if largest > room_bytes:
        raise TooLarge(f"its largest layer takes {largest} bytes")
    for leaf in leaves:
        hook_leaf(leaf, mover)
