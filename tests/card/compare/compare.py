"""Side by side, in one run: bare, Lowtide, and the offloading of frameworks, each in the same VRAM. See README.md here.

usage: compare.py --json PATH [--probe PROBE.json] [--budget SECONDS] [--model decoder|pipeline] [--size small|full]
       compare.py --json PATH --rehearse      without a card: the mechanisms on the CPU, where PyTorch is; no figure is judged
Exit status: 0, or 1 if a mechanism, ours too, gave another result or a rehearsal failed; 77: PyTorch or a card is not here."""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "gpu")]
import card  # noqa: E402
import child  # noqa: E402
import goals  # noqa: E402
import nvml  # noqa: E402
import verdicts  # noqa: E402

PERCENTS = (50, 75, 25)
OTHERS = ("diffusers_group", "sdnext_balanced", "accelerate", "sdnext_sequential", "diffusers_model")
OURS = (("balanced", "strict"), ("balanced", "graced"), ("sequential", "graced"), ("group", "graced"))
NOT_HERE, DOES_NOT_FIT, LIMIT_S = 77, 3, 60
MIB = 1 << 20
PROGRAM = f"{HERE}/program.py"


class Comparison:
    def __init__(self, arguments):
        self.arguments, self.until = arguments, time.monotonic() + arguments.budget
        self.nvml = nvml.Nvml()
        self.record = {"lowtide_compare": 1, "kind": "measured", "model": arguments.model, "size": arguments.size,
                       "commit": card.commit(), "bus_gbps": self.bus_gbps(), "bare": None, "runs": [], "left_out": [], "verdicts": []}
        self.longest_s = 10.0  # of a run so far

    def bus_gbps(self):
        try:
            return goals.figure(json.load(open(self.arguments.probe)), "copies", "h2d") if self.arguments.probe else None
        except (OSError, ValueError) as error:
            print(f"the probe's record cannot be read: {error}")
            return None

    def write(self):
        whole = self.arguments.json + ".new"
        with open(whole, "w") as file:
            json.dump(self.record, file, indent=1)
            file.write("\n")
        os.replace(whole, self.arguments.json)

    def left_s(self):
        return self.until - time.monotonic()

    def run(self, percent, mechanism, room=None, policy=None, safety=None):
        """Adds a row; None: no time. What is in the record is written at once."""
        name = " ".join(str(w) for w in (f"{percent} %", mechanism, policy, safety) if w)
        if self.left_s() < self.longest_s:
            self.record["left_out"].append(name)
            return None
        argv = [sys.executable, PROGRAM, "--mechanism", mechanism, "--model", self.arguments.model,
                "--device", "cuda", "--size", self.arguments.size]
        bare = self.record["bare"]
        if bare:
            argv += ["--blocks", bare["blocks"], "--room", room, "--besides", max(0, bare["peak_bytes"] - bare["weights_bytes"])]
        row = {"percent": percent, "mechanism": mechanism, "policy": policy, "safety": safety, "room_bytes": room}
        with tempfile.TemporaryDirectory() as folder:
            extra = {}
            if mechanism == "lowtide":
                extra = {"LD_PRELOAD": f"{card.BUILD}/liblowtide.so", "LOWTIDE_VRAM": room, "LOWTIDE_POLICY": policy,
                         "LOWTIDE_SAFETY": safety, "LOWTIDE_STATS": f"{folder}/stats", "LOWTIDE_REQUIRED": 1}
            sampler = nvml.Sampler(self.nvml)
            done = child.run(argv, card.environment(extra), min(LIMIT_S, self.left_s()), started=sampler.start)
            sampler.stop()
            if os.path.exists(f"{folder}/stats"):
                row["stats"] = json.loads(open(f"{folder}/stats").readline() or "{}")
        self.longest_s = max(self.longest_s, done.wall_s)
        self.judge(row, done)
        row["process_bytes"], row["process_bytes_by"] = sampler.peak_bytes, sampler.by
        if bare:
            self.record["runs"].append(row)
        print(f"  {name:<34}{self.words(row)}", flush=True)
        self.write()
        return row

    def judge(self, row, done):
        if done.status == NOT_HERE:
            raise SystemExit(self.not_here(done.stderr))
        if done.status == DOES_NOT_FIT:
            row["does_not_fit"] = (done.stderr.strip().splitlines() or ["?"])[-1]
            return
        if not done.good():
            row["error"] = f"{done.how()}: {done.stderr.strip()[-400:]}"
            return
        told = json.loads(done.stdout.strip().splitlines()[-1])
        row.update({k: told[k] for k in ("digest", "first_ms", "weights_bytes", "moved_in_bytes", "moved_out_bytes", "blocks")})
        row["step_ms"] = statistics.median(told["steps_ms"])
        row["peak_bytes"] = row.get("stats", {}).get("peak_bytes") or told["peak_reserved_bytes"]
        if self.record["bare"]:
            row["same"] = told["digest"] == self.record["bare"]["digest"]

    @staticmethod
    def words(row):
        if "step_ms" not in row:
            return row.get("does_not_fit") or f"FAILED: {row['error']}"[:200]
        same = "" if row.get("same", True) else "  ANOTHER DIGEST"
        return f"{row['step_ms']:>10.2f} ms a step, first {row['first_ms']:>9.1f}, peak {row['peak_bytes'] // MIB:>6} MiB{same}"

    @staticmethod
    def not_here(text):
        print((text.strip().splitlines() or ["PyTorch or a card is not here"])[-1], file=sys.stderr)
        return NOT_HERE

    def whole(self):
        print(f"{self.arguments.model}, {self.arguments.size}; the bus carries {self.record['bus_gbps'] or '?'} GB/s")
        bare = self.run(100, "none", 1 << 62)
        if not bare or "step_ms" not in bare:
            print("the bare run failed: nothing to compare with")
            return False
        self.record["bare"] = bare
        for percent in PERCENTS:
            self.at(percent, bare["peak_bytes"] * percent // 100 // (2 * MIB) * 2 * MIB)
        self.tell()
        return not any("error" in r or r.get("same") is False for r in self.record["runs"])

    def at(self, percent, room):
        for policy, safety in OURS[:2]:
            self.run(percent, "lowtide", room, policy, safety)
        for mechanism in OTHERS:
            self.run(percent, mechanism, room)
        # The fastest of the others may have taken less than it could: ours once more, in that.
        less = verdicts.room_to_repeat(self.record["runs"], percent)
        best = verdicts.fastest(verdicts.good(self.record["runs"], percent, True))
        if less and best:
            self.run(percent, "lowtide", less, best["policy"], best["safety"])
        for policy, safety in OURS[2:]:
            self.run(percent, "lowtide", room, policy, safety)

    def tell(self):
        self.record["verdicts"] = verdicts.verdicts(self.record["runs"], self.record["bare"], self.record["bus_gbps"], PERCENTS)
        for verdict in self.record["verdicts"]:
            print(verdicts.words(verdict))
        if self.record["left_out"]:
            print(f"no time for: {'; '.join(self.record['left_out'])}")
        self.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=180)
    parser.add_argument("--probe")
    parser.add_argument("--json", required=True)
    parser.add_argument("--model", choices=("decoder", "pipeline"), default="decoder")
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    if arguments.rehearse:
        import rehearsal
        sys.exit(not rehearsal.rehearse(arguments.json, PERCENTS))
    sys.exit(not Comparison(arguments).whole())


if __name__ == "__main__":
    main()
