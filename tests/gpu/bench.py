"""make bench-gpu: the whole probe and the workloads' step times, measured on this card, and written to
tests/bench/results/ under the date and the card's name (RESULTS: another folder; QUICK=1: the probe's quick form, one run of each)."""
import datetime
import json
import os

from card import BUILD, CAPS, MIB, SIMULATED, WORKLOADS, Run, commit, kernels, probe, slug, weights_mib, whole_program
from workloads import cases, figures, judged

POLICIES = os.environ.get("POLICIES", "auto balanced sequential group lru").split()
SAFETIES = os.environ.get("SAFETIES", "strict overlap").split()
STEPS = int(os.environ.get("STEPS", "16"))
# What a simulated card says is no result.
RESULTS = os.environ.get("RESULTS", f"{BUILD}/gpu" if SIMULATED else "tests/bench/results")
QUICK = bool(os.environ.get("QUICK"))
REPEATS = 1 if QUICK else 3


def best(name, arguments, image, cap=None, **settings):
    """The median of a few runs by step time; the first that fails, if one does."""
    runs = []
    for _ in range(REPEATS):
        run = Run(name, arguments, image, cap, **settings)
        if run.error:
            return run
        runs.append(run)
    return sorted(runs, key=lambda r: r.step_ms)[REPEATS // 2]


def workload(name, megabytes, image, results):
    """Adds its rows; False if an output is wrong."""
    good = True
    print(f"\n{name}, {megabytes} MiB of weights")
    for case in cases(name, ["--mb", megabytes, "--steps", STEPS], image, CAPS, POLICIES, SAFETIES, best):
        wrong = [what for holds, what in judged(case) if not holds]
        good = good and not wrong
        if wrong:
            print(f"  {wrong[0]}")
        elif not case.cap_bytes:
            peak = case.run.stats.get("peak_bytes")
            print(f"  {case.what}: {case.run.step_ms:.3f} ms a step" + (f", {peak // MIB} MiB at most" if peak else ""))
        else:
            print(f"  {case.what}: {case.run.step_ms:.3f} ms a step, {case.run.step_ms / case.bare.step_ms:.2f} × of bare")
        results += figures(case)
    return good


def write(path, content):
    with open(path, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    print(f"written: {path}")


def main():
    os.makedirs(f"{BUILD}/gpu", exist_ok=True)
    os.makedirs(RESULTS, exist_ok=True)
    record, table = probe(f"{BUILD}/gpu/probe.json", QUICK)
    print(table, end="")
    device = record["device"]
    name = f"{datetime.date.today().isoformat()}-{slug(device['name'])}"
    driver = device.get("driver_release", device["driver_api"])
    record["commit"] = commit()
    write(f"{RESULTS}/probe-{name}.json", record)
    good = all(t["status"] != "failed" for t in record["trials"])
    image = kernels(device["compute_capability"])
    if image:
        results = []
        for each in WORKLOADS:
            good = workload(each, weights_mib(record), image, results) and good
        write(f"{RESULTS}/gpu-{name}.json", {
            "date": datetime.date.today().isoformat(), "commit": record["commit"], "gpu": device["name"], "driver": driver,
            "kind": record["kind"], "note": f"medians of {REPEATS} runs, {STEPS} steps, {weights_mib(record)} MiB of weights",
            "results": results})
    else:
        print("skipped: the workloads: no nvcc to build their kernels with")
    return good


whole_program(main)
