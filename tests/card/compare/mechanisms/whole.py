"""Whole components.

one_at_a_time restates diffusers' enable_model_cpu_offload (accelerate's cpu_offload_with_hook): a component comes in, whole,
when its forward is called, and the one before it goes out, whole, with `.to("cpu")`: its weights are copied back. Left out:
the hook that offloads the last component at the end of a call."""
from mechanisms import TooLarge


def resident(parts, mover, room_bytes):
    del room_bytes
    mover.bring(mover.tensors(*parts.values()), keep=False)


def one_at_a_time(parts, mover, room_bytes):
    weights = {name: mover.tensors(part) for name, part in parts.items()}
    largest = max(mover.bytes_of(tensors) for tensors in weights.values())
    if largest > room_bytes:
        raise TooLarge(f"its largest component takes {largest} bytes")

    def before(name):
        def hook(module, inputs):
            del module, inputs
            for other, tensors in weights.items():
                if other != name:
                    mover.leave(tensors)
            mover.bring(weights[name], keep=False)
        return hook

    for name, part in parts.items():
        part.register_forward_pre_hook(before(name))
