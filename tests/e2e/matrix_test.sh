#!/usr/bin/env bash
# Each workload under every policy, at every cap, with blocks of every size: the same digest as without the library, VRAM
# never above the cap, no illegal access, no mapping changed under a kernel, both homes of each block compared at each
# change.
#
# Each workload, policy and cap meets blocks of 2, 4, 8 and 32 MiB, with tensors that are some blocks large and of which
# each block class has its share (sizes() below). The six pairs of a scheduler and a level of safety go round from cell to
# cell, sixteen cells to a workload and policy, so that each pair meets each policy and each size. Every other cell of
# balanced has watermarks (LOWTIDE_LOW, LOWTIDE_HIGH), every third of those that page has no more RAM than what does not
# fit the cap and a few blocks.
#
# Where all fits, most programs move nothing, whatever the policy: of those that must not (still), each size meets one policy,
# another from program to program, and that nothing moved is asked of the statistics. All others meet each other there too.
#
# What may be refused for memory, and then must be: the policy none, where the program's own peak is above the cap; and
# with COLDS=unmapped (unmapped_matrix_test.sh), on a machine without host frames, the programs that name nearly all of
# their memory in one operation (one buffer, a graph, a table of pointers), where their peak is above the cap. In both
# churn goes on with less, against its oracle.
#
# Knobs: WORKLOADS POLICIES CAPS COLDS, MB (of weights, for blocks of 2 MiB; the others in proportion), SEED (the first of
# the seeded scheduler). With one of BLOCKS SCHEDS SEEDS SAFETIES: every combination of them instead of the round.
. "$(dirname "$0")/lib.sh"
export MB=${MB:-32} SEED=${SEED:-1}
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/matrix.${COLDS:-mapped}
rm -rf "$dir"
mkdir -p "$dir"

at_once="onebuffer capture experts"
# At 100 %, under a policy that moves nothing ahead of need (balanced has watermarks).
still="diffusion decode experts onebuffer inplace"

sizes() { # sizes WORKLOAD BLOCK: the options with which the workload fills blocks of that size
	case $1:$2 in
	churn:32M) echo "--mb $((MB * 5)) --ops 60" ;;
	churn:8M) echo "--mb $((MB * 5 / 2)) --ops 100" ;;
	churn:4M) echo "--mb $((MB * 3 / 2))" ;;
	churn:*) echo "--mb $MB" ;;
	*:4M) echo "--mb $((MB * 3 / 2)) --tensors 8 --stride 16 --steps 3" ;;
	*:8M) echo "--mb $((MB * 5 / 2)) --tensors 6 --stride 32 --steps 3" ;;
	*:32M) echo "--mb $((MB * 5)) --tensors 4 --stride 64 --steps 2" ;;
	*) echo "--mb $MB --stride 3" ;;
	esac
}

number() { # number TEXT NAME: a number of a report, without starting a process
	[[ $1 =~ \"$2\":\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

one() { # one WORKLOAD POLICY CAP% SCHEDULER SEED SAFETY COLD BLOCK TURN
	local name=$1 policy=$2 percent=$3 scheduler=$4 cold=$7 block=$8 turn=$9
	local key=$dir/$1.$2.$3.$4.$5.$6.$7.$8 peak cap status stats='' bare=$dir/$1.$8.bare refused=no
	local thread=0 host_numa=1 options settings=() slabs=0 what="$1 $2 $3% $4/$5/$6/$7, blocks of $8"
	[ "$scheduler" = threads ] && thread=1
	[ "$cold" = unmapped ] && host_numa=0
	read -r options <"$bare.options"
	read -r peak <"$bare.peak"
	# Room for the scratch frame, and for the small allocations' pages; and for what one launch names, where it must be there.
	cap=$(((peak * percent / 100 / 2097152 + 4) * 2097152))
	[ "$cold $block" = "unmapped 32M" ] && cap=$((cap + (8 << 20)))
	if [ "$policy" = balanced ] && [ $((turn % 2)) -eq 0 ]; then settings=(LOWTIDE_LOW=60% LOWTIDE_HIGH=80%); fi
	if [ "$policy" != none ] && [ $((turn % 3)) -eq 0 ] && [ "$percent" -lt 100 ]; then
		# Churn's small allocations are of all sizes, and each class of them has a slab.
		[ "$name" = churn ] && slabs=24
		settings+=(LOWTIDE_HOST=$((((peak - peak * percent / 100 + 4 * (${block%M} << 20)) >> 20) + slabs))M)
	fi
	# What does not fit is refused, as by a smaller card.
	if [ "$name" != churn ] && [ "$cap" -lt "$peak" ]; then
		[ "$policy" = none ] && refused="for memory"
		[ "$cold" = unmapped ] && [[ " $at_once " == *" $name "* ]] && refused="because it does not fit at once"
	fi
	# shellcheck disable=SC2086 # options are words
	env LOWTIDE_VRAM=$cap LOWTIDE_POLICY=$policy LOWTIDE_BLOCK=$block LOWTIDE_LOG=error LOWTIDE_TEST_VERIFY=1 LOWTIDE_STATS="$key.stats" \
		LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_COLD=$cold LOWTIDE_SIM_HOST_NUMA=$host_numa LOWTIDE_SAFETY=$6 LOWTIDE_TEST_THREAD=$thread \
		LOWTIDE_SIM_SEED=$5 LOWTIDE_SIM_REPORT=$key.json "${settings[@]}" LD_PRELOAD=$O/liblowtide.so \
		timeout 120 "$O/workloads/$name" $options >"$key.out" 2>"$key.err"
	status=$?
	if [ "$refused" != no ] && [ $status -eq 0 ]; then
		echo "$what: goes to its end, and should be refused $refused"
	elif [ "$refused" != no ]; then
		grep -q OUT_OF_MEMORY "$key.err" || echo "$what: status $status, not refused for memory"
		[ "$policy" = none ] || grep -q 'must be in VRAM together' "$key.err" || echo "$what: refused without saying why"
	elif [ $status -ne 0 ]; then
		echo "$what: status $status: $(tail -n 1 "$key.err")${settings[*]:+ (${settings[*]})}"
	elif [ "$policy $name" = "none churn" ]; then
		: # refused allocations change what it does; it has held its memory against its oracle
	elif [ "$(grep ^digest "$key.out")" != "$(<"$bare.digest")" ]; then
		echo "$what: another digest"
	fi
	# A program that gives up with threads at work may be gone before the simulated GPU has written its report.
	if [ "$refused" = no ] || [ "$scheduler" != threads ] || grep -qs '"calls".*}}' "$key.json"; then
		faults "$key.json" $cap | sed "s|^|$what: |"
	fi
	if [ -s "$key.err" ] && grep -qE 'could not be put back|differs between' "$key.err"; then
		echo "$what: lost"
	fi
	if [ "$policy" != none ] && [ "$refused" = no ]; then
		[ -s "$key.stats" ] && read -r stats <"$key.stats"
		if [ "$percent" = 100 ] && [ "$policy" != balanced ] && [[ " $still " == *" $name "* ]]; then
			[ "$(number "$stats" page_ins) $(number "$stats" evictions)" = "0 0" ] || echo "$what: moves what fits: $stats"
		fi
		[ "$(number "$stats" not_verified)" = 0 ] || echo "$what: not all was compared: ${stats:-no statistics}"
		echo "$policy $block $percent $(number "$stats" verified)" >>"$dir/verified"
	fi
	rm -f "$key".*
}
export -f one number faults
export dir at_once still

# Of those, which policy meets which size: the one with which the three numbers add up to a multiple of 4.
declare -A turn_of=([diffusion]=0 [decode]=1 [experts]=2 [onebuffer]=3 [inplace]=4 [lru]=0 [sequential]=1 [group]=2 [auto]=3
	[2M]=0 [4M]=1 [8M]=2 [32M]=3)
redundant() { # redundant WORKLOAD POLICY CAP% BLOCK: another policy is tried there, to the same effect
	[ "$3" = 100 ] && [ -z "${POLICIES:-}" ] && [[ " $still " == *" $1 "* && " lru sequential group auto " == *" $2 "* ]] &&
		[ $(((turn_of[$1] + turn_of[$2] + turn_of[$4]) % 4)) -ne 0 ]
}

workloads=${WORKLOADS:-diffusion decode experts onebuffer streams inplace churn capture}
blocks=${BLOCKS:-2M 4M 8M 32M}
for name in $workloads; do
	for block in $blocks; do
		bare=$dir/$name.$block.bare
		sizes "$name" "$block" >"$bare.options"
		# shellcheck disable=SC2046 # options are words
		LOWTIDE_SIM_REPORT=$bare.json timeout 120 "$O/workloads/$name" $(cat "$bare.options") >"$bare.out" 2>"$bare.err" ||
			fail "$name, blocks of $block: fails without the library: $(tail -n 1 "$bare.err")"
		field "$bare.json" vram_peak >"$bare.peak"
		grep ^digest "$bare.out" >"$bare.digest"
	done
done
pairs=("virtual strict" "seeded overlap" "threads strict" "virtual overlap" "seeded strict" "threads overlap")
turn=0
[ -n "${BLOCKS:-}${SCHEDS:-}${SEEDS:-}${SAFETIES:-}" ] && product=1
for name in $workloads; do
	for policy in ${POLICIES:-none lru balanced sequential group auto}; do
		for percent in ${CAPS:-100 75 50 35}; do
			for cold in ${COLDS:-mapped}; do
				for block in $blocks; do
					if [ -z "${product:-}" ]; then
						read -r scheduler safety <<<"${pairs[$(((turn + turn / 96) % 6))]}"
						# Unmapped is strict only, and none moves nothing.
						[ "$policy" = none ] || [ "$cold" = unmapped ] && safety=strict
						[ "$policy $cold" = "none unmapped" ] && continue
						redundant "$name" "$policy" "$percent" "$block" ||
							echo "$name $policy $percent $scheduler $((SEED + turn % 5)) $safety $cold $block $turn"
						turn=$((turn + 1)) # of the others each stays as it is
						continue
					fi
					for scheduler in ${SCHEDS:-virtual seeded threads}; do
						for seed in $([ "$scheduler" = seeded ] && echo "${SEEDS:-$SEED $((SEED + 1))}" || echo "$SEED"); do
							for safety in ${SAFETIES:-strict overlap}; do
								[ "$policy" = none ] && [ "$safety" = overlap ] && continue
								[ "$cold" = unmapped ] && [ "$policy $safety" != "${policy#none} strict" ] && continue
								echo "$name $policy $percent $scheduler $seed $safety $cold $block $turn"
								turn=$((turn + 1))
							done
						done
					done
				done
			done
		done
	done
done >"$dir/rows"
echo "the first seed is $SEED (SEED)"
each_row
# Or the comparison of both homes could be off without anybody noticing.
[ -n "${WORKLOADS:-}" ] || [[ " ${CAPS:-50} " != *" 50 "* ]] || while read -r kind; do fail "$kind: nothing was compared when homes changed"; done < <(
	awk '{n[$1 ", blocks of " $2] += $4} END {for (i in n) if (!n[i]) print i}' "$dir/verified"
)
finish
