"""Linear layers with packed weights, and a decoder made of them, for quantised.py. Plain torch: no torch._int_mm or
torch._weight_int4pack_mm, whose kernels exist for some GPUs only; what matters here is packed memory read by one kernel and
unpacked into a new allocation that the next one reads."""
import torch
import torch.nn.functional as F
from torch import nn

import models
from models import DecoderShape

SHAPE = {
    "full": DecoderShape(width=4096, heads=32, kv_heads=8, inner=11008, blocks=24, vocabulary=32000, batch=4, prompt=128),
    "small": DecoderShape(width=4096, heads=32, kv_heads=8, inner=11008, blocks=6, vocabulary=32000, batch=4, prompt=64),
    "tiny": DecoderShape(width=64, heads=4, kv_heads=2, inner=192, blocks=2, vocabulary=256, batch=2, prompt=8),
}


class Int8Linear(nn.Module):
    SPREAD = 73.9  # the standard deviation of all int8 values

    def __init__(self, inputs, outputs):
        super().__init__()
        self.packed = nn.Parameter(torch.empty(outputs, inputs, dtype=torch.int8), requires_grad=False)
        self.scale = nn.Parameter(torch.empty(outputs, 1), requires_grad=False)

    def weights_given(self, name, value):
        return value if name == "packed" else value.abs() / self.SPREAD + 1e-5

    def forward(self, x):
        return F.linear(x, self.packed.to(x.dtype) * self.scale)


class Int4Linear(nn.Module):
    SPREAD, GROUP = 4.6, 64

    def __init__(self, inputs, outputs):
        super().__init__()
        self.packed = nn.Parameter(torch.empty(outputs, inputs // 2, dtype=torch.uint8), requires_grad=False)
        self.scale = nn.Parameter(torch.empty(outputs, inputs // self.GROUP, 1), requires_grad=False)

    weights_given = Int8Linear.weights_given

    def forward(self, x):
        values = torch.stack((self.packed & 15, self.packed >> 4), dim=-1).flatten(-2).to(x.dtype) - 8
        return F.linear(x, (values.unflatten(-1, (-1, self.GROUP)) * self.scale).flatten(-2))


def pack(module, kind):
    """Replaces every linear layer of a module on the meta device, as quantising loaders do."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, kind(child.in_features, child.out_features))
        else:
            pack(child, kind)


def decoder(shape, bits, device):
    def make():
        made = models.Decoder(shape)
        pack(made.blocks, Int8Linear if bits == 8 else Int4Linear)
        return made

    return models.build(make, device, torch.bfloat16)
