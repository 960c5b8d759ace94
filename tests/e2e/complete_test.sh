#!/usr/bin/env bash
# Every function that a toolkit knows stands in api.def, once; what is hooked is exported; no later version is overlooked.
. "$(dirname "$0")/lib.sh"
stub=
for candidate in "${CUDA_HOME:-/usr/local/cuda}"/lib64/stubs/libcuda.so /usr/local/cuda/lib64/stubs/libcuda.so \
	/usr/lib/*/stubs/libcuda.so; do
	[ -e "$candidate" ] && stub=$candidate && break
done
known=$(tools/api HOOKED CALLED PASSED OTHER | cut -d' ' -f1)
check "a row that tools/api does not read" [ "$(wc -l <<<"$known")" -eq "$(grep -c '^[A-Z].*(' shim/driver/api.def)" ]
ends_well "rows in the order of base, flavour, version" eval "tools/api HOOKED CALLED PASSED | LC_ALL=C sort -c -t' ' -k2,2 -k4,4 -k3,3n"
twice=$(sort <<<"$known" | uniq -d)
check "named twice: $twice" [ -z "$twice" ]
exported=$(nm -D --defined-only "$O/liblowtide.so" | sed -n 's/.* T //p')
for symbol in $(tools/api HOOKED | cut -d' ' -f1); do
	check "hooked but not exported: $symbol" grep -qx "$symbol" <<<"$exported"
done
# The simulated driver has what is defined in it: of that, the list must know the versions.
symbols_of() { nm -D --defined-only "$1" | awk '$2 == "T" && $3 ~ /^cu/ {sub(/@.*/, "", $3); print $3}' | sort -u; }
listed() { tools/api "$@" | cut -d' ' -f1 | sort; }
new=$(comm -23 <(symbols_of "$O/sim/libcuda.so.1") <(listed HOOKED CALLED PASSED))
check "the simulated driver has, and api.def has no version of it: $new" [ -z "$new" ]
new=$(comm -13 <(symbols_of "$O/sim/libcuda.so.1") <(listed PASSED))
check "PASSED in api.def, and the simulated driver has not: $new" [ -z "$new" ]
# What CUDA 13.5 has, whatever toolkit is here.
unknown() { comm -13 <(sort -u <<<"$known") <(sort -u); }
new=$(unknown <tests/golden/cuda-13.5-functions.txt)
check "CUDA 13.5 has, and api.def has not: $new" [ -z "$new" ]
if [ -z "$stub" ]; then
	echo "skipped: no stub libcuda.so of a CUDA toolkit was found to hold the tables against"
else
	new=$(symbols_of "$stub" | unknown)
	check "not in api.def: $new" [ -z "$new" ]
fi
header=
for candidate in "${CUDA_HOME:-/usr/local/cuda}"/include/cuda.h /usr/include/cuda.h "$O"/deps/include/cuda.h; do
	[ -e "$candidate" ] && header=$candidate && break
done
check "a toolkit's cuda.h" [ -n "$header" ]
new=$(tests/functions-of "$header" | unknown)
check "$header declares, and api.def has not: $new" [ -z "$new" ]
# A later version of a hooked function has other parameters: it must not be answered with the wrapper of an earlier
# one (cuCtxSynchronize took a context in 13.0).
typedefs=$(dirname "$header")/cudaTypedefs.h
rows=$(tools/api HOOKED | cut -d' ' -f2-)
stale=$(while read -r base since flavour; do
	for version in $(sed -nE "s/.*PFN_${base}_v([0-9]+)${flavour}\\).*/\1/p" "$typedefs"); do
		[ "$version" -gt "$since" ] && ! grep -qxE "$base $version ?$flavour" <<<"$rows" && echo "$base $version"
	done
done <<<"$(sed -E 's/ $//' <<<"$rows")" | sort -u)
rows=
check "a later version would get an earlier wrapper: $stale" [ -z "$stale" ]
finish
