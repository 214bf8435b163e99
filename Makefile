# Builds weir into build/: libweir.a, the programs and the sample workers in build/bin.
# `make help` lists the targets. CC, CFLAGS, LDFLAGS, PREFIX, DESTDIR and V=1 are honoured;
# BUILD names another folder, so that a sanitizer or clang build stands beside the usual one.

BUILD  ?= build
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
V      ?= 0
Q      := $(if $(filter 1,$(V)),,@)
comma  := ,
say     = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' "$(1)" "$(2)")

VERSION  := $(shell sed -n 's/.*WEIR_VERSION "\(.*\)".*/\1/p' framework/weir.h)
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
            $(if $(CI),-Werror)
PACKAGES := hiredis jansson
CPPFLAGS += -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Iframework -I$(BUILD) \
            $(shell pkg-config --cflags $(PACKAGES))
LIBS     := $(shell pkg-config --libs $(PACKAGES)) -lev
COMPILE   = $(CC) -std=c11 $(CPPFLAGS) $(WARNINGS) $(CFLAGS) -MMD -MP

ROOMS    := base http message redis call stream saga service projection coordinator
# Where a test has a process die; no release has that in it.
NO_CRASH_POINTS := $(if $(findstring -DWEIR_CRASH_POINTS,$(CFLAGS)),,framework/base/crash_point.c)
SOURCES  := $(filter-out $(NO_CRASH_POINTS),$(foreach room,$(ROOMS),$(wildcard framework/$(room)/*.c)))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY  := $(BUILD)/libweir.a
LUA      := $(sort $(wildcard framework/redis/functions/*.lua))
PROGRAM_SHARED := $(patsubst %.c,$(BUILD)/%.o,$(wildcard framework/commands/*.c))
PAGE     := $(sort $(wildcard framework/dashboard/page/*.html framework/dashboard/page/*.css framework/dashboard/page/*.js))
DASHBOARD := $(patsubst %.c,$(BUILD)/%.o,$(wildcard framework/dashboard/*.c))
PROGRAMS := $(patsubst framework/programs/%.c,$(BUILD)/bin/%,$(wildcard framework/programs/weir*.c))
WORKERS  := $(patsubst workers/%.c,$(BUILD)/bin/%,$(filter-out workers/shop%,$(wildcard workers/*.c)))
GATEWAY  := $(BUILD)/bin/gateway
GATEWAY_SHARED := $(patsubst %.c,$(BUILD)/%.o,$(filter-out workers/gateway/main.c,$(wildcard workers/gateway/*.c)) workers/shop.c)
WORKER_SHARED := $(patsubst %.c,$(BUILD)/%.o,$(wildcard workers/shop*.c))
# They run no code of ours but the server's, which no sanitizer sees.
FUNCTION_TESTS := $(if $(findstring -fsanitize,$(CFLAGS)),,tests/functions/test_*.c)
TESTS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*/test_*.c $(FUNCTION_TESTS) tests/integration/test_*.c tests/fault/test_*.c))
TEST_TOOLS := $(BUILD)/tests/fault/flaky_proxy $(BUILD)/tests/fault/clock_shim.so $(BUILD)/tests/fault/fail_memory_preload.so
FUZZERS  := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_SHARED := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))

.PHONY: all manual check check-unit tests chaos bench install uninstall install-units clean format layout lint sanitize sanitize-build crash-points fuzz fuzzers planted-defects help
.SECONDARY:

all: $(LIBRARY) $(PROGRAMS) $(WORKERS) $(GATEWAY) ## build the library, the programs and the sample workers

# The function library travels inside the programs: the .lua files, one behind the other, as one
# C string each line.
$(BUILD)/function_library_source.h: $(LUA)
	$(call say,LUA,$@)
	@mkdir -p $(@D)
	$(Q)cat $(LUA) | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' > $@
$(BUILD)/framework/redis/function_library.o $(patsubst %,$(BUILD)/tests/fault/%.o,test_upgrade test_upgrade_sagas): $(BUILD)/function_library_source.h

# So do the files of the dashboard's page: each a C string (no trigraph in it), then the table.
$(BUILD)/dashboard_page.h: $(PAGE) Makefile
	$(call say,PAGE,$@)
	@mkdir -p $(@D)
	$(Q)number=0; for file in $(PAGE); do number=$$((number + 1)); \
	  printf 'static const char page_%s[] =\n' $$number; \
	  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/.*/"&\\n"/' $$file; echo ';'; done > $@.part; \
	{ cat $@.part; echo 'static const struct weir_page_file weir_page_files[] = {'; number=0; \
	  for file in $(PAGE); do number=$$((number + 1)); \
	  case $$file in *.html) type=text/html ;; *.css) type=text/css ;; *) type=text/javascript ;; esac; \
	  printf '    {"/%s", "%s; charset=utf-8", page_%s, sizeof(page_%s) - 1},\n' "$${file##*/}" $$type $$number $$number; done; \
	  echo '};'; } > $@; rm $@.part
$(BUILD)/framework/dashboard/page.o: $(BUILD)/dashboard_page.h

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -c -o $@ $<

$(LIBRARY): $(OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJECTS)

$(BUILD)/bin/weir-dashboard: $(DASHBOARD)
$(PROGRAMS): $(BUILD)/bin/%: $(BUILD)/framework/programs/%.o $(PROGRAM_SHARED) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.a,$^) $(LIBRARY) $(LIBS)

$(WORKERS): $(BUILD)/bin/%: $(BUILD)/workers/%.o $(WORKER_SHARED) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(GATEWAY): $(BUILD)/workers/gateway/main.o $(GATEWAY_SHARED) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(shell pkg-config --libs libmicrohttpd)
$(BUILD)/workers/gateway/%.o: CPPFLAGS += -Iworkers

# What of the gateway is pure: no server, no HTTP.
$(filter $(BUILD)/tests/unit/gateway/%,$(TESTS)): $(patsubst %,$(BUILD)/workers/gateway/%.o,route fields key problem)
$(BUILD)/tests/unit/gateway/%.o: CPPFLAGS += -Iworkers

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_SHARED) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out %.a,$^) $(LIBRARY) $(LIBS) -lcmocka
# What drives a server waits more than it computes: to optimise it costs more than it saves.
DRIVERS := tests/functions/% tests/integration/% tests/fault/%
$(BUILD)/tests/%.o: tests/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(if $(filter $(DRIVERS),$<),-O0) -Itests -c -o $@ $<

# Tests of the dashboard's rooms.
DASHBOARD_TESTS := $(filter $(BUILD)/tests/unit/dashboard/% $(BUILD)/tests/integration/test_dashboard%,$(TESTS))
$(DASHBOARD_TESTS): $(DASHBOARD) $(PROGRAM_SHARED)

# What the tests of faults start beside a server.
$(filter $(BUILD)/tests/fault/test_%,$(TESTS)): | $(TEST_TOOLS)

# Without CFLAGS: it goes into servers that know nothing of sanitizers.
$(BUILD)/tests/fault/%.so: tests/fault/%.c
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -fPIC -shared -o $@ $<

# What the library allocates in this program can be made to fail.
$(BUILD)/tests/fault/test_memory: $(BUILD)/tests/fault/memory.o
$(BUILD)/tests/fault/test_memory: private LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc strdup strndup free)

# Each fuzzer over its corpus is a test; with FUZZ_LINK=-fsanitize=fuzzer it is libFuzzer's.
FUZZ_LINK ?= $(BUILD)/tests/fuzz/run_corpus.o
$(FUZZERS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(filter %.o,$(FUZZ_LINK)) $(TEST_SHARED) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(filter-out %.o,$(FUZZ_LINK)) $(LIBS) -lcmocka

# What scripts/chaos.sh sends its orders with.
CHAOS := $(BUILD)/tests/chaos/orders
$(CHAOS): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/chaos/*.c))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# The clients of tests/end_to_end/gateway_under_kill.sh.
CLIENTS := $(BUILD)/tests/gateway/clients
$(CLIENTS): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/gateway/*.c))
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

chaos: all $(CHAOS) $(TEST_TOOLS) ## build what scripts/chaos.sh needs

# What scripts/bench.sh measures with.
BENCH := $(BUILD)/tests/bench/bench
$(BENCH): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/*.c)) $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lm

bench: all $(BENCH) ## build what scripts/bench.sh needs

tests: $(TESTS) $(FUZZERS) $(CHAOS) $(CLIENTS) $(TEST_TOOLS) ## build the test programs

check: all tests ## run all tests but the end-to-end scripts
	$(Q)tests/run.sh $(BUILD) $(TESTS) $(FUZZERS)

UNIT_TESTS := $(filter $(BUILD)/tests/unit/%,$(TESTS))
check-unit: all $(UNIT_TESTS) ## run the unit tests alone
	$(Q)tests/run.sh $(BUILD) $(UNIT_TESTS)

SANITIZED := BUILD=build/sanitize \
  CFLAGS="-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
sanitize: ## build with ASan and UBSan into build/sanitize and run the tests there
	$(Q)$(MAKE) $(SANITIZED) check
sanitize-build: ## only build them
	$(Q)$(MAKE) $(SANITIZED) all tests

crash-points: ## build the programs with points to die at (WEIR_CRASH_POINT) into build/crash
	$(Q)$(MAKE) BUILD=build/crash CFLAGS="-O1 -g -DWEIR_CRASH_POINTS" all

fuzzers: $(FUZZERS)

fuzz: ## run the fuzzers with clang's libFuzzer, FUZZ_SECONDS=600 each, FUZZ_ONLY="fuzz_json …"
	$(Q)tests/fuzz/run.sh '$(if $(findstring clang,$(CC)),$(CC))' build/fuzz $(or $(FUZZ_SECONDS),600) $(FUZZ_ONLY)

planted-defects: ## plant known defects one by one and show that a test catches each
	$(Q)tests/fault/planted_defects.sh

install: all manual install-units ## install programs, library, header, manual, completion and systemd units under PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib
	install -m 644 framework/weir.h $(DESTDIR)$(PREFIX)/include
	install -d $(foreach section,1 3 7 8,$(DESTDIR)$(PREFIX)/share/man/man$(section)) \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(Q)for page in $(PAGES); do \
	  install -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}" || exit 1; done
	$(BUILD)/bin/weir completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	$(BUILD)/bin/weir completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_weir
	printf 'prefix=%s\nName: weir\nDescription: Redis Streams worker framework\nVersion: %s\nRequires: hiredis jansson\nLibs: -L$${prefix}/lib -lweir -lev\nCflags: -I$${prefix}/include\n' \
	  '$(PREFIX)' '$(VERSION)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/weir.pc

# Pages of the manual: options, commands, events and the header's contracts come from the tables and
# files that the programs are built of.
BOARD_OPTIONS := $(wildcard framework/dashboard/settings.c framework/dashboard/secret.c)
PAGES  := $(patsubst framework/man/%.in,$(BUILD)/man/%,$(filter-out $(if $(BOARD_OPTIONS),,%/weir-dashboard.8.in),$(wildcard framework/man/*.in)))
MANUAL := $(BUILD)/man/manual
$(MANUAL): $(patsubst %.c,$(BUILD)/%.o,$(wildcard framework/man/*.c) $(BOARD_OPTIONS)) $(PROGRAM_SHARED) $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/framework/man/manual.o: $(BOARD_OPTIONS)
$(PAGES): $(BUILD)/man/%: framework/man/%.in framework/man/events.txt framework/weir.h $(MANUAL)
	$(call say,MAN,$@)
	$(Q)$(MANUAL) $< > $@.new && mv $@.new $@
manual: $(PAGES) ## build the pages of the manual

# Units hold the paths of their programs and what all of them have in common.
UNITS := $(wildcard scripts/systemd/weir*)
install-units: ## install the systemd units alone
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)for unit in $(UNITS); do \
	  sed -e '/^@hardening@$$/{r scripts/systemd/hardening.conf' -e 'd}' -e 's|@bindir@|$(PREFIX)/bin|g' "$$unit" \
	    > "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}" || exit 1; done

uninstall: ## remove what install has put there
	rm -f $(PROGRAMS:$(BUILD)/bin/%=$(DESTDIR)$(PREFIX)/bin/%) $(DESTDIR)$(PREFIX)/lib/libweir.a \
	  $(DESTDIR)$(PREFIX)/include/weir.h $(DESTDIR)$(PREFIX)/lib/pkgconfig/weir.pc \
	  $(UNITS:scripts/systemd/%=$(DESTDIR)$(PREFIX)/lib/systemd/system/%) \
	  $(foreach page,$(PAGES),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_weir

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

format: ## lay out all C files by .clang-format
	clang-format -i $(C_FILES)

layout: ## check the layout of all C files (clang-format 14)
	clang-format --dry-run --Werror $(C_FILES)

lint: layout ## check layout, dependency direction and scripts
	tests/check_floors.sh $(BUILD)
	tests/check_events.sh
	tests/check_units.sh $(BUILD)
	tests/check_manual.sh $(BUILD)
	tests/fault/check_table.sh --complete
	shellcheck -x scripts/*.sh tests/*.sh tests/end_to_end/*.sh tests/chaos/*.sh tests/fault/*.sh tests/fuzz/*.sh \
	  tests/bench/peers/*.sh tests/bench/peers/*/*.sh

clean: ## remove the build folder
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

-include $(OBJECTS:.o=.d) $(wildcard $(BUILD)/framework/man/*.d $(BUILD)/framework/programs/*.d $(BUILD)/framework/commands/*.d $(BUILD)/framework/dashboard/*.d $(BUILD)/workers/*.d $(BUILD)/workers/*/*.d $(BUILD)/tests/*/*.d $(BUILD)/tests/*/*/*.d)
