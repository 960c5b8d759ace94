"""diffusers' model offload (enable_model_cpu_offload; "model" in SD.Next), restated from the description of accelerate's
cpu_offload_with_hook (1.15) and of diffusers' pipelines (0.36): before a component's forward the one before it in the order of
the pipeline is moved to RAM, if it is on the card, the allocator's cache is emptied, and the component comes whole; both by
.to(), from and to pageable memory. At the pipeline's end all go to RAM. A lone component comes once and stays.

Left out: moving the inputs (they are on the card already)."""
from functools import partial

from mechanisms.moving import OFF, ON, all_of


def before(mover, previous, module, inputs):
    if previous is not None and mover.is_here(all_of(previous)):
        mover.move(all_of(previous), OFF)
        mover.empty_cache()
    if not mover.is_here(all_of(module)):
        mover.move(all_of(module), ON)


def after_last(mover, modules, module, inputs, output):
    for each in modules:
        if mover.is_here(all_of(each)):
            mover.move(all_of(each), OFF)
    mover.empty_cache()


def attach(components, mover, knobs):
    modules = [module for _, module in components]
    for previous, module in zip([None] + modules, modules):
        module.register_forward_pre_hook(partial(before, mover, previous))
    if len(modules) > 1:
        modules[-1].register_forward_hook(partial(after_last, mover, modules))
