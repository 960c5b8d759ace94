"""Leaf by leaf: before a layer's forward its own weights come from RAM, after it the copies on the device are dropped; what is
in RAM was never given up, so nothing is copied back."""
from mechanisms.moving import OFF, ON, direct


class Leaves:
    """Of some layers. enabled: ids of the layers for which it does so now; None: all."""

    def __init__(self, mover, layers, enabled=None):
        self.mover, self.enabled = mover, enabled
        for layer in layers:
            layer.register_forward_pre_hook(self.before)
            layer.register_forward_hook(self.after)
        self.in_ram = {}

    def concerns(self, layer):
        return self.enabled is None or id(layer) in self.enabled

    def before(self, layer, inputs):
        if self.concerns(layer):
            tensors = direct(layer)
            self.in_ram[id(layer)] = {id(t): t.data for t in tensors}
            self.mover.move(tensors, ON)

    def after(self, layer, inputs, output):
        if self.concerns(layer):
            self.mover.move(direct(layer), OFF, sources=self.in_ram.pop(id(layer)))
