"""The card, the probe and the workloads, for check.py, bench.py and tests/card/. On the real driver;
LOWTIDE_GPU_SIMULATED=1 takes the simulated one instead, so that these scripts can be tested where no card is. Knobs:
WORKLOADS MB CAPS POLICIES SAFETIES BLOCK (LOWTIDE_BLOCK)."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import child

BUILD = os.path.abspath(os.environ.get("O", "build"))
MIB = 1 << 20
SIMULATED = os.environ.get("LOWTIDE_GPU_SIMULATED") == "1"
WORKLOADS = os.environ.get("WORKLOADS", "diffusion decode experts onebuffer streams inplace churn capture").split()
CAPS = [int(c) for c in os.environ.get("CAPS", "75 50 35").split()]
NO_DEVICE = 77
UNCAPPED = 1 << 50  # a cap that nothing reaches


class NoDevice(Exception):
    """Nothing can be done here, and that is no failure."""


class Trouble(Exception):
    """Nothing can be done, and that is one."""


def whole_program(main):
    """Runs it as a program does that needs a card. Its result: whether all was good."""
    try:
        sys.exit(not main())
    except NoDevice as why:
        print("skipped: no CUDA device")
        if str(why):
            print(f"  {why}", file=sys.stderr)
        sys.exit(0)
    except Trouble as why:
        sys.exit(str(why))


def commit():
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def environment(extra):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("LOWTIDE_") or (SIMULATED and k.startswith("LOWTIDE_SIM_"))}
    env.pop("LD_PRELOAD", None)
    if SIMULATED:
        env["LD_LIBRARY_PATH"] = f"{BUILD}/sim"
    env.update({k: str(v) for k, v in extra.items()})
    return env


def library_folders():
    """Where cuBLAS and cuDNN may lie besides the loader's folders: as the environment says, and in Python's packages, where
    PyTorch brings its own. Between colons, as LOWTIDE_PROBE_LIBRARIES has them."""
    found = [os.environ.get("LOWTIDE_PROBE_LIBRARIES", "")]
    for place in sys.path:
        found += sorted(glob.glob(f"{place}/nvidia/*/lib"))
    return ":".join(dict.fromkeys(f for f in found if f))


def probe(path, quick=False, only=(), limit_s=None, timeout_s=1000):
    """Runs it: its record, which is at the path too, and its table. It keeps its own limit (limit_s), whatever a trial does;
    timeout_s is for a probe that cannot."""
    arguments = ["--quick"] if quick else []
    for name in only:
        arguments += ["--only", name]
    if limit_s:
        arguments += ["--limit", max(1, int(limit_s))]
    if os.path.exists(path):
        os.unlink(path)
    done = child.run([f"{BUILD}/gpu/probe", "--json", path] + arguments,
                     environment({"LOWTIDE_PROBE_LIBRARIES": library_folders()}), timeout_s)
    if done.status == NO_DEVICE:
        raise NoDevice(done.stderr.strip())
    try:
        record = json.load(open(path))
    except (OSError, ValueError):
        raise Trouble(f"the probe told nothing ({done.how()}): {done.stderr.strip()[-500:]}") from None
    if record["kind"] == "simulated" and not SIMULATED:
        os.unlink(path)
        raise NoDevice("the driver found is the simulated one (LD_LIBRARY_PATH?); LOWTIDE_GPU_SIMULATED=1 uses it on purpose")
    return record, done.stdout


def trial(record, name):
    return next((t for t in record["trials"] if t["name"] == name), {"facts": {}, "figures": []})


def free_bytes(record):
    taken = trial(record, "memory")["facts"].get("context/total_less_free", 0)
    return record["device"]["memory_bytes"] - taken


def weights_mib(record, most=1024):
    """A quarter of what is free at most, so that the bare run fits and others are left room."""
    return max(1, min(int(os.environ.get("MB", most)), free_bytes(record) // 4 // MIB))


def compiler():
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("nvcc") or shutil.which(f"{home}/bin/nvcc")


def kernels(compute_capability, timeout_s=120):
    """The workloads' kernels for the card: what was built before from the same text, else built. None: there is no compiler.
    Needs no card, so that it can be done ahead. The simulated one has its own."""
    if SIMULATED:
        return f"{BUILD}/workloads/kernels.so"
    sources = ["tests/workloads/kernels.c", "tests/sim/sim_kernel.h"] + sorted(glob.glob("tests/workloads/*.h"))
    text = hashlib.sha256(b"".join(open(s, "rb").read() for s in sources)).hexdigest()[:12]
    arch = "sm_" + compute_capability.replace(".", "")
    out = f"{BUILD}/gpu/kernels-{arch}-{text}.cubin"
    if os.path.exists(out):
        return out
    nvcc = compiler()
    if not nvcc:
        return None
    os.makedirs(f"{BUILD}/gpu", exist_ok=True)
    done = child.run([nvcc, "-x", "cu", "-cubin", f"-arch={arch}", "-O3", "-Itests/sim", "-Itests/workloads",
                      "tests/workloads/kernels.c", "-o", f"{out}.part"], dict(os.environ), timeout_s)
    if not done.good():
        raise Trouble(f"{nvcc} cannot build the kernels for {arch} ({done.how()}):\n{done.stderr[-2000:]}")
    os.replace(f"{out}.part", out)
    return out


def preload(cap_bytes, stats, **settings):
    """The environment that puts the library in front, with what it may take and where it leaves its statistics."""
    extra = {"LD_PRELOAD": f"{BUILD}/liblowtide.so", "LOWTIDE_VRAM": cap_bytes, "LOWTIDE_STATS": stats}
    if os.environ.get("BLOCK"):
        extra["LOWTIDE_BLOCK"] = os.environ["BLOCK"]
    extra.update({f"LOWTIDE_{k.upper()}": v for k, v in settings.items()})
    return extra


def statistics_in(path):
    """The library's own, of the first device; {}: it left none."""
    try:
        return json.loads(open(path).readline())
    except (OSError, ValueError):
        return {}


class Run:
    """digest, step_ms (median), total_ms; stats: the library's own; error: None, or what went wrong; ended: the child's end."""

    def __init__(self, workload, arguments, kernels_path, cap_bytes=None, timeout_s=600, **settings):
        self.error, self.digest, self.stats = None, None, {}
        with tempfile.TemporaryDirectory() as folder:
            extra = {"WORKLOAD_KERNELS": kernels_path}
            if cap_bytes:
                extra.update(preload(cap_bytes, f"{folder}/stats", **settings))
            self.ended = child.run([f"{BUILD}/workloads/{workload}"] + list(arguments), environment(extra), timeout_s)
            if not self.ended.good():
                self.error = f"{self.ended.how()}: {self.ended.stderr.strip()[-300:]}"
                return
            words = dict(line.split(None, 1) for line in self.ended.stdout.splitlines() if " " in line)
            try:
                fields = words["steps"].split()
                self.digest, self.step_ms, self.total_ms = words["digest"], float(fields[2]), float(fields[4])
            except (KeyError, IndexError, ValueError):
                self.error = f"told no digest and no steps: {self.ended.stdout[-300:]}"
                return
            if cap_bytes:
                self.stats = statistics_in(f"{folder}/stats")


def cap_of(peak_bytes, percent):
    """Of what the bare run takes; with room for the scratch frame and for pages of small allocations."""
    return (peak_bytes * percent // 100 // (2 * MIB) + 4) * 2 * MIB


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
