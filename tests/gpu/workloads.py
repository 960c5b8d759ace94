"""What is run of a workload: bare, uncapped under the preload, then every cap, policy and level of safety; what must hold of
each run, and what figures it gives. check.py counts the one, bench.py keeps the other, `make card` does both."""
from card import MIB, UNCAPPED, Run, cap_of


class Case:
    """One run, and the bare run that it is held against. cap_bytes: None for those without a cap."""

    def __init__(self, name, what, run, bare, cap_bytes=None, key=None):
        self.name, self.what, self.run, self.bare, self.cap_bytes, self.key = name, f"{name}, {what}", run, bare, cap_bytes, key


def cases(name, arguments, image, caps, policies, safeties, run=Run, verify=False):
    """One after the other, as they are asked for; ends early where there is nothing to go on with. verify: at last, what is
    paged most, with every byte compared whenever a block changes its home."""
    bare = run(name, arguments, image)
    yield Case(name, "bare", bare, bare)
    if bare.error:
        return
    whole = run(name, arguments, image, UNCAPPED, policy="auto")
    yield Case(name, "uncapped under the preload", whole, bare)
    peak = whole.stats.get("peak_bytes")
    if not peak:
        return
    for percent in caps:
        cap = cap_of(peak, percent)
        for policy in policies:
            for safety in safeties:
                yield Case(name, f"{percent} % ({cap // MIB} MiB), {policy}, {safety}",
                           run(name, arguments, image, cap, policy=policy, safety=safety), bare, cap,
                           f"{name}/{policy}/{percent}/{safety}")
    if verify:
        cap = cap_of(peak, caps[-1])
        yield Case(name, f"{caps[-1]} %, lru, every byte compared", run(name, arguments, image, cap, policy="lru", verify=1),
                   bare, cap)


def judged(case):
    """(it holds, what: in words, why not) for each thing that must hold."""
    run = case.run
    yield not run.error, f"{case.what}: {run.error}"
    if run.error or run is case.bare:
        return
    yield run.digest == case.bare.digest, f"{case.what}: another digest"
    if case.cap_bytes:
        yield run.stats.get("peak_bytes", case.cap_bytes + 1) <= case.cap_bytes, f"{case.what}: above the cap, or no word of it"
    else:
        yield bool(run.stats.get("peak_bytes")), f"{case.what}: the library tells no peak"


def figures(case):
    """Step times, by the names that results are compared under. Of good runs only."""
    run, bare = case.run, case.bare
    if run is bare and not run.error:
        yield {"name": f"step_ms/{case.name}/bare", "value": bare.step_ms, "unit": "ms", "compare": "lower"}
    elif case.key and all(good for good, _ in judged(case)):
        yield {"name": f"step_ms/{case.key}", "value": run.step_ms, "unit": "ms", "compare": "lower"}
        yield {"name": f"of_bare/{case.key}", "value": run.step_ms / bare.step_ms, "unit": "x", "compare": "lower"}


def promises(record):
    """(it holds, what) of a probe's record, for each promise that Lowtide rests on; None: it was not asked."""
    for trial in record["trials"]:
        for check in trial["checks"]:
            yield check["holds"], f"{trial['name']}: {check['name']}: {check['why']}"
        if trial["status"] == "failed" and all(c["holds"] for c in trial["checks"]):
            yield False, f"{trial['name']}: {trial['why']}"
        if trial["status"] == "skipped":
            yield None, f"{trial['name']}: {trial['why']}"
