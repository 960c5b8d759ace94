"""make card: the most that some minutes of a card can teach, in one command (README.md). Here: the order, the time, the ends.
usage: main.py [--build-only]; settings come from the environment (README.md)."""
import datetime
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback

BEGAN = time.monotonic()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESULTS_ROOT = "tests/bench/results"


def prepare():
    """Before what reads the environment as it is imported: the build that is used is one of our own."""
    build = os.environ.get("CARD_BUILD") or os.path.join(os.environ.get("O", "build"), "card")
    os.environ["O"] = os.path.abspath(build)  # relative ones: to where the command was given
    if os.environ.get("RESULTS"):
        os.environ["RESULTS"] = os.path.abspath(os.environ["RESULTS"])
    if os.environ.get("LOWTIDE_GPU_SIMULATED") == "1":
        os.environ.setdefault("BLOCK", "2M")  # what runs there is small
    os.chdir(ROOT)
    sys.path.insert(1, os.path.join(ROOT, "tests", "gpu"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


prepare()
import build  # noqa: E402
import card  # noqa: E402
import child  # noqa: E402
import device  # noqa: E402
import steps  # noqa: E402
from budget import Budget, left_s  # noqa: E402
from failure import Investigator  # noqa: E402
from matrix import Matrix, catalogue  # noqa: E402
from nvml import Nvml  # noqa: E402
from record import FAILED, NEEDS_CARD, NO_TIME, SKIPPED, Record  # noqa: E402

LEAST_BUDGET_S = 20
OVERDUE_S = 6  # so long after its budget the whole is ended, whatever this process itself is waiting for
# Imported once, so that the first program does not wait for a cold disk; on the processor only.
WARM_UP = """
import importlib, importlib.metadata, json, time
began = time.monotonic()
versions = {}
for name in ("torch", "triton", "numpy", "cupy-cuda13x", "cupy-cuda12x", "jax", "numba", "numba-cuda", "accelerate", "diffusers"):
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
if "torch" in versions:
    importlib.import_module("torch")
print(json.dumps({"versions": versions, "torch_import_s": round(time.monotonic() - began, 1)}))
"""


class Session:
    """What the steps share."""

    def __init__(self, record, told, nvml, budget):
        self.record, self.device, self.nvml, self.budget = record, told, nvml, budget
        self.investigator = Investigator(record, budget.total_s / 5)
        self.overlap = "overlap"
        self.matrix = Matrix(record, nvml, self.investigator, self.overlap)
        self.catalogue = os.environ.get("CARD_CATALOG") or steps.CATALOGUE
        self.probed, self.memory_by, self.medians = None, None, {}

    def hello_rows(self):
        """[] where there is none; in the rehearsal the real one needs a card, and a stand-in runs."""
        path = self.catalogue
        if card.SIMULATED and path == steps.CATALOGUE:
            real = catalogue(path)[1] if os.path.exists(path) else None
            if real:
                self.record.add("hello", real["name"], NEEDS_CARD)
            path = steps.STAND_INS
        if not os.path.exists(path):
            self.record.add("hello", path, SKIPPED, "is not here")
            return []
        row = catalogue(path)[1]
        return [row] if row else []


def budget_s():
    text = os.environ.get("BUDGET_S") or "540"
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < LEAST_BUDGET_S:
        sys.exit(f"BUDGET_S={text} is not understood; accepted: whole seconds from {LEAST_BUDGET_S}")
    return value


def asked_steps():
    every = [s[0] for s in steps.STEPS]
    asked = [word.replace("_", " ") for word in os.environ.get("CARD_STEPS", "").split()] or every
    for word in asked:
        if word not in every:
            sys.exit(f"CARD_STEPS: {word} is no step; accepted: {' '.join(s.replace(' ', '_') for s in every)}")
    return asked


def folder_for(name):
    """Of the results. What a simulated card says is no result, and an earlier result of the day stays."""
    if os.environ.get("RESULTS"):
        return os.environ["RESULTS"]
    root = f"{card.BUILD}/results" if card.SIMULATED else RESULTS_ROOT
    first = f"{root}/card-{datetime.date.today().isoformat()}-{card.slug(name)}"
    if card.SIMULATED:
        return first
    return next(f for f in [first] + [f"{first}-{i}" for i in range(2, 1000)] if not os.path.exists(f))


def warm_up(record):
    """In the background; whatever becomes of it is no failure."""
    def work():
        try:
            done = child.run([sys.executable, "-c", WARM_UP], card.environment({}), 120)
            record.fact("python", json.loads(done.stdout) if done.good() else f"{done.how()}: {done.stderr.strip()[-300:]}")
        except (child.Stopped, ValueError):
            pass
    threading.Thread(target=work, daemon=True).start()


def find_device(record_trouble):
    """What the driver tells; where it is there and does not answer, that is a failure, and the rest goes on."""
    try:
        return device.ask(40)
    except card.Trouble as trouble:
        record_trouble.append(str(trouble))
        return {"name": "unknown", "simulated": False, "compute_capability": "", "memory_bytes": 0}


def interrupted(number, _frame):
    child.stop()
    raise KeyboardInterrupt(signal.Signals(number).name)


def end_overdue(record, budget):
    """The last resort: every child has a deadline, but this process may itself be caught, in the file system or a library."""
    def work():
        time.sleep(max(0.0, budget.began + budget.total_s + OVERDUE_S - time.monotonic()))
        threading.Thread(target=child.stop, daemon=True).start()
        record.fact("ended", "overdue: ended by force")
        record.write()
        print(f"{record.facts['ended']}; {record.path('table.txt')}\n{record.closing_line()}", flush=True)
        end(3)
    threading.Thread(target=work, daemon=True).start()


def run_step(session, name, title, function):
    began = time.monotonic()
    deadline = session.budget.begin(name)
    step = session.record.begin_step(name, title, deadline - began)
    try:
        if left_s(deadline) < 1:
            session.record.add(name, title, NO_TIME)
        else:
            function(session, deadline)
    except (child.Stopped, KeyboardInterrupt):
        raise
    except card.Trouble as trouble:
        session.record.add(name, title, FAILED, str(trouble))
    except Exception:  # a fault of this runner in one step must not cost the others
        session.record.failure(f"==== {name}: this runner itself\n{traceback.format_exc()}")
        session.record.add(name, title, FAILED, f"this runner itself: {traceback.format_exc().splitlines()[-1]}")
    session.record.end_step(step, time.monotonic() - began)


def run_all(session, asked):
    for name, title, _, function in steps.STEPS:
        if name in asked:
            run_step(session, name, title, function)
        else:
            session.record.add(name, title, SKIPPED, "not asked for (CARD_STEPS)", quiet=True)


def main():
    if sys.argv[1:] == ["--build-only"]:
        return not build.ahead()
    total_s, asked, trouble, told = budget_s(), asked_steps(), [], None
    budget = Budget(total_s, {name: share for name, _, share, _ in steps.STEPS}, began=BEGAN)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupted)
    if not card.SIMULATED:
        told = find_device(trouble)  # before the build: where no card is, nothing need be built
    built = build.ready(max(20, total_s / 2))
    if card.SIMULATED:
        told = find_device(trouble)
    nvml = Nvml(told.get("uuid"), card.SIMULATED)
    record = Record(folder_for(told.get("name", "unknown")), {
        "kind": "simulated" if card.SIMULATED else "measured", "commit": built["commit"], "card": told,
        "driver": nvml.driver_release or told.get("driver_api"), "budget_s": total_s, "build": built["how"]}, BEGAN)
    record.say(f"make card: {told.get('name')}, {total_s} s, results in {record.folder}; {built['how']}")
    if "trouble" in built:
        record.add("build", "build", FAILED, built["how"])
        record.failure(f"==== build\n{built['trouble']}")
    for why in trouble:
        record.add("identity", "the driver", FAILED, why)
    if not card.SIMULATED or os.environ.get("CARD_WARM_UP"):
        warm_up(record)
    end_overdue(record, budget)
    session = Session(record, told, nvml, budget)
    try:
        run_all(session, asked)
    except (KeyboardInterrupt, child.Stopped) as why:
        record.fact("ended", f"interrupted ({why or 'stopped'}): what was not reached is missing")
        record.say(record.facts["ended"])
    steps.judge_goals(session)
    record.write()
    with open(record.path("table.txt")) as file:
        try:
            print("\n" + file.read(), end="", flush=True)
        except OSError:
            pass
    if "ended" in record.facts:
        return 3
    return 1 if record.count(FAILED) else 0


def end(status):
    """Without waiting for threads that a driver may hold."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass
    os._exit(status)


if __name__ == "__main__":
    try:
        end(main())
    except card.NoDevice as why:
        print("skipped: no CUDA device")
        print(f"  {why}", file=sys.stderr)
        end(0)
    except card.Trouble as why:
        print(why, file=sys.stderr)
        end(1)
    except KeyboardInterrupt:
        end(3)
