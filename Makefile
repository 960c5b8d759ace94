# Lowtide. `make help` lists the targets and the knobs. Here: the library, and how it is installed. tools/tools.mk has the
# programs that are installed beside it, tests/tests.mk the tests.
.DEFAULT_GOAL := all
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

# Yours: CC, CFLAGS, CPPFLAGS, LDFLAGS, LDLIBS. They come first, so that what we add to them holds where the two disagree; only
# our own folders are searched before yours.
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow
BASE    := -std=gnu11 -D_GNU_SOURCE $(if $(DEBUG),-DLOWTIDE_DEBUG) $(WARN) -MMD -MP $(SANFLAGS)
CUDA    := -D__CUDA_API_VERSION_INTERNAL $(if $(CUDA_INC),-isystem $(CUDA_INC))
LIB     := -fPIC -fvisibility=hidden -ftls-model=initial-exec
JANSSON ?= -ljansson
compile  = $(CC) $(1) $(CPPFLAGS) $(CFLAGS) $(BASE)
hardened = $(call compile,$(1)) $(HARDEN) $(SAME_BYTES)
LINK     = $(CC) $(CFLAGS) $(LDFLAGS) $(SANFLAGS)

# What is compiled is compiled anew when the flags are others; but what is installed is what was built, whatever the flags then.
FLAGS_TOLD := $(strip $(CC) $(CPPFLAGS) $(CFLAGS) $(BASE) $(LIB), $(LDFLAGS), $(LDLIBS) $(JANSSON))
ifneq ($(filter-out install uninstall,$(or $(MAKECMDGOALS),all)),)
ifneq ($(file <$(O)/flags),$(FLAGS_TOLD))
$(O)/flags: FORCE
endif
endif
$(O)/flags:
	@mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(FLAGS_TOLD))' >$@

# What goes into other people's processes, and the programs that are installed, are hardened, as far as this compiler knows how:
# it is asked once, and what it knows is kept (HARDEN, HARDEN_LD, HARDEN_LIB, SMALL_FRAMES).
HARDENING := $(O)/hardening
# Fortified only where the compiler optimises, and beside no sanitizer.
FORTIFY := $(if $(SANFLAGS),,$(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS)))))
$(HARDENING): $(O)/flags tools/hardening
	@CC='$(CC)' FORTIFY=$(FORTIFY) SANITIZED=$(SAN) tools/hardening >$@.new && mv $@.new $@ && sed 's/ :=//; s/^/  /' $@
ifneq ($(filter-out clean help deps format format-check lint uninstall,$(or $(MAKECMDGOALS),all)),)
include $(HARDENING)
endif
# The library is linked without the C library's _init and _fini, which may lack the landing pads that indirect branches want.
# What else it may bring without them (pthread_atfork) is only called directly, so the mark (HARDEN_LIB) holds for the whole.
CRT_BEGIN = -nostartfiles $(shell $(CC) -print-file-name=crtbeginS.o)
CRT_END   = $(shell $(CC) -print-file-name=crtendS.o)
# No folder's name gets into what is built.
WHOLE_O    := $(if $(filter /%,$(O)),$(O),$(CURDIR)/$(O))
SAME_BYTES := -ffile-prefix-map='$(CURDIR)=.' $(if $(CUDA_INC),-ffile-prefix-map='$(CUDA_INC)=cuda') -ffile-prefix-map='$(WHOLE_O)=build'

objects = $(patsubst %,$(O)/obj/%.o,$(basename $(1)))
# The library's files of these names, in whichever of its folders they are.
of_shim = $(foreach name,$(1),$(or $(wildcard $(foreach kind,c S,shim/*/$(name).$(kind))),$(error shim/ has no $(name))))

POLICY_SRC := $(sort $(wildcard policy/*.c policy/*/*.c))
SHIM_SRC   := $(sort $(wildcard shim/*/*.c))
SHIM_ASM   := $(sort $(wildcard shim/*/*.S))

POLICY_OBJ := $(call objects,$(POLICY_SRC))
SHIM_OBJ   := $(call objects,$(SHIM_SRC)) $(call objects,$(SHIM_ASM))

SHIM := $(O)/liblowtide.so

.PHONY: all install uninstall clean help deps kernels-ptx FORCE

all: ## the library, the command, the probe, and what the tests run
all: $(O)/have/programs $(SHIM)

help: ## this text
	@echo 'targets:'; grep -hE '^[a-z0-9-]+:.*## ' Makefile tools/tools.mk tests/tests.mk | sort | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
		while IFS='	' read -r t d; do printf '  %-14s %s\n' "$$t" "$$d"; done
	@printf '%s\n' 'knobs:' '  V=1 verbose   O=dir build folder   SAN=address|undefined|thread   DEBUG=1 checks of its own   DESTDIR= PREFIX= LIBDIR=   CUDA_HOME=' \
		'  CC= CFLAGS= CPPFLAGS= LDFLAGS= LDLIBS=   FUZZ_SECONDS=   MUTANT_SEED=   QUICK=1 a shorter bench' \
		'  BUDGET_S=540 the seconds that make card may take   RESULTS=dir where to   LOWTIDE_GPU_SIMULATED=1 no card' \
		'  WORKLOADS= POLICIES= CAPS= SCHEDS= SEEDS= SAFETIES= MB= for the end-to-end matrix' \
		"  REQUIRE='images aarch64 complete' the end-to-end tests of which nothing may be skipped here" \
		'the library and the programs that are installed are hardened: build/hardening says with what, tools/hardening with what if the compiler can'

deps: ## make sure that what the build and the tests need is installed
	@O='$(O)' CC='$(CC)' CUDA_INC='$(CUDA_INC)' tools/deps

# What is built from these wants that first; where it is not here, one line says so, and how to get it.
$(O)/have/%:
	@O='$(O)' CC='$(CC)' CUDA_INC='$(CUDA_INC)' JANSSON='$(JANSSON)' tools/deps --has $* && mkdir -p $(@D) && touch $@
$(O)/have/programs $(O)/have/tests: $(O)/have/library

$(SHIM_OBJ) $(POLICY_OBJ): $(HARDENING) | $(O)/have/library
$(O)/obj/policy/%.o: policy/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(call hardened,-Ipolicy) $(LIB) $(SMALL_FRAMES) -c $< -o $@
$(O)/obj/shim/%.o: shim/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(call hardened,-Ishim -Ipolicy) $(CUDA) $(LIB) $(SMALL_FRAMES) -c $< -o $@
$(O)/obj/shim/%.o: shim/%.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(call hardened,-Ishim) $(LIB) -c $< -o $@
$(O)/obj/shim/memory/kernels_image.o: shim/memory/kernels.ptx shim/memory/kernels.fatbin

kernels-ptx: ## write our GPU kernels' text and machine code anew: nvcc, and two old ptxas from PyPI
	$(Q)CUDA_HOME=$(CUDA_HOME) PTXAS_FOLDER=$(abspath $(O))/ptxas shim/memory/make-kernels

SHIM_LINK = $(LINK) $(HARDEN) -shared $(HARDEN_LD) $(HARDEN_LIB) -Wl,-soname,liblowtide.so,--version-script=shim/door/versions.map -o $@ \
	$(CRT_BEGIN) $(filter %.o,$^) $(CRT_END) -pthread -ldl $(LDLIBS)
$(SHIM): $(SHIM_OBJ) $(POLICY_OBJ) shim/door/versions.map $(HARDENING)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(SHIM_LINK)
FORCE:

include tools/tools.mk tests/tests.mk

# Builds what it installs, no more. After `make` with the same PREFIX and LIBDIR it compiles nothing.
INSTALLED = $(DESTDIR)$(LIBDIR)/liblowtide.so $(addprefix $(DESTDIR)$(PREFIX)/,bin/lowtide libexec/lowtide/probe share/man/man1/lowtide.1)
install: $(O)/have/programs $(SHIM) $(CLI) $(PROBE) $(MAN) ## install the library, the command and its manual below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(SHIM) $(DESTDIR)$(LIBDIR)/liblowtide.so
	install -D -m 755 $(PROBE) $(DESTDIR)$(PREFIX)/libexec/lowtide/probe
	install -D -m 755 $(CLI) $(DESTDIR)$(PREFIX)/bin/lowtide
	$(if $(MAN),install -D -m 644 $(MAN) $(DESTDIR)$(PREFIX)/share/man/man1/lowtide.1,@echo 'no manual: scdoc, which makes it, is not here')
uninstall: ## remove what install put there
	rm -f $(INSTALLED)
	-@rmdir $(DESTDIR)$(PREFIX)/libexec/lowtide 2>/dev/null || true
clean: ## remove the build folder
	rm -rf $(O)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
