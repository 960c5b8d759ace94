"""The arithmetic of verdicts.py, plan.py and theory.py with planted numbers. Needs no PyTorch and no card."""
import json
import os
import sys
import tempfile

import mechanisms
import plan
import theory
import verdicts
from record import Record, row

MIB = 1 << 20
counts = {True: 0, False: 0}


def check(what, holds):
    counts[bool(holds)] += 1
    if not holds:
        print(f"failed: {what}")


def is_equal(what, found, expected):
    check(f"{what}: {found!r}, not {expected!r}", found == expected)


def run(mechanism, ms, took=400 * MIB, share=50, model="decoder", **more):
    ours = mechanism == "lowtide"
    made = {"model": model, "share": share, "mechanism": mechanism, "at": "share", "policy": "balanced" if ours else "", "safety": "strict" if ours else "",
            "scales": mechanisms.TABLE[mechanism].scales, "cap_bytes": took, "why": None, "same": True, "step_ms": ms, "peak_reserved_bytes": took,
            "stats": {"peak_bytes": took, "bytes_in": 1000 * MIB, "bytes_out": 0, "bytes_out_again": 0} if ours else {}, "nvml_bytes": None,
            "weights_bytes": 900 * MIB, "counted": True, "moved_in_bytes": [1], "moved_out_bytes": [1]}
    if mechanism == "none":
        made.update(at="bare", calls=1, needed_bytes=1000 * MIB, read_bytes=900 * MIB, peak_reserved_bytes=1000 * MIB)
    made.update(more)
    made.setdefault("name", plan.Run(model, made["share"], mechanism, made["at"], made["policy"], made["safety"]).name())
    made["took_bytes"] = verdicts.took_bytes(made)
    return made


def steps():
    is_equal("the later half of an even number", verdicts.step_ms([900, 900, 10, 12]), 11)
    is_equal("the later half of an odd number", verdicts.step_ms([900, 11, 12]), 11.5)
    is_equal("of one step", verdicts.step_ms([7.0]), 7.0)


def bounds():
    is_equal("bare where all fits", verdicts.bound_ms(5.0, 100, 90, 1, 100, 1.0), 5.0)
    is_equal("what is over the cap, by the bus", verdicts.bound_ms(5.0, 1_100_000_000, 0, 1, 1_000_000_000, 10.0), 10.0)
    is_equal("bare where that is longer", verdicts.bound_ms(50.0, 1_100_000_000, 0, 1, 1_000_000_000, 10.0), 50.0)
    is_equal("each call of a step brings its own", verdicts.bound_ms(5.0, 1_100_000_000, 0, 6, 1_000_000_000, 10.0), 60.0)
    is_equal("all that a step reads, where no call is over", verdicts.bound_ms(5.0, 500_000_000, 1_300_000_000, 6, 1_000_000_000, 10.0), 30.0)
    is_equal("never both", verdicts.bound_ms(5.0, 1_100_000_000, 1_200_000_000, 1, 1_000_000_000, 10.0), 20.0)
    bare = run("none", 5.0, needed_bytes=1000 * MIB, read_bytes=0)
    rate = 500 * MIB / 1e9 / 0.010  # 500 MiB in 10 ms
    edge = lambda ms: verdicts.against_bound(bare, run("lowtide", ms, 500 * MIB), "decoder", 50, "strict", rate)["verdict"]
    is_equal("under 1.10 times", edge(10.99), "met")
    is_equal("over 1.10 times", edge(11.01), "missed")
    is_equal("without a rate", verdicts.against_bound(bare, run("lowtide", 1.0), "decoder", 50, "strict", None)["verdict"], "not judged")
    is_equal("with another digest", verdicts.against_bound(bare, run("lowtide", 1.0, same=False), "decoder", 50, "strict", 1.0)["verdict"], "not judged")


def equal_vram():
    cap = 500 * MIB
    slow, quick = run("sdnext_balanced", 30.0), run("diffusers_group_leaf", 20.0, 300 * MIB)
    others = lambda *runs: verdicts.fastest(verdicts.of_share(list(runs), "decoder", 50, cap))
    is_equal("the fastest other", others(slow, quick), quick)
    is_equal("not bare, not Lowtide", others(slow, run("none", 1.0), run("lowtide", 1.0)), slow)
    is_equal("not one above the VRAM", others(slow, run("diffusers_model", 1.0, cap + 1)), slow)
    is_equal("one of exactly the VRAM", others(slow, dict(quick, peak_reserved_bytes=cap))["mechanism"], "diffusers_group_leaf")
    is_equal("not one with another digest", others(slow, dict(quick, same=False)), slow)
    is_equal("not one that failed", others(slow, dict(quick, why="status 1")), slow)
    is_equal("not another model's", others(slow, dict(quick, model="pipeline")), slow)
    is_equal("not another share's, where it depends on it", others(quick, run("sdnext_balanced", 1.0, share=75)), quick)
    is_equal("another share's, where it does not", others(slow, dict(quick, share=75))["mechanism"], "diffusers_group_leaf")
    is_equal("none at all", others(), None)

    def edge(ms, took=300 * MIB, **more):
        ours = run("lowtide", ms, took, at="fastest", **more)
        return verdicts.against_fastest([slow, quick, ours], "decoder", 50, "strict", cap)["verdict"]

    is_equal("as fast", edge(20.0), "met")
    is_equal("slower by a little", edge(20.001), "missed")
    is_equal("in more VRAM", edge(1.0, 300 * MIB + 1), "not judged")
    is_equal("in less", edge(1.0, 300 * MIB - 1), "not judged")
    is_equal("in the same, when another share ran", edge(20.0, share=75), "met")
    is_equal("with another digest", edge(1.0, same=False), "not judged")
    is_equal("only at the share", verdicts.against_fastest([quick, run("lowtide", 1.0)], "decoder", 50, "strict", cap)["verdict"], "not judged")
    is_equal("without others", verdicts.against_fastest([run("lowtide", 1.0, at="fastest")], "decoder", 50, "strict", cap)["verdict"], "not judged")
    quick["nvml_bytes"] = 800 * MIB
    is_equal("process memory within the tolerance", edge(1.0, nvml_bytes=864 * MIB), "met")
    is_equal("process memory above it", edge(1.0, nvml_bytes=864 * MIB + 1), "not judged")
    is_equal("process memory not known", edge(1.0), "met")


def other_goals():
    runs = [run("sdnext_sequential", 30.0)]
    edge = lambda ms: verdicts.against_sequential(runs, run("lowtide", ms), "decoder", 50, "strict")["verdict"]
    is_equal("three times as fast", edge(10.0), "met")
    is_equal("less", edge(10.01), "missed")
    is_equal("without sequential", verdicts.against_sequential([], run("lowtide", 1.0), "decoder", 50, "strict")["verdict"], "not judged")

    def back(again, **stats):
        ours = run("lowtide", 1.0)
        ours["stats"].update(bytes_out_again=again, **stats)
        return verdicts.copied_back(ours, "decoder", 50, "strict")["verdict"]

    is_equal("one percent of what came in", back(10 * MIB), "met")
    is_equal("more", back(10 * MIB + 1), "missed")
    is_equal("of the weights where little came in", back(9 * MIB, bytes_in=1), "met")
    is_equal("more of the weights", back(9 * MIB + 1, bytes_in=1), "missed")
    is_equal("no statistics", verdicts.copied_back(run("lowtide", 1.0, stats={}), "decoder", 50, "strict")["verdict"], "not judged")


def faults():
    good = [run("none", 1.0), run("lowtide", 2.0), run("sdnext_balanced", 3.0)]
    is_equal("none", verdicts.broken(good), [])
    is_equal("another digest", len(verdicts.broken([run("sdnext_balanced", 1.0, same=False)])), 1)
    above = run("lowtide", 1.0)
    above["stats"]["peak_bytes"] += 1
    is_equal("above the cap", len(verdicts.broken([above])), 1)
    is_equal("no statistics", len(verdicts.broken([run("lowtide", 1.0, stats={})])), 1)
    is_equal("all verdicts of a share", len(verdicts.all_of(good, "decoder", 50, ("strict", "overlap"), 10.0)), 8)
    is_equal("none without bare", verdicts.all_of(good[1:], "decoder", 50, ("strict",), 10.0), [])


def plans():
    levels, shares = ("strict", "overlap"), (50, 75, 25)
    runs = plan.all_runs(("decoder", "pipeline"), shares, levels)
    is_equal("what tells most comes first", [(r.mechanism, r.safety) for r in runs[:6]],
             [("none", ""), ("lowtide", "strict"), ("lowtide", "overlap"), ("diffusers_group_leaf", ""), ("sdnext_balanced", ""), ("accelerate", "")])
    for model in ("decoder", "pipeline"):
        is_equal(f"{model}: every mechanism at the first share", {r.mechanism for r in runs if r.model == model and r.share == 50}, set(mechanisms.TABLE))
        for share in shares[1:]:
            here = {r.mechanism for r in runs if r.model == model and r.share == share}
            check(f"{model} {share} %: all that depends on the share", {n for n, m in mechanisms.TABLE.items() if m.scales} <= here)
    bare = run("none", 1.0)
    lowtide = lambda at, policy="balanced": plan.Run("decoder", 50, "lowtide", at, policy, "strict")
    is_equal("bare has no cap", plan.cap_bytes(plan.Run("decoder", 50, "none", "bare"), []), (None, None))
    is_equal("without bare nothing runs", plan.cap_bytes(lowtide("share"), [run("none", 1.0, why="status 1")]), (None, "there is no bare run"))
    is_equal("the share's cap", plan.cap_bytes(lowtide("share"), [bare]), (500 * MIB, None))
    done = [bare, run("sdnext_balanced", 9.0, 450 * MIB), run("diffusers_group_leaf", 5.0, 200 * MIB), run("sdnext_sequential", 50.0, 100 * MIB)]
    is_equal("what the fastest took", plan.cap_bytes(lowtide("fastest"), done), (200 * MIB, None))
    is_equal("what the namesake took", plan.cap_bytes(lowtide("sdnext_sequential", "sequential"), done), (100 * MIB, None))
    is_equal("no namesake", plan.cap_bytes(lowtide("diffusers_model", "group"), done)[0], None)
    same = run("lowtide", 1.0, 200 * MIB, at="fastest")
    is_equal("the same again is not run", plan.cap_bytes(lowtide("fastest"), done + [same]), (None, plan.RAN))
    is_equal("nor at another share", plan.cap_bytes(plan.Run("decoder", 75, "lowtide", "fastest", "balanced", "strict"), done + [same]), (None, plan.RAN))
    faster = run("diffusers_group_kept", 4.0, 490 * MIB)
    is_equal("in what a faster one took it is", plan.cap_bytes(lowtide("fastest"), done + [same, faster]), (490 * MIB, None))
    is_equal("what does not depend on the share runs once", plan.cap_bytes(plan.Run("decoder", 75, "diffusers_group_leaf"), done), (None, plan.RAN))
    is_equal("unless it did not fit", plan.cap_bytes(plan.Run("decoder", 75, "diffusers_model"), done + [run("diffusers_model", 1.0, why="does not fit")]),
             (750 * MIB, None))


def moving():
    one = theory.Sizes({"decoder": [("embed.weight", 40), ("blocks.0.a.weight", 10), ("blocks.0.a.bias", 2), ("blocks.1.a.weight", 12), ("head.weight", 30)]},
                       {"decoder": 1})
    is_equal("layers", one.layers("decoder"), [40, 12, 12, 30])
    lists = {"decoder": ("blocks",), "large": ("blocks",), "small": ()}
    is_equal("balanced keeps what fits beside the largest to come", theory.stays([40, 12, 12, 30], 84), 52)
    is_equal("balanced keeps the last one too", theory.stays([40, 12, 12, 30], 94), 94)
    is_equal("balanced keeps nothing", theory.stays([40, 12, 12, 30], 69), 0)
    for mechanism, must in (("none", (0, 0)), ("sdnext_sequential", (94, 0)), ("diffusers_group_leaf", (94, 0)), ("diffusers_group_block", (94, 70)),
                            ("diffusers_model", (0, 0)), ("sdnext_balanced", (42, 0))):
        is_equal(f"one component, {mechanism}", theory.must_move(mechanism, one, lists, 84), must)
    two = theory.Sizes({"large": [("blocks.0.weight", 50), ("head.weight", 8)], "small": [("weight", 10)]}, {"large": 6, "small": 1})
    for mechanism, must in (("sdnext_sequential", (358, 0)), ("diffusers_group_block", (358, 58)), ("diffusers_model", (68, 68)),
                            ("sdnext_balanced", (6 * 58 + 10, 10))):
        is_equal(f"two components, {mechanism}", theory.must_move(mechanism, two, lists, 57), must)
    is_equal("what stays is not moved", theory.must_move("diffusers_group_kept", two, lists, 57, kept=50), (58, 0))


def records():
    with tempfile.TemporaryDirectory() as folder:
        record = Record(f"{folder}/record.json", kind="rehearsed")
        record.runs.append(run("none", 1.0))
        record.write()
        is_equal("it is whole on disk", json.load(open(record.path))["runs"][0]["mechanism"], "none")
        is_equal("nothing lies beside it", os.listdir(folder), ["record.json"])
    Record(None).write()
    for mechanism in ("none", "lowtide", "sdnext_balanced", "accelerate"):
        check(f"the row of {mechanism} fits", len(row(run(mechanism, 1.0))) < 200)


for test in (steps, bounds, equal_vram, other_goals, faults, plans, moving, records):
    test()
print(f"{counts[True]} passed, {counts[False]} failed")
sys.exit(counts[False] > 0)
