#!/usr/bin/env bash
# Threads that are cancelled inside the library: it waits, writes and locks on their behalf, and none of that may end them, or
# leave a lock taken. What it writes goes to a file, so that each line of the log is a chance to get it wrong. Knobs: CASES
# SEEDS SAFETIES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/cancel
rm -rf "$dir"
mkdir -p "$dir"
cap=$((22 << 20))
explain() { cat "$dir/said"; }
bare() { LOWTIDE_SIM_SCHED=$1 timeout 120 "$O/e2e/sim_cancel" "${@:2}" >"$dir/said" 2>&1; }
capped() { # capped SAFETY SCHEDULER VARIABLE=VALUE CASE [SEED]
	rm -f "$dir/report"
	env LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=sequential LOWTIDE_SAFETY="$1" LOWTIDE_LOG=debug,"$dir/log" LOWTIDE_PATIENCE=30 \
		LOWTIDE_SIM_SCHED="$2" LOWTIDE_SIM_REPORT="$dir/report" LD_PRELOAD="$O/liblowtide.so" "$3" \
		timeout 180 "$O/e2e/sim_cancel" "${@:4}" >"$dir/said" 2>&1 || return
	faults "$dir/report" $cap >"$dir/said"
	[ ! -s "$dir/said" ]
}
for case in ${CASES:-pending first "random 1"}; do
	# shellcheck disable=SC2086
	check "$case, without the library" bare threads $case
done
for safety in ${SAFETIES:-strict overlap}; do
	for case in ${CASES:-pending first}; do
		[ "$case" = random ] || check "$case, $safety" capped "$safety" threads A=B "$case"
	done
	for seed in ${SEEDS:-1 2 3}; do
		check "random $seed, $safety" capped "$safety" threads A=B random "$seed"
	done
done
check "pending, memory in RAM unmapped" capped strict threads LOWTIDE_COLD=unmapped pending
finish
