#!/usr/bin/env bash
# The files that the log and the statistics go to: which are refused, what others may do with them, whose they are.
. "$(dirname "$0")/lib.sh"
O=$(realpath "$O")
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so LOWTIDE_VRAM=16M LOWTIDE_POLICY=lru
program=$O/e2e/sim_files
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

run() { # run CASE VARIABLE=VALUE...: sets status and said; waits for what the program leaves behind too
	local case=$1
	shift
	said=$(env "$@" LD_PRELOAD="$O/liblowtide.so" timeout 60 "$program" "$case" 2>&1)
	status=$?
}
files_are() { # files_are NAME...: these and no others are in the folder
	[ "$(cd "$dir" && echo *)" = "$*" ]
}
fresh() { rm -rf "${dir:?}"/* && cd "$dir" || exit 1; }
is_json() { python3 -c 'import json,sys; [json.loads(line)["device"] for line in open(sys.argv[1])]; assert open(sys.argv[1]).read()' "$1"; }
# log_to FILE, stats_to FILE: a program whose log or statistics go there
log_to() { run use_device "LOWTIDE_LOG=debug,$1"; }
stats_to() { run use_device "LOWTIDE_STATS=$1"; }

for what in log stats; do
	setting=LOWTIDE_${what^^}
	refused() { # refused FILE WHY: one line says so, and the program is none the worse for it
		local lines
		"${what}_to" "$1"
		lines=$(grep -c "$setting=.*$1.*($2); *accepted: .*regular file" <<<"$said")
		check "$what to $1: status $status: $said" [ "$status" -eq 0 ]
		check "$what to $1, $lines lines: $said" [ "$lines" -eq 1 ]
	}
	fresh
	mkfifo pipe
	refused pipe 'Invalid argument'
	exec 7<>pipe # and with somebody at its other end
	refused pipe 'Invalid argument'
	check "$what: nothing was written into the pipe" [ -z "$(timeout 0.1 cat <&7)" ]
	exec 7>&-
	refused /dev/null 'Invalid argument'
	mkdir folder
	refused folder 'Invalid argument'
	refused no/such/folder/file 'No such file or directory'
	echo precious >target
	ln -s target link
	refused link 'Too many levels of symbolic links'
	check "$what: what the link named is as it was" [ "$(cat target)" = precious ]
	ln -s nothing dangling
	refused dangling 'Too many levels of symbolic links'
	check "$what: nothing was made through the link" [ ! -e nothing ]

	fresh
	(umask 0 && "${what}_to" new && [ "$status" -eq 0 ])
	check "$what: a new file is its user's alone" [ "$(stat -c %a new)" = 600 ]
	echo before >old && chmod 644 old
	"${what}_to" old
	check "$what: an old file keeps its rights" [ "$(stat -c %a old)" = 644 ]
	[ $what = log ] && check "a log is continued" grep -q before old
	[ $what = stats ] && check "statistics begin a file" is_json old
	check "$what: something is written: $(cat old)" [ "$(wc -c <old)" -gt 20 ]
	run execute "LOWTIDE_LOG=debug,$dir/log" "LOWTIDE_STATS=$dir/stats"
	check "$what: another program inherits it: $said" [ -z "$(grep "$dir" <<<"$said")" ]
done

fresh
run title LOWTIDE_STATS=out
check "a title over the environment changes no name: $(echo *), $said" files_are out
check "and what is in it" is_json out

for case in forked cloned; do
	fresh
	run $case LOWTIDE_STATS=out
	check "$case: a child without a device leaves nothing: $(echo *), $said" files_are out
	check "$case: its parent's is whole" is_json out
	run $case LOWTIDE_STATS=1
	check "$case: one summary, not its child's: $said" [ "$(grep -c 'peak .* of .* MiB VRAM' <<<"$said")" -eq 1 ]
done
fresh
run workers LOWTIDE_STATS=out
check "each child with a device has its own: $(echo *), $said" [ "$(ls | grep -cE '^out\.[0-9]+$')" -eq 2 -a ! -e out ]
for file in out.*; do check "$file" is_json "$file"; done

# Rights that its caller has not: what is told in the environment does not hold there. The loader preloads nothing into such a
# program, so this one is linked to the library; it is given another group than the one that runs it.
fresh
for group in $(id -G) 12345; do
	[ "$group" != "$(id -g)" ] && cp "$O/e2e/sim_files_linked" held && chgrp "$group" held 2>/dev/null && chmod g+s held && break
done
cd "$O" # where it finds its libraries
held() { env "$@" "$dir/held" use_device 2>&1; }
said=$("$dir/held" is_privileged 2>&1)
if [ $? -eq 0 ]; then
	said=$(held LOWTIDE_POLICY=none LOWTIDE_VRAM=1M "LOWTIDE_LOG=debug,$dir/log" "LOWTIDE_STATS=$dir/out")
	check "privileged, under the default cap: $said" [ $? -eq 0 ]
	check "privileged, nothing is said: $said" [ -z "$said" ]
	check "privileged, nothing is written: $(ls "$dir")" files_are held
	chmod g-s "$dir/held"
	said=$(held "LOWTIDE_LOG=debug,$dir/log" "LOWTIDE_STATS=$dir/out")
	check "without privileges all of it: $said, $(ls "$dir")" files_are held log out
else
	echo "skipped: a privileged program: none can be made here"
fi
finish
