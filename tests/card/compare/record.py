"""The record of a comparison, on disk whole after every run, and its table."""
import json
import os


class Record:
    def __init__(self, path, **head):
        self.path, self.head = path, {"lowtide_compare": 1, **head}
        self.runs, self.verdicts, self.left_out, self.faults = [], [], [], []

    def write(self):
        if not self.path:
            return
        beside = f"{self.path}.new"
        with open(beside, "w") as file:
            json.dump({**self.head, "runs": self.runs, "verdicts": self.verdicts, "left_out": self.left_out, "faults": self.faults},
                      file, indent=1)
            file.write("\n")
        os.replace(beside, self.path)


def mib(count):
    return "-" if count is None else f"{count >> 20:,}"


def row(run):
    """One run, one line."""
    if run["why"]:
        return f"  {run['name']:<52} {run['why'][:100]}"
    stats, told = run["stats"], run["counted"] and run["mechanism"] not in ("none", "lowtide")
    into, out = (mib(run[field][-1] if told else None) for field in ("moved_in_bytes", "moved_out_bytes"))
    text = (f"  {run['name']:<52} {run['step_ms']:>9.1f} {mib(run['took_bytes']):>7} {mib(run['nvml_bytes']):>7} {into:>7} {out:>7}"
            f"  {'same' if run['same'] else 'ANOTHER DIGEST'}")
    if stats:
        text += f"; in all {mib(stats.get('bytes_in'))} in, {mib(stats.get('bytes_out'))} out, {stats.get('launches_in_place', 0):,} in place"
    return text


HEAD = f"  {'':<52} {'step ms':>9} {'VRAM':>7} {'NVML':>7} {'MiB in':>7} {'out':>7}  digest"


def verdict_row(v):
    return f"  {v['verdict']:<10} {v['model']} {v['share']} % {v['safety']}: {v['goal']}: {v['text']}"[:200]
