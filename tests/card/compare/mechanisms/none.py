"""Bare: the whole model is in VRAM."""


def attach(components, mover, knobs):
    pass
