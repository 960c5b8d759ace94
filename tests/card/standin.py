"""Stands in for a PyTorch program in the rehearsal: keeps the catalogue's contract by running one of the workloads on the
simulated driver. What it gives is simulated, and counts for no framework.
usage: standin.py WORKLOAD [--mb N] [--steps N] --device cuda"""
import argparse
import json
import os
import subprocess
import sys
import tempfile


def row(workload, full=False, *arguments):
    return {"name": f"stand-in {workload}", "file": "tests/card/standin.py", "arguments": [workload] + list(arguments),
            "environment": {}, "seconds": 1, "full_matrix": full, "framework": "stand-in"}


HELLO = row("decode", False, "--steps", "2")
PROGRAMS = [row("decode", True), row("diffusion"), row("experts"), row("capture")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--mb", default="64")
    parser.add_argument("--steps", default="4")
    parser.add_argument("--device", required=True)
    asked = parser.parse_args()
    build = os.environ["O"]
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report")
        done = subprocess.run([f"{build}/workloads/{asked.workload}", "--mb", asked.mb, "--steps", asked.steps],
                              env=dict(os.environ, LOWTIDE_SIM_REPORT=report, WORKLOAD_KERNELS=f"{build}/workloads/kernels.so"),
                              stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.returncode if done.returncode > 0 else 1)
        with open(report) as file:
            peak = json.load(file)["vram_peak"]
    words = dict(line.split(None, 1) for line in done.stdout.splitlines())
    count, median, total = (float(words["steps"].split()[i]) for i in (0, 2, 4))
    # A workload tells the median of its steps and their sum: the first is taken to be what the others leave.
    print(json.dumps({"program": f"stand-in {asked.workload}", "digest": words["digest"], "first_ms": total - (count - 1) * median,
                      "steps_ms": [median], "weights_bytes": int(asked.mb) << 20, "peak_reserved_bytes": peak,
                      "device": "simulated"}))


if __name__ == "__main__":
    main()
