"""From what was measured to verdicts. Only arithmetic: no processes, no clock, no files. A run is a dict as in the record."""
import statistics

MET, MISSED, NOT_JUDGED, NEEDS_CARD = "met", "missed", "not judged", "needs a card"
SAME_VRAM = "no slower than the fastest other at the same VRAM"
NEAR_BOUND = "at most 1.10 times the physical bound"
FAR_FROM_SEQUENTIAL = "3 times faster than sequential offload"
CLEAN = "at most 1 % of the weights copied back"
GOALS = (SAME_VRAM, NEAR_BOUND, FAR_FROM_SEQUENTIAL, CLEAN)
OF_BOUND, OF_SEQUENTIAL, COPIED_BACK = 1.10, 3.0, 0.01
TOLERANCE_BYTES = 64 << 20  # of process memory: the library's module, page tables


def step_ms(steps):
    """A step once things have settled: the median of the later half."""
    return statistics.median(steps[len(steps) // 2:])


def bound_ms(bare_ms, needed_bytes, read_bytes, calls, cap_bytes, h2d_gbps):
    """No step can be shorter: the bare one's time, or what must cross the bus over its measured rate. Of what a call needs at
    once, all but the cap crosses at each call; of what a step reads altogether, all but the cap once."""
    over = max(calls * (needed_bytes - cap_bytes), read_bytes - cap_bytes, 0)
    return max(bare_ms, over / (h2d_gbps * 1e9) * 1e3)


def good(run):
    return run["why"] is None


def took_bytes(run):
    """What it took of the card, contexts and code apart: by Lowtide's own account, else by PyTorch's."""
    return run["stats"].get("peak_bytes") if run["mechanism"] == "lowtide" else run["peak_reserved_bytes"]


def of_share(runs, model, share, cap_bytes):
    """The others' runs that count at that share: made there, or not depending on it; within the VRAM; right."""
    return [r for r in runs if r["model"] == model and r["mechanism"] not in ("none", "lowtide") and good(r) and r["same"]
            and (r["share"] == share or not r["scales"]) and took_bytes(r) <= cap_bytes]


def fastest(runs):
    return min(runs, key=lambda r: r["step_ms"], default=None)


def lowtide_runs(runs, model, safety, at, policy="balanced"):
    """The good ones of that kind; at: "share", "fastest"."""
    return [r for r in runs if r["mechanism"] == "lowtide" and good(r)
            and (r["model"], r["safety"], r["at"], r["policy"]) == (model, safety, at, policy)]


def judged(goal, model, share, safety, value, limit, is_met, text):
    return {"goal": goal, "model": model, "share": share, "safety": safety, "value": value, "limit": limit,
            "verdict": MET if is_met else MISSED, "text": text}


def not_judged(goal, model, share, safety, why):
    return {"goal": goal, "model": model, "share": share, "safety": safety, "value": None, "limit": None,
            "verdict": NOT_JUDGED, "text": why}


def against_fastest(runs, model, share, safety, cap_bytes):
    goal, other = SAME_VRAM, fastest(of_share(runs, model, share, cap_bytes))
    if not other:
        return not_judged(goal, model, share, safety, "no other ran within the VRAM")
    # The same VRAM is the same at whatever share it was run.
    ours = next((r for r in lowtide_runs(runs, model, safety, "fastest") if r["cap_bytes"] == took_bytes(other)), None)
    if not ours:
        return not_judged(goal, model, share, safety, f"Lowtide did not run in what {other['mechanism']} took")
    if not ours["same"]:
        return not_judged(goal, model, share, safety, "another digest")
    text = f"{ours['step_ms']:.1f} ms, {other['mechanism']} {other['step_ms']:.1f} ms, in {ours['cap_bytes'] >> 20} MiB"
    if ours["nvml_bytes"] and other["nvml_bytes"]:
        more = ours["nvml_bytes"] - other["nvml_bytes"]
        text += f" (by NVML {more / 2 ** 20:+.0f} MiB)"
        if more > TOLERANCE_BYTES:
            return not_judged(goal, model, share, safety, f"{text}: more than the other, so not the same VRAM")
    return judged(goal, model, share, safety, ours["step_ms"], other["step_ms"], ours["step_ms"] <= other["step_ms"], text)


def against_bound(bare, ours, model, share, safety, h2d_gbps):
    goal = NEAR_BOUND
    if not h2d_gbps:
        return not_judged(goal, model, share, safety, "no probe with the bus rate (copies, h2d)")
    if not ours or not ours["same"]:
        return not_judged(goal, model, share, safety, "no right run")
    least = bound_ms(bare["step_ms"], bare["needed_bytes"], bare["read_bytes"], bare["calls"], ours["cap_bytes"], h2d_gbps)
    ratio = ours["step_ms"] / least
    return judged(goal, model, share, safety, ratio, OF_BOUND, ratio <= OF_BOUND,
                  f"{ours['step_ms']:.1f} ms = {ratio:.2f} x {least:.1f} ms")


def against_sequential(runs, ours, model, share, safety):
    goal = FAR_FROM_SEQUENTIAL
    slow = [r for r in runs if r["model"] == model and r["mechanism"] == "sdnext_sequential" and good(r) and r["same"]]
    if not slow or not ours or not ours["same"]:
        return not_judged(goal, model, share, safety, "no right run of both")
    times = slow[-1]["step_ms"] / ours["step_ms"]
    return judged(goal, model, share, safety, times, OF_SEQUENTIAL, times >= OF_SEQUENTIAL,
                  f"{times:.1f} times ({slow[-1]['step_ms']:.1f} ms against {ours['step_ms']:.1f})")


def copied_back(ours, model, share, safety):
    goal = CLEAN
    if not ours or "bytes_out_again" not in ours["stats"]:
        return not_judged(goal, model, share, safety, "no right run with statistics")
    back, of = ours["stats"]["bytes_out_again"], max(ours["stats"]["bytes_in"], ours["weights_bytes"])
    return judged(goal, model, share, safety, back / of, COPIED_BACK, back <= COPIED_BACK * of,
                  f"{back >> 20} of {of >> 20} MiB, {100 * back / of:.2f} %")


def all_of(runs, model, share, safeties, h2d_gbps):
    """Every verdict of one model at one share. Without a bare run there is none."""
    bare = next((r for r in runs if r["model"] == model and r["mechanism"] == "none" and good(r)), None)
    if not bare:
        return []
    verdicts, cap_bytes = [], cap_of(bare, share)
    for safety in safeties:
        ours = next((r for r in lowtide_runs(runs, model, safety, "share") if r["share"] == share), None)
        verdicts += [against_fastest(runs, model, share, safety, cap_bytes), against_bound(bare, ours, model, share, safety, h2d_gbps),
                     against_sequential(runs, ours, model, share, safety), copied_back(ours, model, share, safety)]
    return verdicts


def cap_of(bare, share):
    return bare["peak_reserved_bytes"] * share // 100


def broken(runs):
    """Promises that a run broke, in words; these are no goals but faults."""
    faults = []
    for run in runs:
        if good(run) and not run["same"]:
            faults.append(f"{run['name']}: another digest than bare")
        if run["mechanism"] == "lowtide" and good(run):
            if not run["stats"]:
                faults.append(f"{run['name']}: the library left no statistics")
            elif run["stats"]["peak_bytes"] > run["cap_bytes"]:
                faults.append(f"{run['name']}: {run['stats']['peak_bytes']} bytes by its own account, cap {run['cap_bytes']}")
    return faults
