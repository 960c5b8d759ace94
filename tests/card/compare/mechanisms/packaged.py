"""The real package: accelerate's cpu_offload on each component. It moves weights itself, so nothing is counted here."""
import importlib.util

from mechanisms import TooLarge


class NotHere(TooLarge):
    pass


def accelerate(parts, mover, room_bytes):
    if not importlib.util.find_spec("accelerate"):
        raise NotHere("accelerate is not installed")
    from accelerate import cpu_offload
    for part in parts.values():
        largest = max(mover.bytes_of(mover.tensors(m, recurse=False)) for m in part.modules())
        if largest > room_bytes:
            raise TooLarge(f"its largest layer takes {largest} bytes")
        cpu_offload(part, execution_device=mover.device["in"], offload_buffers=True)
