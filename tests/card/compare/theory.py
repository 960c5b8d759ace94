"""What each mechanism must move in one step of the rehearsal, (bytes in, bytes out), from the sizes of the model's weights and
the mechanism's description alone. It shares no code with mechanisms/, which it is held against."""

STREAM_ALL = ("sdnext_sequential", "diffusers_group_leaf")


class Sizes:
    """components: {name: [(parameter's name, bytes)]} in the order they were built. calls: {name: calls in a step}."""

    def __init__(self, components, calls):
        self.components, self.calls = components, calls

    def whole(self, name):
        return sum(size for _, size in self.components[name])

    def layers(self, name):
        """[bytes] by layer: parameters whose names differ only in their last part belong to one."""
        layers = {}
        for parameter, size in self.components[name]:
            layer = parameter.rpartition(".")[0]
            layers[layer] = layers.get(layer, 0) + size
        return list(layers.values())

    def outside_of_blocks(self, name, lists):
        """Bytes of what lies in none of the component's lists of blocks."""
        return sum(size for parameter, size in self.components[name] if parameter.split(".")[0] not in lists)


def stays(layers, mark):
    """Balanced: bytes of the first layers that fit under the mark beside the largest of those after them."""
    used = 0
    for number in range(len(layers)):
        if used + layers[number] + max(layers[number + 1:] or [0]) > mark:
            break
        used += layers[number]
    return used


def must_move(mechanism, sizes, lists, room, kept=0):
    """(in, out) of one step once everything has settled. lists: {component: names of its lists of blocks}. room: the VRAM for
    weights. kept: what diffusers_group_kept says stays in the largest component."""
    every_call = sum(sizes.calls[name] * sizes.whole(name) for name in sizes.components)
    alone = len(sizes.components) == 1
    if mechanism in ("none", "lowtide"):
        return 0, 0
    if mechanism in STREAM_ALL:
        return every_call, 0
    if mechanism == "diffusers_group_block":
        back = sum(sizes.calls[name] * sizes.outside_of_blocks(name, lists[name]) for name in sizes.components)
        return every_call, back
    if mechanism == "diffusers_group_kept":
        largest = max(sizes.components, key=sizes.whole)
        return every_call - sizes.calls[largest] * kept, 0
    if mechanism == "diffusers_model":
        all_once = sum(sizes.whole(name) for name in sizes.components)
        return (0, 0) if alone else (all_once, all_once)
    if mechanism == "sdnext_balanced":
        resident = {name: stays(sizes.layers(name), room) for name in sizes.components}
        leaf_by_leaf = sum(sizes.calls[name] * (sizes.whole(name) - resident[name]) for name in sizes.components)
        return (leaf_by_leaf, 0) if alone else (leaf_by_leaf + sum(resident.values()), sum(resident.values()))
    raise ValueError(mechanism)
