"""make bench: what the library costs (measured here) and how near paging comes to the wire (simulated). Prints a
table and writes build/bench/summary.json. usage: bench.py [--quick] [measured|simulated]"""
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import time

from runs import BUILD, MIB, POLICIES, bus_gbps, environment, median, run, steady

QUICK = "--quick" in sys.argv
KINDS = [k for k in ("measured", "simulated") if k in sys.argv] or ["measured", "simulated"]
# Real sizes: tensors of about 32 MiB, the size of a block. A layer of the denoiser computes for as long as one of a
# 12-billion-parameter transformer takes a consumer card, one of the decoder about as long as reading it once takes.
MEGABYTES = 512 if QUICK else 2048
TENSOR_MEGABYTES = 32
COMPUTE_US = {"diffusion": 800, "decode": 50}
STEPS = 4 if QUICK else 8
BUS = bus_gbps()  # bytes a nanosecond, into the card
GOALS = {"launch_added_ns/median/t1": 100, "launch_added_ns/p99/t1": 300, "cuinit_added_ms": 5}
results = []


def add(name, value, unit, kind, compare="lower"):
    results.append({"name": name, "value": round(value, 4), "unit": unit, "kind": kind, "compare": compare})


# What lives beside the allocation that is measured, and how large each is.
LIVING = (10, 1000, 100000)
SIZES = {"256B": 256, "2M": 2 * MIB}


def output(command, preload, cap="1G", card="8G"):
    settings = {"LOWTIDE_SIM_VRAM": card}
    if preload:
        settings |= {"LOWTIDE_VRAM": cap, "LOWTIDE_POLICY": "balanced"}
    return subprocess.run(command, check=True, text=True, capture_output=True,
                          env=environment(preload, settings)).stdout


def added(command, column, rounds, **room):
    """With the library less without: runs alternate, medians are compared."""
    values = {True: [], False: []}
    for _ in range(rounds):
        for preload in (False, True):
            values[preload].append(float(output(command, preload, **room).split()[column]))
    return median(values[True]) - median(values[False])


def measured():
    rounds = 3 if QUICK else 9
    image = os.path.abspath(f"{BUILD}/bench/launch_image.so")
    for threads in (1, 8):
        command = [f"{BUILD}/bench/launch_cost", image, str(threads)]
        add(f"launch_added_ns/median/t{threads}", added(command, 0, rounds), "ns", "measured")
        if threads == 1:
            add("launch_added_ns/p99/t1", added(command, 1, rounds), "ns", "measured")
    for size, size_bytes in SIZES.items():
        for living in LIVING:
            for threads in (1, 8):
                command = [f"{BUILD}/bench/allocate_cost", str(size_bytes), str(living), str(threads)]
                add(f"allocate_added_ns/{size}/live{living}/t{threads}",
                    added(command, 0, max(1, rounds // 3), cap="1000G", card="2000G"), "ns", "measured")
    add("cuinit_added_ms", added([f"{BUILD}/bench/start_cost"], 0, rounds), "ms", "measured")
    times = {True: [], False: []}
    for _ in range(10 * rounds):
        for preload in (False, True):
            begin = time.perf_counter()
            output(["/bin/true"], preload)
            times[preload].append((time.perf_counter() - begin) * 1e3)
    add("nocuda_added_ms", median(times[True]) - median(times[False]), "ms", "measured")


def arguments_of(workload):
    return ["--mb", MEGABYTES, "--tensors", MEGABYTES // TENSOR_MEGABYTES, "--stride", 16384,
            "--compute-us", COMPUTE_US[workload]]


def paged(workload, policy, percent, safety, bare, touched):
    """One cell of the table: the rows it adds."""
    cap = bare.report["vram_peak"] * percent // 100
    crossing = max(0, touched - cap)
    limit_ms = max(bare.step_ms, crossing / BUS / 1e6)
    short, long, moved = steady(workload, arguments_of(workload), STEPS, cap, policy=policy, safety=safety)
    if long.digest != bare.digest:
        sys.exit(f"{workload} {policy} {percent} % {safety}: another digest")
    name = f"{workload}/{policy}/{percent}" + ("" if safety == "strict" else "/overlap")
    rows = [(f"step_ratio/{name}", (long.total_ms - short.total_ms) / STEPS / limit_ms, "x")]
    if crossing:
        came = moved["bytes_h2d"] + moved["bytes_zero_copy"]
        rows += [(f"bytes_in_ratio/{name}", came / crossing, "x"),
                 (f"bytes_out_ratio/{name}", moved["bytes_d2h"] / crossing, "x")]
    rows += [(f"peak_vram_ratio/{name}", long.report["vram_peak"] / cap, "x"),
             (f"weights_copied_back_bytes/{name}", long.stats.get("bytes_out_again", 0), "bytes")]
    return rows


def simulated(pool):
    cells = []
    for workload in ("diffusion", "decode"):
        _, bare, _ = steady(workload, arguments_of(workload), STEPS)
        # What a step reads or writes has to be there or to cross. The denoiser touches its own weights alone, seven
        # tenths of all; the decoder everything, and its cache grows: the mean of the steps by which the longer of the
        # two runs that are compared is longer.
        touched = bare.report["vram_peak"] * 0.7
        if workload == "decode":
            touched = statistics.mean(run(workload, arguments_of(workload) + ["--steps", steps]).report["vram_peak"]
                                      for steps in range(STEPS + 1, 2 * STEPS + 1))
        cells += [pool.submit(paged, workload, policy, percent, safety, bare, touched)
                  for percent in (75, 50, 25) for policy in POLICIES for safety in ("strict", "overlap")]
    for cell in cells:
        for name, value, unit in cell.result():
            add(name, value, unit, "simulated")


def table():
    values = {r["name"]: r for r in results}
    print("\nmeasured on this machine: the library's own cost (with it less without)")
    for r in results:
        if r["kind"] == "measured" and not r["name"].startswith("allocate_"):
            goal = GOALS.get(r["name"])
            print(f"  {r['name']:<28}{r['value']:>10.2f} {r['unit']:<4}" + (f" goal {goal}" if goal else ""))
    if "measured" in KINDS:
        print("\nmeasured on this machine: one freed and one allocated, ns added, beside so many that live")
        print("  " + " " * 14 + "".join(f"{n:>10}" for n in LIVING))
        for size in SIZES:
            for threads in (1, 8):
                cells = (values[f"allocate_added_ns/{size}/live{n}/t{threads}"]["value"] for n in LIVING)
                print(f"  {size:<5}{threads:>2} threads" + "".join(f"{c:>10.0f}" for c in cells))
    if "simulated" not in KINDS:
        return
    for workload in ("diffusion", "decode"):
        print(f"\nsimulated, {workload} ({MEGABYTES} MiB): step time ÷ max(compute, bytes that must cross ÷ bus)")
        print("  " + " " * 12 + "".join(f"{c:>8}% strict overlap" for c in (75, 50, 25)))
        for policy in POLICIES:
            cells = ""
            for c in (75, 50, 25):
                strict = values[f"step_ratio/{workload}/{policy}/{c}"]["value"]
                overlap = values[f"step_ratio/{workload}/{policy}/{c}/overlap"]["value"]
                cells += f"{'':>9}{strict:>7.2f}{overlap:>8.2f}"
            print(f"  {policy:<12}{cells}")
    worst = max(r["value"] for r in results if r["name"].startswith("peak_vram_ratio"))
    print(f"\nVRAM peak ÷ cap, worst of all runs: {worst:.3f}")
    if worst > 1:
        sys.exit("the cap was passed")


def main():
    if "measured" in KINDS:
        measured()
    # The virtual clock does not mind company, this machine's does: only these runs go side by side.
    if "simulated" in KINDS:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            simulated(pool)
    os.makedirs(f"{BUILD}/bench", exist_ok=True)
    with open(f"{BUILD}/bench/summary.json", "w") as file:
        json.dump(results, file, indent=1)
    table()


main()
