#!/usr/bin/env bash
# The probe, trial by trial, against the simulated driver: what is planted there is what it must answer. And what it
# does where a driver lacks calls, fails, crashes, hangs, or is not there.
. "$(dirname "$0")/lib.sh"
probe=$O/gpu/probe
driver=$O/sim/libcuda.so.1
dir=$O/e2e/probe
rm -rf "$dir"
mkdir -p "$dir"
# ask NAME [VARIABLE=VALUE...] -- OPTIONS...: runs the probe; the record is $dir/NAME.json, the exit status in
# $dir/NAME.status. What it measures is virtual time, so that several may run at once.
ask() {
	local name=$1 settings=()
	shift
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	shift
	# The probe bounds its own time; a crowded machine may need all of it.
	env "${settings[@]}" timeout 130 "$probe" --driver "$driver" --json "$dir/$name.json" --quick "$@" >"$dir/$name.out" 2>"$dir/$name.err"
	echo $? >"$dir/$name.status"
}
ended() { [ "$(<"$dir/$1.status")" -eq "$2" ]; } # ended RECORD STATUS
# is RECORD EXPRESSION: Python, where F(trial, name) is a figure's median, A(trial, name) a fact, S(trial) the status,
# W(trial) why, C(trial) how its checks went, R the record.
is() {
	python3 - "$dir/$1.json" "$2" <<'PYTHON'
import json, sys
R = json.load(open(sys.argv[1]))
T = {t["name"]: t for t in R["trials"]}
def F(t, n): return next((f["median"] for f in T[t]["figures"] if f["name"] == n), None)
def max_of(t, n): return next(f["max"] for f in T[t]["figures"] if f["name"] == n)
def A(t, n): return T[t]["facts"].get(n)
def S(t): return T[t]["status"]
def W(t): return T[t]["why"]
def C(t): return [c["holds"] for c in T[t]["checks"]]
def near(x, y, share=0.005): return x is not None and abs(x - y) <= share * y
try:
    good = eval(sys.argv[2])
except Exception as error:
    good = print(repr(error))
sys.exit(not good)
PYTHON
}
says() { # says RECORD EXPRESSION [WHAT]
	check "$1: ${3:-$2}" is "$1" "$2"
}

ways=()
for one in host_read_only host_vectors host_wide_vectors host_async_copy host_bulk_copy host_tma host_system_atomics host_vector_atomics host_pageable; do
	ways+=(--only "$one")
done
children_of() { grep -lE "^PPid:[[:space:]]+$1\$" /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3; }
interrupt() { # interrupt SIGNAL NAME: sends it to the first trial's process once that is at work
	local pid child found=
	"$probe" --driver "$driver" --json "$dir/$2.json" --quick --only danger_strict --only hints >"$dir/$2.out" 2>&1 &
	pid=$!
	for _ in $(seq 200); do
		for child in $(children_of $pid); do
			tr '\0' ' ' 2>/dev/null <"/proc/$child/cmdline" | grep -q 'trial danger_strict' && found=$child
		done
		[ -n "$found" ] && break
		sleep 0.02
	done
	sleep 0.4
	kill "-$1" "$found"
	wait $pid
}
# Its time passes meanwhile.
interrupt STOP hung &

# --- all the runs, a few at once
# One card's result, to be given to other runs.
python3 - "$dir/planted.json" <<'PYTHON'
import json, sys
figure = lambda name, median: {"name": name, "median": median}
json.dump({"lowtide_probe": 1, "trials": [
    {"name": "switch_price", "figures": [figure(f"{home}/{size}MiB/{call}", base * step + size) for home, step in (("device", 1), ("host", 3))
                                         for size in (2, 32) for call, base in (("create", 100), ("map", 10), ("set_access", 50), ("unmap", 40), ("release", 20))]},
    {"name": "copies", "figures": [figure("h2d", 12), figure("d2h", 11)]},
    {"name": "host_numa", "facts": {"create": "ok", "kernel_read": "ok"}, "figures": [figure("device/read", 500), figure("host/read", 9), figure("host/write", 8)]},
    {"name": "launch", "figures": [figure("params_1", 4.5)]},
    {"name": "memory", "figures": [figure("pin/1_thread", 2)]},
    {"name": "hints", "facts": {"hint_honoured": False}},
    {"name": "stalls", "facts": {"unmap/waits_for_kernels": True, "create/waits_for_kernels": True},
     "figures": [{"name": "alone/launch", "median": 4.5, "p99": 4.5}, {"name": "beside/launch", "median": 4.5, "p99": 64.5}]}]}, open(sys.argv[1], "w"))
PYTHON
echo '{"lowtide_probe": 1, "trials": [{"name": "stalls", "facts": {"set_access/not_ready": 1}}]}' >"$dir/not_ready.profile"
echo '{"lowtide_probe": 1, "trials": [{"name": "host_numa", "facts": {"create": "ok", "kernel_read": "CUDA_ERROR_ILLEGAL_ADDRESS"}}]}' >"$dir/copy_only.profile"
(
	ask again LOWTIDE_SIM_PROFILE="$dir/planted.json" -- --only switch_price --only copies --only host_numa --only launch --only memory --only hints --only stalls
	ask not_ready LOWTIDE_SIM_PROFILE="$dir/not_ready.profile" -- --only stalls --only danger_strict --only danger_graced
	ask copy_only LOWTIDE_SIM_PROFILE="$dir/copy_only.profile" -- --only host_numa --only copies
	probe=$O/gpu/probe_planted ask planted_seed LOWTIDE_SIM_SCHED=seeded LOWTIDE_SIM_SEED=1 -- --only danger_strict --only danger_graced
	for seed in 1 2; do
		ask "seed_$seed" LOWTIDE_SIM_SCHED=seeded LOWTIDE_SIM_SEED=$seed -- --only danger_hole --only danger_switch --only danger_beside --only danger_strict --only danger_graced
	done
) &
(
	ask rates LOWTIDE_SIM_H2D_GBPS=10 LOWTIDE_SIM_D2H_GBPS=5 LOWTIDE_SIM_VRAM_GBPS=200 LOWTIDE_SIM_ZEROCOPY=0.5 -- --only copies --only host_numa
	ask no_host LOWTIDE_SIM_HOST_NUMA=0 -- --only host_numa --only host_any --only host_cpu --only switch_price --only stalls --only copies --only blocking
	ask old LOWTIDE_SIM_DRIVER=12030 -- --only launch --only host_any
	ask ways LOWTIDE_SIM_HOST_FAULTS=read_only,vectors,async_copy,bulk_copy,tma,system_atomics,vector_atomics,pageable -- "${ways[@]}"
	ask one_way LOWTIDE_SIM_HOST_FAULTS=tma -- "${ways[@]}"
	for manner in '' refuses other_bits wrong faults; do
		ask "math_$manner" LOWTIDE_PROBE_LIBRARIES="$dir:$O/fake/math" FAKE_MATH=$manner -- --only host_cublas --only host_cublas_fp16 --only host_cudnn --only in_place
	done
	ask as_device LOWTIDE_SIM_HOMES=blocks_as_device -- --only host_pageable --only blocking
	ask map_tells LOWTIDE_SIM_HOMES=map_tells_home -- --only tensor_map
	ask map_needs LOWTIDE_SIM_HOMES=map_needs_memory -- --only tensor_map
	ask no_function_info LOWTIDE_SIM_FAIL=cuFuncGetParamInfo:*:400 -- --only launch
	ask unknown_word LOWTIDE_SIM_HOMES=nothing -- --only hints
	ask no_stores LOWTIDE_SIM_HOST_FAULTS=bulk_store,tma_store -- --only host_bulk_copy --only host_tma
	for one in ways no_stores as_device map_tells map_needs; do
		ask "${one}_again" LOWTIDE_SIM_PROFILE="$dir/$one.json" -- "${ways[@]}" --only tensor_map
	done
	ask blackwell LOWTIDE_SIM_ATTRIBUTES=75:10 -- --only host_wide_vectors
	ask no_wide LOWTIDE_SIM_ATTRIBUTES=75:10 LOWTIDE_SIM_HOST_FAULTS=wide_vectors -- --only host_wide_vectors
	ask pascal LOWTIDE_SIM_ATTRIBUTES=75:6 -- "${ways[@]}"
	ask no_info LOWTIDE_SIM_FAIL=cuKernelGetParamInfo:*:999 -- --only launch
	ask older LOWTIDE_SIM_DRIVER=11080 -- --only launch --only host_numa --only tensor_map
	ask ancient LOWTIDE_SIM_DRIVER=10010 -- --only host_numa --only hints --only host_cpu
	ask small LOWTIDE_SIM_VRAM=384M -- --only host_numa --only switch_price --only copies --only hash --only in_place --only stalls
	ask second LOWTIDE_SIM_DEVICES=2 -- --device 1 --only hints
	ask fails LOWTIDE_SIM_FAIL=cuMemSetAccess:3:1 -- --only switch_price --only danger_strict --only hints
	ask fault LOWTIDE_SIM_FAIL=cuMemUnmap:8:700 -- --only danger_strict
) &
# Prices and the managed home: every answer planted at once where none hides another's.
priced='event_between launch_jitter reservations page_tables exit_while_working managed_home'
planted_prices="LOWTIDE_SIM_EVENT_NS=700 LOWTIDE_SIM_WAIT_NS=1500 LOWTIDE_SIM_DEPENDENT_PAST_EVENT=1 LOWTIDE_SIM_POLL_STALL_NS=60000
	LOWTIDE_SIM_TABLES=2048 LOWTIDE_SIM_RESERVE_NS=5000 LOWTIDE_SIM_RESERVE_VRAM=1M LOWTIDE_SIM_ADDRESSES=24576G
	LOWTIDE_SIM_FAULT_NS=100000 LOWTIDE_SIM_PREFETCH_NS=25000 LOWTIDE_SIM_EXIT=300"
echo '{"lowtide_probe": 1, "trials": [{"name": "hints", "facts": {"hint_honoured": false}}]}' >"$dir/low.profile"
(
	ulimit -c 0
	# shellcheck disable=SC2086
	ask prices $planted_prices -- $(printf -- '--only %s ' $priced)
	ask priced_again LOWTIDE_SIM_PROFILE="$dir/prices.json" -- --only event_between --only page_tables --only managed_home
	ask tables_kept LOWTIDE_SIM_TABLES=4096 LOWTIDE_SIM_TABLES_KEPT=1 -- --only page_tables
	ask low LOWTIDE_SIM_PROFILE="$dir/low.profile" -- --only reservations
	ask ends_crashing LOWTIDE_SIM_EXIT=crash -- --only exit_while_working
	ask ends_hanging LOWTIDE_SIM_EXIT=hang -- --only exit_while_working
	ask home_moves LOWTIDE_SIM_MANAGED=migrates,copies_back -- --only managed_home
	ask home_faults LOWTIDE_SIM_MANAGED=faults -- --only managed_home
	ask home_tears LOWTIDE_SIM_MANAGED=tears -- --only managed_home
	ask home_slow LOWTIDE_SIM_H2D_GBPS=10 LOWTIDE_SIM_D2H_GBPS=5 LOWTIDE_SIM_VRAM_GBPS=200 LOWTIDE_SIM_ZEROCOPY=0.5 -- --only managed_home
	ask home_none LOWTIDE_SIM_ATTRIBUTES=89:0,75:8 -- --only managed_home --only event_between
	ask home_full LOWTIDE_SIM_VRAM=9M -- --only managed_home
	ask home_old LOWTIDE_SIM_DRIVER=12010 -- --only managed_home
	ask priced_old LOWTIDE_SIM_DRIVER=11050 -- --only event_between
	ask priced_ancient LOWTIDE_SIM_DRIVER=10010 -- --only launch_jitter --only reservations --only page_tables
	ask priced_no_host LOWTIDE_SIM_HOST_NUMA=0 -- --only launch_jitter --only page_tables --only exit_while_working
	for seed in 1 2; do
		ask "home_seed_$seed" LOWTIDE_SIM_SCHED=seeded LOWTIDE_SIM_SEED=$seed -- --only managed_home
	done
) &
ask whole --
# Not quick: its 100,000 switches take longer than that.
timeout 60 "$probe" --driver "$driver" --limit 2 --only danger_strict --only hints --json "$dir/limited.json" >"$dir/limited.out" 2>&1
echo $? >"$dir/limited.status"
ask at_end -- --limit 1
check "the whole ends well" ended whole 0
check "a limit is no failure" ended limited 0
says limited 'S("danger_strict") == "ok" and 0 < A("danger_strict", "switches") < A("danger_strict", "switches_wanted") and C("danger_strict") == [True, True]'
timeout 60 "$probe" --driver "$driver" --limit 2 --only stalls --json "$dir/cut.json" >"$dir/cut.out" 2>&1
check "what the limit cuts short has not failed" [ $? -eq 0 ]
says cut 'S("stalls") == "skipped" and W("stalls").startswith("no time was left for it: ran past ")' # one loop of it takes 3 s
says at_end 'len(T) == len({t["name"] for t in R["trials"]}) >= 20 and S("hints") == "skipped" and W("hints") == "no time was left for it"' \
	"what there is no time for is told"
says whole 'R["lowtide_probe"] == 1 and R["kind"] == "simulated" and R["device"]["simulated"] is True'
says whole 'set(R) == {"lowtide_probe", "kind", "date", "quick", "device", "trials"} and R["quick"] is True'
says whole 'all(set(t) == {"name", "question", "status", "why", "figures", "facts", "checks"} for t in R["trials"])'
says whole 'all(f["p25"] <= f["median"] <= f["p75"] <= f["p99"] <= f["max"] and f["n"] > 0 and f["unit"] for t in R["trials"] for f in t["figures"])'
says whole '[t["name"] for t in R["trials"] if t["status"] != "ok"] == ["host_node0", "host_wide_vectors", "host_cublas", "host_cublas_fp16", "host_cudnn"]'
says whole 'W("tensor_map") == "cuTensorMapEncodeTiled: not offered by this driver" or "the address" in T["tensor_map"]["facts"].values()'
says whole 'all(c["holds"] for t in R["trials"] for c in t["checks"])'
says whole 'R["device"]["name"] == "Simulated GPU 0" and R["device"]["memory_bytes"] == 8 << 30 and R["device"]["driver_api"] == "13.0"'
check "the list is the record's" diff <("$probe" --list | cut -d' ' -f1) \
	<(python3 -c 'import json, sys; print("\n".join(t["name"] for t in json.load(open(sys.argv[1]))["trials"]))' "$dir/whole.json")
check "the table says that it is simulated" grep -q '^SIMULATED' "$dir/whole.out"

# --- the simulator's presets (tests/sim/price.c), as the driver under test
says whole 'A("host_numa", "create") == "ok" and A("host_numa", "kernel_read") == "ok" and len(C("host_numa")) == 4'
says whole 'near(F("host_numa", "device/read"), 1000) and near(F("host_numa", "host/read"), 15) and near(F("host_numa", "pinned/read"), 15)'
says whole 'near(F("host_numa", "host/random"), 15e3 / 32)' 'random reads cost a sector each'
says whole 'len(C("host_cpu")) == 6'
says whole 'near(F("switch_price", "device/32MiB/create"), 60.3) and near(F("switch_price", "device/32MiB/map"), 3.3)'
says whole 'near(F("switch_price", "device/2MiB/set_access"), 95.3) and near(F("switch_price", "device/2MiB/unmap"), 33.3) and near(F("switch_price", "device/2MiB/release"), 30.3)'
says whole 'near(F("switch_price", "host/32MiB/create"), 150 + 90 * 32 + 0.3) and near(F("switch_price", "host/32MiB/release"), 14 * 32 + 0.3)'
says whole 'near(F("switch_price", "host/32MiB/set_access"), 90 + 0.033 * 8192 + 0.3)'
says whole 'near(F("switch_price", "range/device/16x2MiB/set_access_one_call"), 95.3) and near(F("switch_price", "range/device/16x2MiB/set_access_each"), 16 * 95.3)'
says whole 'near(F("switch_rate", "32MiB/mapping_time_of_a_pair"), 2 * 36.6 + 95.3 + 360.636)'
says whole 'near(F("stalls", "alone/launch"), 2) and near(F("stalls", "beside/launch"), 2) and A("stalls", "switches") > 0'
says whole 'not any(v for k, v in T["stalls"]["facts"].items() if "waits_for" in k) and A("stalls", "set_access/not_ready") == 0'
says whole 'len([k for k in T["stalls"]["facts"] if "waits_for" in k]) == 30'
says whole 'A("danger_hole", "kernel") == "CUDA_ERROR_ILLEGAL_ADDRESS" and A("danger_hole", "context_after") == "CUDA_ERROR_ILLEGAL_ADDRESS"'
says whole 'A("danger_strict", "switches") >= 24 and C("danger_strict") == [True, True] and A("danger_graced", "switches") >= 12 and C("danger_graced") == [True, True]'
says whole 'A("danger_graced", "moves_ended_under_load") > 0'
says whole 'near(F("copies", "h2d"), 25) and near(F("copies", "d2h"), 25) and near(F("copies", "alias/in"), 25) and near(F("copies", "both_h2d"), 25)'
# A driver may refuse a range of two homes: that is an answer. What it does not refuse, it must do.
says whole 'len(C("copies")) == [A("copies", f"across/{what}") for what in ("copy_in", "copy_out", "fill")].count("ok")'
says whole 'all(T["blocking"]["facts"]["host/" + k[7:]] == v for k, v in T["blocking"]["facts"].items() if k.startswith("pinned/"))' 'host frames block as pinned memory does'
says whole 'A("blocking", "device/async_h2d_pinned") == "returns at once" and A("blocking", "device/async_d2h_pageable") == "waits" and A("blocking", "host/sync_d2d") == "waits" and A("blocking", "device/sync_d2d") == "returns at once"'
says whole 'near(F("memory", "pin/1_thread"), 1 / (90e3 / 2**20)) and A("memory", "context/total_less_free") == 2 << 20'
says whole 'near(F("launch", "params_1"), 2) and near(F("launch", "event_query_done"), 0.3)'
says whole 'A("launch", "param_info/function") == A("launch", "param_info/kernel") == "ok" and len(C("launch")) == 4 + 2 * (A("launch", "param_info/kernel_as_function") == "ok")'
says whole 'near(F("hash", "device"), 1000, 0.01) and F("hash", "kernel_beside_hash") > 1.9 * F("hash", "kernel_alone") and C("hash") == [True]'
says whole 'F("in_place", "matvec/resident") < F("in_place", "matvec/copied_first") < F("in_place", "matvec/in_place") and len(C("in_place")) == 4'
says whole 'A("hints", "hint_honoured") is True and A("hints", "granularity/host_numa/minimum") == 2 << 20'

wait

# --- other machines
says rates 'near(F("copies", "h2d"), 10) and near(F("copies", "d2h"), 5) and near(F("copies", "alias/out"), 5) and near(F("copies", "d2d"), 100)'
says rates 'near(F("host_numa", "device/read"), 200) and near(F("host_numa", "host/read"), 5) and near(F("host_numa", "host/write"), 2.5)'
check "no host frames is an answer" ended no_host 0
says no_host 'A("host_numa", "create") == "CUDA_ERROR_NOT_SUPPORTED" and S("host_numa") == "ok" and not T["host_numa"]["figures"]'
says no_host 'S("host_cpu") == "skipped" and W("host_cpu") == "no host frames: CUDA_ERROR_NOT_SUPPORTED"'
says no_host 'F("switch_price", "device/2MiB/map") and not F("switch_price", "host/2MiB/map") and F("copies", "h2d") and S("stalls") == "ok"'
says no_host '"host/async_fill" not in T["blocking"]["facts"] and A("blocking", "device/async_fill") == "returns at once"'
says old 'A("launch", "param_info/function") == "not offered by this driver" and A("launch", "param_info/kernel") == "not offered by this driver" and near(F("launch", "params_60"), 2)'
says old 'A("host_any", "create") == "CUDA_ERROR_NOT_SUPPORTED"'
says older 'S("tensor_map") == "skipped" and W("tensor_map") == "cuTensorMapEncodeTiled: not offered by this driver"'
says older 'S("launch") == "ok" and A("launch", "param_info/kernel") == "not offered by this driver" and S("host_numa") == "ok"'
says ancient 'all(W(t) == "virtual memory management: not offered by this driver" for t in T)'
says second 'R["device"]["name"] == "Simulated GPU 1" and S("hints") == "ok"'

# --- planted manners and prices, as one card's result that another run is given
says small 'all(t["status"] == "ok" for t in R["trials"]) and near(F("copies", "h2d"), 25) and all(c["holds"] for t in R["trials"] for c in t["checks"])'
says again 'all(near(F("switch_price", f"{home}/{size}MiB/{call}"), base * step + size) for home, step in (("device", 1), ("host", 3)) for size in (2, 32) for call, base in (("create", 100), ("map", 10), ("set_access", 50), ("unmap", 40), ("release", 20)))' \
	'each mapping price is the planted one'
says again 'near(F("copies", "h2d"), 12) and near(F("copies", "d2h"), 11) and near(F("host_numa", "device/read"), 500) and near(F("host_numa", "host/read"), 9) and near(F("host_numa", "host/write"), 8)'
says again 'near(F("launch", "params_1"), 4.5) and near(F("memory", "pin/1_thread"), 2) and A("hints", "hint_honoured") is False'
says again 'A("stalls", "unmap/waits_for_kernels") and A("stalls", "create/waits_for_kernels") and not A("stalls", "map/waits_for_kernels") and not A("stalls", "set_access/waits_for_kernels") and not A("stalls", "release/waits_for_kernels")'
says again 'A("stalls", "unmap/waits_for_copies") is True'
says again 'near(F("stalls", "alone/launch"), 4.5) and near(max_of("stalls", "alone/launch"), 4.5) and near(max_of("stalls", "beside/launch"), 64.5)' \
	"a launch that another thread's mapping call holds up is seen"
ask home LOWTIDE_SIM_PROFILE="$dir/whole.json" -- --only switch_price --only copies --only host_numa --only launch --only memory
python3 - "$dir/whole.json" "$dir/home.json" >"$dir/differences" <<'PYTHON'
import json, sys
names = ("switch_price", "copies", "host_numa", "launch")
read = lambda path: {(t["name"], f["name"]): f["median"] for t in json.load(open(path))["trials"] if t["name"] in names for f in t["figures"]}
first, second = map(read, sys.argv[1:])
for key in first:
    # How the calls over a range are priced is not part of a profile.
    if not key[1].startswith("range/") and abs(first[key] - second[key]) > 0.005 * first[key]:
        print(key, first[key], second[key])
PYTHON
check "a result given back as a profile gives the same result: $(head -3 "$dir/differences")" [ ! -s "$dir/differences" ]
for profile in "" "$dir/planted.json"; do
	LOWTIDE_SIM_PROFILE=$profile MB=64 STEPS=4 CAPS=75 POLICIES=lru timeout 60 python3 tests/bench/demo.py >"$dir/demo${profile:+.planted}" 2>&1
	check "the demonstration runs with profile '$profile'" [ $? -eq 0 ]
done
check "the demonstration takes the card's prices" eval '[ "$(grep "a step" "$dir/demo")" != "$(grep "a step" "$dir/demo.planted")" ]'
says not_ready 'A("stalls", "set_access/not_ready") >= 6 and S("stalls") == "ok" and C("danger_strict") == [True, True] and C("danger_graced") == [True, True]'
says not_ready 'A("danger_strict", "set_access_not_ready") == 0' 'after a drain no set-access is refused'
says copy_only 'A("host_numa", "kernel_write") == "CUDA_ERROR_ILLEGAL_ADDRESS" and A("host_numa", "not_asked") and not T["host_numa"]["figures"]'
says copy_only 'F("copies", "alias/in") and S("copies") == "ok"'

# --- the danger, where anything may fall between two calls
for seed in 1 2; do
	says "seed_$seed" 'A("danger_hole", "kernel") == "CUDA_ERROR_ILLEGAL_ADDRESS" and A("danger_switch", "kernel") == "CUDA_ERROR_ILLEGAL_ADDRESS"'
	says "seed_$seed" 'C("danger_beside") == [True, True] and C("danger_strict") == [True, True] and C("danger_graced") == [True, True]'
done

# The same rules without their waiting are found out.
check "a rule that does not wait is not let pass" ended planted_seed 1
says planted_seed 'S("danger_strict") == "failed" and S("danger_graced") == "failed"'
says planted_seed 'False in C("danger_strict") and False in C("danger_graced")'

# --- what fails says why, and the others go on
check "a failed trial is told by the exit status" ended fails 1
says fails 'S("switch_price") == "failed" and "CUDA_ERROR_INVALID_VALUE" in W("switch_price") and "range_open" in W("switch_price")'
says fails 'S("hints") == "ok"'
says fault 'S("danger_strict") == "failed" and C("danger_strict") == [False] and T["danger_strict"]["checks"][0]["why"] == "CUDA_ERROR_ILLEGAL_ADDRESS"' \
	'a fault in the storm breaks its promise'
interrupt ABRT crashed
says crashed 'S("danger_strict") == "failed" and "signal 6" in W("danger_strict") and "switching by the strict rule" in W("danger_strict") and S("hints") == "ok"'
says hung 'S("danger_strict") == "failed" and W("danger_strict") == "ran past 18 s, while switching by the strict rule" and S("hints") == "ok"'

# --- prices and the managed home
says whole 'A("event_between", "dependent/overlaps") is True and A("event_between", "dependent/overlaps_past_event") is False and A("event_between", "chains_not_queued_in_time") == 0'
says whole 'all(F("event_between", f"gap/{what}") == 0 for what in ("none", "event", "timed_event", "wait_done", "cross_stream")) and C("event_between") == [True]'
says whole 'all(near(F("launch_jitter", f"{who}/launch_p99.9"), 2) for who in ("alone", "switching", "event_query_tight", "event_query_50us", "stream_query_tight", "stream_query_50us", "frames"))'
says whole 'A("reservations", "reserve/8192GiB") == A("reservations", "arena") == A("reservations", "aliases") == "ok" and A("reservations", "arena/hint_honoured") is True and A("reservations", "aliases/hint_honoured") is True'
says whole 'A("reservations", "both/device_bytes") == 0 and A("reservations", "most_in_all_bytes") >= 16 << 40 and near(F("reservations", "arena/reserve"), 0.3)'
says whole 'len([k for k in T["page_tables"]["facts"] if k.endswith("/device_bytes")]) == 15 and F("page_tables", "of_each_MiB") == 0 and A("page_tables", "kept_after_release") is False'
says whole 'near(F("page_tables", "256MiB/32MiB_frames/make_and_map"), 8 * (150 + 90 * 32 + 0.3 + 3.3 + 360.636) / 1e3)'
says whole 'len(T["exit_while_working"]["facts"]) == 6 and set(T["exit_while_working"]["facts"].values()) == {"exit status 0"}'
says whole 'C("managed_home") == [True] * 7 and all(A("managed_home", f"{call}{version}") == "ok" for call in ("cuMemAdvise", "cuMemPrefetchAsync") for version in ("", "_v2"))'
says whole 'near(F("managed_home", "resident/read"), 1000) and near(F("managed_home", "in_place/read"), 15) and near(F("managed_home", "in_place/write"), 15) and near(F("managed_home", "preferred_only/read"), 15)'
says whole 'A("managed_home", "in_place/stays") is True and A("managed_home", "in_place/last_prefetch") == "RAM" and A("managed_home", "in_place/device_bytes") == 0 and A("managed_home", "unadvised/migrates") is True'
says whole 'near(F("managed_home", "prefetch/to_device"), 25) and near(F("managed_home", "prefetch/to_cpu"), 25) and near(F("managed_home", "prefetch/to_device/call_of_2MiB"), 10) and near(F("managed_home", "prefetch/2MiB/to_device/call"), 10.3)'
says whole 'A("managed_home", "under_reader/moves_ended_under_load") > 0 and A("managed_home", "under_writer/moves_ended_under_load") > 0'
says whole 'A("managed_home", "drop/unset/bytes_cross") is False and A("managed_home", "drop/unset/copied/device_bytes") == A("managed_home", "bytes") and A("managed_home", "drop/unset/dropped/device_bytes") == 0 and A("managed_home", "drop/then_read_from") == "RAM"'
says whole 'A("managed_home", "drop/prefetch/dropped/device_bytes") == A("managed_home", "bytes")' 'RAM had its copy: a prefetch there drops nothing'
over() { # over RECORD WHAT US: what it adds to a link
	says "$1" "near(F('event_between', 'gap/$2') - F('event_between', 'gap/none'), $3)" "gap/$2 is $3 us over none"
}
for record in prices priced_again; do
	over $record event 0.7
	over $record timed_event 0.7
	over $record wait_done 1.5
	over $record cross_stream 2.2
	says $record 'A("event_between", "dependent/overlaps_past_event") is True and A("event_between", "dependent/overlaps_past_wait") is False'
	says $record 'F("page_tables", "of_each_MiB") == 2048 and F("page_tables", "of_each_MiB_mapped_twice") == 4096 and A("page_tables", "kept_after_release") is False'
	says $record 'all(A("page_tables", f"256MiB/{size}MiB_frames/{when}/device_bytes") == kib << 10 for size in (2, 32, 128) for when, kib in (("mapped_once", 512), ("mapped_twice", 1024), ("after_unmap", 0), ("after_release", 0)))'
	says $record 'near(F("managed_home", "prefetch/to_device/call_of_2MiB"), 25) and near(F("managed_home", "prefetch/to_device"), 25)'
done
says prices 'near(max_of("launch_jitter", "event_query_tight/launch"), 62) and near(max_of("launch_jitter", "stream_query_tight/launch"), 62) and near(max_of("launch_jitter", "event_query_50us/launch"), 62)' \
	"a launch that another thread's polling holds up is seen"
says prices 'near(max_of("launch_jitter", "alone/launch"), 2) and near(max_of("launch_jitter", "frames/launch"), 2) and min(A("launch_jitter", f"{who}/calls") for who in ("switching", "event_query_tight", "frames")) >= 10'
says prices 'near(F("reservations", "arena/reserve"), 20.3) and A("reservations", "both/device_bytes") == 8 << 20 and A("reservations", "both/freed/device_bytes") == 0 and A("reservations", "reserve/8192GiB/device_bytes") == 8 << 20'
says prices 'A("reservations", "most_in_all_bytes") == 24 << 40 and A("reservations", "most_in_all/the_next") == "CUDA_ERROR_OUT_OF_MEMORY"'
says prices 'all(F("exit_while_working", f"{what}/main_returns") >= 300 for what in ("switching", "copying", "waiting", "synchronising")) and set(T["exit_while_working"]["facts"].values()) == {"exit status 0"}'
says prices 'near(F("managed_home", "unadvised/first_read"), (32 << 20) / (16 * 100e3 + (32 << 20) / 25), 0.02)' 'each page comes by a fault'
says tables_kept 'A("page_tables", "kept_after_release") is True and A("page_tables", "256MiB/2MiB_frames/after_free/device_bytes") == 2 << 20'
says low 'A("reservations", "arena/hint_honoured") is False and A("reservations", "arena") == "ok"'
says ends_crashing '{k: v for k, v in T["exit_while_working"]["facts"].items() if v != "signal 11 (Segmentation fault)"} == {"idle/main_returns": "exit status 0"}'
says ends_hanging 'A("exit_while_working", "idle/main_returns") == "exit status 0" and A("exit_while_working", "switching/exit_called") == A("exit_while_working", "waiting/main_returns") == "still there when its time was up"'
says ends_hanging 'S("exit_while_working") == "ok" and [f["name"] for f in T["exit_while_working"]["figures"]] == ["idle/main_returns"]'
says home_moves 'A("managed_home", "in_place/stays") is False and A("managed_home", "preferred_only/stays") is False and A("managed_home", "in_place/device_bytes") == A("managed_home", "bytes")'
says home_moves 'A("managed_home", "drop/unset/bytes_cross") is True and A("managed_home", "drop/then_read_from") == "the card" and all(C("managed_home"))'
says home_faults 'S("managed_home") == "failed" and A("managed_home", "under_reader") == "CUDA_ERROR_ILLEGAL_ADDRESS" and C("managed_home") == [True, True, True, False]'
says home_tears 'S("managed_home") == "failed" and [c["name"] for c in T["managed_home"]["checks"] if not c["holds"]] == ["under_reader: every word is read as it was written", "under_writer: no write is lost"]'
says home_slow 'near(F("managed_home", "prefetch/to_device"), 10) and near(F("managed_home", "prefetch/to_cpu"), 5) and near(F("managed_home", "in_place/read"), 5) and near(F("managed_home", "in_place/write"), 2.5) and near(F("managed_home", "resident/read"), 200)'
says home_none 'S("managed_home") == "skipped" and W("managed_home") == "concurrent access to managed memory: not offered by this device"'
says home_none 'A("event_between", "dependent") == "needs compute capability 9.0" and S("event_between") == "ok" and F("event_between", "gap/event") == 0'
says home_full 'S("managed_home") == "skipped" and W("managed_home") == "too little memory is free"'
says home_old 'S("managed_home") == "ok" and "cuMemAdvise_v2" not in T["managed_home"]["facts"] and A("managed_home", "cuMemAdvise") == "ok" and A("managed_home", "in_place/stays") is True'
says priced_old 'A("event_between", "dependent") == "cuLaunchKernelEx: not offered by this driver"'
says priced_ancient 'S("launch_jitter") == "ok" and F("launch_jitter", "event_query_tight/launch") and not F("launch_jitter", "switching/launch") and S("reservations") == S("page_tables") == "skipped"'
says priced_no_host 'S("page_tables") == "skipped" and A("launch_jitter", "frames") == A("launch_jitter", "switching") == "CUDA_ERROR_NOT_SUPPORTED" and F("launch_jitter", "stream_query_50us/launch")'
says priced_no_host 'A("exit_while_working", "switching/main_returns") == "did not begin: no host frames: CUDA_ERROR_NOT_SUPPORTED" and A("exit_while_working", "copying/main_returns") == "exit status 0"'
for seed in 1 2; do says "home_seed_$seed" 'C("managed_home") == [True] * 7 and A("managed_home", "in_place/stays") is True'; done

# --- no device, and bad input
none() { # none WHAT COMMAND...: it must end with 77 and say the exact words
	local what=$1 out
	shift
	out=$("$@" 2>"$dir/none.err")
	check "$what: exit status 77" [ $? -eq 77 ]
	check "$what: says so" [ "$out" = "skipped: no CUDA device" ]
	check "$what: says why" [ -s "$dir/none.err" ]
}
none "no driver" "$probe" --driver "$dir/nowhere.so" --quick --json -
none "a driver without a card" env LOWTIDE_SIM_FAIL=cuInit:1:100 "$probe" --driver "$driver"
for stub in "${CUDA_HOME:-/usr/local/cuda}"/lib64/stubs/libcuda.so /usr/lib/*/stubs/libcuda.so; do
	[ -e "$stub" ] && none "a toolkit's stub driver" "$probe" --driver "$stub"
done
complains() { # complains STATUS WORDS OPTIONS...
	local want=$1 words=$2
	shift 2
	"$probe" --driver "$driver" "$@" >"$dir/bad.out" 2>&1
	check "$*: exit status $want" [ $? -eq "$want" ]
	check "$*: says $words" grep -qF -- "$words" "$dir/bad.out"
}
complains 2 'no such trial: nothing' --only nothing
complains 2 'not a number: x' --device x
complains 2 'not an option: more' more
complains 2 'not a number: soon' --limit soon
complains 1 'no device 4: there are 1, from 0' --device 4
complains 1 "$dir/no/such/folder" --only hints --quick --json "$dir/no/such/folder"
"$probe" --driver "$O/workloads/kernels.so" >"$dir/bad.out" 2>&1
check "a library that is no driver is not used" [ $? -eq 1 ]
check "and what it lacks is named" grep -q 'does not offer cu' "$dir/bad.out"

# --- the record on stdout is nothing but the record; the preload is left
LOWTIDE_VRAM=1M LD_PRELOAD=$O/liblowtide.so "$probe" --driver "$driver" --quick --only memory --json - >"$dir/stdout.json" 2>"$dir/stdout.err"
check "under the preload: ends well" [ $? -eq 0 ]
says stdout 'A("memory", "context/total_less_free") == 2 << 20' "under the preload the driver itself is asked"

# --- ways to reach host frames
host_ways="host_read_only host_vectors host_async_copy host_bulk_copy host_tma host_system_atomics host_vector_atomics"
for trial in $host_ways; do
	kind=read
	[[ $trial == *atomics ]] && kind=atomics
	says whole "A('$trial', 'load') == A('$trial', 'device/$kind') == A('$trial', 'host/$kind') == 'ok' and len(C('$trial')) >= 2 and all(C('$trial'))"
	says ways "A('$trial', 'device/$kind') == 'ok' and A('$trial', 'host/$kind') == 'CUDA_ERROR_ILLEGAL_ADDRESS' and A('$trial', 'not_asked')" \
		'a way that host frames do not take is told'
	says one_way "A('$trial', 'host/$kind') == ('CUDA_ERROR_ILLEGAL_ADDRESS' if '$trial' == 'host_tma' else 'ok')" 'and only that one'
done
says whole 'near(F("host_read_only", "host/read"), 15) and near(F("host_vectors", "host/write"), 15) and near(F("host_tma", "device/read"), 500)'
says whole 'near(F("host_bulk_copy", "host/write"), 15) and near(F("host_tma", "host/write"), 15) and len(C("host_tma")) == len(C("host_bulk_copy")) == len(C("host_vectors")) == 4'
says whole 'near(F("host_system_atomics", "host/atomics"), 15) and near(F("host_vector_atomics", "device/atomics"), 1000)'
for trial in host_bulk_copy host_tma; do
	says no_stores "A('$trial', 'host/read') == 'ok' and A('$trial', 'host/write') == 'CUDA_ERROR_ILLEGAL_ADDRESS' and A('$trial', 'device/write') == 'ok'" \
		'only what is written is told'
done
says whole 'W("host_wide_vectors") == "not on this card: compute capability 9.x, 10.0 is needed"'
says blackwell 'A("host_wide_vectors", "host/read") == A("host_wide_vectors", "host/write") == "ok" and len(C("host_wide_vectors")) == 4 and all(C("host_wide_vectors")) and near(F("host_wide_vectors", "host/read"), 15)'
says no_wide 'A("host_wide_vectors", "device/write") == "ok" and A("host_wide_vectors", "host/read") == "CUDA_ERROR_ILLEGAL_ADDRESS"'
says whole 'W("host_cublas") == "cuBLAS: not tried: it speaks to NVIDIA'"'"'s driver in private" and S("host_cudnn") == "skipped"'
for trial in host_cublas host_cublas_fp16 host_cudnn; do
	says math_ "S('$trial') == 'ok' and [A('$trial', f'{place}_on_host') for place in ('operands', 'result', 'all')] == ['ok'] * 3 and C('$trial') == [True] * 4"
	says math_ "all(A('$trial', f'{place}_on_host/same_bits') is True and F('$trial', f'{place}_on_host') > 2 * F('$trial', 'resident') for place in ('operands', 'result', 'all'))"
	says math_refuses "S('$trial') == 'ok' and A('$trial', 'resident') == 'ok' and A('$trial', 'operands_on_host') == A('$trial', 'all_on_host') == 'refused by the library' and len(C('$trial')) == 1"
	says math_other_bits "S('$trial') == 'ok' and all(C('$trial')) and A('$trial', 'operands_on_host/same_bits') is False" 'other bits of as good a result are told, and no failure'
	says math_wrong "S('$trial') == 'failed' and C('$trial') == [True, False, False, False]" 'a wrong result is found'
	says math_faults "S('$trial') == 'ok' and A('$trial', 'resident') == 'ok' and A('$trial', 'operands_on_host') == 'CUDA_ERROR_ILLEGAL_ADDRESS' and A('$trial', 'not_asked') and A('$trial', 'all_on_host') is None"
done
says math_ 'A("in_place", "cublas") == "used" and A("in_place", "cublas_sgemm/in_place_same_as_resident") is True and F("in_place", "cublas_sgemv/in_place") > F("in_place", "cublas_sgemv/resident")'
says math_wrong 'S("in_place") == "ok" and A("in_place", "cublas_sgemm/in_place_same_as_resident") is False'
says whole 'len(C("host_pageable")) == 20 and all(C("host_pageable"))'
says ways 'S("host_pageable") == "ok" and all(A("host_pageable", f"{how}/{way}/{size}KiB") == "CUDA_ERROR_INVALID_VALUE" for how in ("async", "sync") for way in ("in", "out") for size in (4, 60, 68, 1024, 8192))' \
	'each copy is asked for though another is refused'
says ways 'not C("host_pageable") and A("host_pageable", "async/in/host") == "CUDA_ERROR_INVALID_VALUE" and A("host_pageable", "async/in/device") == "returns at once"'
says whole '[A("host_pageable", f"async/in/{place}") for place in ("host", "device", "pinned")] == ["waits", "returns at once", "waits"]' 'host frames block as pinned memory does'
says as_device '[A("host_pageable", f"async/in/{place}") for place in ("host", "device", "pinned")] == ["returns at once", "returns at once", "waits"]' 'or as device memory'
says as_device 'A("blocking", "host/async_h2d_pageable") == A("blocking", "device/async_h2d_pageable") == "returns at once" and A("blocking", "host/sync_d2d") == "returns at once"'
says as_device 'len(C("host_pageable")) == 20 and all(C("host_pageable"))'
for one in ways no_stores as_device map_tells map_needs; do
	python3 - "$dir/$one.json" "$dir/${one}_again.json" >"$dir/differences" <<'PYTHON'
import json, sys
first, second = ({(t["name"], *fact) for t in json.load(open(path))["trials"] if t["name"] != "blocking" for fact in t["facts"].items()} for path in sys.argv[1:])
print(*sorted(first - second, key=str), sep="\n") if first - second or not first else None
PYTHON
	check "$one, given back as a profile, answers the same: $(head -3 "$dir/differences")" [ ! -s "$dir/differences" ]
done
says map_tells 'A("tensor_map", "encode/cold") == "ok" and A("tensor_map", "cold_as_resident") is False and A("tensor_map", "unmapped_as_resident") is True'
says map_needs 'A("tensor_map", "encode/unmapped") == "CUDA_ERROR_INVALID_VALUE" and A("tensor_map", "unmapped_as_resident") is None and A("tensor_map", "cold_as_resident") is True'
says whole 'A("launch", "param_info/function_of_module_without_parameters") == "CUDA_ERROR_INVALID_VALUE"'
says no_function_info 'A("launch", "param_info/function_of_module_without_parameters") == A("launch", "param_info/function_without_parameters") == "CUDA_ERROR_INVALID_HANDLE" and A("launch", "param_info/kernel_without_parameters") == "CUDA_ERROR_INVALID_VALUE"'
check "a word that the simulator does not know is told" grep -q 'LOWTIDE_SIM_HOMES: not blocks_as_device, map_tells_home or map_needs_memory: nothing' "$dir/unknown_word.err"
says pascal 'all(W(t) == "not on this card: compute capability 6.x, 9.0 is needed" for t in ("host_bulk_copy", "host_tma", "host_vector_atomics"))'
says pascal 'W("host_async_copy") == "not on this card: compute capability 6.x, 8.0 is needed" and S("host_vectors") == S("host_read_only") == "ok"'
says whole 'A("launch", "param_info/kernel_without_parameters") == A("launch", "param_info/function_without_parameters") == "CUDA_ERROR_INVALID_VALUE"'
says no_info 'A("launch", "param_info/kernel_without_parameters") == "CUDA_ERROR_UNKNOWN"' "another error is told"
says whole 'A("tensor_map", "encode/unmapped") == A("tensor_map", "encode/cold") == "ok" and A("tensor_map", "cold_as_resident") is True and A("tensor_map", "unmapped_as_resident") is True'

# --- the kernels
if command -v ptxas >/dev/null || [ -x /usr/local/cuda/bin/ptxas ]; then
	PATH=$PATH:/usr/local/cuda/bin
	for arch in sm_75 sm_90; do
		check "ptxas takes the kernels for $arch" ptxas -arch=$arch tests/gpu/probe/kernels.ptx -o "$dir/kernels.cubin"
	done
else
	echo "skipped: no ptxas to assemble the kernels with"
fi
for kernel in $(sed -nE 's/^extern "C" __global__ void (\w+)\(.*/\1/p' tests/gpu/probe/kernels.cu); do
	check "$kernel is in kernels.ptx" grep -q "entry $kernel(" tests/gpu/probe/kernels.ptx
done
for one in recheck:75 dependent:90 access:75 access_sm80:80 access_sm90:90 access_sm100:100; do
	least=${one#*:} one=${one%:*}
	for kernel in $(sed -nE 's/^extern "C" __global__ void (\w+)\(.*/\1/p' "tests/gpu/probe/$one.cu"); do
		check "$kernel is in $one.ptx" grep -q "entry $kernel(" "tests/gpu/probe/$one.ptx"
	done
	if PATH=$PATH:/usr/local/cuda/bin command -v ptxas >/dev/null; then
		for arch in 75 80 86 89 90 100 120; do
			[ $arch -lt "$least" ] ||
				PATH=$PATH:/usr/local/cuda/bin check "ptxas takes $one for sm_$arch" ptxas -arch=sm_$arch "tests/gpu/probe/$one.ptx" -o "$dir/$one.cubin"
		done
	fi
done
for trial in $("$probe" --list | cut -d' ' -f1); do
	check "tests/gpu/README.md tells of $trial" grep -q "\`$trial\`" tests/gpu/README.md
done
finish
