#!/usr/bin/env bash
# A program under a cap never holds more than the cap, is refused as on a smaller card, and is otherwise unchanged.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/fake
run() { # run VARIABLE=VALUE...: sets out and err
	out=$(env "$@" LD_PRELOAD="$O/liblowtide.so" timeout 60 "$O/e2e/capped" 2>"$O/e2e/capped.err")
	status=$?
	err=$(<"$O/e2e/capped.err")
}
peak() { sed -n 's/^peak \([0-9]*\) held.*/\1/p' <<<"$err"; }
said() { grep -q "$1" <<<"$err"; }

bare=$(timeout 60 "$O/e2e/capped" 2>/dev/null)
for mib in 64 256 512 768 1024; do
	run LOWTIDE_VRAM=${mib}M
	check "cap $mib: ends well" [ $status -eq 0 ]
	check "cap $mib: peak $(peak) MiB is at most the cap" [ "$(peak)" -le $mib ]
	check "cap $mib: peak $(peak) MiB uses the cap" [ "$(peak)" -ge $((mib - 32)) ]
	check "cap $mib: the second round is given as much as the first" \
		[ "$(sed -n 's/round 0: //p' <<<"$out")" = "$(sed -n 's/round 1: //p' <<<"$out")" ]
	check "cap $mib: a context that ends gives its memory back" \
		[ "$(sed -n 's/in a context, round 0: //p' <<<"$out")" = "$(sed -n 's/in a context, round 1: //p' <<<"$out")" ]
	check "cap $mib: nothing is left held" said 'held 0 MiB'
done
check "a cap of the whole card changes nothing" [ "$out" = "$bare" ]
run LOWTIDE_VRAM=25%
check "that this driver cannot page is said" said 'nothing is paged.*this driver lacks functions'
check "a share of the card" [ "$(peak)" -eq 256 ]
run LOWTIDE_VRAM=1:64M,0:128M
check "a cap for one device" [ "$(peak)" -eq 128 ]
run LOWTIDE_VRAM=256M LOWTIDE_REPORT=cap
check "the program is told of a small card" grep -q 'total 256 device 256 MiB' <<<"$out"
run LOWTIDE_VRAM=256M LOWTIDE_DISABLE=1
check "disabled, nothing is capped" [ "$out" = "$bare" ]
run LOWTIDE_VRAM=potato
check "a bad value is named with what is accepted" said 'LOWTIDE_VRAM=potato is not understood; accepted: a size'
check "and the default holds" [ "$(peak)" -eq 768 ]
check "and the program ran on" [ $status -eq 0 ]
run LOWTIDE_VRAM=1G LOWTIDE_VRAMM=1
check "an unknown name is reported with the nearest" said 'LOWTIDE_VRAMM is not a setting.*LOWTIDE_VRAM'
run LOWTIDE_VRAM=256M LOWTIDE_SAFETY=graced
check "the old word for overlap is taken, and one line says so" said 'LOWTIDE_SAFETY=graced is called overlap now'
check "and the program ran on" [ $status -eq 0 ]
run LOWTIDE_VRAM=256M LOWTIDE_SAFETY=overlap
check "of the new word nothing is said" [ "$(grep -c 'called overlap' <<<"$err")" -eq 0 ]
run LOWTIDE_VRAM=256M LOWTIDE_LOG=off
check "the log can be silenced" [ "$(grep -c '^lowtide' <<<"$err")" -eq 0 ]
run LOWTIDE_VRAM=256M LOWTIDE_POLICY=balanced
check "a policy that cannot act says so" said 'nothing is paged'
plain=$(env LOWTIDE_VRAM=potato LD_PRELOAD="$O/liblowtide.so" /bin/echo hello 2>&1)
check "a process without CUDA is left alone" [ "$plain" = hello ]
check "a program with no driver still gets its error" env -u LD_LIBRARY_PATH LD_PRELOAD="$O/liblowtide.so" \
	"$O/e2e/no_driver"
finish
