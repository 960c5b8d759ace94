#!/usr/bin/env bash
# Random allocations, frees, copies, fills and launches against an oracle in host memory, seed after seed. The seed says
# which policy, cap, scheduler, level of safety and block size: of ten seeds five have blocks of 2 MiB, two each of 4 and
# 8, one of 32, with that much more memory, so that each size meets each of the others. One seed in seven has watermarks
# (LOWTIDE_LOW, LOWTIDE_HIGH), and one hardly any RAM. Knobs: CHURNS (how many seeds), SEED (the first); a failure's
# line says the seed, which with CHURNS=1 is run alone.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim
dir=$O/e2e/churn
rm -rf "$dir"
mkdir -p "$dir"
one() { # one SEED
	local seed=$1 policies=(lru balanced sequential group auto) caps schedulers=(virtual seeded threads)
	local small="2M 16 120 12 18 26" medium="4M 32 120 20 28 40" large="8M 64 80 32 48 64" largest="32M 160 40 64 84 116"
	local sizes=("$small" "$medium" "$small" "$large" "$small" "$medium" "$small" "$largest" "$small" "$large")
	local policy=${policies[$((seed % 5))]} scheduler=${schedulers[$((seed / 15 % 3))]} safety=strict key=$dir/$seed
	local block mb ops cap status stats='' settings=()
	read -r block mb ops caps <<<"${sizes[$(((seed + seed / 5 + seed / 45) % 10))]}"
	read -ra caps <<<"$caps"
	cap=$((${caps[$((seed / 5 % 3))]} << 20))
	[ $((seed / 45 % 2)) -eq 0 ] || safety=overlap
	case $((seed % 7)) in
	1) settings=(LOWTIDE_LOW=50% LOWTIDE_HIGH=75%) ;;
	4) settings=(LOWTIDE_HOST=$((mb / 2))M) ;;
	esac
	local what="churn $seed (blocks of $block, $policy, $((cap >> 20)) MiB, $scheduler, $safety${settings[*]:+, ${settings[*]}})"
	env LOWTIDE_VRAM=$cap LOWTIDE_POLICY="$policy" LOWTIDE_SAFETY=$safety LOWTIDE_BLOCK="$block" LOWTIDE_MIN=64K LOWTIDE_LOG=error \
		LOWTIDE_TEST_VERIFY=1 LOWTIDE_STATS="$key.stats" LOWTIDE_SIM_SCHED="$scheduler" LOWTIDE_SIM_SEED="$seed" \
		LOWTIDE_SIM_REPORT="$key.json" "${settings[@]}" LD_PRELOAD="$O/liblowtide.so" \
		timeout 60 "$O/workloads/churn" --mb "$mb" --ops "$ops" --seed "$seed" >"$key.out" 2>"$key.err"
	status=$?
	if [ $status -ne 0 ] || grep -q 'differs between' "$key.err"; then
		echo "$what: status $status: $(tail -n 1 "$key.err")"
	else
		[ -s "$key.stats" ] && read -r stats <"$key.stats"
		[[ $stats == *'"not_verified": 0,'* ]] || echo "$what: not all was compared: ${stats:-no statistics}"
		[[ $stats =~ \"verified\":\ ([0-9]+) ]] && echo "$block $policy ${BASH_REMATCH[1]}" >>"$dir/verified"
		faults "$key.json" $cap | head -n 1 | sed "s/^/$what: /"
	fi
	rm -f "$key".*
}
export -f one faults
export dir
runs=${CHURNS:-500} first=${SEED:-1}
echo "seeds $first to $((first + runs - 1)) (SEED, CHURNS)"
seq "$first" $((first + runs - 1)) >"$dir/rows"
each_row
# Or the comparison of both homes could be off without anybody noticing.
[ "$runs" -lt 400 ] || while read -r kind; do fail "blocks of $kind: nothing was compared when homes changed"; done < <(
	awk '{n[$1 ", " $2] += $3} END {for (i in n) if (!n[i]) print i}' "$dir/verified"
)
finish
