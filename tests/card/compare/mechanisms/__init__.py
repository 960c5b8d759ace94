"""Ways to make a model fit, by name. Each module has attach(components, mover, knobs, **options), which puts its hooks on the
components and returns what it chose, for the record. components: [(name, module)] in the order they are called, their weights
in RAM. Imports without torch."""
import importlib
from dataclasses import dataclass


class NotHere(Exception):
    """The mechanism needs what this machine has not."""


@dataclass
class Knobs:
    """vram_bytes: what PyTorch may take of the card. beside_bytes: what it takes beside weights (activations, workspaces)."""

    vram_bytes: int
    beside_bytes: int

    def room_bytes(self):
        return max(0, self.vram_bytes - self.beside_bytes)


@dataclass
class Mechanism:
    """module, options: whose attach(), with what. resident: the weights are made on the card and the program is not changed.
    counted: the bytes it moves pass through our Mover. scales: what it does depends on the VRAM it may take."""

    module: str
    options: dict
    resident: bool = False
    counted: bool = True
    scales: bool = False


TABLE = {
    "none": Mechanism("none", {}, resident=True),
    "lowtide": Mechanism("lowtide", {}, resident=True, scales=True),
    "accelerate": Mechanism("with_accelerate", {}, counted=False),
    "accelerate_dispatch": Mechanism("with_accelerate", {"dispatch": True}, counted=False, scales=True),
    "sdnext_balanced": Mechanism("sdnext_balanced", {}, scales=True),
    "sdnext_sequential": Mechanism("sdnext_sequential", {}),
    "diffusers_model": Mechanism("diffusers_model", {}),
    "diffusers_group_block": Mechanism("diffusers_group", {"groups": "block"}),
    "diffusers_group_leaf": Mechanism("diffusers_group", {"groups": "leaf"}),
    "diffusers_group_kept": Mechanism("diffusers_group", {"groups": "leaf", "keep": True}, scales=True),
}


def attach(name, components, mover, knobs):
    mechanism = TABLE[name]
    module = importlib.import_module(f"mechanisms.{mechanism.module}")
    return module.attach(components, mover, knobs, **mechanism.options) or {}
