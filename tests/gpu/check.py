"""make check-gpu: what only a card can show. The probe's promises, each held or not; then every workload, bare and under
the preload at several caps: the same digest, within the cap. Ends in `N passed, N failed`."""
import os

from card import BUILD, CAPS, WORKLOADS, kernels, probe, weights_mib, whole_program
from workloads import cases, judged, promises

POLICIES = os.environ.get("POLICIES", "auto balanced").split()
SAFETIES = os.environ.get("SAFETIES", "strict overlap").split()
passed, failed = 0, 0


def count(good, what):
    global passed, failed
    if good is None:
        print(f"skipped: {what}")
    elif good:
        passed += 1
    else:
        failed += 1
        print(f"failed: {what}")


def main():
    os.makedirs(f"{BUILD}/gpu", exist_ok=True)
    record, table = probe(f"{BUILD}/gpu/check.json", quick=True)
    print(table)
    for good, what in promises(record):
        count(good, what)
    image = kernels(record["device"]["compute_capability"])
    if not image:
        print("skipped: the workloads: no nvcc to build their kernels with")
    for name in WORKLOADS if image else ():
        for case in cases(name, ["--mb", weights_mib(record)], image, CAPS, POLICIES, SAFETIES, verify=True):
            for good, what in judged(case):
                count(good, what)
            if case.key and not case.run.error:
                print(f"  {case.what}: {case.run.step_ms:.2f} ms a step, bare {case.bare.step_ms:.2f}")
    print(f"{passed} passed, {failed} failed")
    return not failed


whole_program(main)
