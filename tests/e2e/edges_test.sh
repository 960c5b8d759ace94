#!/usr/bin/env bash
# The less travelled roads into the driver. Each case bare first, then under a cap that half of it fits, on every
# scheduler, under both levels of safety.
set -u
O=${O:-build}
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
passed=0 failed=0
dir=$O/e2e/edges
mkdir -p "$dir"
field() { sed -nE "s/.*\"$2\": ([0-9]+).*/\1/p" "$1"; }
fail() {
	failed=$((failed + 1))
	echo "failed: $*"
}
cap=$((22 << 20))
cases=$("$O/e2e/sim_edges")
for case in ${CASES:-$cases}; do
	if ! err=$(timeout 60 "$O/e2e/sim_edges" "$case" 2>&1); then
		fail "$case, without the library: $err"
		continue
	fi
	for scheduler in virtual seeded threads; do
		for safety in strict graced; do
			what="$case, $scheduler, $safety"
			rm -f "$dir/report" "$dir/stats"
			err=$(LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error \
				LOWTIDE_HOST=96M \
				LOWTIDE_STATS=$dir/stats LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_REPORT=$dir/report \
				LD_PRELOAD=$O/liblowtide.so timeout 60 "$O/e2e/sim_edges" "$case" 2>&1)
			status=$?
			if [ $status -ne 0 ]; then
				fail "$what: status $status: $err"
			elif [ ! -s "$dir/report" ] || [ "$(field "$dir/report" vram_peak)" -gt $cap ]; then
				fail "$what: VRAM above the cap, or no report"
			elif [ "$(field "$dir/report" illegal_accesses)" -ne 0 ] || [ "$(field "$dir/report" remap_races)" -ne 0 ] ||
				[ "$(field "$dir/report" alias_races)" -ne 0 ]; then
				fail "$what: illegal access, or a mapping changed under a kernel"
			elif [ "$(field "$dir/report" unknown_streams)" -ne 0 ]; then
				fail "$what: the driver was asked about a stream that is no more"
			else
				passed=$((passed + 1))
			fi
		done
	done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
