# What the tests need, and the tests. Part of the Makefile.
SIM_SRC    := $(wildcard tests/sim/*.c)
TOKEN_SRC  := $(wildcard tests/sim/token/*.c)
UNIT_SRC   := $(filter-out tests/unit/sim_image.c,$(wildcard tests/unit/*.c))
WORK_ALL   := $(wildcard tests/workloads/*.c)
WORK_LIB   := $(wildcard tests/workloads/common*.c)
WORK_SRC   := $(filter-out $(WORK_LIB) tests/workloads/kernels.c,$(WORK_ALL))
E2E_SRC    := $(filter-out tests/e2e/program.c,$(wildcard tests/e2e/*.c))
SIM_OBJ    := $(call objects,$(SIM_SRC))
TOKEN_OBJ  := $(call objects,$(TOKEN_SRC))
UNITS      := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SRC))
WORKLOAD_PROGRAMS := $(patsubst tests/workloads/%.c,$(O)/workloads/%,$(WORK_SRC))
SIM  := $(O)/sim/libcuda.so.1
TOKEN := $(O)/sim/libtoken.so
UNIT_HELP := $(addprefix $(O)/unit/sim_image,.so _reversed.so _silent.so)
all: $(SIM) $(TOKEN) $(WORKLOAD_PROGRAMS) $(O)/workloads/kernels.so

.PHONY: check demo bench check-unit check-e2e check-san check-stress check-gpu bench-gpu card card-build lint format \
        format-check layers fuzz

$(O)/obj/tests/sim/%.o: tests/sim/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) -fPIC -fvisibility=hidden $(CUDA) -Itests/sim -c $< -o $@

# The library with one part of it broken, for tests that must find that.
$(O)/obj/tests/planted/%.o: tests/planted/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) $(LIB) $(CUDA) -Ishim -Ipolicy -c $< -o $@
PLANTED := $(O)/planted/no_gate/liblowtide.so $(O)/planted/no_wait/liblowtide.so
$(PLANTED): $(O)/planted/%/liblowtide.so: $(O)/obj/tests/planted/%.o $(filter-out %/gate.o,$(SHIM_OBJ)) $(POLICY_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(SHIM_LINK)
$(SIM): $(SIM_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SANFLAGS) -shared -Wl,-Bsymbolic -Wl,-soname,libcuda.so.1 -o $@ $^ -pthread -lm -ldl -ljansson
	$(Q)ln -sf libcuda.so.1 $(O)/sim/libcuda.so
# To preload beside either: one thread at a time, by the seed.
$(TOKEN): $(TOKEN_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SANFLAGS) -shared -Wl,-z,now -Wl,-soname,libtoken.so -o $@ $^ -pthread -ldl
# One that has not got what CUDA 12.4 brought: for programs that look symbols up themselves.
$(O)/sim-12.3/libcuda.so.1: $(SIM_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && echo '{ local: cuFuncGetParamInfo; cuKernelGetParamInfo; };' >$(@D)/hidden.map
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -shared -Wl,-Bsymbolic -Wl,-soname,libcuda.so.1 -Wl,--version-script=$(@D)/hidden.map \
		-o $@ $(SIM_OBJ) -pthread -lm -ldl

PROBE_PLANTED := $(O)/gpu/probe_planted
$(O)/obj/tests/gpu/probe/storm_planted.o: tests/gpu/probe/storm.c
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) $(CUDA) -Itests/gpu/probe -DPLANTED_NO_WAIT -c $< -o $@
$(PROBE_PLANTED): $(filter-out %/storm.o,$(PROBE_OBJ)) $(O)/obj/tests/gpu/probe/storm_planted.o
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ -pthread -ldl -lm $(JANSSON)

$(O)/workloads/kernels.so: tests/workloads/kernels.c tests/sim/sim_kernel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 $(WARN) -fPIC -shared -Itests/sim -o $@ $<
$(O)/workloads/kernels_silent.so: tests/workloads/kernels.c tests/sim/sim_kernel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 $(WARN) -DSIM_KERNEL_NO_INFO -fPIC -shared -Itests/sim -o $@ $<
$(O)/workloads/%: tests/workloads/%.c $(WORK_LIB) $(wildcard tests/workloads/*.h) | $(SIM)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 $(WARN) $(SANFLAGS) -isystem $(CUDA_INC) -Itests/workloads -Itests/sim \
		-o $@ $< $(WORK_LIB) -L$(O)/sim -l:libcuda.so.1 -pthread -lm
E2E_FLAGS = $(CFLAGS) -std=gnu11 -D_GNU_SOURCE $(WARN) -MMD -MP -isystem $(CUDA_INC)
E2E_CC    = $(CC) $(E2E_FLAGS) -MF $@.d -MT $@ -o $@ $<
FAKE   := $(O)/fake/libcuda.so.1
$(FAKE): tests/fake/libcuda.c
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 $(WARN) $(CUDA) -fPIC -shared -Wl,-Bsymbolic \
		-Wl,-soname,libcuda.so.1 -o $@ $< -pthread
$(O)/e2e/%_plugin.so: tests/e2e/%_plugin.c $(FAKE)
	$(Q)mkdir -p $(@D) && $(E2E_CC) -fPIC -shared -L$(O)/fake -l:libcuda.so.1
NVML_LIB := $(O)/fake/libnvidia-ml.so.1
$(NVML_LIB): tests/fake/nvml.c
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) -fPIC -shared
# For the probe on the simulated driver: libraries that are asked, and do not compute.
FAKE_MATH := $(O)/fake/math/libcublas.so.13 $(O)/fake/math/libcudnn.so.9
$(FAKE_MATH): tests/fake/math_libraries.c
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) $(if $(findstring cublas,$@),-DFAKE_CUBLAS) -fvisibility=hidden -fPIC -shared -ldl
BROKEN := $(O)/fake/broken/libcuda.so.1 $(O)/fake/bare/libcuda.so.1
$(BROKEN): tests/fake/broken.c
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) $(if $(findstring bare,$@),-DBARE) -fPIC -shared -Wl,-soname,libcuda.so.1
$(O)/e2e/static_launcher: tests/e2e/static_launcher.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) -static
$(O)/e2e/no_driver: tests/e2e/no_driver.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) -ldl
PROGRAM_OBJ := $(call objects,tests/e2e/program.c)
EDGES_OBJ   := $(call objects,$(wildcard tests/e2e/edges/*.c))
$(O)/obj/tests/e2e/%.o: tests/e2e/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(E2E_FLAGS) -Itests/e2e -c $< -o $@
E2E_LINK = mkdir -p $(@D) && $(CC) $(CFLAGS) -o $@ $^ -L$(O)/sim -l:libcuda.so.1 -pthread -ldl
$(O)/e2e/sim_edges: $(EDGES_OBJ) $(PROGRAM_OBJ) | $(SIM)
	$(call say,LD,$@)
	$(Q)$(E2E_LINK)
# The same programs with everything four times as large, for blocks of 8 MiB and more.
EDGES_8M := $(EDGES_OBJ:.o=_8m.o)
E2E_8M   := $(addprefix $(O)/e2e/sim_,life_8m names_8m handles_8m unmapped_8m crowd_8m blocking_8m)
$(O)/obj/tests/e2e/%_8m.o: tests/e2e/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(E2E_FLAGS) -DBLOCK_MIB=8 -Itests/e2e -c $< -o $@
$(O)/e2e/sim_edges_8m: $(EDGES_8M) $(PROGRAM_OBJ) | $(SIM)
	$(call say,LD,$@)
	$(Q)$(E2E_LINK)
$(E2E_8M): $(O)/e2e/%: $(O)/obj/tests/e2e/%.o $(PROGRAM_OBJ) | $(SIM)
	$(call say,LD,$@)
	$(Q)$(E2E_LINK)
$(O)/e2e/sim_%: tests/e2e/sim_%.c $(PROGRAM_OBJ) | $(SIM)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) $(PROGRAM_OBJ) -L$(O)/sim -l:libcuda.so.1 -pthread -ldl
$(O)/e2e/%: tests/e2e/%.c $(FAKE)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) -L$(O)/fake -l:libcuda.so.1 -pthread -ldl
# Linked to the library, for where the loader preloads nothing; which one, the folder it is run in says.
$(O)/e2e/sim_files_linked: tests/e2e/sim_files.c $(PROGRAM_OBJ) $(SHIM) | $(SIM)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(E2E_CC) $(PROGRAM_OBJ) -Wl,--disable-new-dtags,-rpath,/proc/self/cwd:/proc/self/cwd/sim \
		-L$(O) -l:liblowtide.so -L$(O)/sim -l:libcuda.so.1 -pthread -ldl
SIM_IMAGE_CC = mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 $(WARN) -fPIC -shared -Itests/sim -o $@ $<
$(O)/unit/sim_image.so: tests/unit/sim_image.c tests/sim/sim_kernel.h tests/sim/sim_tensor.h
	$(Q)$(SIM_IMAGE_CC)
$(O)/unit/sim_image_reversed.so: tests/unit/sim_image.c tests/sim/sim_kernel.h tests/sim/sim_tensor.h
	$(Q)$(SIM_IMAGE_CC) -DSIM_IMAGE_REVERSED
$(O)/unit/sim_image_silent.so: tests/unit/sim_image.c tests/sim/sim_kernel.h tests/sim/sim_tensor.h
	$(Q)$(SIM_IMAGE_CC) -DSIM_KERNEL_NO_INFO

# What the fuzz targets hold is held by units too.
FED_CC = mkdir -p $(@D) && $(UNIT_CC) $(CUDA) -D_GNU_SOURCE -Itests/fuzz $(filter-out $<,$(filter %.c %.o,$^)) -lcriterion -pthread -lm
UNIT_CC = $(CC) $(CFLAGS) -std=gnu11 $(WARN) -MMD -MP $(SANFLAGS) -Ishim -Ipolicy -Itests/sim -o $@ $<
$(O)/unit/policy_fed: tests/unit/policy_fed.c tests/fuzz/policy.c $(POLICY_OBJ)
	$(call say,UNIT,$@)
	$(Q)$(FED_CC)
$(O)/unit/policy_memory: tests/unit/policy_memory.c $(POLICY_OBJ)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) -Wl,--wrap=calloc,--wrap=realloc $(POLICY_OBJ) -lcriterion -lm
$(O)/unit/policy_%: tests/unit/policy_%.c $(POLICY_OBJ)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(POLICY_OBJ) -lcriterion -lm
SETTINGS_ALONE := $(call objects,shim/settings.c shim/lock.c shim/log.c shim/file.c shim/ram.c)
$(O)/unit/settings_fed: tests/unit/settings_fed.c tests/fuzz/settings.c $(SETTINGS_ALONE)
	$(call say,UNIT,$@)
	$(Q)$(FED_CC)
$(O)/unit/settings_%: tests/unit/settings_%.c $(SETTINGS_ALONE)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(SETTINGS_ALONE) -lcriterion -lm
PAGER_ALONE := $(call objects,shim/lock.c shim/pager/ledger.c shim/pager/holding.c shim/pager/extent.c shim/pager/slab.c)
$(O)/unit/pager_%: tests/unit/pager_%.c $(PAGER_ALONE)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(PAGER_ALONE) -lcriterion -lm -pthread
IMAGE_ALONE := $(call objects,$(wildcard shim/image/*.c))
$(O)/unit/image_%: tests/unit/image_%.c $(IMAGE_ALONE)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(IMAGE_ALONE) -lcriterion
OWN_KERNELS_ALONE := $(call objects,shim/pager/own_kernels.c shim/pager/kernels_image.S) $(IMAGE_ALONE)
$(O)/unit/own_kernels_%: tests/unit/own_kernels_%.c $(OWN_KERNELS_ALONE)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(CUDA) $(OWN_KERNELS_ALONE) -lcriterion
HOOK_ALONE := $(call objects,shim/hook/kernels.c shim/hook/layout.c shim/lock.c shim/log.c shim/file.c) $(IMAGE_ALONE)
$(O)/unit/hook_boxes: tests/unit/hook_boxes.c tests/fuzz/copy_box.c $(call objects,shim/hook/copy_box.c)
	$(call say,UNIT,$@)
	$(Q)$(FED_CC)
$(O)/unit/hook_params: tests/unit/hook_params.c tests/fuzz/params.c $(call objects,$(addprefix shim/hook/,params.c layout.c kernels.c tensor_map.c) \
		shim/lock.c shim/log.c shim/file.c) $(IMAGE_ALONE)
	$(call say,UNIT,$@)
	$(Q)$(FED_CC)
$(O)/unit/hook_copies: tests/unit/hook_copies.c $(call objects,shim/hook/copy.c shim/hook/fill.c)
	$(call say,UNIT,$@)
	$(Q)$(FED_CC)
$(O)/unit/hook_%: tests/unit/hook_%.c $(HOOK_ALONE)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(CUDA) $(HOOK_ALONE) -lcriterion -pthread
$(O)/unit/sim_%: tests/unit/sim_%.c $(SIM) $(UNIT_HELP)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) -isystem $(CUDA_INC) -L$(O)/sim -l:libcuda.so.1 -lcriterion -lm -pthread
PROBE_PARTS := $(filter-out %/main.o,$(PROBE_OBJ))
$(O)/unit/probe_%: tests/unit/probe_%.c $(PROBE_PARTS)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(CUDA) -Itests/gpu/probe $(PROBE_PARTS) -lcriterion -ljansson -lm -pthread -ldl
$(O)/unit/launch_%: tests/unit/launch_%.c $(SHIM_OBJ) $(POLICY_OBJ)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(CUDA) $(SHIM_OBJ) $(POLICY_OBJ) -lcriterion -pthread -ldl -lm
$(O)/unit/moves_%: tests/unit/moves_%.c $(SHIM_OBJ) $(POLICY_OBJ)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(CUDA) $(SHIM_OBJ) $(POLICY_OBJ) -lcriterion -pthread -ldl -lm
$(O)/unit/door_%: tests/unit/door_%.c $(SHIM_OBJ) $(POLICY_OBJ) $(UNIT_HELP)
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D) && $(UNIT_CC) $(CUDA) $(SHIM_OBJ) $(POLICY_OBJ) -lcriterion -pthread -ldl -lm

# --- tests ---------------------------------------------------------------------------------------
check: deps ## unit and end-to-end tests, on the simulated GPU
	$(Q)$(MAKE) --no-print-directory all check-unit check-e2e check-mutants-sample

check-unit: $(UNITS) $(UNIT_HELP) ## unit tests
	$(Q)tests/run-units $(O) $(UNITS)

E2E := $(patsubst tests/e2e/%.c,$(O)/e2e/%,$(filter-out %_plugin.c,$(E2E_SRC))) $(O)/e2e/sim_edges $(O)/e2e/sim_edges_8m $(E2E_8M) $(O)/e2e/sim_files_linked \
       $(patsubst tests/e2e/%.c,$(O)/e2e/%.so,$(filter %_plugin.c,$(E2E_SRC)))
test-programs: all $(UNITS) $(E2E) $(BROKEN) $(FAKE_MATH) $(NVML_LIB) $(PLANTED) $(PROBE_PLANTED) $(UNIT_HELP) $(O)/workloads/kernels_silent.so $(O)/sim-12.3/libcuda.so.1
.PHONY: test-programs
# The longest first, so that no processor is idle while the last of them runs.
E2E_LONG := $(patsubst %,tests/e2e/%_test.sh,edges pending matrix stamps unmapped unmapped_matrix inject cancel seeds churn probe account)
check-e2e: test-programs ## whole programs under the preload
	$(Q)O=$(O) tests/run-e2e $(E2E_LONG) $(filter-out $(E2E_LONG),$(wildcard tests/e2e/*_test.sh))

# AddressSanitizer calls dlsym before it is ready, and dlsym is ours: whole programs run under UBSan only.
check-san: ## unit tests under ASan and UBSan, whole programs under UBSan, each fuzz target for 20 s (FUZZ_SECONDS=)
	$(Q)$(MAKE) --no-print-directory O=$(O)/san SAN=address CFLAGS='-O1 -g' check-unit-san
	$(Q)$(MAKE) --no-print-directory O=$(O)/ubsan SAN=undefined CFLAGS='-O1 -g' all
	$(Q)MB=32 CAPS=50 SCHEDS='virtual threads' POLICIES='lru balanced group' O=$(abspath $(O))/ubsan tests/e2e/matrix_test.sh
	$(Q)$(MAKE) --no-print-directory fuzz $(if $(filter file,$(origin FUZZ_SECONDS)),FUZZ_SECONDS=20)

check-unit-san: $(filter $(O)/unit/policy_% $(O)/unit/settings_% $(O)/unit/pager_% $(O)/unit/image_% $(O)/unit/hook_% $(O)/unit/own_kernels_%,$(UNITS))
	$(Q)tests/run-units $(O) $^
.PHONY: check-unit-san

# --- ThreadSanitizer ------------------------------------------------------------------------------
STRESS_OF := $(O)/stress/gate_stress $(O)/stress/gate_stress_planted $(O)/stress/ledger_stress \
	$(foreach s,params layout_cache,$(O)/stress/$(s)_stress $(O)/stress/$(s)_stress_planted)
STRESS_CC  = mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE $(WARN) $(SANFLAGS) -Ishim -o $@
$(O)/stress/gate_stress: tests/stress/gate_stress.c $(call objects,shim/pager/gate.c shim/clock.c shim/lock.c)
	$(Q)$(STRESS_CC) $^ -pthread
$(O)/stress/gate_stress_planted: tests/stress/gate_stress.c $(call objects,shim/pager/gate.c shim/clock.c shim/lock.c)
	$(Q)$(STRESS_CC) -DNO_GATE $^ -pthread
$(O)/stress/ledger_stress: tests/stress/ledger_stress.c $(PAGER_ALONE)
	$(Q)$(STRESS_CC) $^ -pthread
# What stands between a launch and the driver's answers; the rest of the library is in the test.
PARAMS_OBJ := $(call objects,shim/hook/params.c shim/hook/layout.c shim/hook/kernels.c shim/hook/tensor_map.c \
	shim/lock.c shim/log.c shim/file.c $(wildcard shim/image/*.c))
$(O)/stress/params_stress: tests/stress/params_stress.c $(PARAMS_OBJ)
	$(Q)$(STRESS_CC) $(CUDA) -Ipolicy $^ -pthread
$(O)/stress/params_stress_planted: tests/stress/params_stress.c $(PARAMS_OBJ)
	$(Q)$(STRESS_CC) $(CUDA) -Ipolicy -DFORGET_LATE $^ -pthread
$(O)/stress/layout_cache_stress: tests/stress/layout_cache_stress.c shim/hook/layout_cache.h
	$(Q)$(STRESS_CC) $< -pthread
$(O)/stress/layout_cache_stress_planted: tests/stress/layout_cache_stress.c shim/hook/layout_cache.h
	$(Q)$(STRESS_CC) -DNO_VERSION $< -pthread
check-stress: ## gate, ledger and layouts under ThreadSanitizer, and planted races that it must find
	$(Q)$(MAKE) --no-print-directory O=$(O)/tsan SAN=thread CFLAGS='-O1 -g' check-stress-tsan
check-stress-tsan: $(STRESS_OF)
	$(Q)tests/stress/run $^
.PHONY: check-stress-tsan

# --- planted faults --------------------------------------------------------------------------------
check-mutants: test-programs ## plant each fault of tests/mutants/ and see that a test finds it; MUTANTS= names some
	$(Q)O=$(O) tests/mutants/run $(MUTANTS)
check-mutants-sample: test-programs ## the same of twenty, others each day; MUTANT_SEED= repeats a day's
	$(Q)O=$(O) tests/mutants/run --sample 20 --budget 75
.PHONY: check-mutants check-mutants-sample

# --- fuzzing ---------------------------------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_NAMES   ?= image settings copy_box params policy
FUZZ_OF      := $(addprefix $(O)/fuzz/,$(FUZZ_NAMES))
FUZZ_FLAGS    = -O1 -g -std=gnu11 -D_GNU_SOURCE $(WARN) -fno-sanitize-recover=all $(CUDA) -Ishim -Ipolicy -Itests/fuzz
# libFuzzer where clang has it; else a driver of our own, so that nothing is skipped.
FUZZ_LACKS    = $(shell echo 'int LLVMFuzzerTestOneInput(const char *b, long n) { return !b && n; }' | \
		clang -fsanitize=fuzzer,address -x c - -o /dev/null 2>&1 || echo lacking)
FUZZ_CLANG   := clang -fsanitize=fuzzer,address,undefined
FUZZ_ALONE    = $(CC) -fsanitize=address,undefined tests/fuzz/alone.c
$(O)/fuzz/image: $(wildcard shim/image/*.c)
$(O)/fuzz/settings: shim/settings.c shim/lock.c shim/log.c shim/file.c shim/ram.c
$(O)/fuzz/copy_box: shim/hook/copy_box.c
$(O)/fuzz/params: $(addprefix shim/hook/,params.c layout.c kernels.c tensor_map.c) shim/lock.c shim/log.c shim/file.c $(wildcard shim/image/*.c)
$(O)/fuzz/policy: $(POLICY_SRC)
$(FUZZ_OF): $(O)/fuzz/%: tests/fuzz/%.c tests/fuzz/input.h tests/fuzz/alone.c $(wildcard shim/*.h shim/*/*.h shim/*.def policy/*.h policy/*.def)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D) && $(if $(FUZZ_LACKS),$(FUZZ_ALONE),$(FUZZ_CLANG)) $(FUZZ_FLAGS) -o $@ $(filter-out tests/fuzz/alone.c,$(filter %.c,$^)) -pthread -lm
fuzz: $(FUZZ_OF) ## feed parsers, copies, launches and policies whatever a fuzzer thinks of, each for FUZZ_SECONDS
	$(Q)O=$(O) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_NAMES)

# --- coverage --------------------------------------------------------------------------------------
# Units first; then as many whole programs as show the pager's states. COVERAGE_SCRIPTS= names others.
COVERAGE_SCRIPTS ?= edges life extents stamps pending
coverage: ## lines and branches by folder that tests run; policy/ whole but for tests/coverage/exceptions
	$(Q)$(MAKE) --no-print-directory O=$(O)/cov CFLAGS='-O0 -g --coverage' test-programs
	$(Q)find $(O)/cov -name '*.gcda' -delete
	$(Q)tests/run-units $(O)/cov $(patsubst $(O)/%,$(O)/cov/%,$(filter-out $(O)/unit/sim_% $(O)/unit/probe_%,$(UNITS)))
	$(Q)for s in $(COVERAGE_SCRIPTS); do echo "$$s: $$(O=$(abspath $(O))/cov BLOCKS='2M 32M' SCHEDS='virtual seeded' SEEDS=1 THREADS=1 \
		POLICIES='lru balanced' tests/e2e/$${s}_test.sh 2>&1 | tail -n 1)"; done
	$(Q)tests/coverage/report.py $(O)/cov
.PHONY: coverage

layers: ## policy/ needs no CUDA, threads, clock or I/O; the library only libc; what is built is hardened, and exports its doors
	$(Q)$(MAKE) --no-print-directory $(SHIM) $(CLI) $(PROBE)
	$(Q)O=$(O) tests/check-layers

BENCH := $(O)/bench/launch_cost $(O)/bench/start_cost $(O)/bench/launch_image.so
$(O)/bench/launch_image.so: tests/bench/launch_image.c tests/sim/sim_kernel.h
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 $(WARN) -fPIC -shared -o $@ $<
$(O)/bench/%: tests/bench/%.c | $(SIM)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE $(WARN) -isystem $(CUDA_INC) -o $@ $< \
		-L$(O)/sim -l:libcuda.so.1 -pthread -ldl

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
lint: ## cppcheck over our own sources
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -Ipolicy -Ishim policy shim tools
