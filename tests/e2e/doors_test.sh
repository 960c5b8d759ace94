#!/usr/bin/env bash
# Every door answers with our wrapper where there is one, and with the driver's own function elsewhere.
# UNDER: an emulator in front of the program, whose -E sets the program's environment and not its own.
. "$(dirname "$0")/lib.sh"
doors() { # doors [VARIABLE=VALUE]
	local settings=("LD_LIBRARY_PATH=$O/fake" "$@") options=() setting
	if [ -n "${UNDER:-}" ]; then
		for setting in "${settings[@]}"; do options+=(-E "$setting"); done
		# shellcheck disable=SC2086 # an emulator and its own options
		timeout 60 $UNDER "${options[@]}" "$O/e2e/doors" "$O/e2e/doors_plugin.so"
	else
		timeout 60 env "${settings[@]}" "$O/e2e/doors" "$O/e2e/doors_plugin.so"
	fi
}
bare=$(doors)
ours=$(doors "LD_PRELOAD=$O/liblowtide.so")
expect() { # expect DOOR WITHOUT WITH
	if grep -qx "$1 $2" <<<"$bare" && grep -qx "$1 $3" <<<"$ours"; then
		pass
	else
		fail "door $1: wanted '$2' and under the preload '$3', got '$(grep "^$1 " <<<"$bare")' and '$(grep "^$1 " <<<"$ours")'"
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
finish
