#!/usr/bin/env bash
# Random allocations, frees, copies, fills and launches against an oracle in host memory, seed after seed, each under
# another policy, cap, scheduler and level of safety. Knob: CHURNS (how many seeds).
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/churn
rm -rf "$dir"
mkdir -p "$dir"
one() { # one SEED: a line if something is wrong
	local seed=$1 policies=(lru balanced sequential group auto) caps=(12 18 26) schedulers=(virtual seeded threads)
	local policy=${policies[$((seed % 5))]} cap=$((${caps[$((seed / 5 % 3))]} << 20))
	local scheduler=${schedulers[$((seed / 15 % 3))]} safety=strict key=$dir/$seed status
	[ $((seed / 45 % 2)) -eq 0 ] || safety=graced
	LOWTIDE_VRAM=$cap LOWTIDE_POLICY=$policy LOWTIDE_SAFETY=$safety LOWTIDE_BLOCK=2M LOWTIDE_MIN=64K LOWTIDE_LOG=error \
		LOWTIDE_VERIFY=1 LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_SEED=$seed LOWTIDE_SIM_REPORT=$key.json \
		LD_PRELOAD=$O/liblowtide.so timeout 60 "$O/workloads/churn" --mb 16 --ops 120 --seed "$seed" >"$key.out" 2>"$key.err"
	status=$?
	if [ $status -ne 0 ] || grep -q 'differs between' "$key.err"; then
		echo "churn $seed ($policy, $((cap >> 20)) MiB, $scheduler, $safety): status $status: $(tail -n 1 "$key.err")"
	else
		faults "$key.json" $cap | head -n 1 | sed "s/^/churn $seed ($policy, $((cap >> 20)) MiB, $scheduler, $safety): /"
	fi
	rm -f "$key".*
}
export -f one field faults
export dir
runs=${CHURNS:-1000}
seq 1 "$runs" | xargs -P "$(nproc)" -n 1 bash -c 'one "$@"' one >"$dir/wrong"
failed=$(wc -l <"$dir/wrong")
cat "$dir/wrong"
echo "$((runs - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
