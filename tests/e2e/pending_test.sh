#!/usr/bin/env bash
# Work that waits behind a long kernel in some stream, or is long itself, while everything else moves (the bus is slow here):
# the memory it names must neither lose nor gain by that, whichever operation it is and whichever kind of stream. Patience is
# the machine's time: on a slow one the preset would run out, and nothing move for half a minute. Knobs: CASES SAFETIES
# POLICIES SCHEDS.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/pending
rm -rf "$dir"
mkdir -p "$dir"
cap=$((22 << 20))
one() { # one CASE SAFETY POLICY SCHEDULER
	local key=$dir/$1.$2.$3.$4 what="$1, $2, $3, $4" said status seen
	said=$(LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=$3 LOWTIDE_SAFETY=$2 LOWTIDE_LOG=error LOWTIDE_TEST_VERIFY=1 LOWTIDE_PATIENCE=30 LOWTIDE_STATS=$key.stats \
		LOWTIDE_SIM_H2D_GBPS=1 LOWTIDE_SIM_D2H_GBPS=1 LOWTIDE_SIM_SCHED=$4 LOWTIDE_SIM_REPORT=$key.json LD_PRELOAD="$O/liblowtide.so $O/sim/libtoken.so" timeout 300 "$O/e2e/sim_pending" "$1" 2>&1)
	status=$?
	seen=$(faults "$key.json" $cap | head -n 1)
	if [ $status -ne 0 ] || [ -n "$said$seen" ]; then
		echo "$what: status $status: ${said//$'\n'/; }$seen"
	elif [ "$(field "$key.stats" evictions)" -lt 20 ] || [ "$(field "$key.stats" verified)" -lt 20 ]; then
		echo "$what: hardly anything moved: $(<"$key.stats")"
	fi
	rm -f "$key".*
}
export -f one field faults
export dir cap
for case in ${CASES:-$("$O/e2e/sim_pending")}; do
	for safety in ${SAFETIES:-strict overlap}; do
		for policy in ${POLICIES:-lru sequential}; do
			for scheduler in ${SCHEDS:-virtual seeded}; do
				# Each pair of them meets each case.
				[ -n "${SCHEDS:-}" ] || [ "$policy $scheduler" = "lru virtual" ] || [ "$policy $scheduler" = "sequential seeded" ] || continue
				echo "$case $safety $policy $scheduler"
			done
		done
	done
done >"$dir/rows"
each_row
finish
