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

field() { sed -nE "s/.*\"$2\": ([0-9]+).*/\1/p" "$1"; } # field REPORT NAME: a number of it
faults() { # faults REPORT CAP: what the simulated GPU saw that may never be, a line each
	[ -s "$1" ] || {
		echo "no report"
		return
	}
	[ "$(field "$1" vram_peak)" -le "$2" ] || echo "VRAM above the cap"
	[ "$(field "$1" illegal_accesses)" -eq 0 ] || echo "illegal access"
	[ "$(field "$1" remap_races)" -eq 0 ] || echo "mapping changed under a kernel"
	[ "$(field "$1" alias_races)" -eq 0 ] || echo "memory reached through two mappings at once"
	[ "$(field "$1" unknown_streams)" -eq 0 ] || echo "the driver was asked about a stream that is no more"
}

# run_cases PROGRAM CAP VARIABLE=VALUE...: each of the program's cases bare, then under the cap on every scheduler, under
# both levels of safety. Knob: CASES.
run_cases() {
	local program=$O/e2e/$1 cap=$2 report=$O/e2e/$1.json case scheduler safety what said status seen
	shift 2
	for case in ${CASES:-$("$program")}; do
		if ! said=$(timeout 60 "$program" "$case" 2>&1); then
			fail "$case, without the library: $said"
			continue
		fi
		for scheduler in virtual seeded threads; do
			for safety in strict graced; do
				what="$case, $scheduler, $safety"
				rm -f "$report"
				said=$(env LOWTIDE_VRAM="$cap" LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error \
					LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_REPORT="$report" "$@" LD_PRELOAD="$O/liblowtide.so" \
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
	done
}
