"""Weights come to the device and go from it through one function, Mover.move, which counts the bytes that cross the bus and
knows where each tensor is. Without a card both places are RAM: a move is then a copy, and check_uses() finds every layer that
runs while its weights are away or still on their way."""
import contextlib

import torch

ON, OFF = "on", "off"


def direct(module):
    """The parameters and buffers that the module itself owns."""
    return [t for t in (*module._parameters.values(), *module._buffers.values()) if t is not None]


def all_of(*modules):
    return [t for m in modules for t in (*m.parameters(), *m.buffers())]


def owners(module):
    """The modules that own tensors, in the order they were built."""
    return [m for m in module.modules() if direct(m)]


def size_of(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


class Mover:
    def __init__(self, onload_device, offload_device="cpu"):
        self.onload_device, self.offload_device = torch.device(onload_device), torch.device(offload_device)
        self.bytes_in = self.bytes_out = 0
        self.here = {}  # id of a tensor on the device: its bytes
        self.on_the_way = set()  # ids of tensors whose copy nobody has waited for (only without a card)

    def move(self, tensors, to, sources=None, non_blocking=False, used_on=None):
        """to ON: copies each to the device, from sources (by id) or from where it is, on the current stream; used_on: another
        stream that will use it. to OFF: back to its source without a copy, or, without sources, by a copy into new RAM."""
        for tensor in tensors:
            size, key = size_of([tensor]), id(tensor)
            if to == ON:
                source = sources[key] if sources else tensor.data
                tensor.data = source.to(self.onload_device, non_blocking=non_blocking, copy=True)
                if used_on is not None and self.onload_device.type == "cuda":
                    tensor.data.record_stream(used_on)
                self.bytes_in += size
                self.here[key] = size
                if non_blocking and self.onload_device.type != "cuda":
                    self.on_the_way.add(key)
            else:
                if sources:
                    tensor.data = sources[key]
                else:
                    tensor.data = tensor.data.to(self.offload_device, copy=True)
                    self.bytes_out += size
                self.here.pop(key, None)
                self.on_the_way.discard(key)

    def is_here(self, tensors):
        return all(id(t) in self.here for t in tensors)

    def bytes_here(self):
        return sum(self.here.values())

    def take_counts(self):
        """Bytes (in, out) since the last call."""
        counts = self.bytes_in, self.bytes_out
        self.bytes_in = self.bytes_out = 0
        return counts

    def side_stream(self):
        return CudaStream(self.onload_device) if self.onload_device.type == "cuda" else NoStream(self)

    def in_ram(self, tensor):
        """A copy in RAM from which it can be brought while other work runs: pinned, where there is a card."""
        return tensor.data.pin_memory() if self.onload_device.type == "cuda" else tensor.data

    def empty_cache(self):
        if self.onload_device.type == "cuda":
            torch.cuda.empty_cache()

    def check_uses(self, module):
        """From now on every layer must find its own weights on the device when it runs. Call it after attach(): hooks run in
        the order they were registered."""
        def check(layer, inputs):
            for tensor in direct(layer):
                where = "away" if id(tensor) not in self.here else "still on its way" if id(tensor) in self.on_the_way else None
                if where:
                    raise AssertionError(f"{type(layer).__name__} runs while a weight of shape {tuple(tensor.shape)} is {where}")

        for owner in owners(module):
            owner.register_forward_pre_hook(check)


class CudaStream:
    """A stream beside the current one; the current one's work is the computation."""

    def __init__(self, device):
        self.stream = torch.cuda.Stream(device=device)

    def use(self):
        return torch.cuda.stream(self.stream)

    def synchronize(self):
        self.stream.synchronize()

    def computing(self):
        return torch.cuda.current_stream()


class NoStream:
    """Without a card: nothing runs beside, but what was not waited for is known as being on its way."""

    def __init__(self, mover):
        self.mover = mover

    def use(self):
        return contextlib.nullcontext()

    def synchronize(self):
        self.mover.on_the_way.clear()

    def computing(self):
        return None
