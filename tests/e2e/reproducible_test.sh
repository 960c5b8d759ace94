#!/usr/bin/env bash
# Two builds, in folders of other names, give the same bytes. Not optimised, which is quicker, and no cache may answer.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export CCACHE_DISABLE=1
build() { # build FOLDER O: a copy of the tree there
	mkdir -p "$1" && cp -r Makefile policy shim tools "$1" && mkdir "$1/tests" && cp -r tests/gpu tests/tests.mk "$1/tests" &&
		env -u MAKEFLAGS -u MFLAGS -u O make -s -C "$1" O="$2" CFLAGS='-O0 -g' LIBDIR=/usr/lib "$2/liblowtide.so" "$2/lowtide" "$2/gpu/probe" >"$1.log" 2>&1
}
one=$dir/one/build other=$dir/another/folder
build "$dir/one" build &
build "$dir/two of them" "$other" || cat "$dir/two of them.log"
wait $! || cat "$dir/one.log"
for file in liblowtide.so lowtide gpu/probe; do
	check "$file is built twice" [ -s "$one/$file" -a -s "$other/$file" ]
	check "$file: other bytes: $(cmp "$one/$file" "$other/$file" 2>&1)" cmp -s "$one/$file" "$other/$file"
	check "$file names the folder it was built in" eval '! grep -qF "$dir" "$one/$file"'
done
finish
