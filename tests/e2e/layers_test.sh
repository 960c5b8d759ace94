#!/usr/bin/env bash
# tests/check-floors finds nothing in the library as it is, and says what it is when a call or an include upwards, or a circle
# of calls, is planted. O: the build folder.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
here=$PWD
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# A tree with the library's sources and objects, to plant in.
anew() {
	rm -rf "${scratch:?}"/* && mkdir -p "$scratch/build/obj"
	cp -r shim policy "$scratch/" && cp -r "$O/obj/shim" "$O/obj/policy" "$scratch/build/obj/"
}
# plant FILE FUNCTION: the object of FILE calls that function of another file
plant() {
	local object=$scratch/build/obj/${1%.c}.o
	printf 'void %s(void);\nvoid planted_in_%s(void);\nvoid planted_in_%s(void)\n{\n\t%s();\n}\n' "$2" "$(basename "${1%.c}")" \
		"$(basename "${1%.c}")" "$2" >"$scratch/planted.c"
	${CC:-cc} -c -o "$scratch/planted.o" "$scratch/planted.c" && ld -r -o "$object.new" "$object" "$scratch/planted.o" &&
		mv "$object.new" "$object"
}
looks() { (cd "$scratch" && python3 "$here/tests/check-floors" build 2>&1); }
# says WHAT PATTERN: check-floors fails, and says it
says() {
	local said
	if said=$(looks); then
		fail "$1: nothing was found"
	elif grep -qE "$2" <<<"$said"; then
		pass
	else
		fail "$1: said only: $said"
	fi
}

anew
if said=$(looks); then pass; else fail "the library as it is: $said"; fi
plant shim/base/clock.c gate_open
says "a call upwards" '^call upwards: shim/base/clock\.c calls shim/order/gate\.c: gate_open$'
anew
plant policy/core/table.c policy_use
says "a call upwards in policy/" '^call upwards: policy/core/table\.c calls policy/policy\.c: policy_use$'
anew
plant shim/memory/ranges.c arena_give
says "a circle of two" '^circle of calls: shim/memory/arena\.c shim/memory/ranges\.c$'
anew
plant shim/pager/registry.c pager_alloc
says "a circle of several" '^circle of calls: .*shim/pager/alloc\.c .*shim/pager/registry\.c'
says "a circle of several, and who calls whom" '^    shim/pager/registry\.c calls shim/pager/alloc\.c: pager_alloc$'
anew
# Data that names functions calls them: the table that dlsym answers from is such.
first=$(nm "$O"/obj/shim/hook/launch.o | awk '$2 == "T" {print $3; exit}')
printf 'void %s(void);\nvoid *const planted_table[] = {(void *)%s};\n' "$first" "$first" >"$scratch/planted.c"
${CC:-cc} -c -o "$scratch/planted.o" "$scratch/planted.c" &&
	ld -r -o "$scratch/new.o" "$O/obj/shim/driver/driver.o" "$scratch/planted.o" && mv "$scratch/new.o" "$scratch/build/obj/shim/driver/driver.o"
says "a table of functions above" "^call upwards: shim/driver/driver\.c calls shim/hook/launch\.c: $first$"
anew
sed -i '1i #include "pager/pager.h"' "$scratch/shim/memory/arena.h"
says "an include upwards" '^include upwards: shim/memory/arena\.h includes shim/pager/pager\.h$'
anew
touch "$scratch/shim/stray.h"
says "a file on no floor" "^shim/stray.h is on no floor"
finish
