# The programs that are installed beside the library: the command with its manual, and the probe. Part of the Makefile.
TOOL_SRC   := $(sort $(wildcard tools/*.c))
PROBE_SRC  := $(sort $(wildcard tests/gpu/probe/*.c))
CLI  := $(O)/lowtide
MAN  := $(if $(shell command -v scdoc 2>/dev/null),$(O)/lowtide.1)
PROBE := $(O)/gpu/probe
all: $(CLI) $(MAN) $(PROBE)

$(call objects,$(TOOL_SRC) $(PROBE_SRC)): $(O)/hardening

# The command reads the settings as the library does, and tries the library's own kernel.
CLI_OBJ := $(call objects,$(TOOL_SRC)) $(call objects,shim/settings.c shim/lock.c shim/log.c shim/file.c shim/ram.c \
	   shim/pager/own_kernels.c shim/pager/kernels_image.S)
$(O)/obj/tools/%.o: tools/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) $(HARDEN) $(SAME_BYTES) -fPIE -isystem $(CUDA_INC) -DLOWTIDE_VERSION='"$(VERSION)"' \
		-DLOWTIDE_LIBDIR='"$(LIBDIR)"' -Ishim -Ipolicy -Itools -c $< -o $@
$(CLI): $(CLI_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SANFLAGS) $(HARDEN) -pie $(HARDEN_LD) -o $@ $^ $(JANSSON) -ldl

# Where the command looks last: compiled anew when it changes.
$(call objects,tools/library.c tools/help.c): $(O)/libdir
$(O)/libdir: FORCE
	@mkdir -p $(@D); [ "$$(cat $@ 2>/dev/null)" = "$(LIBDIR)" ] || echo "$(LIBDIR)" >$@

$(O)/lowtide.1: tools/lowtide.1.scd tools/tables $(wildcard tools/*.def) shim/settings.def policy/policies.def
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D) && tools/tables man >$@.scd && scdoc <$@.scd >$@

PROBE_OBJ := $(call objects,$(PROBE_SRC) $(sort $(wildcard tests/gpu/probe/*.S)))
$(O)/obj/tests/gpu/probe/%.o: tests/gpu/probe/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(BASE) $(HARDEN) $(SAME_BYTES) -fPIE $(CUDA) -Itests/gpu/probe -c $< -o $@
$(O)/obj/tests/gpu/probe/%.o: tests/gpu/probe/%.S $(wildcard tests/gpu/probe/*.ptx) shim/pager/kernels.ptx
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(CC) -c $< -o $@
$(PROBE): $(PROBE_OBJ)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(SANFLAGS) $(HARDEN) -pie $(HARDEN_LD) -o $@ $^ -pthread -ldl -lm $(JANSSON)
