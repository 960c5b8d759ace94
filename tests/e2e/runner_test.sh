#!/usr/bin/env bash
# run-e2e itself: what it may not count as passed.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
runner=$PWD/tests/run-e2e
script() { # script NAME LINE...: one that prints the lines, and ends as lib.sh's finish does
	local name=$1
	shift
	printf '#!/usr/bin/env bash\n' >"$dir/${name}_test.sh"
	printf 'echo "%s"\n' "$@" >>"$dir/${name}_test.sh"
	[[ "${*: -1}" == *" 0 failed" ]] || echo 'exit 1' >>"$dir/${name}_test.sh"
	chmod +x "$dir/${name}_test.sh"
}
ends() { # ends WHAT STATUS LAST VARIABLE=VALUE... -- NAME...: the runner's status, and its last line
	local what=$1 want=$2 last=$3 settings=() scripts=() said status
	shift 3
	while [ "$1" != -- ]; do settings+=("$1") && shift; done
	shift
	for name in "$@"; do scripts+=("$dir/${name}_test.sh"); done
	said=$(env -u REQUIRE JOBS=2 "${settings[@]}" "$runner" "${scripts[@]}" 2>&1)
	status=$?
	check "$what: status $status: $said" [ $status -eq "$want" -a "$(tail -n 1 <<<"$said")" = "$last" ]
}
script good '3 passed, 0 failed'
script good2 '3 passed, 0 failed'
script good3 '3 passed, 0 failed'
script bad 'failed: something' '2 passed, 1 failed'
script mute 'nothing to say'
script empty '0 passed, 0 failed'
script without 'skipped: no tool is here' '0 passed, 0 failed'
script partly 'skipped: half of it' '2 passed, 0 failed'
script lying '1 passed, 0 failed'
echo 'exit 3' >>"$dir/lying_test.sh"
script unrunnable '5 passed, 0 failed'
chmod -x "$dir/unrunnable_test.sh"
script killer '7 passed, 0 failed'
echo 'kill -9 "$(cut -d" " -f4 "/proc/$PPID/stat")"; sleep 1' >>"$dir/killer_test.sh" # timeout is its parent, the shell that waits for it its parent's
ends 'all is well' 0 '3 passed, 0 failed' -- good
ends 'what failed counts' 1 '5 passed, 1 failed' -- good bad
ends 'no result is a failure' 1 '3 passed, 1 failed' -- good mute
ends 'a status that is not 0 is one' 1 '4 passed, 1 failed' -- good lying
ends 'nothing tested, and nothing said of it' 1 '3 passed, 1 failed' -- good empty
ends 'a script that may not be run' 1 '3 passed, 1 failed' -- good unrunnable
ends 'a script that is not there' 1 '3 passed, 1 failed' -- good absent
ends 'a script of which the runner was killed, and what would have been run after it' 1 '3 passed, 3 failed' JOBS=1 -- good killer good2 good3
ends 'no script at all' 1 '0 passed, 1 failed' --
ends 'without a tool, and it says so' 0 '3 passed, 0 failed' -- good without
ends 'the tool should be here' 1 '3 passed, 1 failed' REQUIRE='partly without' -- good without
ends 'all of it should be tried' 1 '5 passed, 1 failed' REQUIRE=partly -- good partly
ends 'another should be' 0 '5 passed, 0 failed' REQUIRE=good -- good partly
said=$(env -u REQUIRE "$runner" "$dir"/{good,without,partly}_test.sh 2>&1 | tail -n 3)
check "what was skipped is told at the end: $said" [ "$(grep -c '^skipped: \(without\|partly\)_test.sh: ' <<<"$said")" -eq 2 ]

# --- while it runs, and how long all took ---------------------------------------------------------
script slow '1 passed, 0 failed'
sed -i '2i sleep 2.5' "$dir/slow_test.sh"
script beside '3 passed, 0 failed'
sed -i '2i sleep 0.5' "$dir/beside_test.sh"
said=$(env -u REQUIRE JOBS=2 "$runner" "$dir"/{slow,beside,good}_test.sh 2>&1 | cat -v)
check "what has ended, and what is running: $said" grep -qE "beside_test.sh \([01] s; [12] of 3, 0:0[01] min; running: .*slow [01] s" <<<"$said"
check "the last: $said" grep -qE "slow_test.sh \([234] s; 3 of 3, 0:0[234] min\)$" <<<"$said"
check "a file has no line that is written over: $said" [ "$(grep -c '\^' <<<"$said")" -eq 0 ]
check "the slowest first: $said" [ "$(grep -A1 '^3 scripts in 0:0. min, the slowest of them:$' <<<"$said" | grep -cE '^ +[234] s  slow$')" -eq 1 ]
many=()
for i in {1..12}; do script "many$i" '1 passed, 0 failed' && many+=("$dir/many${i}_test.sh"); done
said=$(env -u REQUIRE JOBS=2 "$runner" "${many[@]}")
check "the slowest ten: $said" [ "$(grep -cE '^ +[0-9]+ s  many[0-9]+$' <<<"$said")" -eq 10 ]
terminal() { python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' env -u REQUIRE "$@" </dev/null; }
said=$(terminal "$runner" "$dir"/{good,slow}_test.sh 2>&1 | cat -v)
check "a terminal: a line at its foot: $said" grep -qE '\^M\^\[\[K1 of 2, 0:0. min; running: slow [12] s' <<<"$said"
check "and it is wiped away: $said" grep -qE '^(.*\^M\^\[\[K)?4 passed, 0 failed' <<<"$said"
finish
