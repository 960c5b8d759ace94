# Lowtide. `make help` lists the targets and the knobs. Here: the library, and how it is installed. tools/tools.mk has the
# programs that are installed beside it, tests/tests.mk the tests.
O      ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
VERSION := 0 (unreleased)
CUDA_HOME ?= $(firstword $(wildcard /usr/local/cuda /opt/cuda $(sort $(wildcard /usr/local/cuda-*))))
CUDA_INC  := $(firstword $(foreach d,$(CUDA_HOME)/include /usr/include $(O)/deps/include,$(if $(wildcard $(d)/cuda.h),$(d))))
# What `make deps` has fetched serves builds in other folders too.
ifeq ($(CUDA_INC),$(O)/deps/include)
export CUDA_HOME := $(abspath $(O))/deps
endif

comma := ,
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

SAN_address := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_undefined := -fsanitize=undefined -fno-sanitize-recover=all
SAN_thread  := -fsanitize=thread -fno-omit-frame-pointer
SANFLAGS    := $(SAN_$(SAN))

CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow
BASE    := -std=gnu11 -D_GNU_SOURCE $(WARN) -MMD -MP $(SANFLAGS)
CUDA    := -D__CUDA_API_VERSION_INTERNAL $(if $(CUDA_INC),-isystem $(CUDA_INC))
LIB     := -fPIC -fvisibility=hidden -ftls-model=initial-exec

# What goes into other people's processes, and the programs that are installed, are hardened, as far as this compiler knows how.
cc_has  = $(shell $(CC) -Werror $(1) -S -x c /dev/null -o /dev/null 2>/dev/null && echo $(1))
# 3 of a C library and a compiler that have it, else 2; without optimisation, or beside a sanitizer, it does nothing good.
FORTIFY := $(if $(and $(filter -O%,$(filter-out -O0,$(CFLAGS))),$(if $(SANFLAGS),,1)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(shell \
	printf '%s\n' '#include <features.h>' '#if __USE_FORTIFY_LEVEL < 3' '#error' '#endif' | \
	$(CC) -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -E -x c - >/dev/null 2>&1 && echo 3 || echo 2))
HARDEN := $(strip $(foreach f,-fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-mbranch-protection=standard,$(call cc_has,$(f))) $(FORTIFY))
HARDEN_LD := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--build-id=sha1$(if $(filter -fcf-%,$(HARDEN)),$(comma)-z$(comma)shstk)
# The library is linked without the C library's _init and _fini, which may lack the landing pads that indirect branches want.
# What else it may bring without them (pthread_atfork) is only called directly, so the mark holds for the whole.
MARKED := $(if $(filter -fcf-%,$(HARDEN)),-Wl$(comma)-z$(comma)ibt)
CRT_BEGIN = -nostartfiles $(shell $(CC) -print-file-name=crtbeginS.o)
CRT_END   = $(shell $(CC) -print-file-name=crtendS.o)
# No folder's name gets into what is built.
WHOLE_O    := $(if $(filter /%,$(O)),$(O),$(CURDIR)/$(O))
SAME_BYTES := -ffile-prefix-map='$(CURDIR)=.' $(if $(CUDA_INC),-ffile-prefix-map='$(CUDA_INC)=cuda') -ffile-prefix-map='$(WHOLE_O)=build'
# Threads of other people's processes may have stacks of 16 KiB. A sanitizer's frames are its own affair.
SMALL_FRAMES := $(if $(SANFLAGS),,$(call cc_has,-Werror=frame-larger-than=4096))
JANSSON ?= -ljansson

objects = $(patsubst %,$(O)/obj/%.o,$(basename $(1)))

POLICY_SRC := $(sort $(wildcard policy/*.c))
SHIM_SRC   := $(sort $(wildcard shim/*.c shim/*/*.c))
SHIM_ASM   := $(sort $(wildcard shim/*/*.S))

POLICY_OBJ := $(call objects,$(POLICY_SRC))
SHIM_OBJ   := $(call objects,$(SHIM_SRC)) $(call objects,$(SHIM_ASM))

SHIM := $(O)/liblowtide.so

.PHONY: all install uninstall clean help deps headers kernels-ptx FORCE

all: ## the library, the command, the probe, and what the tests run
all: headers $(SHIM)

help: ## this text
	@echo 'targets:'; grep -hE '^[a-z0-9-]+:.*## ' Makefile tools/tools.mk tests/tests.mk | sort | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
		while IFS='	' read -r t d; do printf '  %-14s %s\n' "$$t" "$$d"; done
	@printf '%s\n' 'knobs:' '  V=1 verbose   O=dir build folder   SAN=address|undefined|thread   DESTDIR= PREFIX= LIBDIR=   CUDA_HOME=' \
		'  CC= CFLAGS=   FUZZ_SECONDS=   MUTANT_SEED=   QUICK=1 a shorter bench' \
		'  BUDGET_S=540 the seconds that make card may take   RESULTS=dir where to   LOWTIDE_GPU_SIMULATED=1 no card' \
		'  WORKLOADS= POLICIES= CAPS= SCHEDS= SEEDS= SAFETIES= MB= for the end-to-end matrix' \
		"  REQUIRE='images aarch64 complete' the end-to-end tests of which nothing may be skipped here" \
		'the library and the programs that are installed are compiled and linked with:' '  $(HARDEN)' '  $(HARDEN_LD)'

headers:
	@test -n "$(CUDA_INC)" || { echo 'lowtide: cuda.h not found: set CUDA_HOME to a CUDA 13 toolkit, or fetch it: make deps' >&2; exit 1; }

deps: ## make sure that what the build and the tests need is installed
	@O='$(O)' CUDA_INC='$(CUDA_INC)' tools/deps

# Compiled anew when the flags are others; check-layers reads there what the files must show.
$(SHIM_OBJ) $(POLICY_OBJ): $(O)/hardening
$(O)/hardening: FORCE
	@mkdir -p $(@D); text=$$(printf 'compile: %s\nlink: %s' '$(HARDEN)' '$(HARDEN_LD)'); \
		[ "$$(cat $@ 2>/dev/null)" = "$$text" ] || { printf '%s\n' "$$text" | tee $@ | sed 's/^/  HARDEN   /'; }

$(O)/obj/policy/%.o: policy/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) $(HARDEN) $(SAME_BYTES) $(LIB) $(SMALL_FRAMES) -Ipolicy -c $< -o $@
$(O)/obj/shim/%.o: shim/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) $(HARDEN) $(SAME_BYTES) $(LIB) $(SMALL_FRAMES) $(CUDA) -Ishim -Ipolicy -c $< -o $@
$(O)/obj/shim/%.o: shim/%.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(HARDEN) $(LIB) -Ishim -MMD -MP -c $< -o $@
$(O)/obj/shim/pager/kernels_image.o: shim/pager/kernels.ptx shim/pager/kernels.fatbin

kernels-ptx: ## write our GPU kernels' text and machine code anew: nvcc, and two old ptxas from PyPI
	$(Q)CUDA_HOME=$(CUDA_HOME) PTXAS_FOLDER=$(abspath $(O))/ptxas shim/pager/make-kernels

SHIM_LINK = $(CC) $(CFLAGS) $(SANFLAGS) $(HARDEN) -shared $(HARDEN_LD) $(MARKED) -Wl,-soname,liblowtide.so,--version-script=shim/door/versions.map -o $@ \
	$(CRT_BEGIN) $^ $(CRT_END) -pthread -ldl
$(SHIM): $(SHIM_OBJ) $(POLICY_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(SHIM_LINK)
FORCE:

include tools/tools.mk tests/tests.mk

INSTALLED = $(DESTDIR)$(LIBDIR)/liblowtide.so $(addprefix $(DESTDIR)$(PREFIX)/,bin/lowtide libexec/lowtide/probe share/man/man1/lowtide.1)
install: all ## install the library, the command and its manual below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(SHIM) $(DESTDIR)$(LIBDIR)/liblowtide.so
	install -D -m 755 $(PROBE) $(DESTDIR)$(PREFIX)/libexec/lowtide/probe
	install -D -m 755 $(CLI) $(DESTDIR)$(PREFIX)/bin/lowtide
	$(if $(MAN),install -D -m 644 $(MAN) $(DESTDIR)$(PREFIX)/share/man/man1/lowtide.1)
uninstall: ## remove what install put there
	rm -f $(INSTALLED)
clean: ## remove the build folder
	rm -rf $(O)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
