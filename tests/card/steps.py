"""The steps of `make card`, one function each: (session, deadline). Each records what it finds; main.py keeps the order, the
time, and what a step itself does wrong."""
import json
import os
import sys

import card
import child
import device
import goals
from budget import left_s
from matrix import BARE, Case, Matrix, Program, Runner, catalogue, jobs_for, needs_card
from record import FAILED, NEEDS_CARD, NO_TIME, PASSED, SKIPPED
from workloads import cases, figures, judged, promises

CATALOGUE = "tests/card/torch/catalog.py"
STAND_INS = "tests/card/standin.py"
COMPARE = os.environ.get("CARD_COMPARE") or "tests/card/compare/compare.py"
WORKLOAD_MIB = 512  # enough to stream, few enough seconds for eight workloads
# The probe's long trials, with what part of the step's time each may take. Other names for one: the first that is known.
# The storms (danger_strict, danger_graced) end by themselves in any time; the others measure for as long as they have to.
LONG = [(("switch_price",), 24), (("stalls",), 24), (("danger_strict",), 11), (("danger_graced", "danger_overlap"), 15),
        (("danger_beside",), 6), (("managed_home",), 10)]


# --- 1
def identity(session, deadline):
    record = session.record
    record.fact("machine", device.machine())
    if session.nvml.why and not card.SIMULATED:
        record.say(f"  {session.nvml.why}: memory is not judged from outside")
    if not card.SIMULATED:
        smi = child.run(["nvidia-smi", "-q"], card.environment({}), min(6, left_s(deadline)))
        record.fact("nvidia_smi", device.smi_lines(smi.stdout) or [smi.how()])
    limit = max(2, int(left_s(deadline)))
    done = child.run([f"{card.BUILD}/lowtide", "doctor", "--json", "--no-probe", "--limit", limit], card.environment({}), limit + 2)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        record.add("identity", "lowtide doctor", FAILED, f"tells nothing: {done.how()}: {done.stderr.strip()[-300:]}")
        session.investigator.tell("lowtide doctor", "", done.how(), done, deadline, 5)
        return
    record.fact("doctor", told)
    bad = [f"{f['topic']}: {f['text']}" for f in told["findings"] if f["mark"] in ("limit", "no")]
    record.add("identity", "lowtide doctor", PASSED if done.status in (0, 1) else FAILED,
               told["verdict"] + (f": {'; '.join(bad)}" if bad else ""))


# --- 2
def keep_probe(session, probed, name):
    """Into the results, with the commit; and its medians and facts into the one list that the table shows."""
    probed["commit"] = session.record.head["commit"]
    with open(session.record.path(name), "w") as file:
        json.dump(probed, file, indent=0)
        file.write("\n")
    session.record.publish(name)
    for trial in probed["trials"]:
        for figure in trial["figures"]:
            session.medians[f"{trial['name']}: {figure['name']}"] = figure["median"]
        session.medians.update({f"{trial['name']}: {k}": v for k, v in trial["facts"].items()})
    session.record.fact("medians", session.medians)


def add_promises(session, step, probed):
    for holds, what in promises(probed):
        if holds is None:
            name, why = what.split(": ", 1)
            late = why.startswith("no time was left for it")
            session.record.add(step, name, NO_TIME if late else SKIPPED, why, quiet=True)
        else:
            session.record.add(step, what.removesuffix(": ") if holds else what, PASSED if holds else FAILED, quiet=True)
    session.record.write()


def ask_probe(path, allowed_s, **how):
    """Its limit ends it in time; where a trial hangs it waits 5 s more for that to be gone, which the later steps then lack."""
    limit_s = max(1, allowed_s - min(1, allowed_s / 10))
    return card.probe(path, limit_s=limit_s, timeout_s=limit_s + 6, **how)[0]


def quick_probe(session, deadline):
    path = session.record.path("probe.json")
    probed = ask_probe(path, left_s(deadline), quick=True)
    session.probed = probed
    keep_probe(session, probed, "probe.json")
    add_promises(session, "probe", probed)


# --- 3
def hello(session, deadline):
    """The first contact: bare, then under the library's defaults at a quarter of what it needs, its log at debug."""
    rows = session.hello_rows()
    for row in rows:
        program = Program(row)
        runner = Runner(session.record, session.nvml, session.investigator)
        for case in (BARE, Case(percent=25)):
            if program.gone or (not case.bare and not (program.bare and program.peak_bytes)):
                session.record.add("hello", f"{program.name}, {case.name}", SKIPPED, program.gone or "its bare run told nothing")
                return
            if left_s(deadline) < 2:
                session.record.add("hello", f"{program.name}, {case.name}", NO_TIME)
                return
            outcome = session.matrix.one(runner, program, case, deadline, "hello", debug=True)
            if outcome.memory.by:
                session.memory_by = outcome.memory.by
                session.record.fact("memory_by", session.memory_by)


# --- 4
def workloads(session, deadline):
    record = session.record
    image = card.kernels(session.device["compute_capability"], left_s(deadline))
    if not image:
        record.add("workloads", "the workloads", SKIPPED, "no nvcc to build their kernels with, and none built ahead (make card-build)")
        return
    megabytes = card.weights_mib(session.probed or {"device": session.device, "trials": []},
                                 64 if card.SIMULATED else WORKLOAD_MIB)
    record.fact("workloads_mib", megabytes)

    def run(name, arguments, kernels, cap=None, **settings):
        if left_s(deadline) < 1:
            raise TimeoutError
        done = card.Run(name, arguments, kernels, cap, timeout_s=left_s(deadline), **settings)
        if done.ended.timed_out and left_s(deadline) < 1:
            raise TimeoutError
        return done

    names = list(card.WORKLOADS)
    while names:
        name = names[0]
        try:
            for case in cases(name, ["--mb", megabytes], image, [50], ["balanced"], ["strict", session.overlap], run):
                bad = [what.removeprefix(f"{case.what}: ") for good, what in judged(case) if not good]
                times = {} if case.run.error else {"step_ms": case.run.step_ms, "bare_ms": case.bare.step_ms}
                label = case.what.removeprefix(f"{name}, ")
                times.update(workload=name, case=label, cap_bytes=case.cap_bytes)
                record.add("workloads", case.what, FAILED if bad else PASSED, "; ".join(bad), figures=list(figures(case)),
                           library=case.run.stats, **times)
                if bad:
                    session.investigator.tell(name, label, "; ".join(bad), case.run.ended, deadline, 5)
        except TimeoutError:
            record.add("workloads", f"what is left of {name}", NO_TIME)
            break
        names.pop(0)
    for name in names[1:]:
        record.add("workloads", name, NO_TIME)


# --- 5
def programs(session, deadline):
    record = session.record
    path = session.catalogue
    rows = catalogue(path)[0] if os.path.exists(path) else None
    if rows is None:
        record.add("programs", path, SKIPPED, "is not here")
    if card.SIMULATED and path == CATALOGUE:
        needs_card(record, rows or [])
        needs_card(record, [{"name": "memory of each process by NVML"}])
        rows = catalogue(STAND_INS)[0]
    jobs = jobs_for(session.memory_by == "pid", session.device)
    record.fact("programs_at_once", jobs)
    session.matrix.run(rows or [], deadline, jobs)


# --- 6
def long_trials(session, deadline):
    record = session.record
    listed = child.run([f"{card.BUILD}/gpu/probe", "--list"], card.environment({}), 10).stdout
    known = {line.split()[0] for line in listed.splitlines() if line.strip()}
    todo = []
    for names, weight in LONG:
        name = next((n for n in names if n in known), None)
        if name:
            todo.append((name, weight))
        else:
            record.add("long trials", names[0], SKIPPED, "this probe has no such trial")
    whole = None
    while todo:
        name, weight = todo.pop(0)
        allowed = left_s(deadline) * weight / (weight + sum(w for _, w in todo))
        if allowed < 2:
            record.add("long trials", name, NO_TIME)
            continue
        path = record.path("probe-long.json.part")
        try:
            probed = ask_probe(path, allowed, only=[name])
        except card.Trouble as trouble:
            record.add("long trials", name, FAILED, str(trouble))
            continue
        finally:
            if os.path.exists(path):
                os.unlink(path)
        whole = whole or dict(probed, trials=[])
        whole["trials"] += probed["trials"]
        keep_probe(session, whole, "probe-long.json")
        add_promises(session, "long trials", probed)
        if all(t["status"] == "ok" and not t["checks"] for t in probed["trials"]):
            record.add("long trials", name, PASSED, "answered")


# --- 7
def comparisons(session, deadline):
    record, allowed = session.record, int(left_s(deadline)) - 2
    if not os.path.exists(COMPARE):
        record.add("comparisons", COMPARE, SKIPPED, "is not here")
        return
    if allowed < 5:
        record.add("comparisons", COMPARE, NO_TIME)
        return
    arguments = ["--budget", allowed, "--json", record.path("compare.json")]
    if os.path.exists(record.path("probe.json")):
        arguments += ["--probe", record.path("probe.json")]
    else:
        record.say("  there is no probe.json: without the bus rate of this card")
    done = child.run([sys.executable, COMPARE] + arguments + (["--rehearse"] if card.SIMULATED else []),
                     card.environment({"O": card.BUILD}), left_s(deadline))
    record.publish("compare.json")
    record.fact("compare_told", [line[:200] for line in done.stdout.splitlines() if line.strip()][-30:])
    if done.timed_out:
        record.add("comparisons", COMPARE, NO_TIME, "did not keep its budget; what it wrote is kept")
    elif done.status == 77:
        record.add("comparisons", COMPARE, SKIPPED, (done.stderr.strip().splitlines() or ["needs what is not here"])[-1])
    elif done.good():
        record.add("comparisons", COMPARE, NEEDS_CARD if card.SIMULATED else PASSED,
                   "rehearsed; its figures need a card" if card.SIMULATED else "")
    else:
        record.add("comparisons", COMPARE, FAILED, f"{done.how()}: {done.stderr.strip()[-300:]}")
        session.investigator.tell("comparisons", COMPARE, done.how(), done, deadline, 5)


def judge_goals(session):
    bus = goals.figure(session.probed, "copies", "h2d")
    session.record.fact("bus_gbps", bus)
    session.record.fact("goals", goals.goals(session.record.of("programs"), bus, card.SIMULATED))


# name, what it does, its share in seconds of a budget of 540, function
STEPS = [
    ("identity", "which card and machine, and lowtide doctor", 10, identity),
    ("probe", "probe --quick", 30, quick_probe),
    ("hello", "a first program at a quarter of what it needs", 40, hello),
    ("workloads", "at half, balanced, both levels of safety", 60, workloads),
    ("programs", "right, then fast, then the rest of the matrix", 240, programs),
    ("long trials", "of the probe, those that settle defaults", 90, long_trials),
    ("comparisons", "with what others do, side by side", 60, comparisons),
]
assert [s[0] for s in STEPS] == list(dict.fromkeys(s[0] for s in STEPS))
