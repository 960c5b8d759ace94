#!/usr/bin/env bash
# The driver calls that each hook makes: allocating and freeing 256 bytes to 1 GiB, at once and in stream order, the first
# time and the second, where memory is paged and where it is not, against tests/golden/driver_calls.tsv. A difference is
# shown; RENEW=1 writes the table anew.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
golden=$(dirname "$0")/../golden/driver_calls.tsv
table=$O/e2e/driver_calls.tsv
sizes=(256 65536 1048576 20971520 1073741824)

printf 'policy\tcall\tbytes\twhen\tcalls\twhich\n' >"$table"
for policy in lru none; do
	for how in plain ordered; do
		for bytes in "${sizes[@]}"; do
			LOWTIDE_VRAM=4G LOWTIDE_HOST=1G LOWTIDE_POLICY=$policy LOWTIDE_TEST_THREAD=0 LOWTIDE_LOG=error \
				LD_PRELOAD="$O/liblowtide.so $O/sim/libtoken.so" timeout 60 "$O/e2e/sim_driver_calls" $how "$bytes" |
				sed "s/^/$policy\t/" >>"$table"
		done
	done
done
rows() { [ "$(tail -n +2 "$table" | wc -l)" -eq $((2 * 2 * ${#sizes[@]} * 4)) ]; }
check "each call has its row" rows
if [ -n "${RENEW:-}" ]; then
	cp "$table" "$golden"
	echo "written: $golden"
fi
same() { # a difference is the program's output
	diff -U 0 "$golden" "$table" | grep '^[-+]' && {
		echo "to renew it where that is meant: RENEW=1 O=$O tests/e2e/driver_calls_test.sh"
		return 1
	}
	return 0
}
check "the driver calls of each hook (- as in the table, + as now)" same
# What is free on the card is other processes' to change, and the question is slow: nobody asks it, not the first time either.
asks() { ! grep cuMemGetInfo "$table"; }
check "no hook asks what is free" asks
finish
