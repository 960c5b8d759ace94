#!/usr/bin/env bash
# What a launch names is found, on drivers that tell how parameters lie and on older ones, where module images do;
# where nothing does, the launch is right all the same, its memory used where it lies. Knob: CASES.
. "$(dirname "$0")/lib.sh"
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/names
mkdir -p "$dir"
large='' # or _8m: the same programs, with pieces of 8 MiB
handles='reloaded one_of_two library_reloaded context_ended'
of() { # of CASE...: those that CASES names, or all
	local case
	for case in "$@"; do case " ${CASES-$case} " in *" $case "*) echo "$case" ;; esac; done
}
program() { case " $handles " in *" $1 "*) echo "sim_handles$large" ;; *) echo "sim_names$large" ;; esac; }
bare() { timeout 60 "$O/e2e/$(program "$1")" "$1" bare; }
capped() { # capped CASE EXPECT VARIABLE=VALUE...
	local case=$1 expect=$2
	shift 2
	rm -f "$dir/report" "$dir/stats"
	env LOWTIDE_VRAM=14M LOWTIDE_BLOCK=2M LOWTIDE_MIN=64K LOWTIDE_POLICY=lru LOWTIDE_LOG=error LOWTIDE_TEST_VERIFY=1 LOWTIDE_PATIENCE=60 \
		LOWTIDE_STATS="$dir/stats" LOWTIDE_SIM_REPORT="$dir/report" "$@" LD_PRELOAD="$O/liblowtide.so" \
		timeout 60 "$O/e2e/$(program "$case")" "$case" "$expect"
}
clean() { ! faults "$dir/report" $((14 << 20)) | grep .; }
flavours='plain plain_per_thread extended extended_per_thread cooperative cooperative_per_thread multi_device in_a_graph'
lists='by_struct by_packed by_large by_many nothing'
tensors='tensor_tiled tensor_im2col tensor_im2col_wide tensor_replaced'
images='from_data from_data_ex from_fat_binary from_ptx from_library from_library_function from_library_module'
all="$flavours packed_buffer $lists $tensors $images $handles"
besides='map_beside texture_beside reference_beside reference_2d_of_3_2_beside reference_2d_of_4_1_beside table_2d_beside table_3d_beside'
for case in $(of $all tensor_in_memory unknown_beside $besides); do ends_well "$case, without the library" bare "$case"; done
old=LOWTIDE_SIM_DRIVER=12030
for driver in LOWTIDE_SIM_DRIVER=13000 $old; do
	for case in $(of $all); do
		ends_well "$case, $driver" capped "$case" noticed $driver
		ends_well "$case, $driver: clean" clean
		check "$case, $driver: nothing is unknown" [ "$(field "$dir/stats" unknown_launches)" = 0 ]
	done
	# The address of a map that lies in device memory is in no parameter.
	for case in $(of tensor_in_memory); do ends_well "$case, $driver" capped "$case" unnoticed $driver; done
	for word in 15 scrambled; do
		for case in $(of $tensors); do
			ends_well "$case, address in word $word, $driver" capped "$case" noticed $driver LOWTIDE_SIM_TMA=$word
		done
	done
done
# Pieces of 8 MiB: two blocks, or one.
large=_8m
for block in 4M 8M 32M; do
	for case in plain in_a_graph packed_buffer by_struct reloaded; do
		ends_well "$case, pieces of 8 MiB in blocks of $block" capped "$case" noticed LOWTIDE_BLOCK=$block LOWTIDE_VRAM=56M
		check "$case, pieces of 8 MiB in blocks of $block: sound" [ -z "$(faults "$dir/report" $((56 << 20)))" ]
		check "$case, pieces of 8 MiB in blocks of $block: compared" [ "$(compared "$dir/stats" verified)" -gt 0 ]
	done
done
large=''
# A driver in which the functions are not there at all.
for case in $(of plain in_a_graph by_large from_ptx from_library reloaded); do
	ends_well "$case, a driver without the functions" capped "$case" noticed $old LD_LIBRARY_PATH="$O/sim-12.3"
done
for case in $(of $flavours); do ends_well "$case, threads" capped "$case" noticed LOWTIDE_SIM_SCHED=threads; done
# Neither the driver nor the images tell.
export SIM_IMAGE=$O/unit/sim_image_silent.so
for case in $(of $flavours $lists tensor_tiled from_library); do
	ends_well "$case, nobody tells" capped "$case" unnoticed $old
	ends_well "$case, nobody tells: clean" clean
	check "$case, nobody tells: counted" [ "$(field "$dir/stats" unknown_launches)" -gt 0 ]
done
for case in $(of packed_buffer); do ends_well "$case, nobody tells" capped "$case" noticed $old; done
# By overlap a piece moves while work runs that does not name it. Work of which nothing is known may use any piece.
for seed in 1 2 3 4; do
	for case in $(of unknown_beside); do
		ends_well "$case, seed $seed" capped "$case" noticed $old LOWTIDE_SAFETY=overlap LOWTIDE_SIM_SCHED=seeded \
			LOWTIDE_SIM_SEED=$seed
		ends_well "$case, seed $seed: clean" clean
	done
done
# Nor does work name what it finds in a tensor map, through a texture, or in a table that was uploaded.
export SIM_IMAGE=$O/unit/sim_image.so
for seed in 1 2 3 4; do
	for case in $(of $besides); do
		ends_well "$case, seed $seed" capped "$case" noticed LOWTIDE_SAFETY=overlap LOWTIDE_SIM_SCHED=seeded LOWTIDE_SIM_SEED=$seed
		ends_well "$case, seed $seed: clean" clean
	done
done
finish
