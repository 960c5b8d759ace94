#!/usr/bin/env bash
# Where there is an nvcc: the images it makes now say what the committed ones do.
set -u
O=${O:-build}
nvcc=${NVCC:-$(command -v nvcc || echo "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")}
if [ ! -x "$nvcc" ]; then
	echo 'skipped: no nvcc here to make fresh images with; the committed ones are tested by build/unit/image_layouts'
	echo '0 passed, 0 failed'
	exit 0
fi
dir=$O/e2e/images
rm -rf "$dir" && mkdir -p "$dir"
if ! NVCC=$nvcc PATH=$(dirname "$nvcc"):$PATH tests/golden/images/make "$(cd "$dir" && pwd)" >"$dir/log" 2>&1; then
	cat "$dir/log"
	echo '0 passed, 1 failed'
	exit 1
fi
log=$(IMAGES=$dir "$O/unit/image_layouts" --color=never -j1 2>&1)
status=$?
read -r _ passed failed crashed <<<"$(grep -o 'Tested: .*' <<<"$log" | tail -n 1 | tr -dc '0-9 ' | tr -s ' ' | sed 's/^ //')"
failed=$((${failed:-1} + ${crashed:-0}))
[ $status -eq 0 ] || printf '%s\n' "$log" | tail -n 30
echo "${passed:-0} passed, $failed failed"
[ $status -eq 0 ] && [ $failed -eq 0 ]
