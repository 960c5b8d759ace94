"""Without a card: every mechanism on the CPU, both places being RAM. What it computes must be what bare computes, and what it
moves in a step what the mechanism must move. Speed and memory are not judged: they need a card."""
import importlib.util
import json
import os
import subprocess
import sys

import verdicts

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
ROOMY = 64 << 20  # more than a tiny model takes


def run(mechanism, model, room):
    done = subprocess.run([sys.executable, PROGRAM, "--mechanism", mechanism, "--model", model, "--device", "cpu", "--size", "tiny",
                           "--room", str(room)], capture_output=True, text=True, timeout=300)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1]), None


def must_move(mechanism, model, bare):
    """(in, out) of a step, in bytes; None: not known here. A step of the pipeline is one of the denoiser's."""
    if model == "decoder":
        everything = bare["weights_bytes"]
        return {"sdnext_sequential": (everything, 0), "sdnext_balanced": (0, 0), "diffusers_model": (0, 0)}.get(mechanism)
    return {"sdnext_balanced": (0, 0), "diffusers_model": (0, 0)}.get(mechanism)


def rehearse(path, percents):
    good, rows = True, []
    # A folder beside us has that name too; the package has a file.
    spec = importlib.util.find_spec("torch")
    if spec and spec.origin:
        for model in ("decoder", "pipeline"):
            bare, why = run("none", model, ROOMY)
            if why:
                print(f"failed: {model}, bare: {why}")
                return False
            for mechanism in ("sdnext_sequential", "sdnext_balanced", "diffusers_model", "diffusers_group", "accelerate"):
                line, why = run(mechanism, model, ROOMY)
                if why and "not installed" in why:
                    print(f"skipped: {model}, {mechanism}: {why}")
                    continue
                want = must_move(mechanism, model, bare)
                trouble = why or ("another digest" if line["digest"] != bare["digest"] else None)
                if not trouble and want and want != (line["moved_in_bytes"], line["moved_out_bytes"]):
                    trouble = f"moved {line['moved_in_bytes']} in, {line['moved_out_bytes']} out; must be {want}"
                if not trouble and mechanism == "diffusers_group" and line["moved_out_bytes"]:
                    trouble = "copied weights back"
                rows.append({"model": model, "mechanism": mechanism, "trouble": trouble})
                print(f"{'failed' if trouble else 'rehearsed'}: {model}, {mechanism}{': ' + trouble if trouble else ''}")
                good = good and not trouble
    else:
        print("PyTorch is not here: no mechanism was rehearsed")
    judged = verdicts.verdicts([], {"step_ms": 0, "peak_bytes": 0}, None, percents)
    for verdict in judged:
        print(f"{verdicts.NEEDS_CARD}: {verdict['goal']}")
    with open(path, "w") as file:
        json.dump({"lowtide_compare": 1, "kind": "rehearsed", "rehearsed": rows, "runs": [], "left_out": [],
                   "verdicts": [dict(v, why=verdicts.NEEDS_CARD) for v in judged]}, file, indent=1)
    return good
