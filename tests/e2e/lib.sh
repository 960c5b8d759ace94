# What the end-to-end scripts share; each sources it first. It is none itself: run-e2e runs *_test.sh.
# shellcheck shell=bash
set -u
export O=${O:-build}
passed=0 failed=0

pass() { passed=$((passed + 1)); }
explain() { :; } # what else to say of a failure; a script may have its own
fail() { # fail WHAT
	failed=$((failed + 1))
	echo "failed: $1"
	explain
}
check() { # check WHAT COMMAND...: which may look at the script's variables, and set them
	local what=$1
	shift
	if "$@"; then pass; else fail "$what"; fi
}
ends_well() { # ends_well WHAT COMMAND...: what it prints is told only if it does not
	local what=$1 printed
	shift
	if printed=$("$@" 2>&1); then pass; else fail "$what: $printed"; fi
}
finish() { # last of all: its status is the script's
	echo "$passed passed, $failed failed"
	[ $failed -eq 0 ]
}

# Scripts of many rows write them to $dir/rows, a line each, and have `one WORDS...` run one of them and print a line `ROW: WHY`
# for whatever is wrong. A row that is killed says nothing, and xargs starts none after it; so each row that comes to its end
# leaves a line in $dir/ended, and those that are missing have failed.
each_row() { # all rows, on all processors at once; what is wrong is printed, and kept in $dir/wrong
	: >"$dir/ended"
	xargs -r -P "$(nproc)" -L 1 bash -c 'one "$@"; echo "$*" >>"$dir/ended"' one <"$dir/rows" | sed -u 's/^/failed: /' | tee "$dir/wrong"
	count_rows
}
count_rows() { # adds to passed and failed; of a row many things may be wrong, and it has failed once
	local rows ended wrong
	rows=$(wc -l <"$dir/rows") ended=$(wc -l <"$dir/ended") wrong=$(sed 's/^failed: //; s/: .*//' "$dir/wrong" | sort -u | wc -l)
	[ "$rows" -gt 0 ] || fail "there is no row to run"
	[ "$ended" -eq "$rows" ] || echo "failed: $((rows - ended)) of $rows rows did not come to their end, the first of them: $(
		awk '{$1 = $1} FILENAME == ARGV[1] {ended[$0]; next} !($0 in ended) {print; exit}' "$dir/ended" "$dir/rows"
	)"
	passed=$((passed + (ended > wrong ? ended - wrong : 0))) failed=$((failed + wrong + rows - ended))
}

field() { sed -nE "s/.*\"$2\": ([0-9]+).*/\1/p" "$1"; } # field REPORT NAME: a number of it
faults() { # faults REPORT CAP: what the simulated GPU saw that may never be, a line each; starts no process
	local text='' name
	[ -s "$1" ] && read -r text <"$1"
	[[ $text == *'"calls": {'* ]] || {
		echo "no report"
		return
	}
	{ [[ $text =~ \"vram_peak\":\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -le "$2" ]; } || echo "VRAM above the cap"
	[[ $text == *'"illegal_accesses": 0,'* ]] || echo "illegal access"
	[[ $text == *'"remap_races": 0,'* ]] || echo "mapping changed under a kernel"
	[[ $text == *'"alias_races": 0,'* ]] || echo "memory reached through two mappings at once"
	[[ $text == *'"unknown_streams": 0,'* ]] || echo "the driver was asked about a stream that is no more"
}

compared() { # compared STATS WHAT: blocks whose two homes LOWTIDE_TEST_VERIFY compared (verified), or could not (not_verified)
	sed -nE "s/.*\"$2\": ([0-9]+).*/\1/p" "$1" 2>/dev/null | awk '{n += $1} END {print n + 0}'
}

# run_cases PROGRAM CAP HOST VARIABLE=VALUE...: each of the program's cases bare, then under the cap on every scheduler
# and level of safety. CAP and HOST are MiB, for the program as built for blocks of 2 MiB; the one built for 8 MiB, with
# everything four times as large, gets four times as much.
#
# The block size and the policy go round from row to row and from case to case, one of six and one of five, so that each
# meets each. 2M and 4M are run by the smaller program; 8M and 32M by the larger, in one of a case's six rows, as they
# cost most. Where the blocks are larger than what is allocated, components are cut into blocks of several classes. Every
# byte is compared at each change of home (LOWTIDE_TEST_VERIFY), and that it was is asked of the statistics, size by size.
# TOKEN=1: but for real threads, the token moves the clock, and no time is slept away.
# Knobs: CASES, BLOCKS (of 2M 4M 8M 32M); SHORT=1: one row of each case, another from case to case, and every pair, size and
# policy in turn.
patience_of() { echo 2; } # patience_of CASE: LOWTIDE_PATIENCE for it; a script may have its own
run_cases() {
	local name=$1 cap_mib=$2 host_mib=$3 dir=$O/e2e/$1.run sizes policies=(lru balanced sequential group auto)
	local case scheduler safety row block policy program scale cap report stats what said status seen turn=0 only
	declare -A verified=()
	shift 3
	rm -rf "$dir"
	mkdir -p "$dir"
	report=$dir/report stats=$dir/stats
	for case in $("$O/e2e/$name"); do
		row=$((turn++))
		[[ " ${CASES:-$case} " == *" $case "* ]] || continue
		sizes=(2M 4M 2M 4M 2M "$([ $((turn % 2)) -eq 0 ] && echo 8M || echo 32M)")
		only=$(((turn + turn / 6) % 6)) # the row of a short run
		for program in "$name" "${name}_8m"; do
			[ -n "${SHORT:-}" ] && [ "$program" = "$name" ] && [ $(((row + only) % 6)) -eq 5 ] && continue
			[ -n "${SHORT:-}" ] && [ "$program" != "$name" ] && [ $(((row + only) % 6)) -ne 5 ] && continue
			said=$(timeout 60 "$O/e2e/$program" "$case" 2>&1) || fail "$program $case, without the library: $said"
		done
		for scheduler in virtual seeded threads; do
			for safety in strict overlap; do
				[ -n "${SHORT:-}" ] && [ $((row - turn + 1)) -ne "$only" ] && row=$((row + 1)) && continue
				block=${sizes[$((row % 6))]} policy=${policies[$((row % 5))]} program=$name scale=1
				row=$((row + 1))
				[[ " ${BLOCKS:-$block} " == *" $block "* ]] || continue
				case $block in 8M | 32M) program=${name}_8m scale=4 ;; esac
				cap=$((cap_mib * scale << 20))
				what="$case, blocks of $block, $policy, $scheduler, $safety"
				rm -f "$report" "$stats"*
				token=
				[ -z "${TOKEN:-}" ] || [ $scheduler = threads ] || token=" $O/sim/libtoken.so"
				said=$(env LOWTIDE_VRAM=$cap LOWTIDE_HOST=$((host_mib * scale))M LOWTIDE_BLOCK=$block LOWTIDE_POLICY=$policy \
					LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error LOWTIDE_TEST_VERIFY=1 LOWTIDE_STATS="$stats" LOWTIDE_SIM_SCHED=$scheduler \
					LOWTIDE_PATIENCE="$(patience_of "$case")" \
					LOWTIDE_SIM_REPORT="$report" "$@" LD_PRELOAD="$O/liblowtide.so$token" timeout 60 "$O/e2e/$program" "$case" 2>&1)
				status=$?
				seen=$(faults "$report" "$cap")
				if [ $status -ne 0 ]; then
					fail "$what: status $status: $said"
				elif [ -n "$seen" ]; then
					fail "$what: $seen"
				elif [[ $said == *'differs between'* ]]; then
					fail "$what: $said"
				elif [ ! -s "$stats" ]; then
					fail "$what: no statistics"
				elif [ "$(compared "$stats" not_verified)" -gt 0 ]; then
					fail "$what: $(compared "$stats" not_verified) blocks could not be compared"
				else
					verified[$block]=$((${verified[$block]:-0} + $(compared "$stats" verified)))
					pass
				fi
			done
		done
	done
	for block in ${BLOCKS:-2M 4M 8M 32M}; do
		[ -n "${CASES:-}" ] && continue
		check "blocks of $block: homes were compared" [ "${verified[$block]:-0}" -gt 0 ]
	done
}

# run_at_2m PROGRAM CAP VARIABLE=VALUE...: each of the program's cases bare, then under the cap (bytes) with blocks of 2 MiB
# and lru, unless the variables say otherwise: on each scheduler, and under each level of safety. Knob: CASES.
run_at_2m() {
	local program=$O/e2e/$1 cap=$2 report=$O/e2e/$1.json case row scheduler safety what said status seen
	shift 2
	for case in ${CASES:-$("$program")}; do
		if ! said=$(timeout 60 "$program" "$case" 2>&1); then
			fail "$case, without the library: $said"
			continue
		fi
		for row in 'virtual strict' 'virtual overlap' 'seeded overlap' 'threads strict'; do
			read -r scheduler safety <<<"$row"
			what="$case, $scheduler, $safety"
			rm -f "$report"
			said=$(env LOWTIDE_VRAM="$cap" LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY="$safety" LOWTIDE_LOG=error \
				LOWTIDE_SIM_SCHED="$scheduler" LOWTIDE_SIM_REPORT="$report" "$@" LD_PRELOAD="$O/liblowtide.so" \
				timeout 60 "$program" "$case" 2>&1)
			status=$?
			seen=$(faults "$report" "$cap")
			if [ $status -ne 0 ]; then
				fail "$what: status $status: $said"
			elif [ -n "$seen" ]; then
				fail "$what: $seen"
			else
				pass
			fi
		done
	done
}
