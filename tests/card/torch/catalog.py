"""Which programs run on a card, in the order of what is learnt first. Imports without any framework. A runner starts each as
`python3 FILE ARGUMENTS` from the project's root, with the environment's variables set, and reads the last line of its output
(common.py says what is in it). Exit status 77: the framework or the device is not here; if so only under the preload, a failure.

name         what results are kept under
file         from the project's root
arguments    of the run on a GPU
environment  variables to set
seconds      of one bare run on an H100: an estimate, most of it Python's imports, to plan with
full_matrix  run at every cap, policy and level of safety; the others at a few
framework    torch, cupy, jax, triton or numba
"""

TORCH = "tests/card/torch/"
FRAMEWORKS = "tests/card/frameworks/"


def allocator(settings):
    """PyTorch's caching allocator's settings, under the name of before 2.9 and the one since."""
    return {"PYTORCH_CUDA_ALLOC_CONF": settings, "PYTORCH_ALLOC_CONF": settings}


def program(name, file, arguments="", environment=None, seconds=7, full_matrix=False, framework="torch", size="small"):
    return dict(name=name, file=file, arguments=["--device", "cuda", "--size", size, *arguments.split()],
                environment=environment or {}, seconds=seconds, full_matrix=full_matrix, framework=framework)


HELLO = program("hello", TORCH + "hello.py", seconds=6)

PROGRAMS = [
    program("decoder", TORCH + "decoder.py", seconds=7, full_matrix=True),
    program("pipeline", TORCH + "pipeline.py", seconds=7, full_matrix=True),
    program("operators", TORCH + "operators.py", seconds=9),
    program("training", TORCH + "training.py", seconds=9),
    program("graph", TORCH + "graph.py"),
    program("expandable_segments", TORCH + "decoder.py", environment=allocator("expandable_segments:True")),
    program("malloc_async", TORCH + "decoder.py", environment=allocator("backend:cudaMallocAsync")),
    program("quantised_int8", TORCH + "quantised.py", "--bits 8"),
    program("quantised_4bit", TORCH + "quantised.py", "--bits 4"),
    program("triton", FRAMEWORKS + "with_triton.py", seconds=8, framework="triton"),
    program("triton_descriptors", FRAMEWORKS + "with_triton.py", "--descriptors", seconds=8, framework="triton"),
    program("moe_gather", TORCH + "moe.py", "--how gather"),
    program("moe_grouped", TORCH + "moe.py", "--how grouped"),
    program("two_streams", TORCH + "two_streams.py"),
    program("segments", TORCH + "segments.py", seconds=9),
    program("one_segment", TORCH + "decoder.py", "--one-segment"),
    program("threads", TORCH + "threads.py"),
    program("workers", TORCH + "workers.py", seconds=9),
    program("launches", TORCH + "launches.py", seconds=6),
    program("jax", FRAMEWORKS + "with_jax.py", seconds=15, framework="jax"),
    program("cupy", FRAMEWORKS + "with_cupy.py", seconds=9, framework="cupy"),
    program("numba", FRAMEWORKS + "with_numba.py", seconds=8, framework="numba"),
    # Compiling takes most of it, the first time; afterwards what is compiled comes from PyTorch's cache.
    program("compiled", TORCH + "compiled.py", seconds=40),
    program("compiled_graphs", TORCH + "compiled.py", "--mode reduce-overhead", seconds=20),
    # As SD.Next sets it.
    program("thresholds", TORCH + "pipeline.py", environment=allocator("garbage_collection_threshold:0.80,max_split_size_mb:512")),
    program("decoder_full", TORCH + "decoder.py", seconds=10, size="full"),
    program("pipeline_full", TORCH + "pipeline.py", seconds=11, size="full"),
]
