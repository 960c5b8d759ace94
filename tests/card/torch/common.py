"""What the card's programs share: their arguments, PyTorch made deterministic, timing, and the one JSON line that each ends
with. Imports without torch, so that --help works and a machine without a framework gets exit status 77 and a line that says so.

The line's fields: program, digest (sha256 over every output byte that matters, and sums over the weights as they are at the
end), first_ms (the first step), steps_ms (the steps after it), load_ms (making the weights and uploading them), weights_bytes,
peak_reserved_bytes, device, size, blocks (how many of the model's blocks were used: pass it back with --blocks to repeat the
run where another amount of memory is free), and what a program adds.
"""
import argparse
import ctypes
import hashlib
import importlib
import json
import os
import sys
import time

NOT_HERE = 77
PART_OF_FREE = 0.6  # of the card's free memory, that a model may take


def parser(program, about):
    made = argparse.ArgumentParser(prog=program, description=about)
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    made.add_argument("--size", choices=("full", "small", "tiny"), help="of the weights (small; tiny with --device cpu)")
    made.add_argument("--steps", type=positive, help="how many steps after the first")
    made.add_argument("--blocks", type=positive, help="so many of the model's repeated blocks, whatever memory is free")
    return made


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def not_here(what):
    print(f"not here: {what}", file=sys.stderr)
    sys.exit(NOT_HERE)


def wrong(what):
    """The program itself found its result wrong."""
    print(f"wrong: {what}", file=sys.stderr)
    sys.exit(1)


def framework(name):
    """The module of that name; ends the program where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        not_here(f"{name} cannot be imported ({error})")


class Report:
    """Steps, digest and the last line, for any framework."""

    def __init__(self, arguments, synchronize):
        self.program = os.path.basename(sys.argv[0]).removesuffix(".py")
        self.arguments, self.synchronize = arguments, synchronize
        self.laps_ms, self.hash, self.more = [], hashlib.sha256(), {}
        self.load_ms, self.weights_bytes = 0.0, 0
        self.since = time.perf_counter()

    def start(self):
        self.synchronize()
        self.since = time.perf_counter()

    def lap_ms(self):
        """Milliseconds since start() or the lap before, everything submitted having ended."""
        self.synchronize()
        now = time.perf_counter()
        lap, self.since = (now - self.since) * 1e3, now
        return lap

    def step(self, *_):
        self.laps_ms.append(self.lap_ms())

    def load(self, make):
        """make(), its time counted as loading."""
        self.start()
        made = make()
        self.load_ms += self.lap_ms()
        return made

    def digest_bytes(self, data, what):
        self.hash.update(what.encode())
        self.hash.update(data)

    def finish(self, peak_reserved_bytes, **more):
        if not self.laps_ms:
            wrong("no step was run")
        line = {"program": self.program, "arguments": sys.argv[1:], "digest": self.hash.hexdigest(), "first_ms": round(self.laps_ms[0], 3),
                "steps_ms": [round(ms, 3) for ms in self.laps_ms[1:]], "load_ms": round(self.load_ms, 3),
                "weights_bytes": self.weights_bytes, "peak_reserved_bytes": peak_reserved_bytes,
                "device": self.arguments.device, "size": self.arguments.size, **self.more, **more}
        sys.stdout.flush()
        print(json.dumps(line), flush=True)


class TorchReport(Report):
    """A report for PyTorch: import torch happens here, deterministic algorithms are chosen, the device is looked for."""

    def __init__(self, arguments):
        arguments.size = arguments.size or ("small" if arguments.device == "cuda" else "tiny")
        # cuBLAS: one workspace of a fixed size a stream, so that neither another stream nor free memory changes the algorithm.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        self.torch = torch = framework("torch")
        if arguments.device == "cuda" and not torch.cuda.is_available():
            not_here("no CUDA device that PyTorch can use")
        torch.manual_seed(1)
        torch.use_deterministic_algorithms(True)
        # Deterministic mode would also fill every torch.empty(): work that ordinary programs do not do.
        torch.utils.deterministic.fill_uninitialized_memory = False
        # Chosen by timing: never. Without it cuDNN's heuristics choose, in an order that does not depend on free memory; only
        # where the workspace of the first choice cannot be allocated does PyTorch go on to the next, with other rounding.
        torch.backends.cudnn.benchmark = False
        # Of the attention kernels, cuDNN's are the ones whose plan is chosen by heuristics at run time.
        torch.backends.cuda.enable_cudnn_sdp(False)
        if arguments.device == "cpu":
            torch.set_num_threads(1)  # the order of sums, and so the digest, depends on their number
        super().__init__(arguments, torch.cuda.synchronize if arguments.device == "cuda" else lambda: None)
        self.device = torch.device(arguments.device)
        self.start()  # makes the context, before anything is timed
        if arguments.device == "cuda":
            self.more["allocator"] = torch.cuda.get_allocator_backend()
            self.more["free_bytes"], self.more["total_bytes"] = torch.cuda.mem_get_info()
        self.more["torch"] = torch.__version__

    def blocks(self, shape, times=1):
        """How many of the shape's blocks to use: what --blocks says, else as many as fit into part of the free memory, each
        taking times what its weights take in 16 bits. Two at least."""
        blocks = shape.blocks
        if self.arguments.blocks:
            blocks = self.arguments.blocks
        elif self.device.type == "cuda":
            room = self.more["free_bytes"] * PART_OF_FREE - shape.bytes_besides()
            blocks = max(2, min(blocks, int(room // (times * shape.bytes_of_block()))))
        self.more["blocks"] = blocks
        return blocks

    def count_weights(self, *modules):
        self.weights_bytes += sum(t.numel() * t.element_size() for m in modules for t in (*m.parameters(), *m.buffers()))

    def digest(self, *tensors):
        """Every byte of the tensors, which must be finite: all errors look the same in a NaN."""
        for tensor in tensors:
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                wrong(f"an output of shape {tuple(tensor.shape)} is not finite")
            here = tensor.detach().cpu().contiguous()
            size = here.numel() * here.element_size()
            data = (ctypes.c_char * size).from_address(here.data_ptr()) if size else b""
            self.digest_bytes(data, f"{tuple(here.shape)} {here.dtype}")

    def digest_weights(self, *modules):
        """Sums over the bytes of every parameter where it lies, so that a weight that the outputs hardly depend on counts too;
        reading back gigabytes would take longer than the program."""
        torch, sums = self.torch, []
        for parameter in (p for m in modules for p in m.parameters()):
            whole = parameter.detach().reshape(-1)
            sums.append(whole.view(torch.int32 if whole.numel() * whole.element_size() % 4 == 0 else torch.uint8).sum())
        self.digest(torch.stack(sums))

    def finish(self, **more):
        if self.device.type == "cuda":
            self.check_allocator()
        super().finish(self.torch.cuda.max_memory_reserved() if self.device.type == "cuda" else 0, **more)

    def check_allocator(self):
        """What the environment asks of the caching allocator is what was tested."""
        asked = os.environ.get("PYTORCH_ALLOC_CONF", "") + "," + os.environ.get("PYTORCH_CUDA_ALLOC_CONF", "")
        if "backend:cudaMallocAsync" in asked and self.more["allocator"] != "cudaMallocAsync":
            not_here("the allocator cudaMallocAsync, which the environment asks for")
        if "expandable_segments:True" in asked:
            if not any(segment.get("is_expandable") for segment in self.torch.cuda.memory_snapshot()):
                not_here("expandable segments, which the environment asks for")
            self.more["allocator"] += ", expandable"
