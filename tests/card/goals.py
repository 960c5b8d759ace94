"""The goals of issue and README, held against what was measured: met, not met, or not judged, with the figure."""

NO_PRESSURE, OF_BOUND, COPIED_BACK = 1.005, 1.10, 0.01
STEP = "programs"


def figure(record, trial, name):
    """The median of a figure of a probe's record; None: not there."""
    for t in (record or {}).get("trials", []):
        if t["name"] == trial:
            return next((f["median"] for f in t["figures"] if f["name"] == name), None)
    return None


def good_runs(results):
    """Of programs, alone on the card, by program and case; the fastest where there are several."""
    best = {}
    for r in results:
        if r["step"] != STEP or r["status"] != "passed" or r.get("crowded") or not r.get("step_ms"):
            continue
        cases = best.setdefault(r["program"], {})
        if r["case"] not in cases or r["step_ms"] < cases[r["case"]]["step_ms"]:
            cases[r["case"]] = r
    return best


def bound_ms(bare_ms, over_bytes, bus_gbps):
    """What physics asks for: the computing, or the bus carrying what does not fit, if each step needs all of it."""
    return max(bare_ms, over_bytes / (bus_gbps * 1e6))


def peak_of(cases):
    """Of a program's memory, the library's word before the framework's."""
    whole, bare = cases.get("no pressure", {}), cases.get("bare", {})
    return whole.get("library", {}).get("peak_bytes") or bare.get("peak_reserved_bytes")


def of_bound(cases, case, bus_gbps):
    run, bare, peak = cases.get(case), cases.get("bare"), peak_of(cases)
    if not (run and bare and peak and bus_gbps and run.get("cap_bytes")):
        return None
    return run["step_ms"] / bound_ms(bare["step_ms"], max(0, peak - run["cap_bytes"]), bus_gbps)


def goals(results, bus_gbps, simulated):
    """[{"goal", "met": True, False or None (not judged), "by": [{"program", "value"}], "why"}]"""
    runs = good_runs(results)
    rows = [_row(f"no pressure: at most {NO_PRESSURE} × the time of bare",
                 {p: c["no pressure"]["step_ms"] / c["bare"]["step_ms"] for p, c in runs.items()
                  if "no pressure" in c and "bare" in c}, NO_PRESSURE)]
    for percent in (75, 50, 25):
        values = {}
        for p, cases in runs.items():
            found = [v for v in (of_bound(cases, case, bus_gbps) for case in cases if case.startswith(f"{percent} % ")) if v]
            if found:
                values[p] = min(found)
        rows.append(_row(f"{percent} %: the best setting at most {OF_BOUND:.2f} × max(bare, bytes over the cap ÷ bus)", values, OF_BOUND))
    back = {}
    for p, cases in runs.items():
        for case, run in cases.items():
            library = run.get("library", {})
            if " balanced " in case and library.get("bytes_in"):
                back[p] = max(back.get(p, 0), library.get("bytes_out_again", 0) / library["bytes_in"])
    rows.append(_row(f"balanced: what was copied out again at most {COPIED_BACK:.0%} of what came in", back, COPIED_BACK))
    for row in rows:
        if simulated:
            row.update(met=None, why="simulated")
    return rows


def _row(goal, values, most):
    by = [{"program": p, "value": round(v, 4)} for p, v in values.items()]
    if not by:
        return {"goal": goal, "met": None, "by": by, "why": "no runs to judge it by"}
    missed = [b["program"] for b in by if b["value"] > most]
    return {"goal": goal, "met": not missed, "by": by, "why": f"not by {', '.join(missed)}" if missed else ""}
