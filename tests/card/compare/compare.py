#!/usr/bin/env python3
"""Lowtide beside what others do to make a model fit, in the same VRAM, on the same card, one after another. README.md tells how
equal VRAM is made and what the verdicts mean. Knobs: O, the build folder; COMPARE_PROGRAM, another program.py, for tests. Exit status: 0, also where a goal is missed; 1, a
digest differs, Lowtide passed its cap or a run of it failed; 77, PyTorch or a card is not here."""
import argparse
import json
import os
import signal
import sys
import tempfile
import time

import mechanisms
import plan
import rehearsal
import running
import verdicts
from memory import Nvml
from record import HEAD, Record, row, verdict_row

PROGRAM = os.environ.get("COMPARE_PROGRAM") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
LIBRARY = os.path.join(os.environ.get("O", "build"), "liblowtide.so")
MODELS, SHARES = ("decoder", "pipeline"), (50, 75, 25)
END_S = 1.0  # kept for writing the results
TOLD = ("digest", "first_ms", "steps_ms", "load_ms", "weights_bytes", "peak_reserved_bytes", "device", "size", "blocks", "calls",
        "needed_bytes", "read_bytes", "moved_in_bytes", "moved_out_bytes", "counted", "chosen", "stages_ms", "torch")
LEAST_S = 5.0  # no run is begun with less left


def arguments():
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--budget", type=float, default=540, metavar="SECONDS", help="when to stop (540)")
    made.add_argument("--probe", metavar="PROBE.json", help="the probe's record, for the bus rate")
    made.add_argument("--json", metavar="PATH", help="where the record goes, whole after every run")
    made.add_argument("--models", type=lambda text: one_of(text, MODELS), default=MODELS, help="decoder,pipeline")
    made.add_argument("--shares", type=shares, default=SHARES, help="of the bare peak, in percent; everything runs at the first (50,75,25)")
    made.add_argument("--size", choices=("full", "small", "tiny"), default="small", help="of the models (small)")
    made.add_argument("--rehearse", action="store_true", help="without a card: the mechanisms on the processor")
    return made.parse_args()


def one_of(text, known):
    chosen = tuple(text.split(","))
    if not set(chosen) <= set(known):
        raise argparse.ArgumentTypeError(f"of {', '.join(known)}")
    return chosen


def shares(text):
    chosen = tuple(int(share) for share in text.split(","))
    if not all(0 < share < 100 for share in chosen):
        raise argparse.ArgumentTypeError("between 1 and 99")
    return chosen


def bus_rate(path):
    """GB/s from RAM to the card as the probe measured it, or None."""
    try:
        with open(path) as file:
            trials = json.load(file)["trials"]
        return next(float(f["median"]) for t in trials if t["name"] == "copies" for f in t.get("figures", []) if f["name"] == "h2d")
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


class Comparison:
    def __init__(self, options, record, levels, clock=time.monotonic):
        self.options, self.record, self.levels, self.clock = options, record, levels, clock
        self.end = clock() + options.budget - END_S
        self.nvml = Nvml(None) if options.rehearse else Nvml()
        self.walls_s = {}  # by model: what its bare run took

    def left_s(self):
        return max(0.0, self.end - self.clock())

    def has_time(self, model=None):
        return self.left_s() >= max(LEAST_S, self.walls_s.get(model, max(self.walls_s.values(), default=0)))

    def run_program(self, step, more, cap_bytes):
        """One run, as the record has it."""
        with tempfile.TemporaryDirectory(prefix="lowtide-compare-") as folder:
            library, settings = None, {}
            if step.mechanism == "lowtide" and os.path.exists(LIBRARY):
                library = LIBRARY
                settings = {"vram": cap_bytes or "75%", "policy": step.policy or "balanced", "safety": step.safety or "strict",
                            "stats": f"{folder}/stats", "log": "error"}
            command = [sys.executable, PROGRAM, "--mechanism", step.mechanism, "--model", step.model] + [str(a) for a in more]
            ended = running.run(command, running.environment(library, **settings), self.left_s(), self.nvml)
            stats = running.statistics_in(f"{folder}/stats")
        told = ended.told or {}
        why = ended.why()
        if ended.status in (running.NOT_HERE, running.DOES_NOT_FIT) and not ended.timed_out:
            why = ended.said
        run = {"name": step.name(), "model": step.model, "share": step.share, "mechanism": step.mechanism, "at": step.at,
               "policy": step.policy, "safety": step.safety, "scales": plan.scales(step), "cap_bytes": cap_bytes, "status": ended.status, "cut": ended.timed_out,
               "why": why, "wall_s": round(ended.wall_s, 2), "nvml_bytes": ended.peak_bytes, "stats": stats, "same": False}
        run.update({field: told.get(field) for field in TOLD})
        run["step_ms"] = verdicts.step_ms(told["steps_ms"]) if told.get("steps_ms") else None
        if why is None and not run["steps_ms"]:
            run["why"] = "no step after the first"
        run["took_bytes"] = verdicts.took_bytes(run)
        return run

    def once(self, step):
        """Runs it, or says why not."""
        cap_bytes, why = plan.cap_bytes(step, self.record.runs)
        if why == plan.RAN:
            return
        if not why and not self.has_time(step.model):
            why = "no time"
        if not why and step.mechanism == "lowtide" and not os.path.exists(LIBRARY):
            why = f"{LIBRARY} is not built"
        if why:
            self.record.left_out.append({"name": step.name(), "why": why})
            return
        more, bare = ["--device", "cuda", "--size", self.options.size], self.bare_of(step.model)
        if bare:
            more += ["--blocks", bare["blocks"], "--beside-bytes", max(0, bare["peak_reserved_bytes"] - bare["weights_bytes"])]
        if cap_bytes and step.mechanism != "lowtide":
            more += ["--vram-bytes", cap_bytes]
        run = self.run_program(step, more, cap_bytes)
        self.record.runs.append(run)
        if step.mechanism == "none":
            self.walls_s[step.model] = run["wall_s"]
        bare = self.bare_of(step.model)
        run["same"] = bool(bare and run["digest"] == bare["digest"])
        if run["cut"]:
            self.record.left_out.append({"name": step.name(), "why": "cut by the budget"})
        print(row(run), flush=True)

    def bare_of(self, model):
        return next((r for r in self.record.runs if r["model"] == model and r["mechanism"] == "none" and verdicts.good(r)), None)

    def judge(self):
        self.record.verdicts = [v for model in self.options.models for share in self.options.shares
                                for v in verdicts.all_of(self.record.runs, model, share, self.levels, self.record.head["h2d_gbps"])]
        self.record.faults = verdicts.broken(self.record.runs)
        self.record.faults += [f"{r['name']}: {r['why']}" for r in self.record.runs
                               if r["mechanism"] == "lowtide" and not verdicts.good(r) and not r["cut"]]

    def measure(self):
        print(HEAD)
        for step in plan.all_runs(self.options.models, self.options.shares, self.levels):
            self.once(step)
            if self.record.runs and self.record.runs[0]["status"] == running.NOT_HERE:
                print(f"not here: {self.record.runs[0]['why'].removeprefix('not here: ')}", file=sys.stderr)
                sys.exit(running.NOT_HERE)
            self.judge()
            self.record.write()


def tell_left_out(record):
    why = {}
    for left in record.left_out:
        why.setdefault(left["why"], []).append(left["name"])
    for reason, names in why.items():
        print(f"left out, {len(names)}, {reason}: {', '.join(names)}"[:200])


def tell(record):
    tell_left_out(record)
    for verdict in record.verdicts:
        if verdict["verdict"] != verdicts.NOT_JUDGED:
            print(verdict_row(verdict))
    counts = {kind: sum(v["verdict"] == kind for v in record.verdicts) for kind in (verdicts.MET, verdicts.MISSED, verdicts.NOT_JUDGED)}
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    for fault in record.faults:
        print(f"failed: {fault}"[:200])


def need_a_card(options, levels, record):
    """Every verdict of speed and memory, which a rehearsal cannot give."""
    record.verdicts = [dict(verdicts.not_judged(goal, model, share, safety, verdicts.NEEDS_CARD), verdict=verdicts.NEEDS_CARD)
                       for goal in verdicts.GOALS for model in options.models for share in options.shares for safety in levels]
    where = f"{' and '.join(options.models)}, {', '.join(str(s) for s in options.shares)} %, {' and '.join(levels)}"
    for goal in verdicts.GOALS:
        print(f"needs a card: {goal} ({where})")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the finally that ends what runs
    options, levels = arguments(), ("strict", "overlap")
    record = Record(options.json, kind="rehearsed" if options.rehearse else "measured", budget_s=options.budget, size=options.size,
                    models=options.models, shares=options.shares, mechanisms=list(mechanisms.TABLE),
                    h2d_gbps=bus_rate(options.probe) if options.probe else None)
    comparison = Comparison(options, record, levels)
    if options.rehearse:
        good = rehearsal.rehearse(options.models, comparison, record, lambda text: print(text, flush=True))
        tell_left_out(record)
        need_a_card(options, levels, record)
    else:
        comparison.measure()
        tell(record)
        good = not record.faults
    record.write()
    if not good:
        print("; ".join(record.faults)[:300], file=sys.stderr)
    sys.exit(not good)


main()
