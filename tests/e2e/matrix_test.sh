#!/usr/bin/env bash
# Each workload under every policy, at every cap, on every scheduler: the same digest as without the library, VRAM
# never above the cap, no illegal access, no mapping changed under a kernel. Knobs: WORKLOADS POLICIES CAPS SCHEDS
# SEEDS (of the seeded scheduler) SAFETIES COLDS MB (of weights).
# With COLDS=unmapped (as unmapped_matrix_test.sh does), on a machine without host frames, what one operation may touch must fit: a program
# may be refused for memory, but only those that name much at once (one buffer, a graph, a table of pointers), and only
# below their own peak.
. "$(dirname "$0")/lib.sh"
export MB=${MB:-32}
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/matrix.${COLDS:-mapped}
rm -rf "$dir"
mkdir -p "$dir"

at_once="onebuffer capture experts"

one() { # one WORKLOAD POLICY CAP% SCHEDULER SEED SAFETY COLD: a line if something is wrong
	local name=$1 policy=$2 percent=$3 scheduler=$4 seed=$5/$6/$7 cold=$7
	local key=$dir/$1.$2.$3.$4.$5.$6.$7 peak cap status
	local thread=0 host_numa=1
	[ "$scheduler" = threads ] && thread=1
	[ "$cold" = unmapped ] && host_numa=0
	peak=$(field "$dir/$name.bare.json" vram_peak)
	# Room for the scratch frame, and for the small allocations' pages.
	cap=$(((peak * percent / 100 / 2097152 + 4) * 2097152))
	LOWTIDE_VRAM=$cap LOWTIDE_POLICY=$policy LOWTIDE_BLOCK=2M LOWTIDE_LOG=error LOWTIDE_VERIFY=1 LOWTIDE_SIM_SCHED=$scheduler \
		LOWTIDE_COLD=$cold LOWTIDE_SIM_HOST_NUMA=$host_numa LOWTIDE_SAFETY=$6 LOWTIDE_THREAD=$thread LOWTIDE_SIM_SEED=$5 LOWTIDE_SIM_REPORT=$key.json LD_PRELOAD=$O/liblowtide.so \
		timeout 120 "$O/workloads/$name" --mb "$MB" >"$key.out" 2>"$key.err"
	status=$?
	if [ "$policy" = none ] && [ $status -ne 0 ]; then
		# Refused, as by a smaller card: the driver's own error, and nothing else.
		grep -q OUT_OF_MEMORY "$key.err" || echo "$name $policy $percent% $scheduler/$seed: status $status, not refused for memory"
	elif [ "$cold" = unmapped ] && [ $status -eq 3 ] && [ "$percent" -lt 100 ] && [[ " $at_once " == *" $name "* ]]; then
		if ! grep -q 'must be in VRAM together' "$key.err" || ! grep -q OUT_OF_MEMORY "$key.err"; then
			echo "$name $policy $percent% $scheduler/$seed: refused without saying why: $(tail -n 1 "$key.err")"
		fi
	elif [ $status -ne 0 ]; then
		echo "$name $policy $percent% $scheduler/$seed: status $status: $(tail -n 1 "$key.err")"
	elif [ "$policy $name" = "none churn" ]; then
		: # refused allocations change what it does; it has held its memory against its oracle
	elif [ "$(grep ^digest "$key.out")" != "$(grep ^digest "$dir/$name.bare.out")" ]; then
		echo "$name $policy $percent% $scheduler/$seed: another digest"
	fi
	if ! grep -q '"calls".*}}' "$key.json"; then
		# A program that gives up with threads at work may be gone before the simulated GPU has written one.
		[ $status -eq 0 ] && echo "$name $policy $percent% $scheduler/$seed: no report"
		rm -f "$key".*
		return
	fi
	faults "$key.json" $cap | sed "s|^|$name $policy $percent% $scheduler/$seed: |"
	if [ -s "$key.err" ] && grep -qE 'could not be put back|differs between' "$key.err"; then
		echo "$name $policy $percent% $scheduler/$seed: lost"
	fi
	rm -f "$key".*
}
export -f one field faults
export dir at_once

workloads=${WORKLOADS:-diffusion decode experts onebuffer streams inplace churn capture}
for name in $workloads; do
	LOWTIDE_SIM_REPORT=$dir/$name.bare.json timeout 120 "$O/workloads/$name" --mb "$MB" >"$dir/$name.bare.out" 2>"$dir/$name.bare.err" ||
		echo "$name: fails without the library: $(tail -n 1 "$dir/$name.bare.err")" >>"$dir/wrong"
done
runs=0
for name in $workloads; do
	for policy in ${POLICIES:-none lru balanced sequential group auto}; do
		for percent in ${CAPS:-100 75 50 35}; do
			for scheduler in ${SCHEDS:-virtual seeded threads}; do
				for seed in $([ "$scheduler" = seeded ] && echo "${SEEDS:-1 2}" || echo 1); do
					for safety in ${SAFETIES:-strict graced}; do
						[ "$policy" = none ] && [ "$safety" = graced ] && continue
						for cold in ${COLDS:-mapped}; do
							# Strict only, and none moves nothing.
							[ "$cold" = unmapped ] && [ "$policy $safety" != "${policy#none} strict" ] && continue
							echo "$name $policy $percent $scheduler $seed $safety $cold"
						done
					done
				done
			done
		done
	done
done >"$dir/runs"
runs=$(wc -l <"$dir/runs")
xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' one <"$dir/runs" >>"$dir/wrong"
failed=$(sed 's/:.*//' "$dir/wrong" | sort -u | wc -l)
sort -u "$dir/wrong"
echo "$((runs - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
