#!/usr/bin/env bash
# make card without a card: what it says where there is none, its rehearsal on the simulated driver, and what it makes of
# programs with planted faults (card_planted.py), of a probe that hangs, of too little time, of being interrupted.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
dir=$O/e2e/card
rm -rf "$dir"
mkdir -p "$dir/nvml" "$dir/nvml_stopped" "$dir/nvml_short" "$dir/hanging/gpu"
unset LOWTIDE_GPU_SIMULATED LD_LIBRARY_PATH MAKEFLAGS RESULTS BUDGET_S CARD_STEPS CARD_CATALOG CARD_NVML CARD_JOBS CARD_COMPARE
export CARD_BUILD=$O
main() { timeout 150 python3 tests/card/main.py "$@"; }
rehearse() { # rehearse NAME VARIABLE=VALUE...: its results in $dir/NAME, what it prints in $dir/NAME.out, status and seconds
	local name=$1 began=$SECONDS
	shift
	env LOWTIDE_GPU_SIMULATED=1 RESULTS="$dir/$name" "$@" timeout 150 python3 tests/card/main.py >"$dir/$name.out" 2>&1
	echo $? >"$dir/$name.status"
	echo $((SECONDS - began)) >"$dir/$name.seconds"
}
ended() { [ "$(<"$dir/$1.status")" -eq "$2" ]; }
within() { [ "$(<"$dir/$1.seconds")" -le "$2" ]; }
# says NAME EXPRESSION [WHAT]: Python, of card.json (C), table.txt (T), failures.txt (F) and what was printed (P).
# R(name): the results of that name; S(name): their statuses; W(name): why, of the first.
says() { check "$1: ${3:-$2}" is "$1" "$2"; }
is() {
	python3 - "$dir/$1" "$2" <<'PYTHON'
import json, os, sys
def text(name):
    path = sys.argv[1] + name
    return open(path).read() if os.path.exists(path) else ""
C, T, F, P = json.loads(text("/card.json")), text("/table.txt"), text("/failures.txt"), text(".out")
def R(name): return [r for r in C["results"] if r["name"] == name]
def S(name): return [r["status"] for r in R(name)]
def W(name): return R(name)[0]["why"]
try:
    good = eval(sys.argv[2])
except Exception as error:
    good = print(repr(error))
sys.exit(not good)
PYTHON
}

for file in tests/card/*.py tests/card/*/*.py tests/gpu/*.py tests/e2e/card_*.py; do
	[ -e "$file" ] && check "$file compiles" python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file"
done
(
	python3 tests/e2e/card_parts.py "$dir/parts" >"$dir/parts.out" 2>&1
	echo $? >"$dir/parts.status"
) &

# --- where no card is
if ldconfig -p | grep -q 'libcuda\.so\.1 '; then
	echo "skipped: what is said without a driver: this machine has one"
else
	out=$(main 2>"$dir/err")
	check "without a driver it is no failure" [ $? -eq 0 ]
	check "and the exact words are said" [ "$out" = "skipped: no CUDA device" ]
	check "and why" grep -q 'libcuda' "$dir/err"
fi
out=$(LD_LIBRARY_PATH=$O/sim main 2>"$dir/err")
check "the simulated driver is not taken for a card" [ "$?-$out" = "0-skipped: no CUDA device" ]
check "and is named" grep -q simulated "$dir/err"
out=$(LOWTIDE_GPU_SIMULATED=1 LOWTIDE_SIM_FAIL=cuInit:1:100 main 2>"$dir/err")
check "a driver without a card is no failure" [ "$?-$out" = "0-skipped: no CUDA device" ]
for wrong in BUDGET_S=soon BUDGET_S=5 CARD_STEPS=lunch CARD_BUILD=/nowhere; do
	env LOWTIDE_GPU_SIMULATED=1 "$wrong" timeout 60 python3 tests/card/main.py >"$dir/wrong.out" 2>&1
	check "$wrong is refused" [ $? -eq 1 ]
	check "and named" grep -qF "${wrong#*=}" "$dir/wrong.out"
done
check "make help lists it" eval 'make help >"$dir/help" && grep -q "^  card  *ten minutes" "$dir/help" && grep -q BUDGET_S=540 "$dir/help"'

# --- planted faults, too little time, a probe and a comparison that hang, an interruption: they mostly sleep, so all at once
planted=(CARD_CATALOG=tests/e2e/card_planted.py CARD_NVML="$O/fake/libnvidia-ml.so.1" FAKE_NVML="$dir/nvml")
for part in lowtide liblowtide.so sim workloads fake; do ln -s "$O/$part" "$dir/hanging/$part"; done
printf '#!/bin/sh\n[ "$1" = --list ] && echo "danger_strict asks" && exit\nexec sleep 600\n' >"$dir/hanging/gpu/probe"
chmod +x "$dir/hanging/gpu/probe"
printf 'import json, sys\na = dict(zip(sys.argv[1::2], sys.argv[2::2]))\nassert int(a["--budget"]) > 0 and "--rehearse" in sys.argv\njson.dump({}, open(a["--json"], "w"))\nprint("the word of the comparison")\n' >"$dir/compare.py"
printf 'import time\ntime.sleep(600)\n' | tee "$dir/compare_hangs.py" >"$dir/catches.py"
(
	rehearse overdue BUDGET_S=20 CARD_STEPS=comparisons CARD_COMPARE="$dir/compare_hangs.py"
) &
(
	rehearse caught BUDGET_S=20 CARD_STEPS=programs CARD_CATALOG="$dir/catches.py"
) &
(
	rehearse short "${planted[@]}" BUDGET_S=30 CARD_BUILD="$dir/hanging" PLANTED_FAULTS="none digest" PLANTED_S=2 CARD_JOBS=1 FAKE_NVML="$dir/nvml_short" WORKLOADS=decode
) &
(
	env LOWTIDE_GPU_SIMULATED=1 RESULTS="$dir/stopped" "${planted[@]}" FAKE_NVML="$dir/nvml_stopped" BUDGET_S=120 CARD_STEPS="hello programs" \
		PLANTED_FAULTS="none none none" PLANTED_S=1 python3 tests/card/main.py >"$dir/stopped.out" 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		grep -qs 'no pressure' "$dir/stopped/card.json" && break
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid
	echo $? >"$dir/stopped.status"
) &
rehearse planted "${planted[@]}" BUDGET_S=130 PLANTED_S=0.4 CARD_STEPS="identity hello programs comparisons" CARD_JOBS=3 CARD_COMPARE="$dir/compare.py"
wait

check "its parts, one by one" ended parts 0
grep -E '^(failed|skipped|Traceback|[A-Za-z]*Error)' "$dir/parts.out"

check "planted: the status tells" ended planted 1
says planted 'S("planted none, 50 % balanced strict") == S("planted none, 75 % balanced strict") == ["passed"]' "a good program passes"
says planted 'S("planted nowhere, 50 % balanced strict") == ["passed", "passed"]' "also beside bad ones"
says planted '[r["crowded"] for r in R("planted none, bare")] == [False, False]' "what matters most runs alone"
says planted '[r["crowded"] for r in R("planted nowhere, bare")] == [True, False]' "times beside others are told from those alone"
says planted '[r["name"] for r in C["results"] if r["step"] == "programs"][0] == "planted none, bare"' "and first"
says planted 'W("planted digest, 50 % balanced strict").startswith("another digest: wrong, bare right") and S("planted digest, no pressure")[0] == "passed"'
says planted 'W("planted crash, 50 % balanced strict").startswith("signal 11 (SIGSEGV)")'
says planted 'W("planted hang, 50 % balanced strict").startswith("still running after")'
says planted 'W("planted hang") == "it hung (50 % balanced strict): 50 % balanced overlap" and S("planted hang")[0] == "skipped"' "what hung is not tried again, and that is told"
says planted 'W("planted nvml, 50 % balanced strict").startswith("above the cap by NVML (pid): 500 MiB; cap 108, context 300")'
says planted 'W("planted account, 50 % balanced strict").startswith("above the cap by the library")'
says planted 'S("planted absent, bare")[0] == "skipped" and "needs a framework that is nowhere" in W("planted absent, bare")' "what is absent is no failure"
says planted 'W("planted talk, bare").startswith("its last line is not the JSON object")'
says planted '"differs from run to run" in W("planted moody, no pressure")' "a program that does not agree with itself is told from a broken library"
says planted 'W("planted silent, no pressure").startswith("the library left no statistics")'
says planted 'C["facts"]["memory_by"] == "pid" and R("planted none, bare")[0]["nvml"]["peak_bytes"] == 500 << 20'
says planted 'all(f"planted {f}, " in T and f"planted {f}" in P for f in "digest crash hang nvml account talk moody silent".split())' "each is on the page"
says planted 'all(f"==== planted {f}, " in F for f in "digest crash hang nvml account talk moody silent".split())' "each has its story"
says planted 'F.count("planted debug line 299") >= 5 and "planted debug line 99\n" not in F' "with the end of its debug log"
says planted 'C["closing_line"] == T.splitlines()[-1] == P.splitlines()[-1] and ", 0 failed" not in C["closing_line"]'
says planted 'C["facts"]["compare_told"] == ["the word of the comparison"] and S("tests/card/compare/compare.py") == []'
if command -v gdb >/dev/null || command -v cuda-gdb >/dev/null; then
	says planted 'F.count("#0 ") >= 2 and "--- backtrace of another run" in F and "--- where it was when its time was over" in F' "and backtraces"
fi
says planted '"Fatal Python error: Aborted" in F and "card_planted.py" in F' "and Python's own, of what hung"
says planted '"command: " in F and "LOWTIDE_VRAM=" in F and "python3 tests/e2e/card_planted.py crash --device cuda" in F' "and the line to type"

check "short: the status tells of the probe" ended short 1
check "short: it keeps its time" within short 42
says short 'S("probe --quick") == ["failed"] and "still running" in W("probe --quick")' "a probe that hangs is a failure"
says short 'S("planted none, bare") and S("decode, bare") == ["passed"]' "and the rest goes on"
says short 'any(r["status"] == "no time" and r["step"] == "programs" for r in C["results"])' "what there was no time for is told"
says short '"left out" in T and "programs: no time" in T and "planted digest" in T'
check "overdue: a comparison that hangs is no failure of anything else" ended overdue 0
check "overdue: it is ended in time" within overdue 30
says overdue '"did not keep its budget" in P and C["steps"][0]["state"] == "cut short"'

# A catalogue is imported by the runner itself.
check "caught: the status tells" ended caught 3
check "caught: what the runner itself waits for is no way out" within caught 36
says caught '"overdue: ended by force" in T and P.splitlines()[-1] == C["closing_line"]'

check "stopped: the status tells" ended stopped 3
says stopped '"interrupted (SIGTERM)" in T and "passed" in S("planted none, bare")' "an interruption keeps what was found"
check "stopped: nothing is left running" eval 'for f in "$dir"/nvml_stopped/*; do ! kill -0 "$(basename "$f")" 2>/dev/null || break; done'

# --- the rehearsal, through make, with a relative folder
env LOWTIDE_GPU_SIMULATED=1 RESULTS="$dir/whole" BUDGET_S=30 CARD_JOBS=2 WORKLOADS="decode diffusion" timeout 120 make -s O="$(realpath --relative-to=. "$O")" card >"$dir/whole.out" 2>&1
echo $? >"$dir/whole.status"
check "the rehearsal ends well" ended whole 0
says whole 'C["kind"] == "simulated" and C["card"]["name"] == "Simulated GPU 0" and T.startswith("Lowtide on SIMULATED") and "commit" in C'
says whole 'C["spent_s"] < 33 and [s["name"] for s in C["steps"]] == ["identity", "probe", "hello", "workloads", "programs", "long trials", "comparisons"]'
says whole 'all(s["state"] in ("done", "cut short", "left out") for s in C["steps"])'
says whole 'any(r["step"] == "programs" and r["name"] == "stand-in decode, 50 % balanced strict" and r["status"] == "passed" for r in C["results"])'
says whole 'all(r.get("device", "simulated") == "simulated" and r["program"].startswith("stand-in") for r in C["results"] if "program" in r)' "no program of a framework is said to have run"
says whole 'S("memory of each process by NVML") == ["needs a card"] and C["closing_line"].endswith("need a card")'
says whole 'all(g["met"] is None for g in C["facts"]["goals"]) and "not judged" in T' "simulated times meet no goal"
says whole 'S("lowtide doctor") == ["passed"] and C["facts"]["machine"]["processors"] and R("decode, bare")[0]["figures"][0]["name"] == "step_ms/decode/bare"'
says whole '"decode" in {r.get("workload") for r in C["results"]} <= {"decode", "diffusion", None}' "a knob of the environment comes through make"
says whole 'P.splitlines()[-1] == C["closing_line"]' "the page is printed, and ends in the counts"
if [ -e tests/card/torch/catalog.py ]; then
	says whole 'sum(r["status"] == "needs a card" and r["step"] == "programs" for r in C["results"]) > 5 and any(r["status"] == "needs a card" for r in C["results"] if r["step"] == "hello")' "the catalogue's programs need a card"
fi
check "at most eight files, flat, small" eval '[ "$(find "$dir/whole" -mindepth 1 | wc -l)" -le 8 ] && [ -z "$(find "$dir/whole" -mindepth 1 \( -type d -o -size +1M \))" ]'
check "no path of this machine is in them" eval '! grep -rqF "$PWD/" "$dir/whole"'
finish
