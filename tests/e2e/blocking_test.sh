#!/usr/bin/env bash
# Every copy and fill returns, or waits, as it does without the library, whatever the homes of the memory it names: all
# resident, all in RAM, some of each. So do the bytes arrive, and a pageable source may be written again as soon.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/blocking
mkdir -p "$dir"
# An asynchronous copy from pageable memory may wait for its stream (the driver may have to stage it); it must only be
# done with the source when it returns.
expected() { sed -E '/^[^ ]*Async.* <- pageable/s/ (waits|returns),/ returns or waits,/' "$1"; }
timeout 120 "$O/e2e/sim_blocking" >"$dir/bare" 2>"$dir/bare.homes"
check 'without the library: every call does its work' [ $? -eq 0 -a "$(grep -c arrived "$dir/bare")" -gt 500 ]
check 'without the library: nothing is wrong' eval '! grep -q WRONG "$dir/bare"'
check 'without the library: some return, some wait' \
	eval 'grep -q ", waits," "$dir/bare" && grep -q ", returns," "$dir/bare"'
# Of VRAM: 6 MiB that the program maps, 2 MiB of scratch, and 8 MiB for the first allocation and a part of the second.
for safety in strict overlap; do
	LOWTIDE_VRAM=16M LOWTIDE_BLOCK=2M LOWTIDE_POLICY=lru LOWTIDE_SAFETY=$safety LOWTIDE_LOG=error \
		LD_PRELOAD=$O/liblowtide.so timeout 120 "$O/e2e/sim_blocking" >"$dir/$safety" 2>"$dir/$safety.homes"
	check "$safety: ends well" [ $? -eq 0 ]
	check "$safety: one resident" grep -q '^first \.\.\.$' "$dir/$safety.homes"
	check "$safety: one of both homes" grep -q '^second \.rr$' "$dir/$safety.homes"
	check "$safety: two in RAM" [ "$(grep -cE '^(third|fourth) rrr$' "$dir/$safety.homes")" -eq 2 ]
	check "$safety: as without the library" diff <(expected "$dir/bare") <(expected "$dir/$safety")
done
finish
