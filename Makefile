# Posthaste. `make demo` shows it at work, `make check` runs every test, `make help` lists the rest.
#
# One non-recursive Makefile. Each folder's module.mk says only: sources (its files), uses (the lib folders it may
# call, downwards), and for a program where it is installed (program). Objects and programs go under $(B).

B	?= build
PREFIX	?= /usr
DESTDIR	?=
ifeq ($(origin CC),default)
CC	:= gcc
endif
CFLAGS	?= -O2 -g
# make V=1 shows the whole commands
Q	= $(if $(V),,@)
say	= $(if $(V),,@echo '  $(1)	$(patsubst $(B)/%,%,$@)')

WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla -Wformat=2 \
	   -Wimplicit-fallthrough -Wno-unused-parameter -Wno-missing-field-initializers -Werror
HARDEN	:= -fstack-protector-strong -fPIE
# a flag, if this compiler has it
try	= $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo $(1))
HARDEN	+= $(call try,-fstack-clash-protection) $(call try,-fcf-protection) $(call try,-ftrivial-auto-var-init=zero)
LDHARD	:= -pie -Wl,-z,relro,-z,now
ifdef SAN
override B := $(B)-san
# with what the sanitizers put in, gcc no longer sees how long a text can be
CFLAGS	:= -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	   $(call try,-Wno-format-truncation)
LDHARD	+= -fsanitize=address,undefined
else
HARDEN	+= -D_FORTIFY_SOURCE=$(if $(call try,-O2 -include features.h -D_FORTIFY_SOURCE=3),3,2)
endif
PKGS	:= libevent_core libsodium libcares libxxhash libssl libcrypto libseccomp libpcre2-8 libidn2 libbsd-overlay libmicrohttpd jansson
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -I$(B)/gen $(WARN) $(HARDEN) -pthread $(CFLAGS) \
	     $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LDLIBS	= -Wl,--as-needed -levent_core -lsodium -lcares -lxxhash -lssl -lcrypto -lseccomp -lpcre2-8 -lidn2 -ldb -lz -lmicrohttpd -ljansson -lbsd -pthread

all: programs

# ---- the folders ----------------------------------------------------------------------------------------------
MODULES := $(patsubst %/module.mk,%,$(wildcard lib/*/module.mk */module.mk man/*/module.mk tests/*/module.mk))
define load
sources :=
uses :=
program :=
gen :=
include $(1)/module.mk
OBJ-$(1) := $$(addprefix $(B)/obj/$(1)/,$$(sources:.c=.o))
USES-$(1) := $$(uses)
PROG-$(1) := $$(program)
GEN-$(1) := $$(addprefix $(B)/gen/,$$(gen))
endef
$(foreach m,$(MODULES),$(eval $(call load,$(m))))

# all lib folders below those named, each once
closure = $(sort $(1) $(foreach u,$(1),$(call closure,$(USES-lib/$(u)))))
libobjs = $(foreach u,$(call closure,$(1)),$(OBJ-lib/$(u)))

define program_rule
$(B)/$(PROG-$(1)): $(OBJ-$(1)) $(call libobjs,$(USES-$(1)))
	@mkdir -p $$(@D)
	$$(call say,LD)
	$(Q)$(CC) $(LDHARD) -o $$@ $$^ $(LDLIBS)
PROGRAMS += $(B)/$(PROG-$(1))
endef
PROGRAMS :=
$(foreach m,$(MODULES),$(if $(PROG-$(m)),$(eval $(call program_rule,$(m)))))

programs: $(PROGRAMS) $(B)/sbin/pmta
$(B)/sbin/pmta: | $(B)/sbin/pmtactl
	ln -sf pmtactl $@

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# ---- unit tests: tests/unit/X/foo_test.c sees lib/X (or the program X without its main.c) and what that uses -----
UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC))
subject = $(notdir $(patsubst %/,%,$(dir $(1))))
define unit_rule
$(B)/tests/unit/$(1): $(B)/obj/tests/unit/$(1).o \
    $(if $(wildcard lib/$(call subject,$(1))/module.mk),$(call libobjs,$(call subject,$(1))),\
    $(filter-out %/main.o,$(OBJ-$(call subject,$(1)))) $(call libobjs,$(USES-$(call subject,$(1)))))
	@mkdir -p $$(@D)
	$$(call say,LD)
	$(Q)$(CC) $(LDHARD) -o $$@ $$^ $(LDLIBS) -lcmocka
endef
$(foreach t,$(patsubst tests/unit/%.c,%,$(UNIT_SRC)),$(eval $(call unit_rule,$(t))))
unit: $(UNIT_BIN)

-include scripts/targets.mk

.PHONY: all programs unit
.DELETE_ON_ERROR:
