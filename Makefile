# SPDX-License-Identifier: BSD-2-Clause
#
## nvmetcp
##
##   all           build the daemon, the tools and the libraries (the default)
##   deps          install the Debian packages that building and testing need (as root)
##   run           build, then serve in the foreground; CONFIG=FILE, RUN_ARGS="..."
##   test          every test there is; the last line counts them
##   check         unit tests and lint, under two minutes
##   check-asan    unit and e2e tests under AddressSanitizer and UBSan
##   check-tsan    unit tests under ThreadSanitizer
##   check-e2e     the daemon and an initiator over loopback
##   check-vm      the daemon on a VFIO drive and the kernel's initiator, in a virtual machine
##   vm            an interactive virtual machine with all that running
##   vm-kernel     build the virtual machine's own kernel, the one with iommufd (half an hour)
##   bench         benchmarks: minutes on a quiet machine; BENCH_ARGS="--quick"
##   lint, format  check the source; put it into the form of .clang-format
##   fio           build libnvmh-fio.so, the I/O engine of fio (fetches fio's source once)
##   nbdkit        build nbdkit-nvmh-plugin.so
##   examples      build the programs in host/examples
##   install, uninstall    PREFIX=/usr/local DESTDIR=
##   clean         remove the build folder
##
## Variables: O=DIR (build folder), V=1 (show commands), CC=clang, CFLAGS, WERROR= (warn only),
## SAN=address|thread, T=NAME (only tests whose path contains it), LAYERS="host common" (what tests
## link with)
#
# Everything is built out of tree, into $(O) (default build/). Source lists are wildcards per
# folder; only programs (files with a main) are named. Nothing here asks pkg-config for anything
# before a recipe needs it, so `deps` runs on a machine that has only make.

VERSION := 0.1.0
SOVERSION := 0

MAKEFLAGS += -rR --no-print-directory
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---------------------------------------------------------------- what the user may set

ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR := ar
endif
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
CFLAGS ?= -O2 -g
CPPFLAGS ?=
LDFLAGS ?=
WERROR ?= -Werror

O ?= build
# SAN=address (ASan and UBSan) or SAN=thread: a variant in a folder of its own below $(O)
SAN ?=
# one spelling however O was given: it is part of what the dependency files say
B := $(patsubst $(CURDIR)/%,%,$(abspath $(O)))$(if $(SAN),/$(SAN))

# the libraries that tests link with, uppermost first: LAYERS="host common" while another is broken
LAYERS ?= target config host common
# only the tests whose name contains this
T ?=

DESTDIR ?=
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share/nvmetcp
DOCDIR ?= $(PREFIX)/share/doc/nvmetcp
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
UDEVRULESDIR ?= $(PREFIX)/lib/udev/rules.d
# where nbdkit looks for plugins; empty without it
NBDKITDIR ?= $(shell $(PKG_CONFIG) --variable=plugindir nbdkit 2>/dev/null)
COMPLETIONSDIR ?= $(PREFIX)/share/bash-completion/completions

ifneq ($(V),)
Q :=
say :=
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)';
endif

# ---------------------------------------------------------------- packages (Debian 12)

BUILD_PACKAGES := gcc libc6-dev linux-libc-dev pkg-config libevent-dev libssl-dev liburing-dev \
	libnvme-dev libjson-c-dev libisal-dev libsystemd-dev
# `make fio` and `make nbdkit`, and what their tests use
TEST_PACKAGES = $(BUILD_PACKAGES) libcmocka-dev python3 iproute2 clang libclang-rt-14-dev clang-format \
	systemd g++ mandoc \
	fio dpkg-dev nbdkit nbdkit-plugin-dev libnbd-bin qemu-utils strace \
	$(shell sed 's/\#.*//' tests/vm/packages 2>/dev/null)

VM_KERNEL_PACKAGES := gcc libc6-dev make flex bison bc libelf-dev

# ---------------------------------------------------------------- flags

LIBRARIES := libevent_core libevent_pthreads libcrypto liburing libnvme json-c libisal libsystemd

# Each asks pkg-config once, when first expanded.
once = $(eval $(1) := $$(shell $(PKG_CONFIG) $(2)))$($(1))
PKG_CFLAGS = $(call once,PKG_CFLAGS,--cflags $(LIBRARIES))
PKG_LIBS = $(call once,PKG_LIBS,--libs $(LIBRARIES))
CMOCKA_LIBS = $(call once,CMOCKA_LIBS,--libs cmocka)

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
IS_CLANG := $(findstring clang,$(notdir $(firstword $(CC))))

ifeq ($(SAN),)
HARDEN := -fstack-protector-strong
ifeq ($(filter -O0,$(CFLAGS)),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
else ifeq ($(SAN),address)
HARDEN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
# gcc warns that ThreadSanitizer does not model fences; those towards devices have no second thread
HARDEN := -fsanitize=thread -fno-omit-frame-pointer $(if $(IS_CLANG),,-Wno-tsan)
else
$(error SAN=$(SAN): expected address or thread)
endif

ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(HARDEN) $(CFLAGS)
ALL_CPPFLAGS = -D_GNU_SOURCE -I. $(PKG_CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = $(HARDEN) $(CFLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# host/ and common/ go into the shared library too. Without interposition -fPIC costs nothing.
$(B)/host/%.o $(B)/common/%.o: PIC := -fPIC -fno-semantic-interposition
PIC := -fPIE

# ---------------------------------------------------------------- sources

# nvmetcp-perf is host/perf*.c; of its files only the one with the main is not tested by itself
PERF_MAIN := host/perf.c
perf_SRC := $(filter-out $(PERF_MAIN),$(wildcard host/perf_*.c))
# plugins of other programs, and what the two have in common: not in the library either
fio_SRC := $(wildcard host/fio*.c)
nbdkit_SRC := $(wildcard host/nbdkit*.c)
attach_SRC := $(wildcard host/attach.c)
HOST_MAINS := $(PERF_MAIN) $(perf_SRC) $(fio_SRC) $(nbdkit_SRC) $(attach_SRC)
TARGET_MAINS := target/main.c target/nvmetcpctl.c
# nvmetcpctl's own; the rest of what it needs is in the libraries
ctl_SRC := $(wildcard target/ctl_*.c)

common_SRC := $(wildcard common/*.c)
config_SRC := $(wildcard config/*.c)
host_SRC := $(filter-out $(HOST_MAINS),$(wildcard host/*.c))
target_SRC := $(filter-out $(TARGET_MAINS) $(ctl_SRC),$(wildcard target/*.c))
fake_SRC := $(wildcard tests/fake/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
E2E_SRC := $(wildcard tests/e2e/test_*.c)
VM_SRC := $(wildcard tests/vm/*.c)
# nvmh-io, the initiator of the e2e scripts
IO_SRC := $(wildcard tests/e2e/nvmh_io*.c)
BENCH_SRC := $(wildcard tests/bench/*.c)
ALL_SRC := $(wildcard common/*.c config/*.c host/*.c target/*.c) $(fake_SRC) $(UNIT_SRC) $(E2E_SRC) $(VM_SRC) $(IO_SRC) \
	$(BENCH_SRC)

obj = $(patsubst %.c,$(B)/%.o,$(1))
ALL_OBJ := $(call obj,$(ALL_SRC))

LIBS_A := $(LAYERS:%=$(B)/lib%.a)
FAKE_A := $(if $(fake_SRC),$(B)/libfake.a)
PERF_A := $(if $(perf_SRC),$(B)/libperf.a)
BENCH_BIN := $(BENCH_SRC:%.c=$(B)/%)
chosen = $(if $(T),$(foreach s,$(1),$(if $(findstring $(T),$(s)),$(s))),$(1))
UNIT_BIN := $(patsubst %.c,$(B)/%,$(call chosen,$(UNIT_SRC)))
E2E_BIN := $(patsubst %.c,$(B)/%,$(call chosen,$(E2E_SRC)))

PROGRAMS := $(if $(wildcard target/main.c),$(B)/nvmetcpd) \
	$(if $(wildcard target/nvmetcpctl.c),$(B)/nvmetcpctl) \
	$(if $(wildcard host/perf.c),$(B)/nvmetcp-perf)
ifeq ($(SAN),)
SHARED := $(if $(host_SRC),$(B)/libnvmh.so)
endif
FIO_SO := $(B)/libnvmh-fio.so
NBDKIT_SO := $(B)/nbdkit-nvmh-plugin.so
STATIC := $(if $(host_SRC),$(B)/libnvmh.a)

# ---------------------------------------------------------------- build

.PHONY: all libs tests tests-unit tests-e2e tests-vm
all: libs $(STATIC) $(SHARED) $(PROGRAMS)
libs: $(LIBS_A)
tests: tests-unit tests-e2e tests-vm
tests-unit: $(UNIT_BIN)
tests-e2e: $(E2E_BIN) $(if $(IO_SRC),$(B)/nvmh-io) examples
tests-vm: $(patsubst %.c,$(B)/%,$(VM_SRC)) $(if $(IO_SRC),$(B)/nvmh-io)

# A file that is rewritten only when its content changes, so that what depends on it follows flags
# and lists. $(1): the content
define update
@mkdir -p $(@D)
@printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@
endef

.PHONY: FORCE
FORCE:

$(B)/.flags: FORCE
	$(call update,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) | $(ALL_LDFLAGS) $(PKG_LIBS))

$(B)/.version: FORCE
	$(call update,$(VERSION))

# the files that mention the version, and only they, are compiled anew when it changes
VERSION_OBJ := $(call obj,$(shell grep -ls NVMETCP_VERSION $(ALL_SRC) /dev/null))
ifneq ($(VERSION_OBJ),)
$(VERSION_OBJ): PRIVATE_CPPFLAGS := -DNVMETCP_VERSION='"$(VERSION)"'
$(VERSION_OBJ): $(B)/.version
endif

$(ALL_OBJ): $(B)/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CPPFLAGS) $(PRIVATE_CPPFLAGS) $(ALL_CFLAGS) $(PIC) \
		-MMD -MP -c -o $@ $<

-include $(wildcard $(ALL_OBJ:.o=.d))

# $(1): library, $(2): its objects. The list file makes a removed source leave the archive.
define archive
$(B)/.$(1).list: FORCE
	$$(call update,$(2))
$(B)/$(1).a: $(2) $(B)/.$(1).list
	@rm -f $$@
	$$(call say,AR,$$@)$$(AR) rcs $$@ $(2)
endef
$(foreach l,common config host target fake perf,$(eval $(call archive,lib$(l),$(call obj,$($(l)_SRC)))))
# the installed library stands alone: host and what it uses of common
$(eval $(call archive,libnvmh,$(call obj,$(host_SRC) $(common_SRC))))

link = $(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -pie -o $@ $(filter %.o %.a,$^)

$(B)/nvmetcpd: $(B)/target/main.o $(B)/libtarget.a $(B)/libconfig.a $(B)/libhost.a $(B)/libcommon.a
	$(link) $(PKG_LIBS) -pthread
$(B)/nvmetcpctl: $(B)/target/nvmetcpctl.o $(call obj,$(ctl_SRC)) $(B)/libtarget.a $(B)/libhost.a $(B)/libcommon.a
	$(link) $(PKG_LIBS) -pthread
$(B)/nvmetcp-perf: $(B)/host/perf.o $(PERF_A) $(B)/libhost.a $(B)/libcommon.a
	$(link) $(PKG_LIBS) -lm -pthread

NVMH_MAP := $(wildcard host/nvmh.map)
$(B)/libnvmh.so: $(call obj,$(host_SRC)) $(B)/.libhost.list $(B)/libcommon.a $(NVMH_MAP)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -shared -Wl,-z,defs -Wl,-Bsymbolic-functions -o $@ \
		-Wl,-soname,libnvmh.so.$(SOVERSION) $(NVMH_MAP:%=-Wl,--version-script=%) \
		$(filter %.o %.a,$^) $(PKG_LIBS) -pthread

# The fio engine needs fio's own headers, those of the very version that will load it; FIO_SRC names a
# tree in which ./configure has run, otherwise Debian's source of the installed fio is fetched.
FIO_SRC ?=
$(B)/.fio-source: FORCE
	@mkdir -p $(@D)
	@tree='$(FIO_SRC)'; [ -n "$$tree" ] || tree=$$(tests/vm/source fio ./configure) || exit 1; \
	printf '%s\n' "$$tree" | cmp -s - $@ || printf '%s\n' "$$tree" >$@
$(B)/host/fio.o: PRIVATE_CPPFLAGS = -isystem "$$(cat $(B)/.fio-source)" \
	-include "$$(cat $(B)/.fio-source)/config-host.h"
$(B)/host/fio.o: $(B)/.fio-source
$(B)/host/nbdkit.o: private ALL_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags nbdkit)

# Undefined symbols are those of the program that loads it. Ours stay ours: both have a log_err.
plugin = $(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -shared -Wl,-Bsymbolic \
	-Wl,--version-script=$(filter %.map,$^) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS) -pthread
$(FIO_SO): $(call obj,$(fio_SRC) $(attach_SRC)) host/fio.map $(B)/libhost.a $(B)/libcommon.a
	$(plugin)
$(NBDKIT_SO): $(call obj,$(nbdkit_SRC) $(attach_SRC)) host/nbdkit.map $(B)/libhost.a $(B)/libcommon.a
	$(plugin)

# built as a user would, but for where the library lies; linked with it as installed
EXAMPLE_BIN := $(patsubst host/examples/%.c,$(B)/examples/%,$(wildcard host/examples/*.c))
$(EXAMPLE_BIN): $(B)/examples/%: host/examples/%.c host/nvmh.h $(B)/libnvmh.a $(B)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CPPFLAGS) -Ihost $(ALL_CFLAGS) -Wno-unused-parameter $(ALL_LDFLAGS) -o $@ \
		$< $(B)/libnvmh.a $(PKG_LIBS) -pthread

.PHONY: fio nbdkit examples
examples: $(EXAMPLE_BIN)
fio: $(FIO_SO)
nbdkit: $(NBDKIT_SO)

$(UNIT_SRC:%.c=$(B)/%): %: %.o $(FAKE_A) $(if $(filter host,$(LAYERS)),$(PERF_A)) $(LIBS_A)
	$(link) $(CMOCKA_LIBS) $(PKG_LIBS) -lm -pthread
$(BENCH_BIN): %: %.o $(PERF_A) $(B)/libcommon.a
	$(link) $(PKG_LIBS) -lm -pthread
$(E2E_SRC:%.c=$(B)/%): %: %.o $(FAKE_A) $(LIBS_A)
	$(link) $(PKG_LIBS) -pthread
$(VM_SRC:%.c=$(B)/%): %: %.o $(B)/libhost.a $(B)/libcommon.a
	$(link) $(PKG_LIBS) -pthread
$(B)/nvmh-io: $(call obj,$(IO_SRC)) $(B)/libhost.a $(B)/libcommon.a
	$(link) $(PKG_LIBS) -pthread

# ---------------------------------------------------------------- dependencies

# $(1): packages. One query; what is missing is installed by root and named to everybody else.
define need
@command -v dpkg-query >/dev/null || { \
	echo 'No dpkg here: make sure that the equivalents of these are installed:'; \
	echo '$(strip $(1))'; exit 0; }; \
have=$$(dpkg-query -W -f='$${db:Status-Status} $${Package}\n' $(1) 2>/dev/null); \
missing=; \
for p in $(1); do \
	printf '%s\n' "$$have" | grep -qx "installed $$p" || missing="$$missing $$p"; \
done; \
[ -n "$$missing" ] || exit 0; \
if [ "$$(id -u)" != 0 ]; then \
	echo 'Packages are missing. Install them with:' >&2; \
	echo "  sudo apt-get install -y --no-install-recommends$$missing" >&2; \
	exit 1; \
fi; \
echo "Installing:$$missing"; \
export DEBIAN_FRONTEND=noninteractive; \
apt-get -q update && apt-get -q install -y --no-install-recommends $$missing
endef

.PHONY: deps deps-build
deps:
	$(call need,$(TEST_PACKAGES))
deps-build:
	$(call need,$(BUILD_PACKAGES))

# ---------------------------------------------------------------- run and test

# sub-makes use every core unless the caller gave a -j
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
TESTS_RUN = tests/run --build $(O) $(if $(T),--filter '$(T)')

# On a terminal the daemon gets a foreground process group of its own, so that ^C reaches it alone
# and make, which would report an interrupt, sees it end with 0.
.PHONY: run
run:
	@$(MAKE) deps-build
	@$(MAKE) $(JOBS) all
	@set -- '$(B)/nvmetcpd' $(if $(CONFIG),--config '$(CONFIG)') $(RUN_ARGS); \
	if [ -t 0 ]; then set -m; "$$@"; else exec "$$@"; fi

.PHONY: test check check-asan check-tsan check-e2e check-vm lint
test:
	@$(MAKE) deps
	@$(TESTS_RUN) lint unit asan clang fuzz e2e vm
check:
	@$(TESTS_RUN) lint unit
check-asan:
	@$(TESTS_RUN) asan e2e-asan
check-tsan:
	@$(TESTS_RUN) tsan
check-e2e:
	@$(TESTS_RUN) e2e
check-vm:
	@$(TESTS_RUN) vm
lint:
	@$(TESTS_RUN) lint

.PHONY: vm vm-kernel bench
vm: all
	@[ -x tests/vm/interactive ] || { echo 'tests/vm/interactive is not there' >&2; exit 1; }
	@BUILD='$(abspath $(B))' tests/vm/interactive
vm-kernel:
	$(call need,$(VM_KERNEL_PACKAGES))
	@tests/vm/run --build-iommufd
bench: all $(BENCH_BIN)
	@BUILD='$(abspath $(B))' tests/bench/run --vm=auto $(BENCH_ARGS)

.PHONY: format
format:
	$(CLANG_FORMAT) -i $(wildcard common/*.[ch] config/*.[ch] host/*.[ch] target/*.[ch] \
		tests/*/*.[ch] host/examples/*.c)

# ---------------------------------------------------------------- install

# $(1): folder, $(2): mode, $(3): files. Nothing where there are no files.
put = $(if $(strip $(3)),install -d '$(DESTDIR)$(1)' && install -m $(2) $(3) '$(DESTDIR)$(1)/')

# what nvmh.h includes: beside it when installed
NVMH_COMMON_H := $(addprefix common/,check.h endian.h nvme.h nvme_status.h)
MAN_PAGES := $(wildcard common/*.[1-8] config/*.[1-8] host/*.[1-8] target/*.[1-8])
# the other functions that a page of section 3 is about: each gets a page that leads there
man_names = sed -n '/^\.Sh NAME/,/^\.Nd/s/^\.Nm \([a-z0-9_]*\).*/\1/p' $(1) | grep -vx $(basename $(notdir $(1)))
# each goes where bash looks for it: under the program's name
COMPLETIONS := $(wildcard host/*.bash target/*.bash)
SCHEMA := $(wildcard config/*schema.json)
EXAMPLES := $(wildcard config/examples/* host/examples/*)
UDEV_RULES := $(wildcard systemd/*.rules)
SYSUSERS := $(wildcard systemd/sysusers.d/*.conf)
TMPFILES := $(wildcard systemd/tmpfiles.d/*.conf)
UNITS := $(patsubst %.in,$(B)/%,$(wildcard systemd/*.service.in))

$(B)/systemd/%: systemd/%.in Makefile FORCE
	@mkdir -p $(@D)
	@sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' $< >$@

define PC
prefix=$(PREFIX)
libdir=$(LIBDIR)
includedir=$(INCLUDEDIR)

Name: nvmh
Description: NVMe host library, PCIe through VFIO and NVMe/TCP
Version: $(VERSION)
Requires.private: libcrypto libnvme libisal
Libs: -L$${libdir} -lnvmh
Libs.private: -pthread
Cflags: -I$${includedir}/nvmh
endef
export PC

.PHONY: install uninstall units
units: $(UNITS)
install: all $(UNITS)
	$(call put,$(SBINDIR),755,$(filter %/nvmetcpd,$(PROGRAMS)))
	$(call put,$(BINDIR),755,$(filter-out %/nvmetcpd,$(PROGRAMS)))
	$(call put,$(LIBDIR),644,$(STATIC) $(filter-out %/libnvmh.so,$(SHARED)))
	$(if $(filter %/libnvmh.so,$(SHARED)),\
		install -m 755 '$(B)/libnvmh.so' '$(DESTDIR)$(LIBDIR)/libnvmh.so.$(VERSION)' && \
		ln -sf libnvmh.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/libnvmh.so.$(SOVERSION)' && \
		ln -sf libnvmh.so.$(SOVERSION) '$(DESTDIR)$(LIBDIR)/libnvmh.so')
	$(call put,$(INCLUDEDIR)/nvmh,644,host/nvmh.h)
	$(call put,$(INCLUDEDIR)/nvmh/common,644,$(NVMH_COMMON_H))
	$(call put,$(LIBDIR),755,$(wildcard $(FIO_SO)))
	$(if $(wildcard $(NBDKIT_SO)),$(call put,$(NBDKITDIR),755,$(NBDKIT_SO)))
	$(if $(STATIC),install -d '$(DESTDIR)$(LIBDIR)/pkgconfig' && \
		printf '%s\n' "$$PC" >'$(DESTDIR)$(LIBDIR)/pkgconfig/nvmh.pc')
	$(foreach n,1 2 3 4 5 6 7 8,$(if $(filter %.$n,$(MAN_PAGES)),\
		$(call put,$(MANDIR)/man$n,644,$(filter %.$n,$(MAN_PAGES))) &&)) true
	$(foreach p,$(filter %.3,$(MAN_PAGES)),for f in $$($(call man_names,$p)); do \
		echo '.so man3/$(notdir $p)' >'$(DESTDIR)$(MANDIR)/man3/'$$f.3 || exit 1; done;)
	$(foreach c,$(COMPLETIONS),install -d '$(DESTDIR)$(COMPLETIONSDIR)' && \
		install -m 644 $c '$(DESTDIR)$(COMPLETIONSDIR)/$(basename $(notdir $c))' &&) true
	$(call put,$(DATADIR),644,$(SCHEMA))
	$(call put,$(DOCDIR)/examples,644,$(EXAMPLES))
	$(call put,$(DOCDIR),644,$(wildcard README.md LICENSE))
	$(call put,$(UNITDIR),644,$(UNITS))
	$(call put,$(SYSUSERSDIR),644,$(SYSUSERS))
	$(call put,$(TMPFILESDIR),644,$(TMPFILES))
	$(call put,$(UDEVRULESDIR),644,$(UDEV_RULES))

# what lies under $(SYSCONFDIR) and the state folder is the user's and stays
uninstall:
	rm -f $(patsubst %,'$(DESTDIR)$(SBINDIR)/%',$(notdir $(filter %/nvmetcpd,$(PROGRAMS)))) \
		$(patsubst %,'$(DESTDIR)$(BINDIR)/%',$(notdir $(filter-out %/nvmetcpd,$(PROGRAMS)))) \
		$(patsubst %,'$(DESTDIR)$(LIBDIR)/%',$(notdir $(STATIC) $(SHARED)) libnvmh.so.$(SOVERSION) \
			libnvmh.so.$(VERSION) pkgconfig/nvmh.pc $(notdir $(FIO_SO))) \
		$(if $(NBDKITDIR),'$(DESTDIR)$(NBDKITDIR)/$(notdir $(NBDKIT_SO))') \
		$(foreach m,$(MAN_PAGES),'$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m)') \
		$(patsubst %,'$(DESTDIR)$(COMPLETIONSDIR)/%',$(basename $(notdir $(COMPLETIONS)))) \
		$(patsubst %,'$(DESTDIR)$(UNITDIR)/%',$(notdir $(UNITS))) \
		$(patsubst %,'$(DESTDIR)$(SYSUSERSDIR)/%',$(notdir $(SYSUSERS))) \
		$(patsubst %,'$(DESTDIR)$(TMPFILESDIR)/%',$(notdir $(TMPFILES))) \
		$(patsubst %,'$(DESTDIR)$(UDEVRULESDIR)/%',$(notdir $(UDEV_RULES)))
	$(foreach p,$(filter %.3,$(MAN_PAGES)),for f in $$($(call man_names,$p)); do \
		rm -f '$(DESTDIR)$(MANDIR)/man3/'$$f.3; done;)
	rm -rf '$(DESTDIR)$(DATADIR)' '$(DESTDIR)$(DOCDIR)' '$(DESTDIR)$(INCLUDEDIR)/nvmh'

# ---------------------------------------------------------------- the rest

.PHONY: clean help
clean:
	rm -rf '$(B)'

help:
	@sed -n 's/^## \{0,1\}//p' Makefile
