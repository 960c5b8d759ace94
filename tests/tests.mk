# What the tests need, and the tests. Part of the Makefile.
.PHONY: check quick demo bench check-unit check-e2e check-san check-stress check-gpu bench-gpu card card-build lint format \
        format-check layers fuzz test-programs

# Programs are compiled as anybody's are; what looks into the library or stands in its place, as the library is.
program = $(call compile,-Itests/sim) -isystem $(CUDA_INC) -MF $@.d -MT $@
insider = $(call compile,-Ishim -Ipolicy -Itests/sim -Itests/fuzz) $(CUDA) -MF $@.d -MT $@
ON_SIM  = -L$(O)/sim -l:libcuda.so.1 -pthread -ldl -lm $(LDLIBS)
ON_FAKE = -L$(O)/fake -l:libcuda.so.1 -pthread -ldl $(LDLIBS)
given   = $(filter %.c %.o,$^)
linked  = $(filter %.o %.a,$^)

# --- the simulated GPU, and libraries with a part of them broken ---------------------------------
SIM   := $(O)/sim/libcuda.so.1
TOKEN := $(O)/sim/libtoken.so
SIM_OBJ   := $(call objects,$(wildcard tests/sim/*.c))
TOKEN_OBJ := $(call objects,$(wildcard tests/sim/token/*.c))
all: $(SIM) $(TOKEN)
$(SIM_OBJ) $(TOKEN_OBJ): $(O)/flags | $(O)/have/programs
$(O)/obj/tests/sim/%.o: tests/sim/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(call compile,-Itests/sim) $(CUDA) -fPIC -fvisibility=hidden -c $< -o $@
SIM_LINK = $(LINK) -shared -Wl,-Bsymbolic -Wl,-soname,libcuda.so.1 -o $@ $(SIM_OBJ) -pthread -lm -ldl -ljansson $(LDLIBS)
$(SIM): $(SIM_OBJ) $(O)/flags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(SIM_LINK)
	$(Q)ln -sf libcuda.so.1 $(O)/sim/libcuda.so
# One that has not got what CUDA 12.4 brought: for programs that look symbols up themselves.
$(O)/sim-12.3/libcuda.so.1: $(SIM_OBJ) $(O)/flags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && echo '{ local: cuFuncGetParamInfo; cuKernelGetParamInfo; };' >$(@D)/hidden.map
	$(Q)$(SIM_LINK) -Wl,--version-script=$(@D)/hidden.map
# To preload beside either: one thread at a time, by the seed.
$(TOKEN): $(TOKEN_OBJ) $(O)/flags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(LINK) -shared -Wl,-z,now -Wl,-soname,libtoken.so -o $@ $(linked) -pthread -ldl $(LDLIBS)

# The library with one part of it broken, for tests that must find that.
PLANTED := $(patsubst tests/planted/%.c,$(O)/planted/%/liblowtide.so,$(wildcard tests/planted/*.c))
$(O)/obj/tests/planted/%.o: tests/planted/%.c $(O)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(call compile,-Ishim -Ipolicy) $(CUDA) $(LIB) -c $< -o $@
$(PLANTED): $(O)/planted/%/liblowtide.so: $(O)/obj/tests/planted/%.o $(filter-out %/gate.o,$(SHIM_OBJ)) $(POLICY_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(SHIM_LINK)
PROBE_PLANTED := $(O)/gpu/probe_planted
$(O)/obj/tests/gpu/probe/storm_planted.o: tests/gpu/probe/storm.c $(O)/flags
	$(Q)mkdir -p $(@D) && $(call compile,-Itests/gpu/probe) $(CUDA) -DPLANTED_NO_WAIT -c $< -o $@
$(PROBE_PLANTED): $(filter-out %/storm.o,$(PROBE_OBJ)) $(O)/obj/tests/gpu/probe/storm_planted.o
	$(Q)mkdir -p $(@D) && $(LINK) -o $@ $(linked) -pthread -ldl -lm $(JANSSON) $(LDLIBS)

# --- workloads -----------------------------------------------------------------------------------
WORK_LIB := $(wildcard tests/workloads/common*.c)
WORKLOAD_PROGRAMS := $(patsubst tests/%.c,$(O)/%,$(filter-out $(WORK_LIB) %/kernels.c,$(wildcard tests/workloads/*.c)))
WORK_KERNELS := $(O)/workloads/kernels.so $(O)/workloads/kernels_silent.so
all: $(WORKLOAD_PROGRAMS) $(firstword $(WORK_KERNELS))
$(WORKLOAD_PROGRAMS) $(call objects,$(WORK_LIB)) $(WORK_KERNELS): $(O)/flags | $(O)/have/programs
$(WORK_KERNELS): tests/workloads/kernels.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(program) $(if $(findstring silent,$@),-DSIM_KERNEL_NO_INFO) $(LDFLAGS) -fPIC -shared -o $@ $<
$(O)/obj/tests/workloads/%.o: tests/workloads/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(program) -c -o $@ $<
$(WORKLOAD_PROGRAMS): $(O)/workloads/%: tests/workloads/%.c $(call objects,$(WORK_LIB)) | $(SIM)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(program) $(LDFLAGS) -o $@ $(given) $(ON_SIM)

# --- drivers and libraries of a few lines --------------------------------------------------------
FAKE      := $(O)/fake/libcuda.so.1
NVML_LIB  := $(O)/fake/libnvidia-ml.so.1
# For the probe on the simulated driver: libraries that are asked, and do not compute.
FAKE_MATH := $(O)/fake/math/libcublas.so.13 $(O)/fake/math/libcudnn.so.9
BROKEN    := $(O)/fake/broken/libcuda.so.1 $(O)/fake/bare/libcuda.so.1
$(FAKE): tests/fake/libcuda.c
$(NVML_LIB): tests/fake/nvml.c
$(FAKE_MATH): tests/fake/math_libraries.c
$(BROKEN): tests/fake/broken.c
$(FAKE): OWN = $(CUDA) -Wl,-Bsymbolic
$(FAKE_MATH): OWN = $(if $(findstring cublas,$@),-DFAKE_CUBLAS) -fvisibility=hidden
$(BROKEN): OWN = $(if $(findstring bare,$@),-DBARE)
$(FAKE) $(NVML_LIB) $(FAKE_MATH) $(BROKEN): $(O)/flags | $(O)/have/library
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(program) $(OWN) $(LDFLAGS) -fPIC -shared $(if $(findstring cuda.so,$@),-Wl$(comma)-soname$(comma)libcuda.so.1) \
		-o $@ $(given) -pthread -ldl $(LDLIBS)

# --- whole programs, to be run under the preload -------------------------------------------------
E2E_SRC := $(filter-out tests/e2e/program.c,$(wildcard tests/e2e/*.c))
E2E_PLUGINS  := $(patsubst tests/%.c,$(O)/%.so,$(filter %_plugin.c,$(E2E_SRC)))
E2E_ON_SIM   := $(patsubst tests/%.c,$(O)/%,$(filter tests/e2e/sim_%,$(E2E_SRC)))
E2E_ALONE    := $(O)/e2e/static_launcher $(O)/e2e/no_driver
E2E_ON_FAKE  := $(filter-out $(E2E_ALONE),$(patsubst tests/%.c,$(O)/%,$(filter-out tests/e2e/sim_% %_plugin.c,$(E2E_SRC))))
# The same programs with everything four times as large, for blocks of 8 MiB and more.
E2E_8M       := $(addprefix $(O)/e2e/sim_,life_8m names_8m handles_8m unmapped_8m crowd_8m blocking_8m small_8m)
E2E_EDGES    := $(O)/e2e/sim_edges $(O)/e2e/sim_edges_8m
E2E_PROGRAMS := $(E2E_PLUGINS) $(E2E_ON_SIM) $(E2E_ON_FAKE) $(E2E_ALONE) $(E2E_8M) $(E2E_EDGES) $(O)/e2e/sim_files_linked
PROGRAM_OBJ  := $(call objects,tests/e2e/program.c)
EDGES_OBJ    := $(call objects,$(wildcard tests/e2e/edges/*.c))
$(E2E_PROGRAMS): $(O)/flags | $(O)/have/library
$(O)/obj/tests/e2e/%.o: tests/e2e/%.c $(O)/flags | $(O)/have/library
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(program) -Itests/e2e -c -o $@ $<
$(O)/obj/tests/e2e/%_8m.o: tests/e2e/%.c $(O)/flags | $(O)/have/library
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(program) -Itests/e2e -DBLOCK_MIB=8 -c -o $@ $<
$(O)/e2e/sim_edges: $(EDGES_OBJ)
$(O)/e2e/sim_edges_8m: $(EDGES_OBJ:.o=_8m.o)
$(E2E_8M): $(O)/e2e/%: $(O)/obj/tests/e2e/%.o
$(E2E_ON_SIM): $(O)/e2e/%: $(O)/obj/tests/e2e/%.o
$(E2E_EDGES) $(E2E_8M) $(E2E_ON_SIM): $(PROGRAM_OBJ) | $(SIM)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(LINK) -o $@ $(linked) $(ON_SIM)
# Linked to the library, for where the loader preloads nothing; which one, the folder it is run in says.
$(O)/e2e/sim_files_linked: $(O)/obj/tests/e2e/sim_files.o $(PROGRAM_OBJ) $(SHIM) | $(SIM)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(LINK) -o $@ $(linked) -Wl,--disable-new-dtags,-rpath,/proc/self/cwd:/proc/self/cwd/sim \
		-L$(O) -l:liblowtide.so $(ON_SIM)
$(E2E_ALONE): $(O)/e2e/%: tests/e2e/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(program) $(LDFLAGS) -o $@ $(given) $(if $(findstring static,$@),-static,-ldl)
$(E2E_PLUGINS): $(O)/e2e/%.so: tests/e2e/%.c | $(FAKE)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(program) $(LDFLAGS) -fPIC -shared -o $@ $(given) $(ON_FAKE)
$(E2E_ON_FAKE): $(O)/e2e/%: tests/e2e/%.c | $(FAKE)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(program) $(LDFLAGS) -o $@ $(given) $(ON_FAKE)

# --- units ---------------------------------------------------------------------------------------
# Images of kernels, which the units of the simulator and some whole programs load.
UNIT_HELP := $(addprefix $(O)/unit/sim_image,.so _reversed.so _silent.so)
$(UNIT_HELP): tests/unit/sim_image.c $(O)/flags
	$(Q)mkdir -p $(@D) && $(program) $(if $(findstring reversed,$@),-DSIM_IMAGE_REVERSED) $(if $(findstring silent,$@),-DSIM_KERNEL_NO_INFO) \
		$(LDFLAGS) -fPIC -shared -o $@ $(given)

# An archive of each folder of the library: a unit gets what it calls of those it is linked with, and no more.
FLOORS := $(patsubst %/,%,$(sort $(dir $(SHIM_SRC) $(POLICY_SRC))))
floors  = $(addprefix $(O)/,$(addsuffix .a,$(1)))
$(foreach floor,$(FLOORS),$(eval $(call floors,$(floor)): $(call objects,$(wildcard $(floor)/*.c $(floor)/*.S))))
$(call floors,$(FLOORS)):
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(linked)

# What only debug builds do, compiled for one.
DEBUG_OBJ := $(patsubst %,$(O)/obj/debug/%.o,shim/base/ranks shim/base/lock shim/order/gate shim/memory/valid shim/move/mover_valid)
$(DEBUG_OBJ): $(O)/obj/debug/%.o: %.c $(HARDENING)
	$(Q)mkdir -p $(@D) && $(insider) -DLOWTIDE_DEBUG $(LIB) -c $< -o $@
UNITS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(filter-out %/sim_image.c,$(wildcard tests/unit/*.c tests/unit/*/*.c)))
units  = $(foreach name,$(1),$(filter $(O)/unit/$(name)_% $(O)/unit/$(name)/%,$(UNITS)))
PROBE_PARTS := $(filter-out %/main.o,$(PROBE_OBJ))
# What each is linked with, by how its name begins: the floors it stands on, or all of something.
$(call units,policy):   $(call floors,$(filter policy policy/%,$(FLOORS)))
$(call units,settings): $(call floors,shim/base)
$(call units,driver):   $(call floors,shim/driver shim/base)
$(call units,image):    $(call floors,shim/image)
$(call units,pager):    $(call floors,shim/memory shim/account shim/base)
$(call units,own):      $(call floors,shim/memory shim/image)
$(call units,hook):     $(call floors,shim/hook shim/image shim/base)
$(call units,launch moves pools door): $(SHIM_OBJ) $(POLICY_OBJ)
$(call units,probe):    $(PROBE_PARTS)
$(call units,ranks):    $(filter-out %valid.o,$(DEBUG_OBJ)) $(call floors,shim/base)
$(call units,valid):    $(filter %valid.o,$(DEBUG_OBJ)) $(call floors,shim/base)
$(call units,sim):      | $(SIM)
$(call units,sim door): | $(UNIT_HELP)
# What the fuzz targets hold is held by units too.
$(O)/unit/policy_fed:         $(O)/obj/tests/fuzz/policy.o
$(O)/unit/settings_fed:       $(O)/obj/tests/fuzz/settings.o
$(O)/unit/hook_memcpy_box:    $(O)/obj/tests/fuzz/memcpy_box.o
$(O)/unit/hook_launch_params: $(O)/obj/tests/fuzz/launch_params.o
$(O)/unit/policy_memory: UNIT_LIBS = -Wl,--wrap=calloc,--wrap=realloc
$(call units,probe):     UNIT_LIBS = $(JANSSON)
# Of these the test says when time passes, and what others do meanwhile.
BESIDE := $(addprefix $(O)/unit/moves_,room brought place)
$(BESIDE): UNIT_LIBS = $(addprefix -Wl$(comma)--wrap=,clock_now_ns lock_nap sched_yield lock_take lock_try)
$(O)/unit/moves_brought: UNIT_LIBS += -Wl,--wrap=malloc
$(O)/unit/moves_place:   UNIT_LIBS += -Wl,--wrap=calloc
$(O)/unit/moves_tables:  UNIT_LIBS = -Wl,--wrap=mmap
$(call units,sim):       UNIT_LIBS = $(ON_SIM)
$(call units,ranks valid): UNIT_CC = $(insider) -DLOWTIDE_DEBUG
$(call units,sim):       UNIT_CC = $(program)
UNIT_CC = $(insider) -Itests/gpu/probe
$(UNITS): $(O)/unit/%: tests/unit/%.c $(O)/flags | $(O)/have/tests
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(LDFLAGS) -o $@ tests/unit/$*.c -Wl,--start-group $(linked) -Wl,--end-group $(UNIT_LIBS) -lcriterion -lm -pthread -ldl $(LDLIBS)
$(O)/obj/tests/fuzz/%.o: tests/fuzz/%.c $(O)/flags | $(O)/have/library
	$(Q)mkdir -p $(@D) && $(insider) -c -o $@ $<

# --- tests ---------------------------------------------------------------------------------------
check: deps ## unit and end-to-end tests, on the simulated GPU
	$(Q)$(MAKE) --no-print-directory all check-unit check-e2e check-mutants-sample

quick: $(O)/have/tests all $(UNITS) $(UNIT_HELP) $(E2E_EDGES) ## in a minute or so: units, layers, that planted faults stand, a small matrix, the edges
	$(Q)O=$(O) tests/quick $(UNITS)

check-unit: $(O)/have/tests $(UNITS) $(UNIT_HELP) ## unit tests
	$(Q)tests/run-units $(O) $(UNITS)

test-programs: $(O)/have/tests all $(UNITS) $(E2E_PROGRAMS) $(BROKEN) $(FAKE_MATH) $(NVML_LIB) $(PLANTED) $(PROBE_PLANTED) $(UNIT_HELP) \
               $(WORK_KERNELS) $(O)/sim-12.3/libcuda.so.1
# The longest first, so that no processor is idle while the last of them runs.
E2E_LONG := $(patsubst %,tests/e2e/%_test.sh,edges card matrix inject probe unmapped_matrix stamps unmapped churn \
	ledger pending life reproducible gpu small machines seeds compare names token)
check-e2e: test-programs ## whole programs under the preload
	$(Q)O=$(O) tests/run-e2e $(E2E_LONG) $(filter-out $(E2E_LONG),$(wildcard tests/e2e/*_test.sh))

# AddressSanitizer calls dlsym before it is ready, and dlsym is ours: whole programs run under UBSan only.
check-san: ## unit tests under ASan and UBSan, whole programs under UBSan, each fuzz target for 20 s (FUZZ_SECONDS=)
	$(Q)$(MAKE) --no-print-directory O=$(O)/san SAN=address CFLAGS='-O1 -g' check-unit-san
	$(Q)$(MAKE) --no-print-directory O=$(O)/ubsan SAN=undefined CFLAGS='-O1 -g' all
	$(Q)MB=32 CAPS=50 SCHEDS='virtual threads' POLICIES='lru balanced group' O=$(abspath $(O))/ubsan tests/e2e/matrix_test.sh
	$(Q)$(MAKE) --no-print-directory fuzz $(if $(filter file,$(origin FUZZ_SECONDS)),FUZZ_SECONDS=20)

check-unit-san: $(call units,policy settings driver pager image hook own)
	$(Q)tests/run-units $(O) $^
.PHONY: check-unit-san

check-debug: ## units, a small matrix and whole programs with a library that checks its own locks and tables
	$(Q)$(MAKE) --no-print-directory O=$(O)/debug DEBUG=1 check-debug-programs
check-debug-programs: all $(call units,driver pager hook launch moves pools door) $(UNIT_HELP) $(addprefix $(O)/e2e/sim_,life life_8m graphs streams clone)
	$(Q)tests/run-units $(O) $(filter $(O)/unit/%,$(filter-out $(UNIT_HELP),$^))
	$(Q)MB=32 CAPS=50 SCHEDS='virtual threads' POLICIES='lru balanced group' O=$(abspath $(O)) tests/e2e/matrix_test.sh
	$(Q)O=$(abspath $(O)) tests/e2e/graphs_test.sh
	$(Q)O=$(abspath $(O)) tests/e2e/clone_test.sh
.PHONY: check-debug check-debug-programs

# --- ThreadSanitizer ------------------------------------------------------------------------------
STRESS_OF := $(addprefix $(O)/stress/,gate_stress gate_stress_planted ledger_stress launch_params_stress launch_params_stress_planted \
	param_layout_cache_stress param_layout_cache_stress_planted)
$(O)/stress/gate_stress_planted:               PLANT = -DNO_GATE
$(O)/stress/launch_params_stress_planted:      PLANT = -DFORGET_LATE
$(O)/stress/param_layout_cache_stress_planted: PLANT = -DNO_VERSION
stressed = $(filter $(O)/stress/$(1)_stress%,$(STRESS_OF))
$(call stressed,gate):   $(call objects,$(call of_shim,gate clock lock))
$(call stressed,ledger): $(call objects,$(call of_shim,ledger unmanaged outstanding extent lock))
# What stands between a launch and the driver's answers; the rest of the library is in the test.
$(call stressed,launch_params): $(call objects,$(call of_shim,launch_params param_layout kernel_registry tensor_map lock log file) $(wildcard shim/image/*.c))
$(filter %_planted,$(STRESS_OF)):     $(O)/stress/%_planted: tests/stress/%.c
$(filter-out %_planted,$(STRESS_OF)): $(O)/stress/%: tests/stress/%.c
$(STRESS_OF): $(O)/flags | $(O)/have/library
	$(Q)mkdir -p $(@D) && $(insider) $(PLANT) $(LDFLAGS) -o $@ $(given) -pthread $(LDLIBS)
check-stress: ## gate, ledger and layouts under ThreadSanitizer, and planted races that it must find
	$(Q)$(MAKE) --no-print-directory O=$(O)/tsan SAN=thread CFLAGS='-O1 -g' check-stress-tsan
check-stress-tsan: $(STRESS_OF)
	$(Q)tests/stress/run $^
.PHONY: check-stress-tsan

# --- planted faults --------------------------------------------------------------------------------
check-mutants: test-programs ## plant each fault of tests/mutants/ and see that a test finds it; MUTANTS= names some
	$(Q)O=$(O) tests/mutants/run $(MUTANTS)
stand: ## that the text of every planted fault still stands in the library, once
	$(Q)tests/mutants/run --stand
check-mutants-sample: test-programs ## the same of twenty, others each day; MUTANT_SEED= repeats a day's
	$(Q)O=$(O) tests/mutants/run --sample 20 --budget 75
.PHONY: check-mutants check-mutants-sample stand

# --- fuzzing ---------------------------------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_NAMES   ?= image settings memcpy_box launch_params policy
FUZZ_OF      := $(addprefix $(O)/fuzz/,$(FUZZ_NAMES))
FUZZ_FLAGS    = -O1 -g -std=gnu11 -D_GNU_SOURCE $(WARN) -fno-sanitize-recover=all $(CUDA) -Ishim -Ipolicy -Itests/fuzz
# libFuzzer where clang has it; else a driver of our own, so that nothing is skipped.
FUZZ_LACKS    = $(shell echo 'int LLVMFuzzerTestOneInput(const char *b, long n) { return !b && n; }' | \
		clang -fsanitize=fuzzer,address -x c - -o /dev/null 2>&1 || echo lacking)
FUZZ_CLANG   := clang -fsanitize=fuzzer,address,undefined
FUZZ_ALONE    = $(CC) -fsanitize=address,undefined tests/fuzz/alone.c
$(O)/fuzz/image: $(wildcard shim/image/*.c)
$(O)/fuzz/settings: $(call of_shim,settings lock log file ram)
$(O)/fuzz/memcpy_box: $(call of_shim,memcpy_box)
$(O)/fuzz/launch_params: $(call of_shim,launch_params param_layout kernel_registry tensor_map lock log file) $(wildcard shim/image/*.c)
$(O)/fuzz/policy: $(POLICY_SRC)
$(FUZZ_OF): $(O)/fuzz/%: tests/fuzz/%.c tests/fuzz/input.h tests/fuzz/alone.c $(wildcard shim/*/*.h shim/*/*.def policy/*.h policy/*/*.h policy/*.def)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(if $(FUZZ_LACKS),$(FUZZ_ALONE),$(FUZZ_CLANG)) $(FUZZ_FLAGS) -o $@ $(filter-out tests/fuzz/alone.c,$(filter %.c,$^)) -pthread -lm
fuzz: $(FUZZ_OF) ## feed parsers, copies, launches and policies whatever a fuzzer thinks of, each for FUZZ_SECONDS
	$(Q)O=$(O) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_NAMES)

# --- coverage --------------------------------------------------------------------------------------
# What must be whole, units take; the whole programs show what they reach of the rest. COVERAGE_SCRIPTS= names others, or none.
COVERAGE_SCRIPTS ?= edges life extents stamps pending
coverage: ## lines and branches by folder that tests run; policy/ and the pager's states whole but for tests/coverage/exceptions
	$(Q)$(MAKE) --no-print-directory O=$(O)/cov CFLAGS='-O0 -g --coverage' test-programs
	$(Q)find $(O)/cov -name '*.gcda' -delete
	$(Q)tests/run-units $(O)/cov $(patsubst $(O)/%,$(O)/cov/%,$(filter-out $(O)/unit/sim_% $(O)/unit/probe_%,$(UNITS)))
	$(Q)for s in $(COVERAGE_SCRIPTS); do echo "$$s: $$(O=$(abspath $(O))/cov BLOCKS='2M 32M' SCHEDS='virtual seeded' SEEDS=1 THREADS=1 \
		POLICIES='lru balanced' tests/e2e/$${s}_test.sh 2>&1 | tail -n 1)"; done
	$(Q)tests/coverage/report.py $(O)/cov
.PHONY: coverage

layers: $(SHIM) $(CLI) $(PROBE) ## calls and includes go one way; policy/ needs no CUDA, threads, clock or I/O; the library only libc; what is built is hardened, and exports its doors
	$(Q)O=$(O) tests/check-layers

BENCH := $(O)/bench/launch_cost $(O)/bench/allocate_cost $(O)/bench/start_cost $(O)/bench/launch_image.so
$(O)/bench/%.so: tests/bench/%.c $(O)/flags
	$(Q)mkdir -p $(@D) && $(program) $(LDFLAGS) -fPIC -shared -o $@ $<
$(O)/bench/%: tests/bench/%.c $(O)/flags | $(SIM)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(program) $(LDFLAGS) -o $@ $< $(ON_SIM)

demo: deps ## an unmodified program under several caps and every policy, on the simulated GPU
	$(Q)$(MAKE) --no-print-directory all
	$(Q)O=$(O) python3 tests/bench/demo.py

bench: deps ## measure the library's cost, simulate its nearness to the wire; build/bench/summary.json
	$(Q)$(MAKE) --no-print-directory all $(BENCH)
	$(Q)O=$(O) python3 tests/bench/bench.py $(if $(QUICK),--quick)

check-gpu: all ## what only a GPU can show: the probe's promises, the workloads on the real driver
	$(Q)O=$(O) python3 tests/gpu/check.py
bench-gpu: all ## the probe's figures and the workloads' step times on this card, into tests/bench/results/
	$(Q)O=$(O) python3 tests/gpu/bench.py

card: ## ten minutes of a card: is all of it right, how fast, what the defaults should be; into tests/bench/results/
	$(Q)O=$(O) python3 tests/card/main.py
card-build: ## what `make card` runs, built ahead: needs no card
	$(Q)O=$(O) python3 tests/card/main.py --build-only

# --- hygiene -------------------------------------------------------------------------------------
FORMATTED = $(shell git ls-files '*.c' '*.h' | grep -v tests/sim/sim_kernel.h)
format: ## reformat every C file
	$(Q)clang-format -i $(FORMATTED)
format-check: ## fail if a file is not formatted
	$(Q)clang-format --dry-run -Werror $(FORMATTED)
lint: stand ## cppcheck over our own sources, and that all planted faults still stand
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -Ipolicy -Ishim policy shim tools
