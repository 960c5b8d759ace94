#!/usr/bin/env bash
# Objects of every size class, at blocks of every size: each page bears what was last written there, seen by kernels and
# copied out, with one thread and with sixteen, with RAM to spare and with hardly any. Each row is run under every level of
# safety. Where there are sixteen, each has streams of its own and host functions in them; where there are blocks of
# several classes, the cap makes frames of one class give way to frames of another: both are asked of the reports. Knobs: BLOCKS POLICIES SAFETIES SCHEDS SEEDS THREADS (only these rows), ROWS=all: every combination of them.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/stamps
rm -rf "$dir"
mkdir -p "$dir"
cap=$((200 << 20))

one() { # one BLOCK POLICY SCHEDULER SEED THREADS HOST SAFETY
	local key=$dir/$1.$2.$3.$4.$5.$6.$7 what="blocks of $1, $2, $3, seed $4, $5 threads, RAM $6, $7" status verified
	LOWTIDE_VRAM=$cap LOWTIDE_BLOCK=$1 LOWTIDE_POLICY=$2 LOWTIDE_SIM_SCHED=$3 LOWTIDE_SIM_SEED=$4 LOWTIDE_HOST=$6 LOWTIDE_SAFETY=$7 \
		LOWTIDE_TEST_VERIFY=1 LOWTIDE_LOG=error LOWTIDE_STATS=$key.stats LOWTIDE_SIM_REPORT=$key.json LD_PRELOAD=$O/liblowtide.so \
		timeout 120 "$O/workloads/stamps" --mb 512 --ops 120 --threads "$5" --seed "$4" >"$key.out" 2>"$key.err"
	status=$?
	if [ $status -ne 0 ]; then
		echo "$what: status $status: $(tail -n 1 "$key.err")"
	elif [ -s "$key.err" ]; then
		echo "$what: $(head -n 1 "$key.err")"
	elif ! grep -q ^digest "$key.out"; then
		echo "$what: does not come to its end"
	elif [ -n "$(faults "$key.json" $cap)" ]; then
		echo "$what: $(faults "$key.json" $cap | head -n 1)"
	else
		# Or the comparison of both homes could be off without anybody noticing.
		verified=$(field "$key.stats" verified)
		[ "${verified:-0}" -gt 0 ] || echo "$what: nothing was compared when homes changed"
		if [ "$5" -ge 16 ]; then
			[ "$(field "$key.json" cuStreamCreate)" -ge $((2 * $5)) ] && [ "$(field "$key.json" cuLaunchHostFunc)" -ge $((2 * $5)) ] ||
				echo "$what: hardly any streams, or host functions"
		fi
		echo "$1 $7 $(field "$key.stats" frames_resized)" >>"$dir/resized"
	fi
	rm -f "$key".*
}
export -f one field faults
export dir cap

if [ "${ROWS:-}" = all ] || [ -n "${BLOCKS:-}${POLICIES:-}${SCHEDS:-}${SEEDS:-}${THREADS:-}" ]; then
	for block in ${BLOCKS:-2M 4M 8M 32M}; do
		for policy in ${POLICIES:-lru balanced sequential group auto}; do
			for scheduler in ${SCHEDS:-virtual seeded threads}; do
				for seed in ${SEEDS:-1 2 3}; do
					for threads in ${THREADS:-1 16}; do echo "$block $policy $scheduler $seed $threads ${HOST:-4G}"; done
				done
			done
		done
	done
else
	# Each block size meets each policy and each scheduler; both numbers of threads and both amounts of RAM meet each of them.
	cat <<'ROWS'
2M lru virtual 1 1 4G
2M balanced seeded 2 16 4G
2M sequential threads 3 16 600M
2M group virtual 4 1 600M
4M balanced virtual 5 16 600M
4M lru seeded 6 1 600M
4M group threads 7 16 4G
4M sequential virtual 8 1 4G
8M sequential seeded 9 1 4G
8M group virtual 10 16 4G
8M lru threads 11 16 600M
8M balanced seeded 12 16 600M
32M lru virtual 13 16 600M
32M balanced virtual 14 1 4G
32M sequential seeded 15 1 600M
32M group seeded 16 16 4G
32M sequential threads 17 16 4G
32M lru threads 18 1 4G
ROWS
fi | while read -r row; do
	for safety in ${SAFETIES:-strict overlap}; do echo "$row $safety"; done
done >"$dir/rows"
# The program judges itself: its digest is of what it wants to see, and tells nothing of what it has seen. Without the library
# it is run once with each number of threads, so that it is known to be right.
while read -r threads seed; do
	said=$(timeout 120 "$O/workloads/stamps" --mb 512 --ops 120 --threads "$threads" --seed "$seed" 2>&1) ||
		fail "seed $seed, $threads threads, without the library: $(tail -n 1 <<<"$said")"
done < <(awk '!seen[$5]++ {print $5, $4}' "$dir/rows")
each_row
for kind in $(cut -d' ' -f1,7 --output-delimiter=, "$dir/rows" | sort -u); do
	[[ $kind == 2M,* || -n "${POLICIES:-}${SCHEDS:-}${SEEDS:-}${THREADS:-}" ]] && continue # of one class only; too few to say
	awk -v kind="$kind" '$1 "," $2 == kind {n += $3} END {exit n < 16}' "$dir/resized" ||
		fail "$kind: hardly any frames went from class to class"
done
finish
