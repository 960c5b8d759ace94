#!/usr/bin/env bash
# What programs do: threads, forks, contexts that end, work that never ends. Each case bare first, then under a cap of
# half of what it takes, on every scheduler, under both levels of safety.
set -u
O=${O:-build}
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
passed=0 failed=0
dir=$O/e2e/life
mkdir -p "$dir"
field() { sed -nE "s/.*\"$2\": ([0-9]+).*/\1/p" "$1"; }
fail() {
	failed=$((failed + 1))
	echo "failed: $*"
}
cap=$((14 << 20))
for case in ${CASES:-threads forks graph_forks contexts primary two_contexts leave_busy trap destroyed_stream per_thread capture sizes questions}; do
	if ! err=$(timeout 60 "$O/e2e/sim_life" "$case" 2>&1); then
		fail "$case, without the library: $err"
		continue
	fi
	for scheduler in virtual seeded threads; do
		for safety in strict graced; do
			what="$case, $scheduler, $safety"
			rm -f "$dir/report"
			err=$(LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=2M LOWTIDE_MIN=64K LOWTIDE_POLICY=lru LOWTIDE_SAFETY=$safety \
				LOWTIDE_LOG=error LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_REPORT=$dir/report \
				LD_PRELOAD=$O/liblowtide.so timeout 60 "$O/e2e/sim_life" "$case" 2>&1)
			status=$?
			if [ $status -ne 0 ]; then
				fail "$what: status $status: $err"
			elif [ "$(field "$dir/report" vram_peak)" -gt $cap ]; then
				fail "$what: VRAM above the cap"
			elif [ "$(field "$dir/report" illegal_accesses)" -ne 0 ] || [ "$(field "$dir/report" remap_races)" -ne 0 ] ||
				[ "$(field "$dir/report" alias_races)" -ne 0 ]; then
				fail "$what: illegal access, or a mapping changed under a kernel"
			else
				passed=$((passed + 1))
			fi
		done
	done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
