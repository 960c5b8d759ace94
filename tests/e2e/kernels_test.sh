#!/usr/bin/env bash
# What is kept of our GPU kernels is what their source gives: by the sums beside it, and, as far as the tools that it was
# made with are here, by making it anew. (build/unit/own_kernels_images looks into the kept files themselves.)
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
kept=shim/memory
make=$kept/make-kernels
dir=$O/e2e/kernels
rm -rf "$dir"
mkdir -p "$dir"
export PTXAS_FOLDER=$O/ptxas NO_FETCH=1
made() { sed -n "s/^$1 //p" $kept/kernels.made; } # made WHAT: by which version, or its sum
version_of() { "$1" --version 2>/dev/null | sed -nE 's/.*, V([0-9.]+)$/\1/p'; }
taken_apart() { # taken_apart FATBIN FOLDER: its machine code into sm_*.cubin
	python3 -IS - "$@" <<'PY'
import struct, sys
data, at = open(sys.argv[1], "rb").read(), 16
while at < len(data):
    kind, _, header, size = struct.unpack_from("<HHIQ", data, at)
    arch, = struct.unpack_from("<I", data, at + 28)
    if kind == 2:
        open(f"{sys.argv[2]}/sm_{arch}.cubin", "wb").write(data[at + header:at + header + size])
    at += header + size
PY
}

for file in kernels.cu kernels.ptx kernels.fatbin; do
	check "$file is the one that kernels.made tells of: else, make kernels-ptx" \
		[ "$(sha256sum <"$kept/$file")" = "$(made $file)  -" ]
done
nvcc=${NVCC:-$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")}
tools=$(dirname "$nvcc")
if [ ! -x "$nvcc" ]; then
	echo 'skipped: no nvcc here to make our kernels anew with'
	finish
	exit
fi
export NVCC=$nvcc
mkdir "$dir/text" "$dir/parts"
if [ "$(version_of "$nvcc")" = "$(made nvcc)" ]; then
	ends_well "the text is made anew" $make text "$dir/text"
	check "the text is what the source gives" cmp -s "$dir/text/kernels.ptx" $kept/kernels.ptx
else
	echo "skipped: the text made anew: it is by nvcc $(made nvcc), and $(version_of "$nvcc") is here"
fi
taken_apart $kept/kernels.fatbin "$dir/parts"
if [ "$(version_of "$tools/fatbinary")" = "$(made fatbinary)" ]; then
	cp $kept/kernels.ptx "$dir/parts/"
	ends_well "the fat binary is packed anew" $make pack "$dir/parts"
	check "packed anew it is the same" cmp -s "$dir/parts/kernels.fatbin" $kept/kernels.fatbin
else
	echo "skipped: the fat binary packed anew: it is by fatbinary $(made fatbinary), and $(version_of "$tools/fatbinary") is here"
fi
all=yes
while read -r maker architectures; do
	ptxas=$PTXAS_FOLDER/$maker/nvidia/cuda_nvcc/bin/ptxas
	[ "$(version_of "$tools/ptxas")" = "$maker" ] && ptxas=$tools/ptxas
	if [ ! -x "$ptxas" ]; then
		echo "skipped: machine code made anew for $architectures: ptxas $maker is not here (make kernels-ptx fetches it)"
		all=no
		continue
	fi
	for arch in $architectures; do
		ends_well "ptxas $maker takes the text for sm_$arch" "$ptxas" -arch="sm_$arch" $kept/kernels.ptx -o "$dir/sm_$arch.cubin"
		check "the code for sm_$arch is what the text gives" cmp -s "$dir/sm_$arch.cubin" "$dir/parts/sm_$arch.cubin"
	done
done <<<"$(made ptxas)"
# The compiler of a driver as new as the toolkit here takes the text, for every card that it knows.
known=$("$nvcc" --list-gpu-code 2>/dev/null | grep -E '^sm_[0-9]+$')
for arch in $known; do
	ends_well "ptxas $(version_of "$tools/ptxas") takes the text for $arch" "$tools/ptxas" -arch="$arch" $kept/kernels.ptx -o "$dir/any.cubin"
done
check "it was tried for some card" [ -n "$known" ]
if [ $all = yes ] && [ "$(version_of "$nvcc")" = "$(made nvcc)" ] && [ "$(version_of "$tools/fatbinary")" = "$(made fatbinary)" ]; then
	for again in once twice; do
		mkdir "$dir/$again"
		ends_well "all is made anew, $again" $make all "$dir/$again"
		for file in kernels.ptx kernels.fatbin kernels.made; do
			check "made anew, $again, $file is the same" cmp -s "$dir/$again/$file" "$kept/$file"
		done
	done
fi
finish
