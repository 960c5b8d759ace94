#!/usr/bin/env bash
# A change that leaves one half of a block's content hash as it was is a change: not one byte is lost, in a window or beside
# the work, with blocks of one granule and of four. The report shows that the hash was asked and called the block dirty.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
HASH_KERNELS=$(dirname "$0")/../../shim/memory/kernels.ptx
export HASH_KERNELS
dir=$O/e2e/half_hash
rm -rf "$dir"
mkdir -p "$dir"
loses_nothing() { # loses_nothing HALF POLICY SAFETY BLOCK
	LOWTIDE_VRAM=30M LOWTIDE_BLOCK=$4 LOWTIDE_POLICY=$2 LOWTIDE_SAFETY=$3 LOWTIDE_LOG=error LOWTIDE_PATIENCE=30 LOWTIDE_STATS=$dir/stats \
		LD_PRELOAD=$O/liblowtide.so timeout 120 "$O/e2e/sim_half_hash" "$1" &&
		[ "$(field "$dir/stats" clean_evictions)" -ge 20 ] && [ "$(field "$dir/stats" bytes_out_again)" -ge $((2 << 20)) ]
}
for half in low high; do
	ends_well "$half, without the library" timeout 120 "$O/e2e/sim_half_hash" $half
	for block in 2M 8M; do
		ends_well "$half, strict, blocks of $block" loses_nothing $half lru strict $block
		ends_well "$half, overlap, blocks of $block" loses_nothing $half sequential overlap $block
	done
done
finish
