#!/usr/bin/env bash
# The library built for aarch64, and every door tried there, under qemu's user-mode emulation: the half of
# shim/door/dlsym_entry.S that this machine may not run by itself. Nothing is paged in it.
set -u
O=${O:-build}
emulator=
for candidate in qemu-aarch64 qemu-aarch64-static; do
	command -v $candidate >/dev/null && emulator=$candidate && break
done
cross=aarch64-linux-gnu-gcc
if [ "$(uname -m)" = aarch64 ]; then
	echo "skipped: this is an aarch64 machine: doors_test.sh is the real thing"
	echo "0 passed, 0 failed"
	exit 0
fi
if ! command -v $cross >/dev/null || [ -z "$emulator" ]; then
	echo "skipped: $cross or qemu-aarch64 is not here: apt-get install gcc-aarch64-linux-gnu qemu-user"
	echo "0 passed, 0 failed"
	exit 0
fi
there=$O/aarch64
if ! log=$(env -u MAKEFLAGS -u MFLAGS make -s O="$there" CC=$cross "$there/liblowtide.so" "$there/fake/libcuda.so.1" "$there/e2e/doors" \
	"$there/e2e/doors_plugin.so" "$there/e2e/hooker_plugin.so" "$there/e2e/dlvsym_plugin.so" 2>&1); then
	printf '%s\n' "$log" | tail -n 20
	echo "0 passed, 1 failed"
	exit 1
fi
if grep -q 'warning:' <<<"$log"; then
	printf '%s\n' "$log" | tail -n 20
	echo "0 passed, 1 failed"
	exit 1
fi
sysroot=$(dirname "$(dirname "$($cross -print-file-name=libc.so.6)")")
[ -e "$sysroot/lib/ld-linux-aarch64.so.1" ] || sysroot=/usr/aarch64-linux-gnu
O=$there UNDER="$emulator -L $sysroot" "$(dirname "$0")/doors_test.sh"
