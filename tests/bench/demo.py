"""make demo: an unmodified driver-API program under the preload, at several caps, under every policy, on the simulated
GPU. Fails if an output differs or VRAM passes the cap. Knobs: WORKLOAD MB STEPS CAPS POLICIES (policy or
policy/safety)."""
import os
import sys

from residency import svg
from runs import BUILD, MIB, run

WORKLOAD = os.environ.get("WORKLOAD", "diffusion")
MEGABYTES = int(os.environ.get("MB", "1024"))
STEPS = int(os.environ.get("STEPS", "12"))
CAPS = [int(c) for c in os.environ.get("CAPS", "75 50 35").split()]
ORDER = os.environ.get("POLICIES", "balanced balanced/overlap sequential group auto lru none").split()
# Tensors of about 32 MiB, and as long a computation a layer as a large transformer has on a consumer card.
ARGUMENTS = ["--mb", MEGABYTES, "--tensors", max(32, MEGABYTES // 32), "--stride", 1024, "--compute-us", 800, "--steps", STEPS]


def mib(value):
    return f"{value / MIB:,.0f}"


def line(row, cap, bare):
    """One row of the table; False if the library broke a promise."""
    policy, _, safety = row.partition("/")
    try:
        done = run(WORKLOAD, ARGUMENTS, cap, policy=policy, safety=safety or "strict")
    except RuntimeError as error:
        # Without paging, a cap is a smaller card: being refused is the right answer.
        refused = policy == "none" and "OUT_OF_MEMORY" in str(error)
        print(f"  {row:<16} {'out of memory, as on a smaller card' if refused else error}")
        return refused
    same = done.digest == bare.digest
    within = done.report["vram_peak"] <= cap
    print(f"  {row:<16} {'same' if same else 'DIFFERENT':<10}{mib(done.report['vram_peak']):>6} MiB "
          f"{'' if within else 'ABOVE THE CAP '}{done.step_ms:>9.2f} ms {done.step_ms / bare.step_ms:>6.2f} ×"
          f"{mib(done.stats.get('bytes_in', 0)):>9}{mib(done.stats.get('bytes_out', 0)):>8}"
          f"{mib(done.report['bytes_zero_copy']):>10}")
    return same and within


def picture(cap):
    folder = f"{BUILD}/demo"
    os.makedirs(folder, exist_ok=True)
    log = os.path.abspath(f"{folder}/mappings")
    done = run(WORKLOAD, ARGUMENTS, cap, policy="balanced", sim_map_log=log)
    with open(f"{folder}/residency.svg", "w") as file:
        file.write(svg(log, f"{WORKLOAD} under {mib(cap)} MiB, balanced", done.report["virtual_ns"]))
    return f"{folder}/residency.svg"


def main():
    bare = run(WORKLOAD, ARGUMENTS)
    footprint = bare.report["vram_peak"]
    print(f"\n{WORKLOAD}, an ordinary CUDA driver-API program, on a simulated GPU (every time below is simulated).\n"
          f"Without Lowtide it takes {mib(footprint)} MiB of VRAM and {bare.step_ms:.2f} ms a step.\n")
    print(f"  {'policy':<16} {'output':<10}{'VRAM peak':>10} {'step':>12} {'of bare':>8}{'MiB in':>9}{'out':>8}"
          f"{'in place':>10}")
    kept = True
    for percent in CAPS:
        cap = footprint * percent // 100 // (2 * MIB) * (2 * MIB)
        print(f"LOWTIDE_VRAM={cap // MIB}M ({percent} % of what it takes)")
        for row in ORDER:
            kept = line(row, cap, bare) and kept
    cap = footprint * CAPS[-1] // 100
    print(f"\nA picture of what was in VRAM when: {picture(cap)}")
    print("Your own program, on a real card:\n"
          f"  LOWTIDE_VRAM=8G LD_PRELOAD={os.path.abspath(BUILD)}/liblowtide.so python launch.py\n")
    if not kept:
        sys.exit("a promise was broken (see above)")


main()
