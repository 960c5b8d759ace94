#!/usr/bin/env bash
# The comparison with what others do to make a model fit (tests/card/compare): its arithmetic with planted numbers, its runs
# with a stand-in for the PyTorch program, and the rehearsal: its words without PyTorch, the mechanisms themselves where it is.
. "$(dirname "$0")/lib.sh"
here=tests/card/compare
dir=$O/e2e/compare
rm -rf "$dir"
mkdir -p "$dir"
export PYTHONPYCACHEPREFIX=$PWD/$dir/pycache
[[ $dir = /* ]] && PYTHONPYCACHEPREFIX=$dir/pycache

# The rehearsal starts PyTorch twenty times: beside all that follows.
rehearsal=
if python3 -c 'import torch' 2>/dev/null; then
	timeout 600 python3 $here/compare.py --rehearse --budget 590 --json "$dir/rehearsal.json" >"$dir/rehearsal.out" 2>&1 &
	rehearsal=$!
fi

ends_well "every file compiles" python3 -m py_compile $here/*.py $here/mechanisms/*.py
said=$(python3 $here/verdicts_test.py)
check "the arithmetic holds: $said" [ $? -eq 0 ]
check "it counts" grep -qE '^[0-9]+ passed, 0 failed$' <<<"$said"

# --- without PyTorch: a folder on the path whose torch is not to be had hides one that is installed
mkdir -p "$dir/without"
cat >"$dir/without/sitecustomize.py" <<'PYTHON'
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
sys.meta_path.insert(0, Hidden())
PYTHON
PYTHONPATH=$dir/without timeout 60 python3 $here/compare.py --rehearse --json "$dir/without.json" >"$dir/without.out" 2>"$dir/without.err"
check "the rehearsal without PyTorch is no failure" [ $? -eq 0 ]
check "it says so" [ "$(head -1 "$dir/without.out")" = "PyTorch is not here: no mechanism was rehearsed" ]
check "every goal needs a card" [ "$(grep -c '^needs a card: ' "$dir/without.out")" -eq 4 ]
check "and nothing else is said" [ "$(wc -l <"$dir/without.out")" -eq 5 ]
check "nothing is said to be met" bash -c "! grep -qE 'passed|\bmet\b' '$dir/without.out'"
PYTHONPATH=$dir/without timeout 60 python3 $here/compare.py --json "$dir/none.json" >"$dir/none.out" 2>"$dir/none.err"
check "a comparison without PyTorch: status 77" [ $? -eq 77 ]
check "and why" grep -q '^not here: torch cannot be imported' "$dir/none.err"
for wrong in "--models encoder" "--shares 100" "--shares x" "--size huge"; do
	# shellcheck disable=SC2086
	timeout 60 python3 $here/compare.py $wrong >"$dir/wrong.out" 2>&1
	check "$wrong is refused" [ $? -eq 2 ]
done

# --- process memory, with an NVML of our own that lists one process
cat >"$dir/nvml.c" <<'C'
struct process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };
unsigned listed;
unsigned long long used[] = {100, 700, 300};
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = &listed; return index; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *list)
{
	static int asked;
	if (device != &listed || *count < 2)
		return 2;
	list[0] = (struct process){1, 9000, 0, 0};
	list[1] = (struct process){listed, used[asked < 2 ? asked++ : 2], 0, 0};
	*count = 2;
	return 0;
}
C
${CC:-cc} -shared -fPIC -o "$dir/libnvml.so" "$dir/nvml.c"
ends_well "the most a process took is told, and of others nothing" env PYTHONPATH=$here python3 - "$dir/libnvml.so" <<'PYTHON'
import ctypes, sys, time
from memory import Nvml, Sampler
def watch(nvml, pid):
    sampler = Sampler(nvml, pid)
    time.sleep(0.6)
    return sampler.stop()
ctypes.c_uint.in_dll(ctypes.CDLL(sys.argv[1]), "listed").value = 4711
assert watch(Nvml(sys.argv[1]), 4711) == 700
assert watch(Nvml(sys.argv[1]), 4712) is None
ctypes.c_uint.in_dll(ctypes.CDLL(sys.argv[1]), "listed").value = 4712
(ctypes.c_ulonglong * 3).in_dll(ctypes.CDLL(sys.argv[1]), "used")[2] = 2 ** 64 - 1
assert watch(Nvml(sys.argv[1]), 4712) is None, "memory that NVML does not tell"
assert watch(Nvml(None), 4711) is None and watch(Nvml("libnot-here.so"), 4711) is None
PYTHON

# --- whole comparisons, with a stand-in for the program
export COMPARE_PROGRAM=$here/standin_program.py
printf '{"trials": [{"name": "copies", "figures": [{"name": "h2d", "median": 25.0}]}]}' >"$dir/probe.json"
standin() { # standin NAME PLANT OPTIONS...: the record is $dir/NAME.json, what was asked $dir/NAME.log, the status $status
	local name=$1
	rm -f "$dir/$name.log"
	STANDIN=$2 STANDIN_LOG=$dir/$name.log timeout 100 python3 $here/compare.py --json "$dir/$name.json" --probe "$dir/probe.json" "${@:3}" \
		>"$dir/$name.out" 2>"$dir/$name.err"
	status=$?
}
holds() { # holds NAME EXPRESSION: Python, where R is the record, L what was asked, V(goal, ...) a verdict, run(name) a run
	check "$1: $2" python3 - "$dir/$1.json" "$dir/$1.log" "$2" <<'PYTHON'
import json, sys
R, L = json.load(open(sys.argv[1])), [json.loads(line) for line in open(sys.argv[2])]
def V(goal, share=50, safety="strict", model="decoder"):
    return next(v["verdict"] for v in R["verdicts"] if goal in v["goal"] and (v["model"], v["share"], v["safety"]) == (model, share, safety))
def run(name): return next(r for r in R["runs"] if r["name"] == name)
def left(name): return next((x["why"] for x in R["left_out"] if x["name"] == name), None)
def asked(key): return [x for x in L if x["key"] == key]
try:
    good = eval(sys.argv[3])
except Exception as error:
    good = print(repr(error))
sys.exit(not good)
PYTHON
}
second=overlap
G=1073741824
ms='"none": 40, "diffusers_group_leaf": 90, "sdnext_sequential": 500, "lowtide balanced strict": 95, "lowtide balanced '$second'": 80'
standin whole '{"peak": '$((2 * G))', "weights": '$G', "ms": {'"$ms"'}, "takes": {"diffusers_group_leaf": 700000000, "sdnext_sequential": 300000000}}' --models decoder
check "a whole comparison ends well" [ $status -eq 0 ]
holds whole 'R["kind"] == "measured" and R["h2d_gbps"] == 25.0 and R["faults"] == []'
holds whole 'all(r["same"] for r in R["runs"] if r["why"] is None) and len(R["runs"]) > 15'
holds whole 'L[0]["key"] == "none" and all(x["preload"] == ("liblowtide.so" if x["key"].startswith("lowtide") else "") for x in L)'
holds whole 'all(x["--blocks"] == "7" and x["--beside-bytes"] == str(2**30) for x in L[1:])'
holds whole '[x["cap"] for x in asked("lowtide balanced strict")] == [2**30, 700000000, 2**31 * 75 // 100, 2**31 * 25 // 100, 2**31 * 25 // 100]'
holds whole 'asked("lowtide sequential strict")[0]["cap"] == 300000000'
holds whole 'V("no slower") == "missed" and V("no slower", safety=R["runs"][2]["safety"]) == "met"'
holds whole 'V("3 times") == "met" and V("1 %") == "met" and V("1.10") == "missed"'
holds whole 'len(R["verdicts"]) == 24 and {v["share"] for v in R["verdicts"]} == {50, 75, 25}'
check "what was met and missed is told" grep -qE '^[0-9]+ met, [0-9]+ missed, [0-9]+ not judged$' "$dir/whole.out"

standin small '{"peak": '$((2 * G))', "weights": '$G', "ms": {}, "takes": {"diffusers_group_block": '$((2 * G))'}}' --models decoder --shares 50
holds small 'run("decoder 50 % diffusers_group_block")["why"] == "does not fit in so many bytes" and R["faults"] == []'
standin wrong '{"peak": '$((2 * G))', "weights": '$G', "ms": {}, "end": {"sdnext_balanced": "other digest", "accelerate": "crash", "lowtide balanced strict": "above the cap"}}' --models decoder --shares 50
check "another digest and a cap that is passed are failures" [ $status -eq 1 ]
holds wrong 'sum("another digest" in f for f in R["faults"]) == 1 and sum("by its own account" in f for f in R["faults"]) >= 1'
holds wrong 'run("decoder 50 % accelerate")["why"] == "signal 11"'
check "a failure is told last on stderr" grep -q 'another digest' "$dir/wrong.err"
standin absent '{"peak": '$G', "weights": 1, "ms": {}, "end": {"none": "not here"}}'
check "without a card: status 77" [ $status -eq 77 ]
check "after one run" [ "$(wc -l <"$dir/absent.log")" -eq 1 ]
standin short '{"peak": '$((2 * G))', "weights": '$G', "ms": {}, "wait_s": 1.5}' --budget 9
check "a budget that is too short ends well" [ $status -eq 0 ]
holds short '0 < len(R["runs"]) < 8 and left("pipeline bare") == "no time"'
check "what was left out is told" grep -qE '^left out, [0-9]+, no time: ' "$dir/short.out"
standin hung '{"peak": '$((2 * G))', "weights": '$G', "ms": {}, "end": {"lowtide balanced strict": "hang"}}' --budget 8 --models decoder
check "a program that hangs does not pass the budget" [ $status -eq 0 ]
holds hung 'run("decoder 50 % lowtide balanced strict")["cut"] and left("decoder 50 % lowtide balanced strict") == "cut by the budget"'
gone() { # gone PID...: none of them runs
	local pid
	for pid in "$@"; do [ ! -e "/proc/$pid" ] || grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" || return 1; done
}
# shellcheck disable=SC2046
check "it and what it started are ended" gone $(cat "$dir/hung.log.pids")
STANDIN='{"peak": 2, "weights": 1, "ms": {}, "end": {"none": "hang"}}' STANDIN_LOG=$dir/killed.log python3 $here/compare.py >/dev/null 2>&1 &
pid=$!
for _ in $(seq 100); do
	[ -s "$dir/killed.log.pids" ] && break
	sleep 0.1
done
kill -KILL $pid
wait $pid 2>/dev/null
sleep 0.5
check "a comparison that is killed leaves no program on the card" gone "$(cut -d' ' -f1 "$dir/killed.log.pids")"
kill "$(cut -d' ' -f2 "$dir/killed.log.pids")" 2>/dev/null
unset COMPARE_PROGRAM

# --- the mechanisms themselves
if [ -n "$rehearsal" ]; then
	wait $rehearsal
	check "the rehearsal ends well" [ $? -eq 0 ]
	check "every mechanism was rehearsed" grep -qE '^rehearsed: 1[68] passed, 0 failed$' "$dir/rehearsal.out"
	check "its figures need a card" [ "$(grep -c '^needs a card: ' "$dir/rehearsal.out")" -eq 4 ]
	ends_well "faults put into the hooks are found" timeout 300 python3 $here/mechanisms_test.py
else
	echo "skipped: the mechanisms themselves: PyTorch is not here"
fi
finish
