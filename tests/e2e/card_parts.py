"""The parts of tests/card/ that need no card and no driver, one by one. Ends in `N passed, N failed`.
usage: card_parts.py FOLDER (scratch); O names the build."""
import json
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD, SCRATCH = os.path.abspath(os.environ.get("O", "build")), os.path.abspath(sys.argv[1])
os.environ.update(O=BUILD, LOWTIDE_GPU_SIMULATED="1")
os.chdir(ROOT)
sys.path[1:1] = ["tests/card", "tests/gpu"]
import budget  # noqa: E402
import build  # noqa: E402
import card  # noqa: E402
import child  # noqa: E402
import failure  # noqa: E402
import goals  # noqa: E402
import matrix  # noqa: E402
import nvml  # noqa: E402
import program  # noqa: E402
import record  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402

passed, failed = 0, 0
ENV = dict(os.environ)


def check(what, good):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"failed: {what}")


def python(text, timeout_s=10, **more):
    return child.run([sys.executable, "-c", text], ENV, timeout_s, **more)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_library_folders():
    """The probe is told where PyTorch's own cuBLAS and cuDNN lie, after what the user says."""
    place = f"{SCRATCH}/packages"
    os.makedirs(f"{place}/nvidia/cudnn/lib", exist_ok=True)
    os.makedirs(f"{place}/nvidia/cu13/lib", exist_ok=True)
    sys.path.append(place)
    os.environ["LOWTIDE_PROBE_LIBRARIES"] = "/mine"
    try:
        folders = card.library_folders().split(":")
        check("the user's folder comes first", folders[0] == "/mine")
        check("then those of Python's packages", folders[-2:] == [f"{place}/nvidia/cu13/lib", f"{place}/nvidia/cudnn/lib"])
    finally:
        sys.path.remove(place)
        del os.environ["LOWTIDE_PROBE_LIBRARIES"]


def test_budget():
    clock = Clock()
    b = budget.Budget(103, {"a": 10, "b": 30, "c": 60}, clock)
    check("a share of what is left, by weight", abs(b.begin("a") - 1010) < 1e-6 and b.shares["a"] == 10)
    clock.now = 1001
    check("what one leaves goes to the later ones", abs(b.begin("b") - (1001 + 99 * 30 / 90)) < 1e-6)
    clock.now = 1095
    check("the last has all that is left", abs(b.begin("c") - 1100) < 1e-6)
    clock.now = 1200
    check("past the end nothing is left", budget.left_s(1100, clock) == 0)
    late = budget.Budget(103, {"a": 10, "b": 90}, clock, began=1140)
    check("what passed before the first step all pay", abs(late.begin("a") - (1200 + 40 * 0.1)) < 1e-6)
    tiny = budget.Budget(13, {"a": 1, "b": 99}, clock)
    check("a step has its least, also of a small budget", abs(tiny.begin("a") - 1203) < 1e-6)
    skipped = budget.Budget(103, {"a": 10, "b": 30, "c": 60}, clock)
    check("a step that is passed over gives its share away", abs(skipped.begin("c") - 1300) < 1e-6)


def test_child():
    done = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    check("a child's status and words", (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n") and not done.good())
    check("and how it ended", done.how() == "status 3" and not done.crashed())
    done = python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    check("a crash is a crash", done.crashed() and done.signal == signal.SIGSEGV and "SIGSEGV" in done.how())
    done = child.run(["/nowhere/at/all"], ENV, 5)
    check("what cannot be started is told", done.trouble and not done.good() and "could not be started" in done.how())
    began = time.monotonic()
    done = python("import subprocess, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                  "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nprint(p.pid, flush=True)\ntime.sleep(60)", 1.0)
    check("one that hangs is ended in time", done.timed_out and time.monotonic() - began < 3 and "still running" in done.how())
    check("and what it started with it", gone(int(done.stdout)))
    done = python("import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nprint(p.pid)")
    check("what a good one leaves running is ended too", done.good() and gone(int(done.stdout)))
    done = python("import sys; sys.stderr.write('x' * 3000000); print('end')")
    check("long output is cut", done.good() and done.stdout == "end\n" and len(done.stderr) == child.STDERR_BYTES)
    told = []
    python("import time; time.sleep(9)", 0.5, started=told.append, before_kill=told.append)
    check("whoever watches is told of beginning and end", len(told) == 2 and told[0] == told[1])


def gone(pid):
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_child_that_cannot_be_killed():
    """As one that a driver holds in the kernel: here the killing is left out."""
    kill, patience, pids = os.killpg, child.KILL_PATIENCE_S, []
    os.killpg, child.KILL_PATIENCE_S = lambda pid, number: None, 0.5
    try:
        began = time.monotonic()
        done = python("import time; time.sleep(30)", 0.5, started=pids.append)
        check("it is left behind, not waited for", done.left_behind and time.monotonic() - began < 2)
        check("and that is told", "could not be killed" in done.how() and not done.good())
    finally:
        os.killpg, child.KILL_PATIENCE_S = kill, patience
        os.killpg(pids[0], signal.SIGKILL)


def test_nvml():
    folder = os.path.join(SCRATCH, "nvml")
    os.makedirs(folder, exist_ok=True)
    os.environ.update(FAKE_NVML=folder, CARD_NVML=f"{BUILD}/fake/libnvidia-ml.so.1")
    there = nvml.Nvml("no-such-uuid", True)
    check("NVML opens, and says what driver", there.why is None and there.driver_release == "fake")
    with open(f"{folder}/device", "w") as file:
        file.write("1000")
    with open(f"{folder}/1", "w") as file:
        file.write("5000")  # another's
    text = "import os, sys, time\nopen(sys.argv[1] + '/' + str(os.getpid()), 'w').write('7000')\ntime.sleep(0.5)\nos.unlink(sys.argv[1] + '/' + str(os.getpid()))"

    def watched(text):
        sampler = nvml.Sampler(there)
        child.run([sys.executable, "-c", text, folder], ENV, 10, started=sampler.start)
        sampler.stop()
        return sampler
    sampler = watched(text)
    check("a process's memory by its pid", (sampler.by, sampler.peak_bytes) == ("pid", 7000) and sampler.samples >= 3)
    sampler = watched("import subprocess, sys\nsubprocess.run([sys.executable, '-c', '''" + text + "''', sys.argv[1]])")
    check("and of what it starts", (sampler.by, sampler.peak_bytes) == ("pid", 7000))
    os.environ["FAKE_NVML_BLIND"] = "1"
    sampler = watched("import time; time.sleep(0.3)\n" + text)
    check("unlisted: what the device uses more than before", (sampler.by, sampler.peak_bytes) == ("device", 7000))
    del os.environ["FAKE_NVML_BLIND"]
    os.environ["CARD_NVML"] = "/nowhere/libnvidia-ml.so.1"
    check("no NVML is no failure", "no NVML" in nvml.Nvml("x").why)
    del os.environ["CARD_NVML"]
    check("the simulated card has none", "simulated" in nvml.Nvml("x", True).why)


def test_contract():
    good = {"program": "p", "digest": "d", "first_ms": 3, "steps_ms": [1, 2, 3]}
    check("the last line counts", program.told_by("noise\n" + json.dumps(good) + "\n\n")["steps_ms"] == [1.0, 2.0, 3.0])
    for bad in ("", "noise", "[]", "3", json.dumps({"digest": "d"}), json.dumps(dict(good, digest="")), json.dumps(good) + "\nmore",
                json.dumps(dict(good, steps_ms=["x"])), json.dumps(dict(good, digest=3)), "null"):
        check(f"not as the contract says: {bad[:30]!r}", program.told_by(bad) is None)


def test_goals():
    def run(case, ms, **more):
        return dict({"step": "programs", "status": "passed", "program": "p", "name": f"p, {case}", "case": case, "step_ms": ms}, **more)
    library = {"peak_bytes": 2000 << 20, "bytes_in": 1000, "bytes_out_again": 5}
    results = [run("bare", 10.0), run("no pressure", 10.2, library=library), run("no pressure", 10.04, library=library),
               run("bare", 5.0, crowded=True), run("50 % balanced strict", 44.0, cap_bytes=1000 << 20, library=library),
               run("50 % balanced overlap", 42.5, cap_bytes=1000 << 20, library=library),
               run("25 % group strict", 100.0, cap_bytes=500 << 20, library=library)]
    told = {g["goal"].split(":")[0]: g for g in goals.goals(results, 25.0, False)}
    check("no pressure: the faster pair counts, crowded runs do not", told["no pressure"]["met"] is True)
    # 1000 MiB at 25 GB/s are 41.94 ms
    check("of the bound: the best setting counts", told["50 %"]["met"] is True and abs(told["50 %"]["by"][0]["value"] - 42.5 / 41.943) < 0.001)
    check("a goal that is missed is missed", told["25 %"]["met"] is False and "p" in told["25 %"]["why"])
    check("without runs nothing is judged", told["75 %"]["met"] is None)
    check("copied out again", told["balanced"]["met"] is True and told["balanced"]["by"][0]["value"] == 0.005)
    check("simulated times are no times", all(g["met"] is None for g in goals.goals(results, 25.0, True)))
    check("without a bus rate there is no bound", goals.goals(results, None, False)[2]["met"] is None)


def test_matrix():
    m = matrix.Matrix(None, None, None, "overlap")
    names = [c.name for c in m.right()] + [c.name for c in m.rest()]
    check("the matrix is whole, each case once", len(names) == len(set(names)) == 2 + 3 * 3 * 2)
    check("what is right comes first", names[:4] == ["bare", "no pressure", "50 % balanced strict", "50 % balanced overlap"])
    os.environ["CARD_JOBS"] = "4"
    check("CARD_JOBS is heard", matrix.jobs_for(False, {}) == 4)
    del os.environ["CARD_JOBS"]
    large, count = {"memory_bytes": 80 << 30}, os.cpu_count
    os.cpu_count = lambda: 16
    check("a large card takes several programs at once", matrix.jobs_for(True, large) == 3)
    check("unlisted processes run one at a time", matrix.jobs_for(False, large) == 1 == matrix.jobs_for(True, {"memory_bytes": 8 << 30}))
    check("so do those that want the card for themselves", matrix.jobs_for(True, dict(large, compute_mode=3)) == 1)
    os.cpu_count = count


def test_record():
    folder = os.path.join(SCRATCH, "record")
    r = record.Record(folder, {"kind": "measured", "commit": "c", "card": {"name": "A card"}, "driver": "1", "budget_s": 9}, time.monotonic())
    step = r.begin_step("probe", "title", 3)
    threads = [threading.Thread(target=lambda i=i: [r.add("probe", f"{i}/{j}", record.PASSED, quiet=True) for j in range(50)]) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    r.add("probe", "bad \"one\" × é", record.FAILED, "why\nnot")
    r.add("probe", "late", record.NO_TIME)
    r.end_step(step, 1)
    release, uuid = platform.release(), "01234567-89ab-cdef-0123-456789abcdef"
    r.failure(f"{sys.prefix}/lib/x.py on {platform.node()}, {release}, GPU-{uuid}, {record.HERE}shim")
    with open(r.path("compare.json"), "w") as file:
        json.dump({"kernel": release, "uuid": uuid}, file)
    r.publish("compare.json")
    r.publish("probe-long.json")  # which is not there
    for name in ("failures.txt", "compare.json"):
        with open(r.path(name)) as file:
            text = file.read()
        private = [uuid, record.HERE] + ([sys.prefix] if sys.prefix not in ("/usr", "/") else []) \
            + ([platform.node()] if platform.node() not in ("", "localhost") else []) \
            + ([release] if re.search(r"[^\d.]", release) else [])
        check(f"{name} names no folder, host or card of this machine", text and not any(word in text for word in private))
    for i in range(40):
        r.failure(f"{ROOT}/some/path " + "x" * 100000)
    for i in range(3000):
        r.note("y" * 500)
    whole = json.load(open(r.path("card.json")))
    check("card.json has all of it", len(whole["results"]) == 202 and whole["closing_line"] == "200 passed, 1 failed")
    check("a step that lacked time says so", whole["steps"][0]["state"] == "cut short")
    check("its files are few, flat and small", set(os.listdir(folder)) <= set(record.FILES) and len(record.FILES) <= 8
          and all(os.path.getsize(r.path(f)) < 1.2 * 2**20 for f in os.listdir(folder)))
    check("no path of this machine is in them", ROOT not in "".join(open(r.path(f)).read() for f in os.listdir(folder)))
    page = open(r.path("table.txt")).read()
    check("the page tells of failure and lack", "why / not" in page and "bad \"one\"" in page and "late" in page and page.endswith("200 passed, 1 failed\n"))
    check("a page of nothing is a page", "0 passed" in table.page({"date": "d", "spent_s": 0, "budget_s": 1, "closing_line": "0 passed, 0 failed",
                                                                   "steps": [], "facts": {}}, []))


def test_build():
    here = build.digest_of_sources()
    os.utime("Makefile")
    check("a copy with new times is the same text", build.digest_of_sources() == here)
    asked = []
    real, build.child.run = build.child.run, lambda argv, env, timeout_s: asked.append((argv, env)) or child.Ended(argv, env)
    os.environ.update(MAKEFLAGS="-n", CFLAGS="-O0")
    build.make(1)
    build.make(1, anew=True)
    build.child.run = real
    del os.environ["MAKEFLAGS"], os.environ["CFLAGS"]
    argv, env = asked[0]
    check("it is built with frame pointers", any(a.startswith("CFLAGS=") and "-fno-omit-frame-pointer" in a for a in argv))
    check("and anew where another text was built there", "-B" in asked[1][0] and "-B" not in argv)
    check("an outer make does not reach into it", "MAKEFLAGS" not in env and "CFLAGS" not in env)


def test_kernels():
    if not card.compiler():
        print("skipped: kernels ahead of need: no nvcc here")
        return
    card.SIMULATED = False
    try:
        path = card.kernels("9.0")
        stamp = os.stat(path).st_mtime_ns
        with open(path, "rb") as file:
            check("the kernels are built without a card", file.read(4) == b"\x7fELF" and "sm_90" in path)
        check("and once only", card.kernels("9.0") == path and os.stat(path).st_mtime_ns == stamp)
    finally:
        card.SIMULATED = True


def test_failure():
    check("a command line can be typed again", failure.command_line(type("E", (), {"env": dict(os.environ, A="b c"), "argv": [sys.executable, "x y"]})())
          == "'A=b c' python3 'x y'")
    if not failure.debugger():
        print("skipped: backtraces: no debugger here")
        return
    ended = python("import ctypes; ctypes.string_at(8)")
    check("a crash gives a backtrace", "#0 " in failure.rerun_in_gdb(ended, 20))
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    time.sleep(0.3)
    check("so does what hangs", "#0 " in failure.attached(sleeper.pid, 20))
    sleeper.kill()
    sleeper.wait()
    began = time.monotonic()
    endless = child.Ended([sys.executable, "-c", "import time; time.sleep(60)"], ENV)
    failure.rerun_in_gdb(endless, 2)
    check("and it is bounded", time.monotonic() - began < 7)


def test_steps():
    check("the steps fit the usual budget", sum(s[2] for s in steps.STEPS) == 530)


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
print(f"{passed} passed, {failed} failed")
sys.exit(bool(failed))
