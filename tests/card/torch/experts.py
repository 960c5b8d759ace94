"""The mixture of experts that moe.py runs."""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class ExpertsShape:
    width: int
    inner: int
    experts: int
    chosen: int
    blocks: int
    tokens: int

    def bytes_of_block(self):
        return 2 * self.experts * 3 * self.width * self.inner

    def bytes_besides(self):  # what is gathered, at most
        return 2 * self.tokens * self.chosen * 3 * self.width * self.inner + (1 << 29)


SHAPE = {
    "full": ExpertsShape(width=2048, inner=1024, experts=32, chosen=2, blocks=12, tokens=4),
    "small": ExpertsShape(width=2048, inner=1024, experts=16, chosen=2, blocks=7, tokens=4),
    "tiny": ExpertsShape(width=32, inner=16, experts=4, chosen=2, blocks=2, tokens=3),
}


class ExpertsBlock(nn.Module):
    def __init__(self, shape, how):
        super().__init__()
        self.chosen, self.how = shape.chosen, how
        self.norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.router = nn.Linear(shape.width, shape.experts, bias=False)
        self.gate_up = nn.Parameter(torch.empty(shape.experts, 2 * shape.inner, shape.width))
        self.down = nn.Parameter(torch.empty(shape.experts, shape.width, shape.inner))

    def gathered(self, x, choice):
        """x (tokens, width), choice (tokens, chosen) → (tokens, chosen, width)."""
        which = choice.flatten()
        each = x.repeat_interleave(self.chosen, dim=0).unsqueeze(-1)
        gate, up = torch.bmm(self.gate_up[which], each).chunk(2, dim=1)
        return torch.bmm(self.down[which], F.silu(gate) * up).view(*choice.shape, -1)

    def grouped(self, x, choice):
        which = choice.flatten()
        order = which.argsort(stable=True)
        ends = (which.unsqueeze(0) <= torch.arange(self.down.shape[0], device=x.device).unsqueeze(1)).sum(1).to(torch.int32)
        each = x.repeat_interleave(self.chosen, dim=0)[order]
        gate, up = F.grouped_mm(each, self.gate_up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
        done = F.grouped_mm(F.silu(gate) * up, self.down.transpose(1, 2), offs=ends)
        return done[order.argsort()].view(*choice.shape, -1)

    def forward(self, x):
        y = self.norm(x)
        weight, choice = self.router(y).float().softmax(-1).topk(self.chosen)
        done = self.gathered(y, choice) if self.how == "gather" else self.grouped(y, choice)
        return x + (done * weight.unsqueeze(-1).to(x.dtype)).sum(1)


class Experts(nn.Module):
    def __init__(self, shape, how):
        super().__init__()
        self.blocks = nn.ModuleList(ExpertsBlock(shape, how) for _ in range(shape.blocks))
        self.norm = nn.RMSNorm(shape.width, eps=1e-5)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
