"""One program of the catalogue, and one run of it: bare, under the preload without pressure, or under a cap; and what must
hold of each run. The contract of a program is in README.md."""
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile

import card
import child
import failure
from budget import left_s
from nvml import Sampler

ABSENT = 77  # a program's own word that what it needs is not here
TOLERANCE_BYTES = 64 << 20  # the library's module, page tables of what is resident
PAGE_TABLE_SHARE = 256  # page tables of host frames: 8 bytes for each 4 KiB, mapped twice
LEAST_SAMPLES = 3


class Case:
    """bare: without the library. percent: None for a run without pressure."""

    def __init__(self, bare=False, percent=None, policy="auto", safety="strict"):
        self.bare, self.percent, self.policy, self.safety = bare, percent, policy, safety
        self.name = "bare" if bare else "no pressure" if percent is None else f"{percent} % {policy} {safety}"


BARE, NO_PRESSURE = Case(bare=True), Case()


class Outcome:
    """problems: what does not hold, in words; [] where all is well. cut: it was still running when its step was over, which
    proves nothing. absent: None, or what the program says is not here."""

    def __init__(self, program, case, ended, crowded):
        self.program, self.case, self.ended, self.crowded = program, case, ended, crowded
        self.problems, self.notes, self.told, self.stats = [], [], None, {}
        self.cut, self.absent, self.cap_bytes, self.trace = False, None, None, None
        self.memory = None  # a Sampler

    def good(self):
        return not self.problems and not self.cut and self.absent is None

    def step_ms(self):
        return statistics.median(self.told["steps_ms"]) if self.told and self.told["steps_ms"] else None

    def figures(self):
        """For the record."""
        out = {"program": self.program, "case": self.case.name, "wall_s": round(self.ended.wall_s, 2), "crowded": self.crowded, "notes": self.notes}
        if self.told:
            steps = self.told["steps_ms"]
            out.update(digest=self.told["digest"], first_ms=self.told.get("first_ms"), step_ms=self.step_ms(), steps=len(steps),
                       fastest_ms=min(steps, default=None), slowest_ms=max(steps, default=None),
                       weights_bytes=self.told.get("weights_bytes"), peak_reserved_bytes=self.told.get("peak_reserved_bytes"),
                       device=self.told.get("device"))
        if self.cap_bytes:
            out["cap_bytes"] = self.cap_bytes
        if self.stats:
            out["library"] = self.stats
        if self.memory and self.memory.by:
            out["nvml"] = {"by": self.memory.by, "peak_bytes": self.memory.peak_bytes, "samples": self.memory.samples}
        return out


class Program:
    """A row of the catalogue and what is known of it so far. Used by one thread at a time."""

    def __init__(self, row):
        self.row, self.name, self.full_matrix = row, row["name"], bool(row.get("full_matrix"))
        self.estimate_s = float(row.get("seconds", 10))
        self.bare = self.whole = None  # the good Outcomes
        self.peak_bytes = self.peak_from = self.context_bytes = self.context_from = None
        self.gone = None  # why nothing more can be learnt from it
        self.repeats = None  # whether its bare runs agree with each other; None: not asked
        self.outcomes = {}  # case name: the last Outcome

    def command(self):
        return [sys.executable, self.row["file"]] + [str(a) for a in self.row.get("arguments", [])] + ["--device", "cuda"]

    def learn(self, outcome):
        """What a good run without a cap tells: its peak and what a context takes."""
        self.outcomes[outcome.case.name] = outcome
        if not outcome.good():
            return
        seen = outcome.memory.peak_bytes if enough(outcome.memory) else 0
        if outcome.case.bare:
            self.bare = outcome
            self.estimate_s = outcome.ended.wall_s
            reserved = outcome.told.get("peak_reserved_bytes") or 0
            if 0 < reserved < seen:
                self.context_bytes, self.context_from = seen - reserved, "NVML less the framework's own peak, bare"
            if reserved and not self.peak_bytes:
                self.peak_bytes, self.peak_from = reserved, "the framework's own peak, bare"
        elif outcome.case.percent is None:
            self.whole = outcome
            peak = outcome.stats.get("peak_bytes")
            if peak:
                self.peak_bytes, self.peak_from = peak, "the library's own peak without pressure"
                if self.context_bytes is None and peak < seen:
                    self.context_bytes, self.context_from = seen - peak, "NVML less the library's peak without pressure"

    def limit_bytes(self, outcome):
        """What NVML may show of the process at most; None: not known."""
        if self.context_bytes is None:
            return None
        tables = outcome.stats.get("host_peak_bytes", 0) // PAGE_TABLE_SHARE
        return outcome.cap_bytes + self.context_bytes + TOLERANCE_BYTES + tables


def enough(memory):
    return bool(memory and memory.by and memory.samples >= LEAST_SAMPLES)


class Runner:
    """Runs programs. Any thread; crowded: others run beside it, so that its times are no measurement."""

    def __init__(self, record, nvml, investigator, crowded=False):
        self.record, self.nvml, self.investigator, self.crowded = record, nvml, investigator, crowded

    def run(self, program, case, deadline, debug=False):
        """Its Outcome, judged and, where something does not hold, told at length in failures.txt. debug: its log is kept at
        debug from the start."""
        folder = tempfile.mkdtemp(prefix="lowtide-card-")
        try:
            outcome, log = self._once(program, case, deadline, folder, debug)
            self._judge(program, outcome)
            if outcome.problems:
                self.investigator.tell(program.name, case.name, "; ".join(outcome.problems), outcome.ended, deadline,
                                       program.estimate_s, debug_log=log if debug else None, trace=outcome.trace)
            program.learn(outcome)
            return outcome
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _once(self, program, case, deadline, folder, debug):
        extra = {"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
        extra.update(program.row.get("environment", {}))
        cap, log = None, f"{folder}/log"
        if not case.bare:
            cap = card.UNCAPPED if case.percent is None else card.cap_of(program.peak_bytes, case.percent)
            extra.update(card.preload(cap, f"{folder}/stats", policy=case.policy, safety=case.safety,
                                      log=f"{'debug' if debug else 'warn'},{log}"))
        # One that hangs must not take all of the step: but a run under pressure may take many times as long as a bare one.
        own_s = program.row.get("patience_s") or (10 + 4 * program.estimate_s if case.percent is None
                                                  else 15 + 6 * program.estimate_s)
        allowed_s = min(own_s, left_s(deadline))
        memory, traces = Sampler(self.nvml), []
        ended = child.run(program.command(), card.environment(extra), allowed_s, started=memory.start,
                          before_kill=lambda pid: traces.append(stopped(pid, deadline)))
        memory.stop()
        outcome = Outcome(program.name, case, ended, self.crowded)
        outcome.memory, outcome.cap_bytes = memory, cap if case.percent is not None else None
        outcome.stats = card.statistics_in(f"{folder}/stats") if not case.bare else {}
        outcome.cut = ended.timed_out and allowed_s < own_s
        outcome.trace = traces[0] if traces else None
        warnings = failure.tail_of(log, 3)
        if warnings and not debug:
            outcome.notes.append(f"the library's log ends: {warnings[-600:]}")
        self.record.note(f"{program.name}, {case.name}: {ended.how()}, {ended.wall_s:.1f} s: {failure.command_line(ended)}")
        return outcome, log

    def _judge(self, program, outcome):
        ended, problems = outcome.ended, outcome.problems
        if outcome.cut:
            outcome.notes.append(f"still running after {ended.wall_s:.0f} s, when the step's time was over")
            return
        if ended.status == ABSENT:
            outcome.absent = (ended.stderr.strip().splitlines() or ["it does not say what"])[-1][:200]
            return
        if not ended.good():
            said = [line for line in ended.stderr.splitlines() if line.strip()]
            problems.append(ended.how() + (f": {said[-1].strip()[:200]}" if said and not ended.timed_out else ""))
            return
        outcome.told = told_by(ended.stdout)
        if not outcome.told:
            problems.append("its last line is not the JSON object that the contract asks for")
            return
        if outcome.case.bare:
            return
        if program.bare and outcome.told["digest"] != program.bare.told["digest"]:
            problems.append(f"another digest: {outcome.told['digest']}, bare {program.bare.told['digest']}")
        if not outcome.stats:
            problems.append("the library left no statistics: was it loaded, did the program end by itself?")
        if outcome.cap_bytes:
            self._judge_memory(program, outcome)

    def _judge_memory(self, program, outcome):
        peak, limit, memory = outcome.stats.get("peak_bytes"), program.limit_bytes(outcome), outcome.memory
        if outcome.stats and (peak is None or peak > outcome.cap_bytes):
            outcome.problems.append(f"above the cap by the library's own account: {peak} of {outcome.cap_bytes} bytes")
        if not enough(memory):
            outcome.notes.append(f"memory not judged from outside: {self.nvml.why or 'too few samples'}")
        elif memory.by == "device" and outcome.crowded:
            outcome.notes.append("memory not judged from outside: NVML lists no process, and others ran beside it")
        elif limit is None:
            outcome.notes.append("memory not judged from outside: what a context takes is not known")
        elif memory.peak_bytes > limit:
            outcome.problems.append(
                f"above the cap by NVML ({memory.by}): {memory.peak_bytes >> 20} MiB; cap {outcome.cap_bytes >> 20}, context "
                f"{program.context_bytes >> 20}, tolerance {(limit - outcome.cap_bytes - program.context_bytes) >> 20} MiB")


def stopped(pid, deadline):
    """Of a process that hangs: its native stacks, and then, on its stderr, those of Python. None: there is no time for it."""
    if left_s(deadline) < 4:
        return None
    trace = failure.attached(pid, min(failure.ATTACH_S, left_s(deadline) - 2))
    try:
        os.kill(pid, signal.SIGABRT)
        child.over_within(pid, 1.5)
    except OSError:
        pass
    return trace


def told_by(stdout):
    """The object that the program printed last; None: it is not as the contract says."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    try:
        told = json.loads(lines[-1])
        steps = [float(ms) for ms in told["steps_ms"]]
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(told.get("digest"), str) or not told["digest"]:
        return None
    return dict(told, steps_ms=steps)
