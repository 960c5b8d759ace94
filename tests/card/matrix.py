"""The programs of the catalogue, in three passes: (1) is each right, bare, without pressure and at half of its peak, the two
that matter most alone on the card; (2) how fast the others are there, alone; (3) the rest of the matrix, of those that ask for
it. What there is no time for is recorded as left out, by name."""
import concurrent.futures
import importlib.util
import os
import traceback

import child
from budget import left_s
from program import BARE, NO_PRESSURE, Case, Program, Runner
from record import FAILED, NEEDS_CARD, NO_TIME, PASSED, SKIPPED

POLICIES = ["balanced", "sequential", "group"]
PERCENTS = [50, 75, 25]  # the middle first
NO_PRESSURE_GOAL = 1.005  # of bare; a pair that misses it is run once more before it is told
STEP = "programs"


def catalogue(path):
    """(the rows, the hello row or None)"""
    spec = importlib.util.spec_from_file_location("card_catalogue", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.PROGRAMS), getattr(module, "HELLO", None)


class Matrix:
    """overlap: what LOWTIDE_SAFETY calls switches beside the work."""

    def __init__(self, record, nvml, investigator, overlap):
        self.record, self.nvml, self.investigator, self.overlap = record, nvml, investigator, overlap
        self.programs = []

    def right(self):
        """The cases that say whether a program is right."""
        return [BARE, NO_PRESSURE] + [Case(percent=50, policy="balanced", safety=s) for s in ("strict", self.overlap)]

    def rest(self):
        """What is left of the matrix, what is likeliest to be used first."""
        every = [Case(percent=percent, policy=policy, safety=safety)
                 for policy in POLICIES for percent in PERCENTS for safety in ("strict", self.overlap)]
        told = {c.name for c in self.right()}
        return [c for c in every if c.name not in told]

    def run(self, rows, deadline, jobs):
        """All of it, until the deadline. jobs: how many programs at once while only rightness counts. Those whose whole matrix
        is asked for run first, and alone: on the first card there was no time left for the speed of any."""
        self.programs = [Program(row) for row in rows]
        crowded = jobs > 1
        runner, alone = (Runner(self.record, self.nvml, self.investigator, c) for c in (crowded, False))
        first = [p for p in self.programs if p.full_matrix]
        others = [p for p in self.programs if not p.full_matrix]
        for program in first:
            self._guarded_chain(alone, program, self.right(), deadline)
            self._second_pair(alone, program, deadline)
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
            for done in [pool.submit(self._guarded_chain, runner, p, self.right(), deadline) for p in others]:
                done.result()
        for program in others:
            if crowded:  # what has failed has told what it can; its story says how it ran again
                self._chain(alone, program, [c for c in self.right() if was_good(program, c)], deadline, "alone")
            self._second_pair(alone, program, deadline)
        for program in self.programs:
            if program.full_matrix:
                self._chain(alone, program, self.rest(), deadline, "the rest of its matrix")

    def _chain(self, runner, program, cases, deadline, which=""):
        """One after the other; stops where nothing more can be learnt, and says what is left out."""
        for i, case in enumerate(cases):
            left_out = [c.name for c in cases[i:]]
            if program.gone:
                if not which:  # a later pass need not say it again
                    self._leave_out(program, SKIPPED, program.gone, left_out)
                return
            if left_s(deadline) < max(1.0, 0.9 * program.estimate_s):
                self._leave_out(program, NO_TIME, which, left_out)
                return
            self.one(runner, program, case, deadline)

    def _guarded_chain(self, runner, program, cases, deadline):
        """A fault of this runner itself in one program's runs must not cost the others theirs."""
        try:
            self._chain(runner, program, cases, deadline)
        except child.Stopped:
            raise
        except Exception:  # whatever it is, it is told
            program.gone = "a fault of this runner"
            self.record.failure(f"==== {program.name}: this runner itself\n{traceback.format_exc()}")
            self.record.add(STEP, program.name, FAILED, f"this runner itself: {traceback.format_exc().splitlines()[-1]}")

    def _leave_out(self, program, status, why, cases):
        names = ", ".join(cases) if len(cases) <= 4 else f"{len(cases)} cases from {cases[0]} on"
        self.record.add(STEP, program.name, status, f"{why}: {names}" if why else names, cases=cases)

    def one(self, runner, program, case, deadline, step=STEP, debug=False):
        """Runs and records it."""
        outcome = runner.run(program, case, deadline, debug)
        name, more = f"{program.name}, {case.name}", outcome.figures()
        if outcome.absent is not None:
            program.gone = f"needs {outcome.absent}"
            self.record.add(step, name, SKIPPED, program.gone, **more)
        elif outcome.cut:
            self.record.add(step, name, NO_TIME, outcome.notes[0], **more)
        elif outcome.problems:
            why = "; ".join(outcome.problems)
            if why.startswith("another digest") and not self._repeats(runner, program, deadline):
                program.gone = "its own output differs from run to run"
                why = f"{program.gone}, so that no digest of it says anything; {why}"
            elif case.bare:
                program.gone = "its bare run failed"
            elif outcome.ended.timed_out:
                program.gone = f"it hung ({case.name})"
            self.record.add(step, name, FAILED, why, **more)
        else:
            ms = outcome.step_ms()
            self.record.add(step, name, PASSED, "" if ms is None else f"{ms:.3f} ms a step", **more)
        return outcome

    @staticmethod
    def _repeats(runner, program, deadline):
        """Whether bare runs of it agree with each other; also where there is no time to know."""
        if program.repeats is None and left_s(deadline) > program.estimate_s:
            first = program.bare.told["digest"]
            again = runner.run(program, BARE, deadline)
            program.repeats = not again.told or again.told["digest"] == first
        return program.repeats is not False

    def _second_pair(self, runner, program, deadline):
        """Noise is of the size of the goal: what misses it gets a second pair of runs, and the faster of each counts."""
        bare, whole = (program.outcomes.get(c.name) for c in (BARE, NO_PRESSURE))
        if not (bare and whole and bare.good() and whole.good() and bare.step_ms()):
            return
        if whole.step_ms() <= NO_PRESSURE_GOAL * bare.step_ms() or left_s(deadline) < 2 * program.estimate_s:
            return
        for case in (BARE, NO_PRESSURE):
            self.one(runner, program, case, deadline)


def was_good(program, case):
    return case.name in program.outcomes and program.outcomes[case.name].good()


def needs_card(record, rows, step=STEP):
    for row in rows:
        record.add(step, row["name"], NEEDS_CARD, row.get("framework", ""))


def jobs_for(by_pid, device):
    """How many programs at once while only rightness counts; CARD_JOBS says otherwise. One, where memory is known of the whole
    device only, where the card is small or lets one process in, or where processors are few."""
    if os.environ.get("CARD_JOBS"):
        return max(1, int(os.environ["CARD_JOBS"]))
    roomy = device.get("memory_bytes", 0) >= 60 << 30 and device.get("compute_mode", 0) == 0
    return 3 if by_pid and roomy and (os.cpu_count() or 1) >= 12 else 1
