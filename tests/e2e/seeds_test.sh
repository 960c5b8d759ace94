#!/usr/bin/env bash
# Many seeds of the token (tests/sim/token/), each another interleaving of another run: the seed's remainders say which
# program (of 7), policy (of 5), block size (of 4) and level of safety (of 3) it is, so that 420 seeds in a row are all of
# them, and any 35 each pair of program and policy. Every run must end well, with the digest that it has without the
# library where the program tells one, and nothing seen that may never be. Each seed's line is printed.
# Knobs: SEEDS (how many; 20000 for a night), SEED (the first). A failure's line ends in what repeats it.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
export LD_LIBRARY_PATH=$O/sim SIM_IMAGE=$O/unit/sim_image.so
dir=$O/e2e/seeds
rm -rf "$dir"
mkdir -p "$dir"

# The program with its arguments, and the cap in MiB that about half of it fits.
run_of() { # run_of PROGRAM BLOCK SEED
	local large=''
	case $2 in 8M | 32M) large=_8m ;; esac
	case $1:$2 in
	streams:2M) echo "24 workloads/streams --mb 32" ;;
	streams:4M) echo "32 workloads/streams --mb 48 --tensors 8 --stride 16 --steps 3" ;;
	streams:8M) echo "48 workloads/streams --mb 80 --tensors 6 --stride 32 --steps 2" ;;
	streams:32M) echo "96 workloads/streams --mb 160 --tensors 4 --stride 64 --steps 2" ;;
	churn:2M) echo "14 workloads/churn --mb 16 --ops 80 --seed $3" ;;
	churn:4M) echo "22 workloads/churn --mb 32 --ops 60 --seed $3" ;;
	churn:*) echo "36 workloads/churn --mb 64 --ops 40 --seed $3" ;;
	stamps:*) echo "72 workloads/stamps --mb 128 --ops 24 --threads 4" ;;
	crowd:*) echo "22 e2e/sim_crowd $3" ;;
	*) echo "$([ -n "$large" ] && echo 56 || echo 14) e2e/sim_life$large $1" ;;
	esac
}

programs=(streams churn threads crowd stamps per_thread capture)
policies=(lru balanced sequential group auto)
blocks=(2M 4M 8M 32M)
bare() { # bare BLOCK PROGRAM: its digest without the library, asked once
	local key=$dir/$2.$1.bare
	[ -s "$key" ] && { cat "$key"; return; }
	# shellcheck disable=SC2046 # its arguments are words
	(cd "$O" && timeout 60 $(run_of "$2" "$1" 1 | cut -d' ' -f2-) 2>/dev/null) | grep ^digest | tee "$key"
}
one() { # one SEED; its line is kept too
	local seed=$1 key=$dir/$1 program policy block cap run safety=strict cold=mapped numa=1 said='' status
	read -ra programs <<<"$programs_"
	read -ra policies <<<"$policies_"
	read -ra blocks <<<"$blocks_"
	program=${programs[$((seed % 7))]} policy=${policies[$((seed % 5))]} block=${blocks[$((seed % 4))]}
	case $((seed % 3)):$program in
	1:*) safety=overlap ;;
	2:streams | 2:crowd) cold=unmapped numa=0 ;;
	esac
	read -r cap run < <(run_of "$program" "$block" "$seed")
	local scheduler=virtual thread=$((seed / 2 % 2)) line
	[ $((seed / 4 % 2)) -eq 0 ] || scheduler=seeded
	line="seed $seed: $program, $policy, blocks of $block, $safety, cold memory $cold, $scheduler, thread $thread"
	# shellcheck disable=SC2086 # a program and its arguments
	(cd "$O" && env LOWTIDE_VRAM=${cap}M LOWTIDE_HOST=1G LOWTIDE_BLOCK=$block LOWTIDE_MIN=64K LOWTIDE_POLICY=$policy LOWTIDE_SAFETY=$safety \
		LOWTIDE_COLD=$cold LOWTIDE_SIM_HOST_NUMA=$numa LOWTIDE_TEST_THREAD=$thread LOWTIDE_LOG=error LOWTIDE_PATIENCE=60 \
		LOWTIDE_SIM_SCHED=$scheduler LOWTIDE_SIM_SEED="$seed" LOWTIDE_SIM_REPORT="$key.json" LD_PRELOAD="$O/liblowtide.so $O/sim/libtoken.so" \
		timeout 90 $run) >"$key.out" 2>"$key.err"
	status=$?
	if [ $status -ne 0 ]; then
		said="status $status: $(tail -n 1 "$key.err")"
	elif [ -s "$key.err" ]; then
		said=$(head -n 1 "$key.err")
	elif [ -n "$(faults "$key.json" $((cap << 20)))" ]; then
		said=$(faults "$key.json" $((cap << 20)) | head -n 1)
	elif [ "$program" = streams ] && [ "$(grep ^digest "$key.out")" != "$(<"$dir/streams.$block.bare")" ]; then
		said="another digest"
	fi
	echo "$line" >>"$dir/seeds"
	if [ -n "$said" ]; then echo "$line: $said (SEED=$seed SEEDS=1 tests/e2e/seeds_test.sh)"; fi
	rm -f "$key".*
}
export -f one run_of faults
export dir programs_="${programs[*]}" policies_="${policies[*]}" blocks_="${blocks[*]}"

runs=${SEEDS:-200} first=${SEED:-1}
for block in "${blocks[@]}"; do bare "$block" streams >/dev/null; done
seq "$first" $((first + runs - 1)) >"$dir/rows"
each_row
sort -t' ' -k2n "$dir/seeds"
cat "$dir/wrong"
echo "$(wc -l <"$dir/seeds") seeds of the token were run, from $first to $((first + runs - 1)) (SEED, SEEDS)"
finish
