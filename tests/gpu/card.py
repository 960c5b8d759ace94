"""The card, the probe and the workloads, for check.py and bench.py. On the real driver; LOWTIDE_GPU_SIMULATED=1 takes the
simulated one instead, so that these scripts can be tested where no card is. Knobs: WORKLOADS MB CAPS POLICIES SAFETIES
BLOCK (LOWTIDE_BLOCK)."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("O", "build"))
MIB = 1 << 20
SIMULATED = os.environ.get("LOWTIDE_GPU_SIMULATED") == "1"
WORKLOADS = os.environ.get("WORKLOADS", "diffusion decode experts onebuffer streams inplace churn capture").split()
CAPS = [int(c) for c in os.environ.get("CAPS", "75 50 35").split()]
NO_DEVICE = 77


def skip(why):
    """Nothing can be done here, and that is no failure."""
    print("skipped: no CUDA device")
    if why:
        print(f"  {why}", file=sys.stderr)
    sys.exit(0)


def environment(extra):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("LOWTIDE_") or (SIMULATED and k.startswith("LOWTIDE_SIM_"))}
    env.pop("LD_PRELOAD", None)
    if SIMULATED:
        env["LD_LIBRARY_PATH"] = f"{BUILD}/sim"
    env.update({k: str(v) for k, v in extra.items()})
    return env


def probe(quick, path):
    """Runs it, its table on our output, and returns its record. Ends the program where there is no card."""
    sys.stdout.flush()
    done = subprocess.run([f"{BUILD}/gpu/probe", "--json", path] + (["--quick"] if quick else []), env=environment({}),
                          stdout=subprocess.PIPE, text=True)
    if done.returncode == NO_DEVICE:
        skip(None)
    if not os.path.exists(path):
        sys.exit(f"the probe told nothing (status {done.returncode})")
    record = json.load(open(path))
    if record["kind"] == "simulated" and not SIMULATED:
        os.unlink(path)
        skip("the driver found is the simulated one (LD_LIBRARY_PATH?); LOWTIDE_GPU_SIMULATED=1 uses it on purpose")
    print(done.stdout, end="")
    return record


def trial(record, name):
    return next((t for t in record["trials"] if t["name"] == name), {"facts": {}, "figures": []})


def free_bytes(record):
    taken = trial(record, "memory")["facts"].get("context/total_less_free", 0)
    return record["device"]["memory_bytes"] - taken


def weights_mib(record):
    """A quarter of what is free at most, so that the bare run fits and others are left room."""
    return max(1, min(int(os.environ.get("MB", "1024")), free_bytes(record) // 4 // MIB))


def kernels(record):
    """Builds the workloads' kernels for the card; None: there is no compiler. The simulated one has its own."""
    if SIMULATED:
        return f"{BUILD}/workloads/kernels.so"
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    nvcc = shutil.which("nvcc") or shutil.which(f"{home}/bin/nvcc")
    if not nvcc:
        return None
    arch = "sm_" + record["device"]["compute_capability"].replace(".", "")
    out = f"{BUILD}/gpu/kernels.cubin"
    done = subprocess.run([nvcc, "-x", "cu", "-cubin", f"-arch={arch}", "-O3", "-Itests/sim", "-Itests/workloads",
                           "tests/workloads/kernels.c", "-o", out], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{nvcc} cannot build the kernels for {arch}:\n{done.stderr}")
    return out


class Run:
    """digest, step_ms (median), total_ms; stats: the library's own; error: None, or what went wrong."""

    def __init__(self, workload, arguments, kernels_path, cap_bytes=None, **settings):
        with tempfile.TemporaryDirectory() as folder:
            extra = {"WORKLOAD_KERNELS": kernels_path}
            if cap_bytes:
                extra.update({"LD_PRELOAD": f"{BUILD}/liblowtide.so", "LOWTIDE_VRAM": cap_bytes,
                              "LOWTIDE_STATS": f"{folder}/stats"})
                if os.environ.get("BLOCK"):
                    extra["LOWTIDE_BLOCK"] = os.environ["BLOCK"]
                extra.update({f"LOWTIDE_{k.upper()}": v for k, v in settings.items()})
            self.error, self.digest, self.stats = None, None, {}
            try:
                done = subprocess.run([f"{BUILD}/workloads/{workload}"] + [str(a) for a in arguments], text=True,
                                      capture_output=True, timeout=600, env=environment(extra))
            except subprocess.TimeoutExpired:
                self.error = "ran past 600 s"
                return
            if done.returncode:
                self.error = f"status {done.returncode}: {done.stderr.strip()[-300:]}"
                return
            words = dict(line.split(None, 1) for line in done.stdout.splitlines() if " " in line)
            fields = words["steps"].split()
            self.digest, self.step_ms, self.total_ms = words["digest"], float(fields[2]), float(fields[4])
            if cap_bytes and os.path.exists(f"{folder}/stats"):
                self.stats = json.loads(open(f"{folder}/stats").readline())


def cap_of(peak_bytes, percent):
    """Of what the bare run takes; with room for the scratch frame and for pages of small allocations."""
    return (peak_bytes * percent // 100 // (2 * MIB) + 4) * 2 * MIB


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
