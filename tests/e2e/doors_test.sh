#!/usr/bin/env bash
# Every door answers with our wrapper where there is one, and with the driver's own function elsewhere.
set -u
O=${O:-build}
export LD_LIBRARY_PATH=$O/fake
passed=0 failed=0
bare=$("$O/e2e/doors" "$O/e2e/doors_plugin.so")
ours=$(LD_PRELOAD=$O/liblowtide.so "$O/e2e/doors" "$O/e2e/doors_plugin.so")
expect() { # expect DOOR WITHOUT WITH
	if grep -qx "$1 $2" <<<"$bare" && grep -qx "$1 $3" <<<"$ours"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "door $1: wanted '$2' and under the preload '$3', got '$(grep "^$1 " <<<"$bare")' and '$(grep "^$1 " <<<"$ours")'"
	fi
}
for door in linked dlsym default next resolver itself again deepbind; do
	expect $door libcuda.so.1 liblowtide.so
done
for door in unhooked passed; do
	expect $door libcuda.so.1 libcuda.so.1
done
for door in absent lacking; do
	expect $door nothing nothing
done
expect per_thread "own flavour" "own flavour"
expect plain "own flavour" "own flavour"
expect refused 500 500
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
