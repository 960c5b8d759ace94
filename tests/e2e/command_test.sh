#!/usr/bin/env bash
# The command: a program run by it behaves as if it had been called by itself, settings are refused before anything
# runs, a library that did not load is noticed, and the doctor says the truth of several machines.
. "$(dirname "$0")/lib.sh"
case $O in /*) ;; *) O=$PWD/$O ;; esac
lowtide=$O/lowtide library=$O/liblowtide.so
dir=$O/e2e/command
rm -rf "$dir"
mkdir -p "$dir"
unset LD_PRELOAD LOWTIDE_LIBRARY
while read -r name; do unset "$name"; done < <(compgen -e LOWTIDE_)
explain() { [ -z "${err:-}${out:-}" ] || printf '    %s\n' "status $status" "$out" "$err" | head -n 20; }
run() { # run COMMAND...: sets out, err, status
	out=$(timeout 60 "$@" 2>"$dir/err" </dev/null)
	status=$?
	err=$(<"$dir/err")
}
is() { [ "$status" -eq "$1" ]; }
said() { grep -qE -- "$1" <<<"$err"; }
printed() { grep -qE -- "$1" <<<"$out"; }
lines() { [ "$(grep -c '' <<<"$err")" -eq "$1" ]; }
silent() { [ -z "$err" ]; }

# --- run -----------------------------------------------------------------------------------------
run "$lowtide" run -- printenv LD_PRELOAD
check "the library is preloaded" [ "$out" = "$library" ]
run env LD_PRELOAD="libm.so.6:libdl.so.2" "$lowtide" run -- printenv LD_PRELOAD
check "it is put before what was preloaded" [ "$out" = "$library:libm.so.6:libdl.so.2" ]
run "$lowtide" run -- "$lowtide" run -- printenv LD_PRELOAD
check "twice is once" [ "$out" = "$library" ]
run "$lowtide" run --vram 8G --policy=group -s report=cap --setting LOWTIDE_SAFETY=strict -- \
	printenv LOWTIDE_VRAM LOWTIDE_POLICY LOWTIDE_REPORT LOWTIDE_SAFETY
check "the settings are set" [ "$out" = $'8G\ngroup\ncap\nstrict' ]
check "nothing is said" silent
run env LOWTIDE_VRAM=2G "$lowtide" run printenv LOWTIDE_VRAM
check "what the environment has is left" [ "$out" = 2G ]
run env LOWTIDE_VRAM=2G "$lowtide" run --vram 3G printenv LOWTIDE_VRAM
check "an option goes before the environment" [ "$out" = 3G ]
run "$lowtide" run echo --vram -x -- y
check "what follows the program is the program's" [ "$out" = "--vram -x -- y" ]
for shell in sh bash; do # which has an environment of its own
	run "$lowtide" run -- "$shell" -c 'printenv LOWTIDE_LOADED; ls /proc/self/fd'
	bare=$("$shell" -c 'printenv LOWTIDE_LOADED; ls /proc/self/fd' 2>/dev/null </dev/null)
	check "$shell inherits no more than it would" [ "$(wc -l <<<"$out")" -eq "$(wc -l <<<"$bare")" ]
done
run env LD_LIBRARY_PATH="$O/fake" "$lowtide" run --vram 256M -- "$O/e2e/capped"
check "the cap is held" eval 'is 0 && said "^peak (2[0-4][0-9]|25[0-6]) held 0 MiB"'
for row in $(sed -nE 's/^SETTING\(([A-Z_]+), .*/\1/p' shim/base/settings.def); do
	option=${row,,} option=${option//_/-}
	run "$lowtide" run "--$option=" -- echo ran
	check "--$option is an option, and an empty value is refused" eval \
		'is 2 && [ -z "$out" ] && lines 1 && said "^lowtide: LOWTIDE_$row= is not understood; accepted: "'
done
run "$lowtide" run --vram 8X --policy fast -- echo ran
check "bad settings are refused, a line each, and nothing runs" eval \
	'is 2 && [ -z "$out" ] && lines 2 && said "^lowtide: LOWTIDE_VRAM=8X is not understood; accepted: a size" &&
	said "^lowtide: LOWTIDE_POLICY=fast is not understood; accepted: none, balanced"'
run env LOWTIDE_BLOCK=3M "$lowtide" run -- echo ran
check "those of the environment too" eval 'is 2 && [ -z "$out" ] && lines 1 && said "LOWTIDE_BLOCK=3M"'
run "$lowtide" run --stats /no/such/folder/file -- echo ran
check "a summary that could not be written" eval 'is 2 && [ -z "$out" ] && lines 1 && said "No such file or directory"'
mkfifo "$dir/pipe"
run "$lowtide" run --stats "$dir/pipe" -- echo ran
check "a summary that would go to a pipe" eval 'is 2 && [ -z "$out" ] && lines 1 && said "LOWTIDE_STATS=.*pipe is not usable .Invalid arg"'
run "$lowtide" run --stats "$dir/summary" --log "info,$dir/log" -- echo ran
check "files that can be written" eval 'is 0 && [ "$out" = ran ] && silent'
run "$lowtide" run --log "info,$dir/no/log" -- echo ran
check "a log that cannot be opened" eval 'is 2 && [ -z "$out" ] && said "LOWTIDE_LOG=.* is not usable .No such file"'
run "$lowtide" run --vram $'8G\nlowtide: all is well' -- echo ran
check "a value cannot forge a line" eval 'is 2 && lines 1'
run "$lowtide" run --setting VRAMM=8G --setting vram -- echo ran
check "unknown names are refused with the nearest" eval \
	'is 2 && lines 2 && said "VRAMM is not a setting; did you mean VRAM;" && said "vram has no value"'
run "$lowtide" run --nonsense -- echo ran
check "an unknown option is refused" eval 'is 2 && [ -z "$out" ]'
run "$lowtide" run --vram 8G
check "no program is refused" eval 'is 2 && said "no program"'
run "$lowtide" run /no/such/program
check "a program that is not there" eval 'is 127 && said "^lowtide: /no/such/program: not found$"'
run "$lowtide" run no-such-program
check "a program that is not on the path" eval 'is 127 && said "not found"'
echo 'exit 0' >"$dir/plain"
run "$lowtide" run "$dir/plain"
check "a file that may not be executed" eval 'is 126 && said "Permission denied"'
run "$lowtide" run "$dir"
check "a folder" is 126
printf '#!/no/such/shell\n' >"$dir/orphan"
printf '#!/bin/sh\nexit 9\n' >"$dir/script"
printf '#! %s -\n' "$O/e2e/static_launcher" >"$dir/static_script"
chmod +x "$dir/orphan" "$dir/script" "$dir/static_script"
run "$lowtide" run "$dir/orphan"
check "a script whose interpreter is missing" eval 'is 126 && said "interpreter was not found"'
run "$lowtide" run "$dir/script"
check "a script" eval 'is 9 && silent'

# --- signals and job control ---------------------------------------------------------------------
jobs=$(timeout 120 python3 tests/e2e/command_jobs.py "$lowtide" 2>&1)
check "the signal checks ran to their end" grep -q '^ok: the signal checks ran to their end' <<<"$jobs"
passed=$((passed + $(grep -c '^ok: ' <<<"$jobs")))
failed=$((failed + $(grep -c '^failed: ' <<<"$jobs")))
grep -v '^ok: ' <<<"$jobs"

# --- a library that does not load ----------------------------------------------------------------
unloaded='did not load into .*, which ran without a cap'
run "$lowtide" run "$O/e2e/static_launcher"
check "a statically linked program: told, and told why" eval \
	'is 124 && said "$unloaded: it is statically linked" && said "its own exit status was 3"'
check "told before it runs, too" said 'will not load into .*: it is statically linked'
run "$lowtide" run "$dir/static_script"
check "a script of a statically linked interpreter" eval \
	'is 124 && said "$unloaded: it is statically linked" && said "its own exit status was 3"'
run "$lowtide" run "$O/e2e/static_launcher" sh -c 'exit 8'
check "what a statically linked program starts may have it" eval 'is 8 && ! said "$unloaded"'
run "$lowtide" run --required 1 "$O/e2e/static_launcher" sh -c 'echo ran; exit 8'
check "LOWTIDE_REQUIRED=1: it is not even run" eval 'is 125 && [ -z "$out" ] && said "it was not run"'
run "$lowtide" run "$O/e2e/static_launcher" "$O/e2e/static_launcher" /no/such
check "nor does its own status 127 hide it" eval 'is 124 && said "its own exit status was 127"'
head -c 4096 /dev/zero >"$dir/liblowtide.so"
run env LOWTIDE_LIBRARY="$dir/liblowtide.so" "$lowtide" run sh -c 'echo ran'
check "a broken library file" eval 'is 124 && [ "$out" = ran ] && said "$unloaded"'
run env LOWTIDE_LIBRARY=/no/such.so "$lowtide" run echo ran
check "a library that is not there" eval 'is 125 && [ -z "$out" ] && said "LOWTIDE_LIBRARY=/no/such.so: No such file"'
mkdir -p "$dir/a space" "$dir/inst/bin" "$dir/inst/lib" "$dir/alone/bin"
cp "$library" "$dir/a space/"
run env LOWTIDE_LIBRARY="$dir/a space/liblowtide.so" "$lowtide" run echo ran
check "a path the loader would split" eval 'is 125 && [ -z "$out" ] && said "cannot be preloaded: the loader splits"'
cp "$lowtide" "$dir/inst/bin/" && cp "$library" "$dir/inst/lib/"
run "$dir/inst/bin/lowtide" run printenv LD_PRELOAD
check "an installed command finds the library beside it" [ "$out" = "$dir/inst/lib/liblowtide.so" ]
ln -s ../inst/bin/lowtide "$dir/alone/link"
run "$dir/alone/link" run printenv LD_PRELOAD
check "through a link too" [ "$out" = "$dir/inst/lib/liblowtide.so" ]
cp "$lowtide" "$dir/alone/bin/"
configured=$(strings "$lowtide" | sed -n 's|^\(/.*\)/liblowtide\.so$|\1|p' | head -n 1)
if [ -e "${configured:-/usr/local/lib}/liblowtide.so" ]; then
	echo "skipped: a command without a library: one is installed on this machine"
else
	run "$dir/alone/bin/lowtide" run echo ran
	check "a command without a library" eval 'is 125 && [ -z "$out" ] && said "liblowtide.so was not found in $dir/alone/bin"'
fi
# A 32-bit program that ends with 42, byte by byte.
python3 - "$dir/small" <<'PY'
import struct, sys
code = b"\xb8\x01\x00\x00\x00\xbb\x2a\x00\x00\x00\xcd\x80"
head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
segment = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 4096)
open(sys.argv[1], "wb").write(head + segment + code)
PY
chmod +x "$dir/small"
"$dir/small" 2>/dev/null
if [ $? -eq 42 ]; then
	run "$lowtide" run "$dir/small"
	check "a 32-bit program" eval 'is 124 && said "$unloaded: it is a 32-bit program" && said "status was 42"'
else
	echo "skipped: a 32-bit program: this kernel runs none"
fi
# A set-uid program, run by somebody it gives rights to.
set_uid=$(command -v su)
as_other=()
[ "$(id -u)" -ne 0 ] || as_other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if [ -u "${set_uid:-/none}" ] && "${as_other[@]}" test -x "$lowtide" -a -r "$library" 2>/dev/null; then
	run "${as_other[@]}" "$lowtide" run su --version
	check "a set-uid program" eval 'is 124 && said "$unloaded: it is set-uid"'
else
	echo "skipped: a set-uid program: none is here, or another user cannot reach the build"
fi
# The variable outlived its descriptor: another file has the number now.
printf 'old\n' >"$dir/other"
LOWTIDE_LOADED=9:1:2 LD_PRELOAD=$library bash -c 'printf "%s." "${LOWTIDE_LOADED-unset}" >&9' 9>>"$dir/other"
check "a descriptor that is not ours is neither written nor closed" [ "$(<"$dir/other")" = $'old\nunset.' ]

# --- env -----------------------------------------------------------------------------------------
odd="$dir/it's \"odd\" \$(echo no) \`no\` \\ * ; & é
here"
mkdir -p "$odd"
run "$lowtide" env --vram 8G --log "info,$odd/log"
printf '%s\n' "$out" >"$dir/exports"
check "every line but a value's own is an export" eval 'is 0 && [ "$(grep -c "^export " "$dir/exports")" -eq 3 ]'
for shell in sh bash; do
	got=$(env -u LOWTIDE_LOG "$shell" -c 'eval "$1"; printf "%s|%s|%s" "$LOWTIDE_VRAM" "$LOWTIDE_LOG" "$LD_PRELOAD"' x "$out")
	check "$shell reads it back as it was" [ "$got" = "8G|info,$odd/log|$library" ]
done
got=$(LD_PRELOAD=libm.so.6 sh -c 'eval "$1"; printf %s "$LD_PRELOAD"' x "$out")
check "what the shell preloads is kept" [ "$got" = "$library:libm.so.6" ]
run "$lowtide" env --vram 8X
check "bad settings print nothing to evaluate" eval 'is 2 && [ -z "$out" ] && said "LOWTIDE_VRAM=8X"'
run "$lowtide" env something
check "env takes no program" eval 'is 2 && [ -z "$out" ]'

# --- help ----------------------------------------------------------------------------------------
run "$lowtide" help env
for row in $(sed -nE 's/^SETTING\(([A-Z_]+), .*/\1/p' shim/base/settings.def); do
	check "help env knows LOWTIDE_$row" printed "^  LOWTIDE_$row +[A-Za-z0-9]"
done
run "$lowtide" help policies
for row in $(sed -nE 's/^POLICY\((\w+), .*/\1/p' policy/policies.def); do
	check "help policies knows $row" printed "^  $row +[a-z]"
done
run "$lowtide" help exit
for row in $(sed -nE 's/^EXIT_STATUS\(\w+, ([0-9]+), .*/\1/p' tools/exits.def); do
	check "help exit knows $row" printed "^  $row +[a-z]"
done
for words in "" "help nothing" "nothing"; do
	run "$lowtide" $words
	check "lowtide $words: refused" eval 'is 2 && [ -z "$out" ]'
done
for words in --help --version "help" "run --help" "env --help" "doctor --help"; do
	run "$lowtide" $words
	check "lowtide $words: answered" eval 'is 0 && silent && [ -n "$out" ]'
done

# --- doctor --------------------------------------------------------------------------------------
holds() { # holds EXPRESSION: of the JSON d in $out; f(topic, mark): the texts of its findings
	python3 -IS -c 'import json, sys
d = json.loads(sys.argv[1])
def f(topic, mark): return [x["text"] for x in d["findings"] if x["topic"] == topic and x["mark"] == mark]
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' "$out" "$1"
}
doctor() { # doctor VARIABLE=VALUE...: once for people, once for programs
	run env "$@" "$lowtide" doctor --no-probe --limit 2
	text=$out text_status=$status
	run env "$@" "$lowtide" doctor --no-probe --limit 2 --json
	check "$*: both forms agree, and nothing goes to stderr" eval \
		'[ $status -eq $text_status ] && silent && holds "d[\"status\"] == $status"'
}
if LD_LIBRARY_PATH='' "$O/e2e/no_driver" && ! python3 -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null; then
	doctor LD_LIBRARY_PATH=
	check "no driver: it will not work" eval 'is 2 && holds "d[\"verdict\"] == \"no\" and f(\"driver\", \"no\")"'
	check "no driver: what was looked for is said" grep -q '^no *driver *none: libcuda.so.1: cannot open' <<<"$text"
	check "no driver: the rest is told" eval 'holds "f(\"library\", \"fine\") and f(\"RAM\", \"fine\") + f(\"RAM\", \"limit\")"'
else
	echo "skipped: no driver: this machine has one"
fi
simulated=LD_LIBRARY_PATH=$O/sim
doctor $simulated LOWTIDE_HOST=4G
check "the simulated driver: all is fine" eval 'is 0 && holds "d[\"verdict\"] == \"fine\" and d[\"devices\"][0][\"can_page\"]"'
check "the simulated driver: it is called simulated" eval \
	'holds "d[\"simulated\"]" && grep -q "^verdict: .*simulated" <<<"$text"'
check "the simulated driver: its file and version" eval \
	'holds "d[\"driver\"] == {\"file\": \"$(realpath "$O/sim/libcuda.so.1")\", \"version\": 13000}"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_DEVICES=3 LOWTIDE_VRAM=0:1G,2:50%
check "three devices: each is told, with its cap" eval \
	'is 0 && holds "[x[\"can_page\"] for x in d[\"devices\"]] == [True] * 3 and
	f(\"device 0\", \"note\")[1] == \"the cap is 1.0 GiB\" and f(\"device 1\", \"note\")[1] == \"the cap is 6.0 GiB\" and
	f(\"device 2\", \"note\")[1] == \"the cap is 4.0 GiB\""'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_HOST_NUMA=0
check "no host frames: limits, and why" eval \
	'is 1 && holds "d[\"verdict\"] == \"limits\" and not d[\"devices\"][0][\"can_page\"] and
	f(\"device 0\", \"limit\")[0].startswith(\"mapping a frame of host memory fails with CUDA_ERROR_NOT_SUPPORTED\")"'
check "no host frames: the other way is named" eval 'holds "\"LOWTIDE_COLD=unmapped may page\" in f(\"device 0\", \"note\")[-1]"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_HOST_NUMA=0 LOWTIDE_COLD=unmapped
check "no host frames, the other way: it can page" eval \
	'is 0 && holds "d[\"devices\"][0][\"can_page\"] and \"unmapped can page\" in \" \".join(f(\"device 0\", \"fine\"))"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_DRIVER=12030
check "a driver that tells no parameters: limits" eval \
	'is 1 && holds "d[\"devices\"][0][\"can_page\"] and \"CUDA 12.4\" in f(\"driver\", \"limit\")[0]"'
volta=LOWTIDE_SIM_ATTRIBUTES=75:7,76:0
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_JIT=0
check "no compiler in the driver, but machine code for the card: all is fine" eval \
	'is 0 && holds "d[\"devices\"][0][\"kernels\"] == \"cubin\" and \"machine code for sm_90\" in f(\"device 0\", \"note\")[2]"'
doctor $simulated LOWTIDE_HOST=4G $volta
check "no machine code for the card: compiled, and told" eval \
	'is 0 && holds "d[\"devices\"][0][\"kernels\"] == \"ptx\" and \"for compute capability 7.0\" in f(\"device 0\", \"note\")[2]"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_CUBIN_ABI=6
check "machine code that the driver refuses: compiled, and told" eval \
	'is 0 && holds "\"refuses the machine code for sm_90 (CUDA error 200)\" in f(\"device 0\", \"note\")[2]"'
doctor $simulated LOWTIDE_HOST=4G $volta LOWTIDE_SIM_JIT=0
check "neither machine code nor a compiler: limits" eval \
	'is 1 && holds "d[\"devices\"][0][\"kernels\"] == \"none\" and not d[\"devices\"][0][\"can_page\"]"'
check "neither machine code nor a compiler: which library is missing is said" eval \
	'holds "\"libnvidia-ptxjitcompiler.so.1, is missing (CUDA error 221)\" in f(\"device 0\", \"limit\")[0] and
	\"nothing is paged\" in f(\"device 0\", \"limit\")[1] and \"LOWTIDE_COLD=unmapped may page\" in f(\"device 0\", \"note\")[-1]"'
if ! python3 -c 'import ctypes; ctypes.CDLL("libnvidia-ptxjitcompiler.so.1")' 2>/dev/null; then
	check "neither, and no such library: the loader says so too" eval 'holds "\"cannot open\" in f(\"device 0\", \"limit\")[0]"'
	mkdir "$dir/jit" && cp "$dir/../../unit/sim_image.so" "$dir/jit/libnvidia-ptxjitcompiler.so.1"
	doctor LD_LIBRARY_PATH="$O/sim:$dir/jit" LOWTIDE_HOST=4G $volta LOWTIDE_SIM_JIT=0
	check "neither, though such a library is here: told apart" eval \
		'is 1 && holds "\"of that name is here, but the driver does not use it\" in f(\"device 0\", \"limit\")[0]"'
else
	echo "skipped: a missing compiler, as the loader sees it: this machine has one"
fi
doctor $simulated LOWTIDE_HOST=4G $volta LOWTIDE_SIM_JIT=0 LOWTIDE_COLD=unmapped
check "neither, the other way: it can page, and is not called blind" eval \
	'is 1 && holds "d[\"devices\"][0][\"can_page\"] and \"always copied\" in \" \".join(f(\"device 0\", \"fine\")) and
	not f(\"driver\", \"limit\")"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_FAIL=cuInit:1:999
check "a driver that does not start" eval 'is 2 && holds "\"CUDA_ERROR_UNKNOWN\" in f(\"driver\", \"no\")[0]"'
for call in cuMemAddressReserve:1 cuMemCreate:3 cuMemMap:3 cuMemSetAccess:3 cuLaunchKernel:1 cuLaunchKernel:2 cuModuleLoadData:1; do
	doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_FAIL=$call
	check "$call fails: limits, nothing is paged" eval \
		'is 1 && holds "\"nothing is paged\" in f(\"device 0\", \"limit\")[-1] and not d[\"devices\"][0][\"can_page\"]"'
done
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_HOST=20M
check "host memory for a small frame only" eval \
	'is 1 && holds "f(\"device 0\", \"limit\")[0].startswith(\"mapping 32 MiB of host memory fails\")"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_SIM_FAIL=cuDevicePrimaryCtxRetain:1
check "no context can be had: it will not work" eval 'is 2 && holds "\"making a context\" in f(\"device 0\", \"no\")[0]"'
doctor $simulated LOWTIDE_HOST=potato LOWTIDE_VRAMM=1
check "bad settings are named" eval 'is 1 && holds "len(f(\"settings\", \"limit\")) == 2"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_VRAM=5:1G
check "a cap for a device that is not there" eval 'is 1 && holds "\"device 5\" in f(\"settings\", \"limit\")[0]"'
doctor $simulated LOWTIDE_HOST=4G LOWTIDE_VRAM=1G LOWTIDE_RESERVE=1G
check "a reserve that leaves nothing" eval 'is 1 && holds "\"LOWTIDE_RESERVE\" in f(\"device 0\", \"limit\")[0]"'
doctor $simulated LOWTIDE_HOST=16M
check "little RAM for cold memory is a limit" eval 'is 1 && holds "\"little can be paged\" in f(\"RAM\", \"limit\")[0]"'
doctor $simulated LOWTIDE_HOST=4G LD_PRELOAD="$library"
check "the library preloaded into the doctor itself is no hindrance" eval 'is 0 && holds "d[\"devices\"][0][\"can_page\"]"'
mkdir -p "$dir/hooks" "$dir/venv/lib/python3.9/site-packages/comfy_aimdo"
cp "$(ldconfig -p | sed -n 's/.*libm\.so\.6 .*=> //p' | head -n 1)" "$dir/hooks/libvgpu.so"
doctor $simulated LOWTIDE_HOST=4G LD_PRELOAD="$dir/hooks/libvgpu.so"
check "another hooker, preloaded" eval 'is 1 && holds "\"HAMi\" in f(\"preload\", \"limit\")[0] and f(\"loaded\", \"limit\")"'
doctor $simulated LOWTIDE_HOST=4G VIRTUAL_ENV="$dir/venv"
check "another hooker, installed" eval 'is 1 && holds "f(\"comfy-aimdo\", \"limit\")"'
mkdir -p "$dir/mps" && touch "$dir/mps/control"
doctor $simulated LOWTIDE_HOST=4G CUDA_MPS_PIPE_DIRECTORY="$dir/mps"
check "MPS" eval 'is 1 && holds "f(\"MPS\", \"limit\")"'
doctor $simulated LOWTIDE_HOST=4G PYTORCH_CUDA_ALLOC_CONF=backend:cudaMallocAsync
check "an allocator that goes round the pager" eval 'is 1 && holds "\"stream-ordered\" in f(\"PyTorch\", \"limit\")[0]"'
broken=LD_LIBRARY_PATH=$O/fake/broken
for how in crash:crashed end:ended hang:in.time stub:stub none:knows.of.none; do
	doctor $broken BROKEN=${how%%:*}
	check "a driver that goes wrong (${how%%:*})" eval \
		'is 2 && grep -qE "^no +(driver|devices) .*${how#*:}" <<<"$text" && holds "f(\"library\", \"fine\")"'
done
doctor $broken BROKEN=wrong LOWTIDE_HOST=4G
check "a card whose kernels read host memory wrongly" eval \
	'is 1 && holds "\"read or wrote host memory wrongly\" in f(\"device 0\", \"limit\")[0] and not d[\"devices\"][0][\"can_page\"]"'
doctor LD_LIBRARY_PATH="$O/fake/bare" BROKEN=bare LOWTIDE_HOST=4G
check "a driver without virtual memory management" eval \
	'is 1 && holds "\"nothing is paged\" in f(\"device 0\", \"limit\")[0] and not d[\"devices\"][0][\"can_page\"]"'

# --- doctor, with a probe beside it -------------------------------------------------------------
probe=$dir/inst/libexec/lowtide/probe
mkdir -p "$(dirname "$probe")"
probed() { # probed SCRIPT...: the doctor, with that as its probe
	printf '#!/bin/sh\n%s\n' "$1" >"$probe"
	chmod +x "$probe"
	run env $simulated LOWTIDE_HOST=4G "$dir/inst/bin/lowtide" doctor --limit 2 --json
}
record='{"kind": "measured", "trials": [{"name": "copies", "status": "ok", "figures": [{"name": "in", "unit": "GB/s", "median": 24.8}],
	"checks": [{"name": "bytes", "holds": true, "why": ""}]}, {"name": "hash", "status": "failed", "why": "no kernel"}]}'
probed "[ \"\$*\" = '--quick --json -' ] && echo '$record'"
check "a probe's record: what was measured" eval \
	'is 0 && holds "\"copies: in 24.8 GB/s\" in f(\"probe\", \"note\") and \"hash: no answer: no kernel\" in f(\"probe\", \"note\") and
	\"1 of 2 questions\" in f(\"probe\", \"fine\")[0] and d[\"probe\"][\"kind\"] == \"measured\""'
probed "echo '${record/true/false}'"
check "a promise that does not hold is a limit" eval 'is 1 && holds "\"bytes does not hold\" in f(\"probe\", \"limit\")[0]"'
probed "echo '${record/measured/simulated}'"
check "a simulated record is called so" eval 'is 0 && holds "\"SIMULATED\" in f(\"probe\", \"note\")[0]"'
probed 'exit 77'
check "a probe that finds no device" eval 'is 0 && holds "f(\"probe\", \"note\") == [\"no device to measure\"]"'
probed 'sleep 60 & echo $! >"'"$dir/sleeper"'"; wait'
check "a probe that does not end is ended" eval 'is 1 && holds "\"did not end\" in f(\"probe\", \"limit\")[0]"'
check "with what it started" eval '! kill -0 "$(<"$dir/sleeper")" 2>/dev/null || grep -q Z "/proc/$(<"$dir/sleeper")/stat"'
probed 'echo nonsense; exit 1'
check "a probe without a record" eval 'is 0 && holds "\"left no record\" in f(\"probe\", \"note\")[0]"'
rm "$probe"
run env $simulated LOWTIDE_HOST=4G "$dir/inst/bin/lowtide" doctor
check "no probe: one line" eval 'is 0 && [ "$(grep -cE "^\w+ +probe " <<<"$out")" -eq 1 ] && printed "not installed"'

rm -rf "$dir"
finish
