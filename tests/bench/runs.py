"""Running a workload on the simulated GPU, bare or under the library, and what it tells. Used by bench and demo."""
import json
import os
import statistics
import subprocess
import tempfile

BUILD = os.environ.get("O", "build")
POLICIES = ["balanced", "sequential", "group", "auto", "lru"]
MIB = 1 << 20


class Run:
    """digest, step_ms (median), and the simulated GPU's report (bytes, peaks); stats: the library's own counts."""

    def __init__(self, output, report, stats):
        words = dict(line.split(None, 1) for line in output.splitlines() if " " in line)
        self.digest = words["digest"]
        fields = words["steps"].split()
        self.steps, self.step_ms, self.total_ms = int(fields[0]), float(fields[2]), float(fields[4])
        self.report, self.stats = report, stats


def bus_gbps():
    """Of the simulated card: its preset, or what a card's profile says (LOWTIDE_SIM_PROFILE)."""
    path = os.environ.get("LOWTIDE_SIM_PROFILE")
    for trial in json.load(open(path))["trials"] if path else []:
        for figure in trial.get("figures", []):
            if (trial["name"], figure["name"]) == ("copies", "h2d"):
                return figure["median"]
    return 25.0


def environment(preload, extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOWTIDE_") or k == "LOWTIDE_SIM_PROFILE"}
    env["LD_LIBRARY_PATH"] = os.path.abspath(f"{BUILD}/sim")
    if preload:
        env["LD_PRELOAD"] = os.path.abspath(f"{BUILD}/liblowtide.so")
        env["LOWTIDE_LOG"] = "error"
        env["LOWTIDE_TEST_THREAD"] = "0"  # one run, one result: the virtual clock knows no second thread
        env["LOWTIDE_PATIENCE"] = "600"  # nor how long this machine takes for what it simulates
    env.update({k: str(v) for k, v in extra.items()})
    return env


def run(workload, arguments, cap_bytes=None, **settings):
    """Runs it; under the library if there is a cap. Raises if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        extra = {"LOWTIDE_SIM_REPORT": f"{folder}/report", "LOWTIDE_STATS": f"{folder}/stats"}
        extra.update({f"LOWTIDE_{k.upper()}": v for k, v in settings.items()})
        env = environment(cap_bytes, extra)
        if cap_bytes:
            env["LOWTIDE_VRAM"] = str(cap_bytes)
            # The library reads the virtual clock too: what it measures is what the simulated card takes.
            env["LD_PRELOAD"] += " " + os.path.abspath(f"{BUILD}/sim/libtoken.so")
        done = subprocess.run([f"{BUILD}/workloads/{workload}"] + [str(a) for a in arguments], text=True,
                              capture_output=True, timeout=600, env=env)
        if done.returncode:
            raise RuntimeError(f"{workload} under {settings}: {done.stderr.strip()}")
        report = json.load(open(f"{folder}/report"))
        stats = {}
        if cap_bytes and os.path.exists(f"{folder}/stats"):
            stats = json.loads(open(f"{folder}/stats").readline())
        return Run(done.stdout, report, stats)


def steady(workload, arguments, steps, cap_bytes=None, **settings):
    """Per step, once everything is learnt: the difference of a run of `steps` and one of twice as many."""
    short = run(workload, arguments + ["--steps", steps], cap_bytes, **settings)
    long = run(workload, arguments + ["--steps", 2 * steps], cap_bytes, **settings)
    per_step = {key: (long.report[key] - short.report[key]) / steps
                for key in ("bytes_h2d", "bytes_d2h", "bytes_zero_copy", "virtual_ns")}
    return short, long, per_step


def median(values):
    return statistics.median(values)
