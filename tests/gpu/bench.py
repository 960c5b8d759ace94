"""make bench-gpu: the whole probe and the workloads' step times, measured on this card, and written to
tests/bench/results/ under the date and the card's name (RESULTS: another folder; QUICK=1: the probe's quick form, one run of each)."""
import datetime
import json
import os
import subprocess
import sys

from card import BUILD, CAPS, MIB, SIMULATED, WORKLOADS, Run, cap_of, kernels, probe, slug, weights_mib

POLICIES = os.environ.get("POLICIES", "auto balanced sequential group lru").split()
SAFETIES = os.environ.get("SAFETIES", "strict graced").split()
STEPS = int(os.environ.get("STEPS", "16"))
# What a simulated card says is no result.
RESULTS = os.environ.get("RESULTS", f"{BUILD}/gpu" if SIMULATED else "tests/bench/results")
QUICK = bool(os.environ.get("QUICK"))
REPEATS = 1 if QUICK else 3


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


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
    arguments = ["--mb", megabytes, "--steps", STEPS]
    bare = best(name, arguments, image)
    whole = Run(name, arguments, image, 1 << 50, policy="auto")
    peak = whole.stats.get("peak_bytes")
    if bare.error or whole.error or not peak:
        print(f"{name}: {bare.error or whole.error or 'no peak is told'}")
        return False
    results.append({"name": f"step_ms/{name}/bare", "value": bare.step_ms, "unit": "ms", "compare": "lower"})
    print(f"\n{name}, {megabytes} MiB of weights, {peak // MIB} MiB at most, {bare.step_ms:.3f} ms a step without the library")
    good = True
    for percent in CAPS:
        cap = cap_of(peak, percent)
        for policy in POLICIES:
            for safety in SAFETIES:
                run = best(name, arguments, image, cap, policy=policy, safety=safety)
                same = not run.error and run.digest == bare.digest
                good = good and same
                print(f"  {percent:>3} % {policy:<11}{safety:<7} " + (
                    f"{run.step_ms:>9.3f} ms {run.step_ms / bare.step_ms:>7.2f} ×" if same else run.error or "ANOTHER DIGEST"))
                if same:
                    key = f"{name}/{policy}/{percent}/{safety}"
                    results.append({"name": f"step_ms/{key}", "value": run.step_ms, "unit": "ms", "compare": "lower"})
                    results.append({"name": f"of_bare/{key}", "value": run.step_ms / bare.step_ms, "unit": "x",
                                    "compare": "lower"})
    return good


def write(path, content):
    with open(path, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    print(f"written: {path}")


def main():
    os.makedirs(f"{BUILD}/gpu", exist_ok=True)
    os.makedirs(RESULTS, exist_ok=True)
    record = probe(QUICK, f"{BUILD}/gpu/probe.json")
    device = record["device"]
    name = f"{datetime.date.today().isoformat()}-{slug(device['name'])}"
    driver = device.get("driver_release", device["driver_api"])
    record["commit"] = commit()
    write(f"{RESULTS}/probe-{name}.json", record)
    good = all(t["status"] != "failed" for t in record["trials"])
    image = kernels(record)
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
    sys.exit(not good)


main()
