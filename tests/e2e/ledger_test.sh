#!/usr/bin/env bash
# The ledger equals the card: 1,000 seeds of sequences of every call that allocates and frees (sim_ledger.c), and whenever
# all is quiet, what is on the account is what the simulated card holds, to the byte. Twenty seeds a process, each process
# with another policy, scheduler, level of safety, and card: as large as the cap, or filled by others beneath it.
# Knobs: SEED (the first), SEEDS (how many), KINDS (words as below, or all), TRACE=1 (each call is told). A failure's line ends in what repeats it.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/ledger
rm -rf "$dir"
mkdir -p "$dir"
A_PROCESS=20
policies=(lru balanced none sequential group)
# linear pitched ordered own arrays managed; small large: of linear and pitched ones; packed: arrays and managed memory that
# the driver packs; crosswise: freed by another call than it was made by; pools: the program's own; contexts: besides the
# primary one; resets: of that; threads.
all_kinds="linear pitched ordered own arrays managed small large packed crosswise pools contexts resets threads"
export KINDS=${KINDS:-all}
[ "$KINDS" != all ] || KINDS=$all_kinds

one() { # one FIRST COUNT ROW
	local first=$1 count=$2 row=$3 key=$dir/$1 cap=48 card=4096 said status line policy safety=strict scheduler=virtual
	read -ra policies <<<"$policies_"
	policy=${policies[$((row % 5))]}
	[ $((row / 5 % 2)) -eq 0 ] || safety=overlap
	[ $((row / 2 % 2)) -eq 0 ] || scheduler=seeded
	[ $((row / 3 % 2)) -eq 0 ] || card=40 # less than the cap
	line="seeds $first to $((first + count - 1)): $policy, $safety, $scheduler, a card of $card MiB"
	env LOWTIDE_VRAM=${cap}M LOWTIDE_HOST=256M LOWTIDE_BLOCK=2M LOWTIDE_POLICY="$policy" LOWTIDE_SAFETY=$safety LOWTIDE_TEST_THREAD=0 \
		LOWTIDE_LOG=error LOWTIDE_PATIENCE=60 LOWTIDE_SIM_VRAM=${card}M LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_SEED="$first" \
		LOWTIDE_SIM_REPORT="$key.json" LD_PRELOAD="$O/liblowtide.so $O/sim/libtoken.so" \
		timeout 120 "$O/e2e/sim_ledger" "$first" "$count" >"$key.out" 2>"$key.err"
	status=$?
	[ -z "${TRACE:-}" ] || cat "$key.err"
	said=$(grep -v '^ \|^seed ' "$key.err" | head -n 1)
	[ $status -eq 0 ] || said="status $status: $said"
	[ -n "$said" ] || said=$(faults "$key.json" $((cap << 20)) | head -n 1)
	[ -z "$said" ] || echo "$line: $said (ROW=$row SEED=$first SEEDS=$count KINDS='$KINDS' tests/e2e/ledger_test.sh)"
}
export -f one faults
export dir policies_="${policies[*]}"

seeds=${SEEDS:-1000} first=${SEED:-1} row=${ROW:-0}
for ((at = first; at < first + seeds; at += A_PROCESS)); do
	left=$((first + seeds - at))
	echo "$at $((left < A_PROCESS ? left : A_PROCESS)) $row"
	row=$((row + 1))
done >"$dir/rows"
each_row
compared=$(cat "$dir"/*.out | grep -oE '[0-9]+ comparisons' | grep -oE '[0-9]+' | awk '{n += $1} END {print n + 0}')
echo "$seeds seeds from $first on (SEED, SEEDS), the account compared $compared times"
if [ "$seeds" -gt $A_PROCESS ]; then # each process's report repeats to the byte, with threads too
	cp "$dir/$first.json" "$dir/once.json"
	one "$first" $A_PROCESS "${ROW:-0}" >/dev/null
	check "one seed, two runs" cmp -s "$dir/once.json" "$dir/$first.json"
fi
[ "$failed" -gt 0 ] || [ "$compared" -ge $((2 * seeds)) ] || fail "it was hardly ever compared"
finish
