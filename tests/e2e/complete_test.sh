#!/usr/bin/env bash
# Every function the toolkit's stub driver exports is hooked or passed by name, and no wrapper is missing.
set -u
O=${O:-build}
passed=0 failed=0
stub=
for candidate in "${CUDA_HOME:-/usr/local/cuda}"/lib64/stubs/libcuda.so /usr/local/cuda/lib64/stubs/libcuda.so \
	/usr/lib/*/stubs/libcuda.so; do
	[ -e "$candidate" ] && stub=$candidate && break
done
known=$(sed -nE 's/^HOOK\(.*, (cu[A-Za-z0-9_]+)\)$/\1/p; s/^PASS\((cu[A-Za-z0-9_]+)\)$/\1/p' shim/hooks.def shim/passed.def)
twice=$(sort <<<"$known" | uniq -d)
if [ -z "$twice" ]; then passed=$((passed + 1)); else
	failed=$((failed + 1))
	echo "named twice: $twice"
fi
for symbol in $(sed -nE 's/^HOOK\(.*, (cu[A-Za-z0-9_]+)\)$/\1/p' shim/hooks.def); do
	if nm -D --defined-only "$O/liblowtide.so" | grep -q " T $symbol\$"; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "hooked but not exported: $symbol"
	fi
done
if [ -z "$stub" ]; then
	echo "skipped: no stub libcuda.so of a CUDA toolkit was found to hold the tables against"
else
	new=$(comm -23 <(nm -D --defined-only "$stub" | awk '$2 == "T" && $3 ~ /^cu/ {sub(/@.*/, "", $3); print $3}' | sort -u) \
		<(sort -u <<<"$known"))
	if [ -z "$new" ]; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "neither in hooks.def nor in passed.def:" $new
	fi
fi
# A later version of a hooked function has other parameters: it must not be answered with the wrapper of an earlier
# one (cuCtxSynchronize took a context in 13.0).
typedefs=
for candidate in "${CUDA_HOME:-/usr/local/cuda}"/include/cudaTypedefs.h /usr/include/cudaTypedefs.h; do
	[ -e "$candidate" ] && typedefs=$candidate && break
done
rows=$(sed -nE 's/^HOOK\((\w+), ([0-9]+), (\w*), .*/\1 \2 \3/p' shim/hooks.def)
stale=$(while read -r base since flavour; do
	for version in $(sed -nE "s/.*PFN_${base}_v([0-9]+)${flavour}\\).*/\1/p" "$typedefs"); do
		[ "$version" -gt "$since" ] && ! grep -qxE "$base $version ?$flavour" <<<"$rows" && echo "$base $version"
	done
done <<<"$(sed -E 's/ $//' <<<"$rows")" | sort -u)
rows=
if [ -z "$stale" ]; then passed=$((passed + 1)); else
	failed=$((failed + 1))
	echo "a later version would get an earlier wrapper: $stale"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
