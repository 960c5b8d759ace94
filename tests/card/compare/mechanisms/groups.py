"""diffusers' group offload (hooks/group_offloading.py, 2025) at block level with a side stream, record_stream and pinned
memory: the blocks of a component in groups of a few; while one computes, the next one's weights are copied on the side stream;
after its last block a group's weights are dropped for their pinned copy, nothing is copied back. The order of groups is learnt
in the first forward (diffusers' lazy prefetch). Weights that are in no block come in with the first group of their component and stay for its forward.
The group is as large as the room allows with three of them in VRAM: one that computes, one that comes, one that has been
dropped but that the computation's stream may still be using. Left out: leaf level, the disk tier."""
import torch

from mechanisms import TooLarge

HELD = 3  # groups in VRAM at once


def blocks_of(part):
    """The items of its module lists, and its other children that have weights."""
    blocks = []
    for child in part.children():
        inside = list(child) if isinstance(child, torch.nn.ModuleList) else [child]
        blocks += [m for m in inside if any(True for _ in (*m.parameters(), *m.buffers()))]
    return blocks


class Group:
    def __init__(self, blocks, mover):
        self.blocks, self.mover = blocks, mover
        self.tensors = mover.tensors(*blocks)
        self.next = None
        self.copied = None  # an event of the side stream; None: nothing is under way

    def fetch(self, stream):
        """Begins the copies, unless it is in or on its way."""
        missing = [t for t in self.tensors if not self.mover.is_in(t)]
        if not missing:
            return
        self.mover.bring(missing, keep=True, stream=stream)
        if stream is not None:
            self.copied = torch.cuda.Event()
            self.copied.record(stream)

    def wait(self):
        """The computation waits for the copies; their memory is in use by its stream from now on."""
        if self.copied is None:
            return
        current = torch.cuda.current_stream()
        current.wait_event(self.copied)
        for tensor in self.tensors:
            tensor.data.record_stream(current)
        self.copied = None


class Order:
    """Which group came after which, of all components."""

    def __init__(self, stream):
        self.stream, self.last = stream, None

    def use(self, group):
        if self.last is not None and self.last is not group:
            self.last.next = group
        self.last = group
        group.fetch(self.stream)
        group.wait()
        if group.next is not None:
            group.next.fetch(self.stream)


def apply(parts, mover, room_bytes):
    stream = torch.cuda.Stream() if mover.device["in"].type == "cuda" else None
    order = Order(stream)
    for part in parts.values():
        blocks = blocks_of(part)
        sizes = [mover.bytes_of(mover.tensors(block)) for block in blocks]
        beside = mover.tensors(part, recurse=False)
        room = room_bytes - mover.bytes_of(beside)
        if HELD * max(sizes) > room:
            raise TooLarge(f"{HELD} of its largest blocks take {HELD * max(sizes)} bytes")
        mover.bring(beside, keep=True)
        for group in cut(blocks, sizes, room // HELD, mover):
            for block in group.blocks:
                block.register_forward_pre_hook(lambda m, i, group=group: order.use(group))
            group.blocks[-1].register_forward_hook(lambda m, i, o, group=group: mover.leave(group.tensors))


def cut(blocks, sizes, most_bytes, mover):
    groups, inside, taken = [], [], 0
    for block, size in zip(blocks, sizes):
        if inside and taken + size > most_bytes:
            groups.append(Group(inside, mover))
            inside, taken = [], 0
        inside.append(block)
        taken += size
    groups.append(Group(inside, mover))
    return groups
