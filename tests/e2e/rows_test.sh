#!/usr/bin/env bash
# Scripts of many rows, in each of which the second row is killed, as by a machine that runs out of memory: each must fail, and
# say in words that rows did not come to their end. They run here in a build folder that is made of links, for a few rows.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/build/e2e"
ln -s "$O"/* "$dir/build" 2>/dev/null
ln -s "$O"/e2e/sim_* "$dir/build/e2e"
rm -f "$dir/build/mutants"

# Each row runs its program by way of timeout: this one kills the second row's shell instead. What the script itself runs, it runs.
cat >"$dir/bin/timeout" <<'KILLER'
#!/usr/bin/env bash
row='' pid=$PPID
while tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '^bash -c one "\$@"'; do # a subshell's is the same
	row=$pid pid=$(cut -d' ' -f4 "/proc/$pid/stat")
done
if [ -n "$row" ] && ! mkdir "$KILLER/first" 2>/dev/null; then
	touch "$KILLER/killed"
	kill -9 "$row"
	exit 1
fi
exec "$REAL_TIMEOUT" "$@"
KILLER
chmod +x "$dir/bin/timeout"
REAL_TIMEOUT=$(command -v timeout)
export REAL_TIMEOUT KILLER=$dir

few() { # few SCRIPT: sets knobs: those with which it has a few rows
	case $1 in
	churn) knobs=(CHURNS=3) ;;
	inject) knobs=(MB=8 WORKLOADS=diffusion COLDS=unmapped FUNCTIONS=cuMemMap NTH='1 2 3') ;;
	ledger) knobs=(SEEDS=60) ;;
	matrix | unmapped_matrix) knobs=(MB=8 WORKLOADS=diffusion BLOCKS=2M POLICIES=lru SCHEDS=virtual CAPS='100 50 35') ;;
	pending) knobs=(CASES='copy_in copy_out' SCHEDS=virtual POLICIES=lru SAFETIES=strict) ;;
	seeds) knobs=(SEEDS=3) ;;
	stamps) knobs=(BLOCKS=2M POLICIES='lru group auto' SCHEDS=virtual SEEDS=1 THREADS=1 SAFETIES=strict) ;;
	*) knobs=(NONE=) && fail "$1: how it is run for a few rows is not written here" ;;
	esac
}
for script in tests/e2e/*_test.sh; do
	name=$(basename "$script" _test.sh)
	[ "$name" = rows ] && continue
	check "$name: has its rows run by each_row" eval '! grep -q xargs "$script"'
	grep -qE '^each_row$|/matrix_test.sh"$' "$script" || continue
	few "$name"
	rm -rf "$dir/first" "$dir/killed"
	said=$(env PATH="$dir/bin:$PATH" O="$dir/build" "${knobs[@]}" "$script" 2>&1)
	status=$?
	check "$name: no row was killed: $said" [ -e "$dir/killed" ]
	check "$name: status $status: $said" [ $status -eq 1 ]
	check "$name: is not told: $said" grep -qE '^failed: [0-9]+ of [0-9]+ rows did not come to their end, the first of them: .' <<<"$said"
	tried=$((${tried:-0} + 1))
done
check "scripts of many rows: ${tried:-0}" [ "${tried:-0}" -ge 8 ]

# The shared function by itself: what is wrong is counted once a row, and what ends well.
cat >"$dir/few" <<'FEW'
. tests/e2e/lib.sh
dir=$(dirname "$0")/few.rows
rm -rf "$dir"
mkdir -p "$dir"
one() { # one ROW HOW
	case $2 in
	fails) echo "$1: once" && return 1 ;;
	twice) printf '%s: this\n' "$1" && echo "$1: and that" ;;
	killed) kill -9 $BASHPID ;;
	leaves) exit 0 ;;
	esac
}
export -f one
export dir
for row in "$@"; do echo "$row"; done >"$dir/rows"
each_row
finish
FEW
few_rows() { # few_rows WHAT STATUS LAST ROW...: a script of these, each a name and a command
	local what=$1 want=$2 last=$3
	shift 3
	said=$(bash "$dir/few" "$@" 2>&1)
	status=$?
	check "$what: status $status: $said" [ $status -eq "$want" -a "$(tail -n 1 <<<"$said")" = "$last" ]
}
few_rows "all is well" 0 "3 passed, 0 failed" "a well" "b well" "c well"
few_rows "one fails" 1 "2 passed, 1 failed" "a well" "b fails" "c well"
few_rows "of one two things are wrong" 1 "2 passed, 1 failed" "a well" "b twice" "c well"
few_rows "one is killed" 1 "1 passed, 1 failed" "a well" "b killed"
few_rows "one leaves" 1 "2 passed, 1 failed" "a well" "b leaves" "c well"
few_rows "there is none" 1 "0 passed, 1 failed"
finish
