#!/usr/bin/env bash
# The build itself: whose flags hold, what is built anew and when, what is said where something is missing, and what install
# builds and leaves.
. "$(dirname "$0")/lib.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL CPPFLAGS CFLAGS LDFLAGS LDLIBS DESTDIR PREFIX
library_folder=$(<"$O/libdir") own=$O
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
there=$dir/build
unset O CUDA_HOME
case $own in /*) ;; *) own=$PWD/$own ;; esac
[ -e "$own/deps/include/cuda.h" ] && export CUDA_HOME=$own/deps
build() { make O="$there" V=1 "$@" 2>&1; }

# --- whose flags
theirs=(CPPFLAGS='-DTHEIR_CPP -D_FORTIFY_SOURCE=1' CFLAGS='-O2 -DTHEIR_C -fno-stack-protector' LDFLAGS='-Wl,-z,norelro,-z,lazy' LDLIBS=-ltheirs)
installed=("$there/liblowtide.so" "$there/lowtide" "$there/gpu/probe")
for way in environment 'command line'; do
	if [ "$way" = environment ]; then lines=$(env "${theirs[@]}" make -nB O="$there" V=1 "${installed[@]}" 2>&1); else
		lines=$(build -nB "${theirs[@]}" "${installed[@]}")
	fi
	lines=$(sed -z 's/\\\n//g' <<<"$lines")
	harden=$(sed -n 's/^HARDEN := //p' "$there/hardening") harden_ld=$(sed -n 's/^HARDEN_LD := //p' "$there/hardening")
	compiled=$(grep -E ' -c .* -o ' <<<"$lines") linked=$(grep -E -- '-Wl,.* -ltheirs' <<<"$lines")
	check "$way: there are files to compile, and three to link" [ "$(wc -l <<<"$compiled")" -gt 50 -a "$(wc -l <<<"$linked")" -eq 3 ]
	check "$way: CPPFLAGS and CFLAGS are not used, or ours do not come after: $(grep -vF -- "$harden" <<<"$compiled" | head -n 1)" eval \
		'! sed "s/.*-DTHEIR_CPP .*-DTHEIR_C -fno-stack-protector//; t; s/.*/not used/" <<<"$compiled" | grep -vqF -- "$harden"'
	check "$way: LDFLAGS are not used, or ours do not come after" eval \
		'! sed "s/.*-z,norelro,-z,lazy//; t; s/.*/not used/" <<<"$linked" | grep -vqF -- "$harden_ld"'
done
check "our flags harden: $harden $harden_ld" eval 'grep -q fstack-protector <<<"$harden" && grep -q FORTIFY_SOURCE=[23] <<<"$harden" && grep -q relro,-z,now <<<"$harden_ld"'
for other in -D_FORTIFY_SOURCE=1 -U_FORTIFY_SOURCE -Wp,-D_FORTIFY_SOURCE=1 -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=1 -Wp,-U_FORTIFY_SOURCE; do
	level=$("${CC:-cc}" -O2 $other $harden -E -dM -x c /dev/null 2>&1 | grep -E 'FORTIFY|warning')
	check "beside $other: $level" grep -qxE '#define _FORTIFY_SOURCE [23]' <<<"$level"
done

# --- what is built anew
some=("$there/obj/policy/lru.o" "$there/obj/policy/core/cycle.o" "$there/shim/image.a")
build CFLAGS=-O0 "${some[@]}" >"$dir/log" || cat "$dir/log"
check "some files are built" [ -s "${some[0]}" -a -s "${some[1]}" -a -s "${some[2]}" ]
anew() { build -n CFLAGS=-O0 "$@" "${some[@]}" | grep -oE ' -c [^ ]+|ar rcs' | sort | tr '\n' ' '; }
check "nothing has changed, and built anew is: $(anew)" [ -z "$(anew)" ]
check "a header, of what includes it: $(anew -W policy/core/table.h)" [ "$(anew -W policy/core/table.h)" = " -c policy/lru.c " ]
check "a source: $(anew -W shim/image/ptx.c)" [ "$(anew -W shim/image/ptx.c)" = ' -c shim/image/ptx.c ar rcs ' ]
for change in CFLAGS=-O1 'CFLAGS=-O0 -g' CPPFLAGS=-DOTHER LDFLAGS=-Wl,-O1; do
	# Told with -n, which keeps what the flags are now: each of these is another change.
	all=$(anew "$change" | grep -o ' -c ' | wc -l)
	check "$change: built anew are $all" [ "$all" -ge 7 ]
done

# --- what is missing
without() { # without HEADER: a compiler that has not got it
	printf '#!/bin/sh\ncase "$*" in *"-x c -"*)\n\ttext=$(cat)\n\tcase $text in *"<%s>"*) exit 1 ;; esac\n\tprintf "%%s\\n" "$text" | cc "$@"\n\texit ;;\nesac\nexec cc "$@"\n' \
		"$1" >"$dir/cc"
	chmod +x "$dir/cc"
}
says() { # says WHAT WORD... -- ARGUMENT...: make fails, compiles nothing, and says so in one line of ours, with these words
	local what=$1 words=() said lines
	shift
	while [ "$1" != -- ]; do words+=("$1") && shift; done
	shift
	rm -rf "$there"
	said=$(build "$@") && fail "$what: make is content"
	lines=$(grep '^lowtide: ' <<<"$said")
	check "$what: told in one line, and nothing compiled: $said" [ "$(wc -l <<<"$lines")" -eq 1 -a -z "$(find "$there" -name '*.o')" ]
	for word in "${words[@]}"; do check "$what: the line has $word: $lines" grep -qF -- "$word" <<<"$lines"; done
}
for missing in uthash.h:uthash-dev jansson.h:libjansson-dev; do
	without ${missing%:*}
	says "no ${missing%:*}" "not found: ${missing%:*}." tools/deps "apt-get install ${missing#*:})" -- CC="$dir/cc"
done
without criterion/criterion.h
says 'no Criterion' criterion/criterion.h libcriterion-dev -- CC="$dir/cc" check-unit
says 'no libjansson to link with' jansson.h libjansson-dev -- JANSSON=-lno_such_library
says 'no compiler' 'no C compiler: no-such-cc' tools/deps -- CC=no-such-cc
if [ -e /usr/include/cuda.h ]; then
	echo "skipped: no cuda.h: this machine has one where every compiler looks"
else
	says 'no cuda.h' 'cuda.h' CUDA_HOME tools/deps -- CUDA_HOME="$dir"
fi
rm -rf "$there"
check "make help needs no compiler" eval 'build CC=no-such-cc help | grep -q "check-unit"'
check "and builds nothing" [ ! -e "$there" ]

# --- install
lines=$(build -nB install)
other=$(grep -oE ' -c [^ ]+' <<<"$lines" | grep -vE ' (shim|policy|tools|tests/gpu/probe)/')
check "install builds what it does not install: $other" [ -z "$other" -a "$(grep -c ' -c ' <<<"$lines")" -gt 50 ]
there=$own
to=(LIBDIR="$library_folder" PREFIX=/prefix DESTDIR="$dir/root")
lines=$(CFLAGS='-O3 -DOTHER' LDFLAGS=-Wl,-O1 build -n "${to[@]}" install | grep -v '^install ')
check "install after make, with other flags, still has to do: $lines" [ -z "$lines" ]
ends_well "install" build "${to[@]}" install
put=$(cd "$dir/root" && find . -type f | sort)
want=$(printf '.%s\n' "$library_folder/liblowtide.so" /prefix/bin/lowtide /prefix/libexec/lowtide/probe | sort)
[ -e "$own/lowtide.1" ] && want=$(printf '%s\n' "$want" ./prefix/share/man/man1/lowtide.1 | sort)
check "installed are $put" [ "$put" = "$want" ]
check "and are what was built" cmp -s "$own/liblowtide.so" "$dir/root$library_folder/liblowtide.so"
ends_well "uninstall" build "${to[@]}" uninstall
check "uninstall leaves $(find "$dir/root" -type f)" [ -z "$(find "$dir/root" -type f)" ]
finish
