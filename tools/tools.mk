# The programs that are installed beside the library: the command with its manual, and the probe. Part of the Makefile.
TOOL_SRC  := $(sort $(wildcard tools/*.c tools/*/*.c))
PROBE_SRC := $(sort $(wildcard tests/gpu/probe/*.c))
CLI   := $(O)/lowtide
PROBE := $(O)/gpu/probe
# Once made it is installed, also where there is no scdoc (by root, who has another PATH).
MAN   := $(if $(wildcard $(addsuffix /scdoc,$(subst :, ,$(PATH))) $(O)/lowtide.1),$(O)/lowtide.1)
all: $(CLI) $(MAN) $(PROBE)

# The command reads the settings as the library does, and tries the library's own kernel.
CLI_OBJ   := $(call objects,$(TOOL_SRC) $(call of_shim,settings lock log file ram own_kernels kernels_image))
PROBE_OBJ := $(call objects,$(PROBE_SRC) $(sort $(wildcard tests/gpu/probe/*.S)))
$(call objects,$(TOOL_SRC)) $(PROBE_OBJ): $(HARDENING) | $(O)/have/programs
$(O)/obj/tools/%.o: tools/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(call hardened,-Ishim -Ipolicy -Itools) -isystem $(CUDA_INC) -fPIE -DLOWTIDE_VERSION='"$(VERSION)"' \
		-DLOWTIDE_LIBDIR='"$(LIBDIR)"' -c $< -o $@
$(CLI): $(CLI_OBJ) $(HARDENING)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(LINK) $(HARDEN) -pie $(HARDEN_LD) -o $@ $(filter %.o,$^) $(JANSSON) -ldl $(LDLIBS)

# Where the command looks last: compiled anew when it changes.
$(call objects,tools/library.c tools/help.c): $(O)/libdir
ifneq ($(file <$(O)/libdir),$(LIBDIR))
$(O)/libdir: FORCE
endif
$(O)/libdir:
	@mkdir -p $(@D) && echo '$(LIBDIR)' >$@

$(O)/lowtide.1: tools/lowtide.1.scd tools/tables $(wildcard tools/*.def tools/*/*.def) shim/base/settings.def policy/policies.def
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D) && tools/tables man >$@.scd && scdoc <$@.scd >$@

$(O)/obj/tests/gpu/probe/%.o: tests/gpu/probe/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(call hardened,-Itests/gpu/probe) $(CUDA) -fPIE -c $< -o $@
$(O)/obj/tests/gpu/probe/%.o: tests/gpu/probe/%.S $(wildcard tests/gpu/probe/*.ptx) shim/memory/kernels.ptx
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(call hardened,-Itests/gpu/probe) -c $< -o $@
$(PROBE): $(PROBE_OBJ) $(HARDENING)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(LINK) $(HARDEN) -pie $(HARDEN_LD) -o $@ $(filter %.o,$^) -pthread -ldl -lm $(JANSSON) $(LDLIBS)
