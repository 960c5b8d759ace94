"""diffusers' group offload, restated from src/diffusers/hooks/group_offloading.py of huggingface/diffusers (2025, 0.36 and
after): apply_group_offloading with use_stream and record_stream, low_cpu_mem_usage off.

A component is cut into groups: "leaf", each layer that owns weights; or "block", each child of its ModuleLists and
Sequentials (with a stream never more than one to a group), what is left being one more group, the root's. Weights have a
pinned copy in RAM, made once. A group comes on a side stream; before its first layer runs, the one that runs next is asked
for, which first waits (on the processor) for the copies before it. The order is what the first forward showed, in which every
group comes when it is needed and is waited for. After a group's last layer its weights point to RAM again: nothing is copied
back, and record_stream keeps the memory from being reused too early. The root's group has no stream, and goes back by a copy
into pageable memory.

keep: pin_groups of versions after 0.36 (a callable that names groups that stay on the card): as many as the VRAM allows,
spread evenly over the order, in the largest component.

Where the original would go wrong, this does not follow: the stream recorded is the computing one (the original's mistake is
huggingface/diffusers PR 12721), the last group is waited for also with record_stream, and a group that stays is not copied
again. All three keep results right or make it faster. Left out: disk, moving the inputs, low_cpu_mem_usage."""
from torch import nn

from mechanisms.moving import OFF, ON, all_of, direct, owners, size_of


class Group:
    """Tensors that come and go together; stream: None for the root's."""

    def __init__(self, mover, tensors, stream):
        self.mover, self.tensors, self.stream = mover, tensors, stream
        self.loads_itself, self.stays, self.non_blocking, self.next = True, False, False, None
        self.in_ram = {id(t): mover.in_ram(t) for t in tensors} if stream else None
        if stream:
            for tensor in tensors:
                tensor.data = self.in_ram[id(tensor)]

    def size(self):
        return size_of(self.tensors)

    def onload(self):
        if self.stream is None:
            self.mover.move(self.tensors, ON)
            return
        self.stream.synchronize()  # for what came before; also where this one is here already
        if self.stays and self.mover.is_here(self.tensors):
            return
        computing = self.stream.computing()
        with self.stream.use():
            self.mover.move(self.tensors, ON, sources=self.in_ram, non_blocking=self.non_blocking, used_on=computing)

    def offload(self):
        if not self.stays:
            self.mover.move(self.tensors, OFF, sources=self.in_ram)

    def before(self, layer, inputs):
        if self.loads_itself:
            self.onload()
        if self.next is not None and not self.next.loads_itself:
            self.next.onload()
        elif not self.loads_itself:
            self.stream.synchronize()

    def after(self, layer, inputs, output):
        self.offload()


class Component:
    """One component's groups, and the order in which they run. keep_bytes: what may stay on the card."""

    def __init__(self, mover, module, groups, keep_bytes):
        self.keep_bytes, self.order, self.kept_bytes = keep_bytes, [], 0
        self.trackers = []  # the hooks that note the order, in the first forward
        stream = mover.side_stream()
        cut = leaf_groups(module) if groups == "leaf" else block_groups(module)
        root = [t for t in all_of(module) if not any(t is other for _, tensors in cut for other in tensors)]
        self.root = Group(mover, root, None)
        module.register_forward_pre_hook(self.root.before)
        for layer, tensors in cut:
            group = Group(mover, tensors, stream)
            self.trackers.append(layer.register_forward_pre_hook(lambda layer, inputs, group=group: self.order.append(group)))
            layer.register_forward_pre_hook(group.before)
            layer.register_forward_hook(group.after)
        module.register_forward_hook(self.root.after)
        self.trackers.append(module.register_forward_hook(self.link))

    def link(self, module, inputs, output):
        """After the first forward: from now on each group asks for the next."""
        order = list(dict.fromkeys(self.order))
        for tracker in self.trackers:
            tracker.remove()
        for group, following in zip([self.root] + order, order):
            group.next = following
            following.loads_itself = False
            following.non_blocking = True
        if self.keep_bytes:
            room = self.keep_bytes - self.root.size() - 2 * max(group.size() for group in order)
            for group in spread(order, room):
                group.stays = True
                self.kept_bytes += group.size()


def leaf_groups(module):
    return [(layer, direct(layer)) for layer in owners(module)]


def block_groups(module):
    blocks = []
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.Sequential)):
            blocks += [(block, all_of(block)) for block in child if all_of(block)]
    return blocks


def spread(groups, room_bytes):
    """Groups that together take at most that, as evenly along the order as their sizes allow."""
    total, passed, kept = sum(group.size() for group in groups), 0, 0
    chosen = []
    for group in groups:
        passed += group.size()
        if kept + group.size() <= min(room_bytes, -(-room_bytes * passed // max(total, 1))):
            chosen.append(group)
            kept += group.size()
    return chosen


SLACK = 16  # one part in so many of the VRAM: what the allocator rounds up and cannot join


def attach(components, mover, knobs, groups, keep=False):
    largest = max(components, key=lambda c: size_of(all_of(c[1])))[0]
    made = {}
    for name, module in components:
        keep_bytes = max(0, knobs.room_bytes() - knobs.vram_bytes // SLACK) if keep and name == largest else 0
        made[name] = Component(mover, module, groups, keep_bytes)
    # A function of the record: what stays is chosen after the first forward.
    return {"groups": groups, **({"kept_bytes": lambda: made[largest].kept_bytes} if keep else {})}
