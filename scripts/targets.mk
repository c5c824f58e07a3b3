# What can be made besides the programs. Each target that needs packages installs them first and then calls make
# again, because compiler and libraries may not have been there when this file was read.

PY	:= /usr/bin/python3
JOBS	?= $(shell nproc)
FUZZ_TIME ?= 60

help:
	@sed -n 's/^#: //p' scripts/targets.mk

#: make                the programs, under build/
#: make demo           Posthaste and five simulated mailbox providers at work, two minutes
demo:
	@scripts/deps.sh build
	@scripts/users.sh
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(PY) scripts/demo.py $(B)

#: make check          installs what is missing, builds, runs every test
check:
	@scripts/deps.sh check
	@scripts/users.sh
	@$(MAKE) --no-print-directory -s -j$(JOBS) all unit
	@$(MAKE) --no-print-directory -s -j$(JOBS) SAN=1 B=$(B) fuzz-replays
	@$(PY) tests/lib/run_tests.py $(B)

#: make install        DESTDIR= PREFIX=/usr
install: all
	@scripts/install.sh "$(B)" "$(DESTDIR)" "$(PREFIX)"

#: make deb            the Debian package, under build/
deb:
	@scripts/deps.sh deb
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@packaging/deb.sh $(B)

#: make lint           clang-tidy, cppcheck, limits, layers, manual pages
lint:
	@scripts/deps.sh lint
	@scripts/lint.sh "$(B)" full

#: make format         by .clang-format
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

#: make fuzz           every fuzz target for FUZZ_TIME=60 seconds
fuzz:
	@scripts/deps.sh fuzz
	@$(MAKE) --no-print-directory -s -j$(JOBS) CC=clang B=$(B)-fuzz HARDEN= LDHARD='-fsanitize=address,undefined' \
	    CFLAGS='-Wno-error -w -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' \
	    FUZZ_ENGINE=-fsanitize=fuzzer fuzz-replays
	@scripts/fuzz.sh $(B)-fuzz $(FUZZ_TIME)

#: make fault          the whole sweep of crashes and power cuts
fault:
	@scripts/deps.sh check
	@scripts/users.sh
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(PY) tests/lib/run_tests.py $(B) --only tests/fault --full

#: make bench          beside Debian's Postfix
bench:
	@scripts/deps.sh check
	@scripts/users.sh
	@$(MAKE) --no-print-directory -s -j$(JOBS) all bench-programs
	@PH_BUILD=$(abspath $(B)) tests/bench/run $(B)

#: make score          how well failures are understood, CORPUS=../shared/corpus
CORPUS ?= ../shared/corpus
score:
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(PY) tests/score/score.py $(B) $(CORPUS) $(MISSES)

#: make rows           is each row of the configuration missed by a test when it is not honoured? ROWS= some of them
rows:
	@scripts/deps.sh check
	@scripts/users.sh
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(PY) tests/replay/machines_cases.py --build $(B) >/dev/null
	@$(PY) tests/rows/tried.py --build $(B) $(ROWS)

#: make pictures       of the monitor's pages, into docs/pictures, by headless Chromium
pictures:
	@scripts/deps.sh check
	@scripts/users.sh
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@mkdir -p docs/pictures
	@PH_BUILD=$(abspath $(B)) PH_PICTURES=$(abspath docs/pictures) $(PY) scripts/pictures.py $(B)

#: make clean
clean:
	rm -rf $(B) $(B)-san $(B)-fuzz

# ---- fuzz targets: tests/fuzz/X_fuzz.c sees all of lib and, without main.c, the programs whose headers it includes;
# tests/fuzz/module.mk says which other objects it has in place of which. Without an engine each replays the files it
# is given
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_BIN := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
FUZZ_ENGINE ?=
fuzz_programs = $(filter $(MODULES),$(shell sed -n 's|^\#include "\([a-z]*\)/.*|\1|p' tests/fuzz/$(1).c | sort -u))
LIB_OBJ	:= $(foreach m,$(filter lib/%,$(MODULES)),$(OBJ-$(m)))
in_obj = $(patsubst %,$(B)/obj/%.o,$(1))
define fuzz_rule
$(B)/tests/fuzz/$(1): $(call in_obj,tests/fuzz/$(1) $(if $(FUZZ_ENGINE),,tests/lib/replay_main) $(fuzz-also-$(1))) \
    $(filter-out $(call in_obj,$(fuzz-without-$(1))),$(LIB_OBJ)) \
    $(foreach p,$(call fuzz_programs,$(1)),$(filter-out %/main.o,$(OBJ-$(p))))
	@mkdir -p $$(@D)
	$(CC) $(LDHARD) $(FUZZ_ENGINE) $(fuzz-link-$(1)) -o $$@ $$^ $(LDLIBS)
endef
$(foreach t,$(patsubst tests/fuzz/%.c,%,$(FUZZ_SRC)),$(eval $(call fuzz_rule,$(t))))
fuzz-replays: $(FUZZ_BIN)

# bench programs without a module.mk of their own
bench-programs:
$(foreach c,$(wildcard tests/bench/*.c),$(eval bench-programs: $(B)/tests/bench/$(basename $(notdir $(c)))))
$(B)/tests/bench/suppress: $(call libobjs,suppress)
$(B)/tests/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDHARD) -o $@ $< $(filter %.o,$^) $(LDLIBS)

.PHONY: deb help demo check pictures score rows install lint format fuzz fault bench clean fuzz-replays bench-programs
