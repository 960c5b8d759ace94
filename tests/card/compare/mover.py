"""The one place where the mechanisms move weights, and what it has moved. A tensor's place is told by what was asked, not by
its device, so that a rehearsal in which both places are the CPU counts the same bytes as a card would see cross the bus."""
import torch

IN, OUT = "in", "out"


class Mover:
    def __init__(self, onload, offload, pin=False):
        self.device = {IN: torch.device(onload), OUT: torch.device(offload)}
        self.pin = pin and self.device[IN].type == "cuda"
        self.bytes = {IN: 0, OUT: 0}
        self.kept = {}   # by tensor: its copy in RAM, where the mechanism keeps one
        self.place = {}  # by tensor: IN or OUT

    def tensors(self, *modules, recurse=True):
        seen = {}
        for module in modules:
            for tensor in (*module.parameters(recurse), *module.buffers(recurse)):
                seen[id(tensor)] = tensor
        return list(seen.values())

    def start_out(self, tensors):
        """Where the mechanisms begin: all weights in RAM, nothing counted."""
        for tensor in tensors:
            tensor.data = tensor.data.to(self.device[OUT])
            if self.pin:
                tensor.data = tensor.data.pin_memory()
            self.place[id(tensor)] = OUT

    def is_in(self, tensor):
        return self.place[id(tensor)] == IN

    def bytes_of(self, tensors):
        return sum(t.numel() * t.element_size() for t in tensors)

    def bring(self, tensors, keep, stream=None):
        """Into VRAM. keep: the copy in RAM is kept, so that leaving costs nothing. stream: copies are queued there, from pinned
        memory, and the memory they fill belongs to it: whoever uses it elsewhere must wait for the stream, and say so."""
        for tensor in tensors:
            if self.is_in(tensor):
                continue
            if keep:
                self.kept[id(tensor)] = tensor.data
            if stream is None:
                tensor.data = tensor.data.to(self.device[IN])
            else:
                with torch.cuda.stream(stream):
                    tensor.data = tensor.data.to(self.device[IN], non_blocking=True)
            self.bytes[IN] += tensor.numel() * tensor.element_size()
            self.place[id(tensor)] = IN

    def leave(self, tensors):
        """Out of VRAM: to the kept copy if there is one, else a copy is made in fresh pageable memory, as `.to("cpu")` does."""
        for tensor in tensors:
            if not self.is_in(tensor):
                continue
            kept = self.kept.pop(id(tensor), None)
            if kept is None:
                tensor.data = tensor.data.to(self.device[OUT])
                self.bytes[OUT] += tensor.numel() * tensor.element_size()
            else:
                tensor.data = kept
            self.place[id(tensor)] = OUT
