#!/usr/bin/env bash
# One program, one seed: the same virtual time to the nanosecond, the same calls, the same bytes moved; with the library
# and without. Another seed: another order, so that the first could have differed. Programs with threads of their own need
# the token for that: token_test.sh.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/repeat
rm -rf "$dir"
mkdir -p "$dir"
run() { # run WORKLOAD SCHEDULER SEED LIBRARY REPORT
	local settings=()
	[ "$4" = none ] || settings=(LOWTIDE_VRAM=24M LOWTIDE_BLOCK=2M LOWTIDE_TEST_THREAD=0 LOWTIDE_PATIENCE=600 LOWTIDE_LOG=error LOWTIDE_POLICY=balanced
		LOWTIDE_SAFETY="$4" LOWTIDE_HOST=1G LD_PRELOAD="$O/liblowtide.so")
	rm -f "$5"
	env "${settings[@]}" LOWTIDE_SIM_SCHED="$2" LOWTIDE_SIM_SEED="$3" LOWTIDE_SIM_REPORT="$5" \
		timeout 120 "$O/workloads/$1" --mb 32 >"$5.out" 2>"$5.err"
}
for name in ${WORKLOADS:-diffusion decode experts onebuffer inplace churn capture}; do
	for scheduler in virtual seeded; do
		for library in none strict overlap; do
			what="$name, $scheduler, library $library"
			if ! run "$name" $scheduler 7 $library "$dir/a" || ! run "$name" $scheduler 7 $library "$dir/b"; then
				fail "$what: $(tail -n 1 "$dir/a.err" "$dir/b.err")"
			elif [ "$(field "$dir/a" virtual_ns)" -gt 0 ] && cmp -s "$dir/a" "$dir/b"; then
				pass
			else
				fail "$what: $(field "$dir/a" virtual_ns) and $(field "$dir/b" virtual_ns) ns, or another report"
			fi
		done
	done
done
run churn seeded 7 strict "$dir/a" && run churn seeded 8 strict "$dir/b"
if cmp -s "$dir/a" "$dir/b"; then fail "two seeds are one"; else pass; fi
finish
