"""make check-gpu: what only a card can show. The probe's promises, each held or not; then every workload, bare and under
the preload at several caps: the same digest, within the cap. Ends in `N passed, N failed`."""
import os
import sys

from card import BUILD, CAPS, MIB, WORKLOADS, Run, cap_of, kernels, probe, weights_mib

POLICIES = os.environ.get("POLICIES", "auto balanced").split()
SAFETIES = os.environ.get("SAFETIES", "strict graced").split()
passed, failed = 0, []


def count(good, what):
    global passed
    if good:
        passed += 1
    else:
        failed.append(what)
        print(f"failed: {what}")


def promises(record):
    for trial in record["trials"]:
        for check in trial["checks"]:
            count(check["holds"], f"{trial['name']}: {check['name']}: {check['why']}")
        if trial["status"] == "failed" and all(c["holds"] for c in trial["checks"]):
            count(False, f"{trial['name']}: {trial['why']}")
        if trial["status"] == "skipped":
            print(f"skipped: {trial['name']}: {trial['why']}")


def workload(name, megabytes, image):
    arguments = ["--mb", megabytes]
    bare = Run(name, arguments, image)
    count(not bare.error, f"{name}, bare: {bare.error}")
    if bare.error:
        return
    whole = Run(name, arguments, image, 1 << 50, policy="auto")
    count(not whole.error and whole.digest == bare.digest, f"{name}, uncapped under the preload: {whole.error or 'another digest'}")
    peak = whole.stats.get("peak_bytes")
    count(peak, f"{name}: the library tells no peak")
    if not peak:
        return
    for percent in CAPS:
        cap = cap_of(peak, percent)
        for policy in POLICIES:
            for safety in SAFETIES:
                run = Run(name, arguments, image, cap, policy=policy, safety=safety)
                what = f"{name}, {percent} % ({cap // MIB} MiB), {policy}, {safety}"
                count(not run.error, f"{what}: {run.error}")
                if run.error:
                    continue
                count(run.digest == bare.digest, f"{what}: another digest")
                count(run.stats.get("peak_bytes", cap + 1) <= cap, f"{what}: above the cap, or no word of it")
                print(f"  {what}: {run.step_ms:.2f} ms a step, bare {bare.step_ms:.2f}")
    # What is paged most, and every byte compared whenever a block changes its home.
    run = Run(name, arguments, image, cap_of(peak, CAPS[-1]), policy="lru", verify=1)
    count(not run.error and run.digest == bare.digest,
          f"{name}, {CAPS[-1]} %, lru, every byte compared: {run.error or 'another digest'}")


def main():
    os.makedirs(f"{BUILD}/gpu", exist_ok=True)
    record = probe(True, f"{BUILD}/gpu/check.json")
    print()
    promises(record)
    image = kernels(record)
    if image:
        for name in WORKLOADS:
            workload(name, weights_mib(record), image)
    else:
        print("skipped: the workloads: no nvcc to build their kernels with")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
