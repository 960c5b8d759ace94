"""make bench: what the library costs (measured here) and how near paging comes to the wire (simulated). Prints a
table and writes build/bench/summary.json. usage: bench.py [--quick]"""
import json
import os
import subprocess
import sys
import time

from runs import BUILD, MIB, POLICIES, bus_gbps, environment, median, run, steady

QUICK = "--quick" in sys.argv
MEGABYTES = 256 if QUICK else 512
STEPS = 8 if QUICK else 16
BUS = bus_gbps()  # bytes a nanosecond, into the card
GOALS = {"launch_added_ns/median/t1": 100, "launch_added_ns/p99/t1": 300, "cuinit_added_ms": 5}
results = []


def add(name, value, unit, kind, compare="lower"):
    results.append({"name": name, "value": round(value, 4), "unit": unit, "kind": kind, "compare": compare})


def output(command, preload):
    settings = {"LOWTIDE_VRAM": "1G", "LOWTIDE_POLICY": "balanced"} if preload else {}
    return subprocess.run(command, check=True, text=True, capture_output=True,
                          env=environment(preload, settings)).stdout


def added(command, column, rounds):
    """With the library less without: runs alternate, medians are compared."""
    values = {True: [], False: []}
    for _ in range(rounds):
        for preload in (False, True):
            values[preload].append(float(output(command, preload).split()[column]))
    return median(values[True]) - median(values[False])


def measured():
    rounds = 3 if QUICK else 9
    image = os.path.abspath(f"{BUILD}/bench/launch_image.so")
    for threads in (1, 8):
        command = [f"{BUILD}/bench/launch_cost", image, str(threads)]
        add(f"launch_added_ns/median/t{threads}", added(command, 0, rounds), "ns", "measured")
        if threads == 1:
            add("launch_added_ns/p99/t1", added(command, 1, rounds), "ns", "measured")
    add("cuinit_added_ms", added([f"{BUILD}/bench/start_cost"], 0, rounds), "ms", "measured")
    times = {True: [], False: []}
    for _ in range(10 * rounds):
        for preload in (False, True):
            begin = time.perf_counter()
            output(["/bin/true"], preload)
            times[preload].append((time.perf_counter() - begin) * 1e3)
    add("nocuda_added_ms", median(times[True]) - median(times[False]), "ms", "measured")


def touched_per_step(workload, arguments):
    """Bytes that a step reads or writes, as far as they are the program's own: what paging has to bring. Found by
    the simulator: the VRAM below which a step starts to need the bus is what it touches."""
    bare = run(workload, arguments + ["--steps", 2])
    return bare.report["vram_peak"]


def simulated(workload):
    arguments = ["--mb", MEGABYTES, "--stride", 256]
    bare_short, bare, per_step = steady(workload, arguments, STEPS)
    compute_ms = bare.step_ms
    footprint = bare.report["vram_peak"]
    # The denoiser touches its own weights alone in a step: seven tenths of all.
    touched = footprint * 0.7 if workload == "diffusion" else footprint
    for percent in (75, 50, 25):
        cap = footprint * percent // 100
        crossing = max(0, touched - cap)
        limit_ms = max(compute_ms, crossing / BUS / 1e6)
        for policy in POLICIES:
            for safety in ("strict", "graced"):
                short, long, moved = steady(workload, arguments, STEPS, cap, policy=policy, safety=safety)
                if long.digest != bare.digest:
                    sys.exit(f"{workload} {policy} {percent} %: another digest")
                step_ms = (long.total_ms - short.total_ms) / STEPS
                name = f"{workload}/{policy}/{percent}" + ("" if safety == "strict" else "/graced")
                add(f"step_ratio/{name}", step_ms / limit_ms, "x", "simulated")
                if crossing:
                    came = moved["bytes_h2d"] + moved["bytes_zero_copy"]
                    add(f"bytes_in_ratio/{name}", came / crossing, "x", "simulated")
                    add(f"bytes_out_ratio/{name}", moved["bytes_d2h"] / crossing, "x", "simulated")
                add(f"peak_vram_ratio/{name}", long.report["vram_peak"] / cap, "x", "simulated")
                add(f"weights_copied_back_bytes/{name}", long.stats.get("bytes_out_again", 0), "bytes", "simulated")


def table():
    values = {r["name"]: r for r in results}
    print("\nmeasured on this machine: the library's own cost (with it less without)")
    for r in results:
        if r["kind"] == "measured":
            goal = GOALS.get(r["name"])
            print(f"  {r['name']:<28}{r['value']:>10.2f} {r['unit']:<4}" + (f" goal {goal}" if goal else ""))
    for workload in ("diffusion", "decode"):
        print(f"\nsimulated, {workload} ({MEGABYTES} MiB): step time ÷ max(compute, bytes that must cross ÷ bus)")
        print("  " + " " * 12 + "".join(f"{c:>8}% strict graced" for c in (75, 50, 25)))
        for policy in POLICIES:
            cells = ""
            for c in (75, 50, 25):
                strict = values[f"step_ratio/{workload}/{policy}/{c}"]["value"]
                graced = values[f"step_ratio/{workload}/{policy}/{c}/graced"]["value"]
                cells += f"{'':>9}{strict:>7.2f}{graced:>7.2f}"
            print(f"  {policy:<12}{cells}")
    worst = max(r["value"] for r in results if r["name"].startswith("peak_vram_ratio"))
    print(f"\nVRAM peak ÷ cap, worst of all runs: {worst:.3f}")
    if worst > 1:
        sys.exit("the cap was passed")


def main():
    measured()
    for workload in ("diffusion", "decode"):
        simulated(workload)
    os.makedirs(f"{BUILD}/bench", exist_ok=True)
    with open(f"{BUILD}/bench/summary.json", "w") as file:
        json.dump(results, file, indent=1)
    table()


main()
