"""Ways to make a model fit that frameworks offer, each restated in plain hooks: one function a way,

    apply(parts, mover, room_bytes)

parts: {name: module}, all weights in RAM; mover: what moves them (mover.py); room_bytes: VRAM that weights may take at once.
It installs hooks and returns nothing. Does not fit: raise TooLarge."""


class TooLarge(Exception):
    """The mechanism cannot work in so little."""


def table():
    from mechanisms import balanced, groups, leaves, packaged, whole
    return {
        "none": whole.resident,
        "lowtide": whole.resident,
        "accelerate": packaged.accelerate,
        "sdnext_balanced": balanced.apply,
        "sdnext_sequential": leaves.apply,
        "diffusers_model": whole.one_at_a_time,
        "diffusers_group": groups.apply,
    }


PINNED = ("diffusers_group",)  # those that keep the weights in pinned memory
