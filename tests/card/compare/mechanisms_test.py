"""The mechanisms' hooks on small modules, on the processor: the order of what they ask for, and that faults put into them are
found by what looks for them. Needs PyTorch, no card."""
import logging
import sys

import torch
from torch import nn

import mechanisms
from mechanisms import diffusers_group, leaves, moving, sdnext_balanced

counts = {True: 0, False: 0}


def check(what, holds):
    counts[bool(holds)] += 1
    if not holds:
        print(f"failed: {what}")


class Net(nn.Module):
    def __init__(self, blocks=4):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8)) for _ in range(blocks))
        self.last = nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x) * self.scale


class Watched:
    """A net under a mechanism; trace: what came ("in", layer), what ran ("run", layer), in order."""

    def __init__(self, mechanism, room_bytes=0, looked_after=True, components=1):
        torch.manual_seed(3)
        self.nets = [Net().requires_grad_(False) for _ in range(components)]
        self.plain = [[layer.clone() for layer in net.parameters()] for net in self.nets]
        self.mover, self.trace = moving.Mover("cpu"), []
        names = {id(t): name for net in self.nets for name, t in net.named_parameters()}
        move = self.mover.move

        def watch(tensors, to, **more):
            tensors = list(tensors)
            self.trace += [("in" if to == moving.ON else "out", names[id(t)]) for t in tensors]
            move(tensors, to, **more)

        self.mover.move = watch
        mechanisms.attach(mechanism, [(f"net{i}", net) for i, net in enumerate(self.nets)], self.mover, mechanisms.Knobs(room_bytes, 0))
        for net in self.nets:
            if looked_after:
                self.mover.check_uses(net)
            for name, layer in net.named_modules():
                if moving.direct(layer):
                    layer.register_forward_pre_hook(lambda layer, inputs, name=name: self.trace.append(("run", name)))

    @torch.no_grad()
    def forward(self):
        del self.trace[:]
        x = torch.linspace(-1, 1, 8)
        for net in self.nets:
            x = net(x)
        return x

    def before(self, earlier, later):
        return self.trace.index(earlier) < self.trace.index(later)


def results():
    expected = Watched("none", looked_after=False).forward()
    for name, mechanism in mechanisms.TABLE.items():
        if mechanism.counted and not mechanism.resident:
            watched = Watched(name, room_bytes=1200)
            check(f"{name}: as bare, again and again", all(torch.equal(watched.forward(), expected) for _ in range(4)))
            check(f"{name}: the weights are what they were", all(torch.equal(a, b) for a, b in zip(watched.plain[0], watched.nets[0].parameters())))


def prefetching():
    watched = Watched("diffusers_group_leaf")
    watched.forward()
    check("leaf: in the first forward nothing comes ahead", watched.before(("run", "first"), ("in", "blocks.0.0.weight")))
    watched.forward()
    check("leaf: the first comes before all", watched.trace[0][0] == "in")
    check("leaf: then the next comes before one runs", watched.before(("in", "blocks.0.2.weight"), ("run", "blocks.0.0")))
    check("leaf: and not the one after it", watched.before(("run", "blocks.0.0"), ("in", "blocks.1.0.weight")))
    check("leaf: each goes after it ran", watched.before(("out", "blocks.0.0.weight"), ("run", "blocks.0.2")))
    watched = Watched("diffusers_group_block")
    watched.forward()
    watched.forward()
    check("block: the next block comes before one runs", watched.before(("in", "blocks.1.0.weight"), ("run", "blocks.0.0")))
    check("block: a block comes whole", watched.before(("in", "blocks.1.2.weight"), ("run", "blocks.0.0")))
    check("block: what is in no block stays for the whole forward", watched.before(("run", "last"), ("out", "first.weight")))
    check("block: nothing stays after it", not watched.mover.here)


def keeping():
    class Sized:
        def __init__(self, size):
            self.bytes = size

        def size(self):
            return self.bytes

    for sizes, room in (([10] * 10, 50), ([10] * 10, 9), ([10] * 10, 1000), ([7, 3, 9, 1, 30, 2], 25), ([5], 5), ([5], 4), ([10] * 10, -5)):
        groups = [Sized(size) for size in sizes]
        kept = diffusers_group.spread(groups, room)
        check(f"{sizes} in {room}: within the room", sum(g.size() for g in kept) <= max(room, 0))
        check(f"{sizes} in {room}: all where there is room", room < sum(sizes) or len(kept) == len(sizes))
    even = diffusers_group.spread(ten := [Sized(10) for _ in range(10)], 50)
    places = [ten.index(group) for group in even]
    check(f"half of ten, spread: {places}", len(places) == 5 and all(b - a <= 3 for a, b in zip(places, places[1:])))
    watched = Watched("diffusers_group_kept", room_bytes=1400)
    for _ in range(3):
        watched.forward()
    first = watched.mover.take_counts()[0]
    watched.forward()
    check("what is kept is not moved again", 0 < watched.mover.take_counts()[0] < first / 3 and watched.mover.here)


def balancing():
    watched = Watched("sdnext_balanced", room_bytes=10_000, components=2)
    watched.forward()
    check("balanced: the other goes before one comes", max(i for i, t in enumerate(watched.trace) if t[0] == "out")
          < [i for i, t in enumerate(watched.trace) if t == ("in", "first.weight")][1])
    layers = moving.owners(watched.nets[0])
    sizes = [moving.size_of(moving.direct(layer)) for layer in layers]
    check("balanced: all stays where it fits", sdnext_balanced.staying(layers, sum(sizes)) == len(layers))
    # The last two are as large: beside the first of them there must be room for the second.
    check("balanced: less a byte, neither of the last two", sdnext_balanced.staying(layers, sum(sizes) - 1) == len(layers) - 2)
    check("balanced: nothing without room", sdnext_balanced.staying(layers, 0) == 0)


def like_accelerate():
    """What balanced keeps of a component that is too large is what accelerate's own map keeps; only where it is installed."""
    try:
        from accelerate import infer_auto_device_map
    except ImportError:
        print("skipped: balanced beside accelerate's device map: accelerate is not here")
        return
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    net = Net(blocks=6)
    parameters, modules, whole = dict(net.named_parameters()), dict(net.named_modules()), moving.size_of(moving.all_of(net))
    for mark in range(0, whole + 600, 97):
        layers = moving.owners(net)
        ours = moving.size_of(t for layer in layers[:sdnext_balanced.staying(layers, mark)] for t in moving.direct(layer))
        places = infer_auto_device_map(net, max_memory={0: mark, "cpu": 1 << 50}, no_split_module_classes=["Linear"], clean_result=False)
        theirs = sum(moving.size_of(moving.all_of(modules[name]) if name in modules else [parameters[name]])
                     for name, place in places.items() if place == 0)
        check(f"a mark of {mark}: balanced keeps {ours} bytes, accelerate {theirs}", ours == theirs)


def faults():
    """Each breaks one thing; the look at every use, or the result, must tell."""
    def found(mechanism, owner, name, broken, room=1200, forwards=3):
        whole = getattr(owner, name)
        setattr(owner, name, broken)
        try:
            watched = Watched(mechanism, room_bytes=room)
            for _ in range(forwards):
                watched.forward()
            return False
        except AssertionError:
            return True
        finally:
            setattr(owner, name, whole)

    nothing = lambda *arguments, **more: None
    for mechanism in ("diffusers_group_leaf", "diffusers_group_block", "diffusers_group_kept"):
        check(f"{mechanism}: nobody waits for a copy", found(mechanism, moving.NoStream, "synchronize", nothing))
        check(f"{mechanism}: nothing comes", found(mechanism, diffusers_group.Group, "onload", nothing))
    check("sequential: nothing comes", found("sdnext_sequential", leaves.Leaves, "before", nothing))
    check("balanced: nothing comes", found("sdnext_balanced", sdnext_balanced.Balanced, "before", nothing))
    check("balanced: the rest does not come", found("sdnext_balanced", leaves.Leaves, "concerns", lambda self, layer: False))
    before = diffusers_group.Group.before

    def without_the_last(self, layer, inputs):
        if self.next is not None or self.loads_itself:
            before(self, layer, inputs)

    check("group: nobody waits for the last group", found("diffusers_group_leaf", diffusers_group.Group, "before", without_the_last))


for test in (results, prefetching, keeping, balancing, like_accelerate, faults):
    test()
print(f"{counts[True]} passed, {counts[False]} failed")
sys.exit(counts[False] > 0)
