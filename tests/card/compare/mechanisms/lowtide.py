"""Lowtide: the bare program, unchanged, with the library preloaded by whoever starts it. That it was is looked for, so that a
forgotten preload is not measured as Lowtide."""
import mechanisms


def attach(components, mover, knobs):
    if mover.onload_device.type != "cuda":
        return
    with open("/proc/self/maps") as maps:
        if not any("liblowtide.so" in line for line in maps):
            raise mechanisms.NotHere("liblowtide.so is not preloaded")
