"""Tests of the comparison that need neither PyTorch nor a card: the arithmetic of the verdicts with planted runs, and the whole
of compare.py over a stand-in for its program. Ends in `N passed, N failed`."""
import json
import os
import stat
import sys
import tempfile
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import compare  # noqa: E402
import verdicts as v  # noqa: E402

passed = failed = 0


def check(what, good):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"failed: {what}")


def a_run(mechanism, step_ms, percent=50, room=1000, peak=None, same=True, **more):
    return dict({"percent": percent, "mechanism": mechanism, "policy": more.get("policy"), "safety": "strict", "step_ms": step_ms,
                 "room_bytes": room, "peak_bytes": room if peak is None else peak, "same": same}, **more)


def of(rows, start):
    return next(r for r in rows if r["goal"].startswith(start))


def arithmetic():
    check("computing bounds", v.bound_ms(10, 0, 25) == 10)
    check("the bus bounds", v.bound_ms(10, 500e6, 25) == 20)
    bare = {"step_ms": 10, "peak_bytes": 2000}
    ours = a_run("lowtide", 10, policy="balanced", stats={"bytes_in": 1000, "bytes_out_again": 10})
    rows = v.verdicts([ours, a_run("diffusers_group", 10)], bare, 25, (50,))
    check("as fast is no slower", of(rows, "50 %: no slower")["met"] is True)
    check("at the bound is within it", of(rows, "50 %: at most")["met"] is True and of(rows, "50 %: at most")["value"] == 1)
    check("without sequential nothing is said of it", of(rows, "50 %: at least")["met"] is None)
    check("1 % copied back is allowed", of(rows, "balanced")["met"] is True)
    check("all digests are bare's", of(rows, "every")["met"] is True)
    rows = v.verdicts([a_run("lowtide", 11.2, policy="balanced", stats={"bytes_in": 1000, "bytes_out_again": 11}),
                       a_run("diffusers_group", 10), a_run("sdnext_sequential", 33, same=False)], bare, 25, (50,))
    check("12 % slower is slower", of(rows, "50 %: no slower")["met"] is False)
    check("12 % past the bound is past it", of(rows, "50 %: at most")["met"] is False)
    check("more than 1 % copied back is too much", of(rows, "balanced")["met"] is False)
    check("another digest is told", of(rows, "every")["met"] is False and "sdnext_sequential" in of(rows, "every")["why"])
    check("what is wrong is compared with nothing", of(rows, "50 %: at least")["met"] is None)
    rows = v.verdicts([ours, a_run("accelerate", 30)], bare, None, (50,))
    check("three times faster", of(rows, "50 %: at least")["met"] is True)
    check("without a bus rate the bound is not judged", of(rows, "50 %: at most")["met"] is None)
    check("nothing run, nothing judged", all(r["met"] is None for r in v.verdicts([], bare, 25, (50, 25))))
    check("each verdict has words", all(v.words(r) for r in rows))


def equal_vram():
    less = [a_run("lowtide", 10, policy="balanced"), a_run("diffusers_group", 9, peak=900), a_run("accelerate", 30, peak=100)]
    check("the fastest took less: ours is run again in that", v.room_to_repeat(less, 50) == 900)
    check("until then it is not judged", of(v.verdicts(less, {"step_ms": 1, "peak_bytes": 1}, 1, (50,)), "50 %: no slower")["met"] is None)
    again = less + [a_run("lowtide", 9.1, room=900, policy="balanced")]
    row = of(v.verdicts(again, {"step_ms": 1, "peak_bytes": 1}, 1, (50,)), "50 %: no slower")
    check("then by the run in as little", row["met"] is True and abs(row["value"] - 9.1 / 9) < 1e-9)
    check("about as much is as much", v.room_to_repeat([a_run("diffusers_group", 9, peak=971)], 50) is None)
    check("no other, nothing to repeat", v.room_to_repeat([a_run("lowtide", 9)], 50) is None)


STAND_IN = '''#!/usr/bin/env python3
import json, os, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
name = args["--mechanism"]
if name == "diffusers_model":
    sys.exit(print("does not fit: a planted reason", file=sys.stderr) or 3)
if name == "sdnext_balanced":
    os.abort()
ms = {"none": 10, "lowtide": 11, "diffusers_group": 12, "accelerate": 50, "sdnext_sequential": 60}[name]
if name == "lowtide":
    open(os.environ["LOWTIDE_STATS"], "w").write(json.dumps({"peak_bytes": int(os.environ["LOWTIDE_VRAM"]), "bytes_in": 100, "bytes_out_again": 0}))
print("words before")
print(json.dumps({"digest": "other" if name == "sdnext_sequential" else "same", "first_ms": 99, "steps_ms": [ms, ms, ms + 1], "weights_bytes": 60 << 20,
                  "peak_reserved_bytes": (80 << 20) if name == "none" else (20 << 20), "moved_in_bytes": 1, "moved_out_bytes": 0, "blocks": 2}))
'''


def whole():
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/stand_in.py"
        with open(program, "w") as file:
            file.write(STAND_IN)
        os.chmod(program, os.stat(program).st_mode | stat.S_IXUSR)
        compare.PROGRAM = program
        arguments = types.SimpleNamespace(budget=300, probe=None, json=f"{folder}/out.json", model="decoder", size="small")
        good = compare.Comparison(arguments).whole()
        record = json.load(open(arguments.json))
        runs = record["runs"]
        check("a crash and another digest are no success", good is False)
        check("the crash is recorded", any("signal 6" in r.get("error", "") for r in runs))
        check("what does not fit says why", any(r.get("does_not_fit") == "does not fit: a planted reason" for r in runs))
        check("the others were run", {r["mechanism"] for r in runs} == {"lowtide", *compare.OTHERS})
        check("ours again in what the fastest took", any(r["mechanism"] == "lowtide" and r["room_bytes"] == 20 << 20 and r["percent"] == 50 for r in runs))
        check("the median is the step", all(r["step_ms"] == 12 for r in runs if r["mechanism"] == "diffusers_group"))
        check("the verdicts are written", any(r["met"] is False for r in record["verdicts"]) and any(r["met"] for r in record["verdicts"]))
        arguments.budget = 0
        check("no time, no bare run, no success", compare.Comparison(arguments).whole() is False)
        arguments.budget = 10.4
        compare.Comparison(arguments).whole()
        record = json.load(open(arguments.json))
        check("what time did not allow is listed", len(record["left_out"]) > 10 and "25 % lowtide group graced" in record["left_out"])


arithmetic()
equal_vram()
whole()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
