"""What the runs say of the goals: pure arithmetic, so that it can be tested without a card. A run is a dict: percent, mechanism,
policy, safety, step_ms (median), peak_bytes (of VRAM), room_bytes, same (digest as bare), stats (the library's own)."""

NO_SLOWER, OF_BOUND, OF_SEQUENTIAL, COPIED_BACK = 1.02, 1.10, 3.0, 0.01
EQUAL = 0.97  # of the VRAM that another took: close enough to be compared
NEEDS_CARD = "needs a card"


def bound_ms(bare_ms, over_bytes, bus_gbps):
    """max(computing, bytes that must cross ÷ bus): a step uses every weight once."""
    return max(bare_ms, over_bytes / (bus_gbps * 1e6))


def good(runs, percent, ours):
    return [r for r in runs if r["percent"] == percent and r.get("same") and r.get("step_ms") and
            (r["mechanism"] == "lowtide") == ours]


def fastest(runs):
    return min(runs, key=lambda r: r["step_ms"], default=None)


def room_to_repeat(runs, percent):
    """What the fastest of the others really took, if that is so much less than its room that ours must be run again in it."""
    other = fastest(good(runs, percent, False))
    if not other or not other.get("peak_bytes") or other["peak_bytes"] >= EQUAL * other["room_bytes"]:
        return None
    return other["peak_bytes"]


def ours_within(runs, percent, room_bytes):
    return fastest([r for r in good(runs, percent, True) if r["room_bytes"] <= room_bytes])


def row(goal, met, value=None, why=""):
    """met: True, False, or None where it cannot be judged, and why says so."""
    return {"goal": goal, "met": met, "value": value, "why": why}


def verdicts(runs, bare, bus_gbps, percents):
    """bare: its step_ms and peak_bytes."""
    rows = []
    for percent in percents:
        other, best = fastest(good(runs, percent, False)), fastest(good(runs, percent, True))
        rows.append(no_slower(runs, percent, other))
        rows.append(near_bound(percent, best, bare, bus_gbps))
        rows.append(beats_sequential(runs, percent, best))
    rows.append(copied_back(runs))
    different = [f"{r['percent']} % {r['mechanism']} {r.get('policy') or ''}".strip() for r in runs if r.get("same") is False]
    rows.append(row("every digest is that of bare", not different if runs else None, None, ", ".join(different)))
    return rows


def no_slower(runs, percent, other):
    goal = f"{percent} %: no slower than the fastest of the others in the VRAM that it took"
    if not other:
        return row(goal, None, why="none of the others was run, or fits")
    ours = ours_within(runs, percent, max(room_to_repeat(runs, percent) or other["room_bytes"], 0))
    if not ours:
        return row(goal, None, why=f"not run within {other['peak_bytes']} bytes")
    value = ours["step_ms"] / other["step_ms"]
    return row(goal, value <= NO_SLOWER, value, f"against {other['mechanism']}")


def near_bound(percent, best, bare, bus_gbps):
    goal = f"{percent} %: at most {OF_BOUND:.2f} × max(bare, bytes over the cap ÷ bus)"
    if not best:
        return row(goal, None, why="not run")
    if not bus_gbps:
        return row(goal, None, why="the probe told no bus rate")
    value = best["step_ms"] / bound_ms(bare["step_ms"], max(0, bare["peak_bytes"] - best["room_bytes"]), bus_gbps)
    return row(goal, value <= OF_BOUND, value, f"{best['policy']}, {best['safety']}")


def beats_sequential(runs, percent, best):
    goal = f"{percent} %: at least {OF_SEQUENTIAL:.0f} × faster than sequential offload"
    sequential = fastest([r for r in good(runs, percent, False) if r["mechanism"] in ("sdnext_sequential", "accelerate")])
    if not sequential or not best:
        return row(goal, None, why="not run")
    value = sequential["step_ms"] / best["step_ms"]
    return row(goal, value >= OF_SEQUENTIAL, value, f"against {sequential['mechanism']}")


def copied_back(runs):
    goal = f"balanced: weights copied back a second time, at most {COPIED_BACK:.0%} of what came in"
    shares = [r["stats"]["bytes_out_again"] / r["stats"]["bytes_in"] for r in runs
              if r["mechanism"] == "lowtide" and r.get("policy") == "balanced" and r.get("stats", {}).get("bytes_in")]
    if not shares:
        return row(goal, None, why="not run, or nothing came in")
    return row(goal, max(shares) <= COPIED_BACK, max(shares))


def words(verdict):
    met = {True: "met", False: "NOT MET", None: "not judged"}[verdict["met"]]
    value = "" if verdict["value"] is None else f" {verdict['value']:.3f}"
    return f"{met:<11}{verdict['goal']}{':' + value if value else ''}{' (' + verdict['why'] + ')' if verdict['why'] else ''}"
