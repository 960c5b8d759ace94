#!/usr/bin/env bash
# What check-hardening must find, in small libraries that each lack one thing; and that a process with the library has no
# memory that is writable and executable.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cat >"$dir/a.c" <<'C'
#include <stdio.h>
#include <string.h>
int door(const char *text) { char room[64]; strcpy(room, text); return printf("%s", room); }
C
compile=$(sed -n "s|^HARDEN := ||p" "$O/hardening") link=$(sed -n "s|^HARDEN_LD := ||p" "$O/hardening")
has() { grep -q -- "$1" <<<"$compile"; }
plain=(-fPIC -O2 $compile -shared ${link/,-z,shstk/} -Wl,-soname,a.so) # without what the linker is told to mark
whole=("${plain[@]}")
has -fcf-protection && whole+=(-Wl,-z,shstk,-z,ibt)

found() { # found WHAT FLAG...: built with these flags too, it is refused for that
	local what=$1 said
	shift
	"${CC:-cc}" "${whole[@]}" "$@" -o "$dir/a.so" "$dir/a.c" 2>/dev/null || { echo "skipped: $what: the compiler will not" && return; }
	said=$(tests/check-hardening "$O/hardening" "$dir/a.so" 2>&1)
	check "a library without: $what: $said" grep -qF "$what" <<<"$said"
}
"${CC:-cc}" "${whole[@]}" -o "$dir/a.so" "$dir/a.c"
ends_well "one that lacks nothing" tests/check-hardening "$O/hardening" "$dir/a.so"
found RELRO -Wl,-z,norelro
found BIND_NOW -Wl,-z,lazy
found 'its stack is executable' -Wl,-z,execstack
printf '.section .both, "awx", %%progbits\n.long 0\n' >"$dir/both.s"
found 'writable and executable' "$dir/both.s"
found 'folders to look for libraries in' "-Wl,-rpath,$dir"
found build-id -Wl,--build-id=none
has -fstack-protector && found 'no stack is protected' -fno-stack-protector
has _FORTIFY_SOURCE && found 'no call is fortified' -Wp,-U_FORTIFY_SOURCE
if has -fcf-protection; then
	found 'no landing pad at door' -fcf-protection=none
	whole=("${plain[@]}")
	found IBT -fcf-protection=none
	found SHSTK -fcf-protection=none
fi
printf 'int main(void) { return 0; }' >"$dir/program.c"
"${CC:-cc}" -no-pie -o "$dir/program" "$dir/program.c"
said=$(tests/check-hardening "$O/hardening" "$dir/program" 2>&1)
check "a program at one address: $said" grep -q PIE <<<"$said"

maps=$(LOWTIDE_LOG=error LD_PRELOAD="$O/liblowtide.so" SIM_IMAGE=$O/unit/sim_image.so LD_LIBRARY_PATH=$O/sim timeout 60 "$O/e2e/sim_files" maps)
check "the library is in the process" grep -q liblowtide <<<"$maps"
check "writable and executable: $(grep ' .wx' <<<"$maps")" eval '! grep -q " .wx" <<<"$maps"'
finish
