# Gongkai. `make help` lists what there is to make.
#
# One Makefile for the whole tree. A new .c file in a room is picked up by itself; a file X_test.c
# beside X.c becomes a unit test. SANITIZE=1 builds with ASan and UBSan in a folder of its own.

PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,$(PREFIX)/lib/systemd/system)
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= /usr/bin/python3
SANITIZE ?=
VERSION := 0.1.0
SONAME := libgongkai.so.1

.DEFAULT_GOAL := all
goals := $(or $(MAKECMDGOALS),all)
needs_build := $(filter-out help clean demo check check-peers bench soak storm-proof format,$(goals))

BUILD := build/$(if $(SANITIZE),asan,release)$(if $(filter clang%,$(CC)),-clang)

libraries := libzmq hiredis libcurl libsystemd jansson libcrypto libssl libmosquitto sqlite3 libxml-2.0 libcmark-gfm libutf8proc libmicrohttpd
# cmark-gfm's extensions come without a pkg-config file of their own.
ifneq ($(needs_build),)
PKG_CFLAGS := $(shell pkg-config --cflags $(libraries) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(libraries) 2>/dev/null) -lcmark-gfm-extensions -lm
endif

warnings := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-format-nonliteral -Wno-unused-parameter
CFLAGS ?= -O2 -g
ifeq ($(SANITIZE),)
# As far as gcc 12 has it. What is undefined by the language is not left to the optimizer's fancy.
hardening := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE \
	-fno-strict-overflow -fno-delete-null-pointer-checks -fno-strict-aliasing -fno-common -fexceptions
ifeq ($(filter clang%,$(notdir $(lastword $(CC)))),)
hardening += -ftrivial-auto-var-init=zero
endif
machine := $(shell $(CC) -dumpmachine 2>/dev/null)
ifneq ($(filter x86_64-%,$(machine)),)
hardening += -fcf-protection=full
endif
library_hardening := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed
link_hardening := -pie $(library_hardening) -Wl,-z,nodlopen
else
hardening := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# gold, of the same package as the other linker, takes a third of its time.
link_hardening := -fsanitize=address,undefined -fuse-ld=gold -Wl,--as-needed
override CFLAGS := -O1 -g
# Named places where a test ends the process (core/crash.h).
hardening += -DGONGKAI_CRASHPOINTS
endif
all_cflags = -std=gnu11 $(CFLAGS) $(warnings) $(hardening) -I. -I$(BUILD) $(PKG_CFLAGS) -MMD -MP \
	-D_GNU_SOURCE -DGONGKAI_VERSION='"$(VERSION)"' -DGONGKAI_CONFIG='"$(SYSCONFDIR)/gongkai/gongkai.conf"' -DGONGKAI_UNITDIR='"$(UNITDIR)"'

# The rooms. Arrows point down only: daemons -> channels -> core -> libraries (tests/lint holds it).
sources = $(filter-out %_test.c,$(wildcard $(addsuffix /*.c,$(1))))
objects = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))
# core as an archive: a program takes what it uses, and loads no library for the rest.
core := $(BUILD)/core.a
# Takes the place of a function that libzmq calls, which an archive would not be asked for.
threads := $(BUILD)/core/threads.o
channels := $(call objects,channels channels/*)
client := $(call objects,client)
publisherd := $(call objects,daemons/publisherd)
channeld := $(call objects,daemons/channeld)
ledgerd := $(call objects,daemons/ledgerd)
consoled := $(call objects,daemons/consoled)
ctl := $(call objects,ctl)

but_main = $(filter-out %/main.o %/gongkai-emit.o,$(1))

programs := $(BUILD)/gongkai-publisherd $(BUILD)/gongkai-channeld $(BUILD)/gongkai-ledgerd \
	$(BUILD)/gongkai-consoled $(BUILD)/gongkai-emit $(BUILD)/gongkaictl $(BUILD)/gongkai-generator
catalogs := $(BUILD)/gongkai.catalog $(BUILD)/gongkai.en.catalog
unit_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard core/*_test.c channels/*_test.c channels/*/*_test.c \
	client/*_test.c daemons/*/*_test.c ctl/*_test.c))
benches := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
shims := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/chaos/*.c))
mutators := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))

.PHONY: all help check check-peers deb demo bench soak storm-proof install uninstall clean format lint unit-tests \
	test-programs shims

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

all: $(programs) $(BUILD)/libgongkai.a $(if $(SANITIZE),,$(BUILD)/$(SONAME)) $(catalogs) ## build the programs into build/release

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"; $(CC) $(all_cflags) -c $< -o $@

# What the place of the configuration is compiled into is compiled anew when that place is another:
# `make`, then `make install PREFIX=/usr`.
$(BUILD)/place: FORCE
	@mkdir -p $(@D); echo "$(SYSCONFDIR) $(UNITDIR)" | cmp -s - $@ || echo "$(SYSCONFDIR) $(UNITDIR)" >$@
FORCE:
$(BUILD)/core/daemon.o $(BUILD)/systemd/generator.o $(filter %/main.o,$(publisherd) $(channeld) $(ledgerd) $(consoled) $(ctl)): $(BUILD)/place

# Files that C code carries inside (EMBED in core/embed.h).
$(BUILD)/core/store_library.o: $(wildcard core/*.lua)
$(BUILD)/core/ledger_db.o: $(wildcard core/ledger_*.sql)
$(filter $(BUILD)/daemons/consoled/%,$(consoled)): $(wildcard daemons/consoled/*/*) \
	$(wildcard daemons/consoled/*.sql)
$(foreach room,site display,$(eval $(filter $(BUILD)/channels/$(room)/%,$(channels)): \
	$(wildcard channels/$(room)/*/*)))

link = @mkdir -p $(@D) && echo "  LINK    $@" && $(CC) $(CFLAGS) $(hardening) $(link_hardening) $(filter %.o,$^) $(core) -o $@ $(PKG_LIBS)

$(core): $(call objects,core)
	@echo "  AR      $@"; rm -f $@ && ar rcsT $@ $^

$(BUILD)/gongkai-publisherd: $(publisherd) $(threads) $(core)
	$(link)
$(BUILD)/gongkai-channeld: $(channeld) $(channels) $(threads) $(core)
	$(link)
$(BUILD)/gongkai-ledgerd: $(ledgerd) $(threads) $(core)
	$(link)
$(BUILD)/gongkai-consoled: $(consoled) $(threads) $(core)
	$(link)
$(BUILD)/gongkai-emit: $(client) $(threads) $(core)
	$(link)
$(BUILD)/gongkaictl: $(ctl) $(call but_main,$(client)) $(threads) $(core)
	$(link)

# At the boot, before much else is there: it is linked with what it uses alone.
$(BUILD)/gongkai-generator: $(BUILD)/systemd/generator.o $(core)
	$(link)
# The journal's message catalog, for `journalctl -x`: Chinese unless the reader's locale is English.
$(BUILD)/systemd/catalog: $(BUILD)/systemd/catalog.o $(core)
	$(link)
$(BUILD)/gongkai.catalog: $(BUILD)/systemd/catalog
	$< zh >$@
$(BUILD)/gongkai.en.catalog: $(BUILD)/systemd/catalog
	$< en >$@

# libgongkai for a county's own programs: one object that shows nothing but gongkai_*.
libgongkai_objects := $(filter-out $(BUILD)/client/emit_%.o,$(call but_main,$(client))) \
	$(patsubst %,$(BUILD)/core/%.o,buf clock crash digest keys)
$(BUILD)/libgongkai.a: $(libgongkai_objects)
	@echo "  AR      $@"; ld -r -o $(BUILD)/libgongkai.o $^ && \
	objcopy -w --keep-global-symbol='gongkai_*' $(BUILD)/libgongkai.o && rm -f $@ && ar rcs $@ $(BUILD)/libgongkai.o

# The same as a shared library, whose name changes only when a program built with an older one would break.
$(BUILD)/pic/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $< (pic)"; $(CC) $(filter-out -fPIE,$(all_cflags)) -fPIC -c $< -o $@
$(BUILD)/$(SONAME): $(patsubst $(BUILD)/%,$(BUILD)/pic/%,$(libgongkai_objects)) client/libgongkai.map
	@echo "  LINK    $@"; $(CC) $(CFLAGS) $(filter-out -fPIE,$(hardening)) -shared -Wl,-soname,$(SONAME) \
	-Wl,--version-script=client/libgongkai.map -Wl,-z,defs $(library_hardening) $(filter %.o,$^) -o $@ $(PKG_LIBS)

# A unit test sees its own room's objects without main, and every room below.
below = $(if $(filter core/%,$1),,$(if $(filter daemons/channeld/%,$1),$(channels),\
	$(if $(filter channels/%,$1),$(channels),$(if $(filter client/% ctl/%,$1),$(client)))))
own = $(if $(filter core/%,$1),,$(call objects,$(patsubst %/,%,$(dir $1))))
.SECONDEXPANSION:
$(unit_tests): $(BUILD)/%: $(BUILD)/%.o $$(sort $$(call but_main,$$(call own,$$*.c) $$(call below,$$*.c))) $(core)
	@mkdir -p $(@D)
	@echo "  LINK    $@"; $(CC) $(CFLAGS) $(hardening) $(link_hardening) $(filter %.o,$^) $(core) -o $@ $(PKG_LIBS) -lcmocka

$(benches) $(mutators): $(BUILD)/%: $(BUILD)/%.o $(call but_main,$(client)) $(core)
	$(link)
$(BUILD)/tests/bench/drivers: $(channels)

$(BUILD)/tests/chaos/%.so: tests/chaos/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O1 -g $(warnings) -D_GNU_SOURCE -fPIC -shared $< -o $@ -ldl

unit-tests: $(unit_tests)
shims: $(shims)
test-programs: $(programs) $(unit_tests) $(shims) $(mutators)

# A build of all that the commands below need, on all cores.
jobs := -j$(shell nproc)

check: ## install what the tests need, build with sanitizers, run all tests (15 minutes at most)
	tools/install-packages build run demo test
	$(MAKE) $(jobs) SANITIZE=1 test-programs
	$(MAKE) $(jobs) all $(benches:build/%=build/%)
	PYTHON=$(PYTHON) tests/run

check-peers: ## tests against heavy real peers and tools: axe-core from npm, a real boot of the packages
	tools/install-packages build run demo test peers
	$(MAKE) deb
	$(MAKE) $(jobs) all
	PYTHON=$(PYTHON) tests/run --peers

demo: ## a county in a box on free ports; ONCE=1 checks every page and exits
	tools/install-packages build run demo
	$(MAKE) $(jobs) all
	$(PYTHON) demo/run.py $(if $(ONCE),--once) --programs build/release

bench: ## speed and memory, one line per figure; QUICK=1 keeps it under a minute
	tools/install-packages build run test bench
	$(MAKE) $(jobs) all $(patsubst $(BUILD)/%,build/release/%,$(benches))
	QUICK=$(QUICK) $(PYTHON) tests/bench/run.py --programs build/release

FAULTS ?= 1000
SEED ?= 1
soak: ## a long storm of FAULTS=1000 faults by SEED=1 over the whole system
	tools/install-packages build run test
	$(MAKE) $(jobs) all shims
	$(PYTHON) tests/chaos/storm.py --programs build/release --faults $(FAULTS) --seed $(SEED)

storm-proof: ## the storm goes red on every planted fault, and the schedules on every missing rule
	tools/install-packages build run test
	$(MAKE) $(jobs) all shims
	$(PYTHON) tests/chaos/planted.py --rules

install: all ## install below $(DESTDIR)$(PREFIX)
	tools/install-tree "$(BUILD)" "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" "$(UNITDIR)"

uninstall: ## take away what install put there; keeps configuration and data
	tools/install-tree --remove "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" "$(UNITDIR)"

deb: ## build Debian packages into build/deb
	tools/install-packages build run deb
	$(MAKE) $(jobs) PREFIX=/usr all
	tools/make-deb

format: ## clang-format over the C files
	clang-format -i $$(git ls-files '*.c' '*.h')

lint: ## the house rules that a machine can check
	CC=$(CC) CFLAGS="$$(pkg-config --cflags $(libraries))" tests/lint/run

clean: ## remove build/
	rm -rf build

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/pic/*/*.d)
