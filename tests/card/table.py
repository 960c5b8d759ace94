"""The page that a person reads first (table.txt), made anew of the whole record each time."""
import goals

WIDTH = 118
# What settles an open choice: the choice, and the probe's figures and facts to show for it.
CHOICES = [
    ("block size", [("switch_rate", "mapping_over_bus_time"), ("switch_price", "device/32MiB/set_access"),
                    ("switch_price", "host/32MiB/set_access"), ("switch_price", "device/2MiB/set_access"),
                    ("switch_price", "host/2MiB/set_access")]),
    ("in place or page in", [("host_numa", "host/read"), ("copies", "h2d"), ("in_place", "matvec/in_place"),
                             ("in_place", "matvec/copied_first"), ("in_place", "matmat/in_place"),
                             ("in_place", "matmat/copied_first")]),
    ("ranges or blocks", [("switch_price", "set_access_one_call"), ("switch_price", "set_access_each")]),
    ("windows", [("stalls", "alone/launch"), ("stalls", "beside/launch"), ("stalls", "waits_for_kernels"),
                 ("stalls", "not_ready")]),
    ("overlap", [("danger_graced", "moves_ended_under_load"), ("danger_graced", "switches"),
                 ("danger_overlap", "moves_ended_under_load"), ("danger_strict", "switches")]),
    ("pools", [("memory", "create_frame/1_thread"), ("memory", "create_frame/4_threads"), ("memory", "mapped_twice/device_bytes")]),
    ("cost of a launch", [("launch", "params_1"), ("launch", "params_20")]),
]


def cut(text, width=WIDTH):
    return text if len(text) <= width else text[:width - 3] + "..."


def page(head, results):
    """head: the record without its results."""
    lines = [title(head), ""]
    lines += section("steps", [f"{s['name']:<11} {s['title'][:50]:<51}{seconds(s['took_s']):>8} of{seconds(s['allowed_s']):>8}  "
                               f"{s['state']}" for s in head["steps"]])
    lines += section("failed (failures.txt tells all)", [f"{r['step']}: {r['name']}: {r['why']}" for r in results
                                                           if r["status"] == "failed"], 24)
    lines += section("goals", [goal_line(g) for g in head["facts"].get("goals", [])])
    lines += section(f"programs: ms a step{' (SIMULATED stand-ins, of no card and no framework)' if simulated(head) else ''}; "
                     "× of bare; ~: others ran beside it", programs(results), 60)
    lines += section("workloads at half: ms a step", workloads(results), 40)
    lines += section("what settles open choices (tests/card/README.md)", choices(head["facts"].get("medians", {})), 40)
    lines += section("comparisons", head["facts"].get("compare_told", []), 30)
    lines += section("left out", left_out(results), 40)
    lines += section("need a card", wrapped([r["name"] for r in results if r["status"] == "needs a card"]))
    return "\n".join(lines + [head["closing_line"]]) + "\n"


def simulated(head):
    return head.get("kind") == "simulated"


def title(head):
    card = head.get("card", {})
    first = f"{'SIMULATED, of no card: ' if simulated(head) else ''}{card.get('name', 'a card that gave no name')}"
    driver = head.get("driver") or card.get("driver_api")
    return "\n".join([f"Lowtide on {first}, driver {driver}, {head['date']}, commit {head.get('commit')}",
                      f"{head['closing_line']}; {head['spent_s']:.0f} of {head['budget_s']} s"
                      + (f"; {head['facts']['ended']}" if head["facts"].get("ended") else "")])


def seconds(value):
    return "" if value is None else f"{value:.1f} s"


def section(name, lines, most=60):
    if not lines:
        return []
    more = [f"  ... and {len(lines) - most} more: card.json"] if len(lines) > most else []
    return [name] + [cut(f"  {line}") for line in lines[:most]] + more + [""]


def goal_line(goal):
    word = {True: "met", False: "NOT MET", None: "not judged"}[goal["met"]]
    worst = max(goal["by"], key=lambda b: b["value"], default=None)
    told = f" (worst: {worst['program']} {worst['value']:.3f})" if worst else ""
    return f"{word:<10} {goal['goal']}{told}{': ' + goal['why'] if goal['why'] else ''}"


def programs(results):
    """A row a program: what was seen of its cases, the run that counts of each."""
    rows, order = {}, []
    for r in results:
        if r["step"] not in ("programs", "hello") or "case" not in r:
            continue
        name = r["program"] + (" (hello)" if r["step"] == "hello" else "")
        if name not in rows:
            rows[name] = {}
            order.append(name)
        old = rows[name].get(r["case"])
        if not old or weight(r) >= weight(old):
            rows[name][r["case"]] = r
    lines = []
    for name in order:
        bare = rows[name].get("bare", {}).get("step_ms")
        words = [f"{case} {told(r, bare)}" for case, r in rows[name].items()]
        lines += wrapped(words, f"{name}: ")
    return lines


def weight(result):
    """Of several runs of one case the one that counts: a failure, then what passed, then what ran alone, then the last."""
    return result["status"] == "failed", result["status"] == "passed", not result.get("crowded")


def told(result, bare_ms):
    if result["status"] != "passed":
        return result["status"].upper()
    ms = result.get("step_ms")
    if ms is None:
        return "ok"
    mark = "~" if result.get("crowded") else ""
    return f"{mark}{ms:.2f}" + (f" ({ms / bare_ms:.2f} ×)" if bare_ms and result["case"] != "bare" else "")


def workloads(results):
    """A line a workload."""
    rows = {}
    for r in results:
        if r["step"] == "workloads" and "workload" in r:
            words = rows.setdefault(r["workload"], [])
            if r["status"] != "passed":
                words.append(f"{r['case']} FAILED")
            elif not r["cap_bytes"]:
                words.append(f"{r['case']} {r['step_ms']:.2f}")
            else:
                words.append(f"{r['case']} {r['step_ms']:.2f} ({r['step_ms'] / r['bare_ms']:.2f} ×)")
    return [line for name, words in rows.items() for line in wrapped(words, f"{name}: ")]


def left_out(results):
    """By step and reason."""
    groups = {}
    for r in results:
        if r["status"] in ("no time", "skipped"):
            groups.setdefault((r["step"], r["status"], r["why"]), []).append(r["name"])
    return [line for (step, status, why), names in groups.items()
            for line in wrapped(list(dict.fromkeys(names)), f"{step}: {status}{f' ({why})' if why else ''}: ")]


def choices(medians):
    """medians: {"trial: name": value} of figures and facts."""
    lines = []
    for choice, names in CHOICES:
        words = [f"{key.replace(': ', ' ')} {value if not isinstance(value, float) else f'{value:.4g}'}"
                 for trial, part in names for key, value in medians.items()
                 if key.startswith(f"{trial}: ") and key.endswith(part)][:8]
        lines += wrapped(words, f"{choice}: ")
    return lines


def wrapped(words, first=""):
    """Words, separated by commas, in as many lines as they need."""
    if not words:
        return []
    lines, line = [], first
    for i, word in enumerate(words):
        piece = word + ("," if i + 1 < len(words) else "")
        if len(line) + len(piece) + 3 > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = "    "
        line += piece + " "
    return lines + [line.rstrip()]
