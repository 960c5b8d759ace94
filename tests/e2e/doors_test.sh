#!/usr/bin/env bash
# Every door answers with our wrapper where there is one, and with the driver's own function elsewhere.
# UNDER: an emulator in front of the program, whose -E sets the program's environment and not its own.
. "$(dirname "$0")/lib.sh"
doors() { # doors [VARIABLE=VALUE]
	local settings=("LD_LIBRARY_PATH=$O/fake" LOWTIDE_LOG=off "$@") options=() setting
	if [ -n "${UNDER:-}" ]; then
		for setting in "${settings[@]}"; do options+=(-E "$setting"); done
		# shellcheck disable=SC2086 # an emulator and its own options
		timeout "${T:-60}" $UNDER "${options[@]}" "$O/e2e/doors" "$O/e2e/doors_plugin.so"
	else
		timeout "${T:-60}" env "${settings[@]}" "$O/e2e/doors" "$O/e2e/doors_plugin.so"
	fi
}
bare=$(doors)
expect() { # expect DOOR WITHOUT WITH
	if grep -qx "$1 $2" <<<"$bare" && grep -qx "$1 $3" <<<"$under"; then
		pass
	else
		fail "$order: door $1: wanted '$2' and under the preload '$3', got '$(grep "^$1 " <<<"$bare")' and '$(grep "^$1 " <<<"$under")'"
	fi
}
each_door() {
	local door
	for door in linked dlsym default next resolver itself again later deepbind; do
		expect $door libcuda.so.1 liblowtide.so
	done
	expect versioned 'lib[cd].*' liblowtide.so
	expect versioned_open 'lib[cd].*' liblowtide.so
	for door in unhooked passed to_come; do
		expect $door libcuda.so.1 libcuda.so.1
	done
	for door in absent lacking; do
		expect $door nothing nothing
	done
	expect per_thread "own flavour" "own flavour"
	expect plain "own flavour" "own flavour"
	expect refused 500 500
}
# Alone; and beside others that answer for dlsym and dlopen, or for dlvsym, on either side of it.
ours=$O/liblowtide.so hooker=$O/e2e/hooker_plugin.so versioned=$O/e2e/dlvsym_plugin.so
for order in "$ours" "$hooker:$ours" "$ours:$hooker" "$versioned:$ours" "$ours:$versioned" "$versioned:$hooker:$ours"; do
	under=$(doors "LD_PRELOAD=$order")
	each_door
done
finish
