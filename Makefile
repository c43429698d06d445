# libmytcp. `make` builds, `make check` runs every test, `make help` lists the
# rest; see README.md.
VERSION := 0.1.0
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
DESTDIR ?=
comma := ,
BUILD ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings
# Thread-local data in the thread's own block: the rest of it is the program's memory,
# which a process in the background has not (shim/background.c).
BASE := -std=gnu11 -D_GNU_SOURCE -DMYTCP_VERSION='"$(VERSION)"' -fPIC -fvisibility=hidden -ftls-model=initial-exec -pthread $(WARN) -MMD -MP
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

objs = $(patsubst %.c,$(BUILD)/%.o,$(1))
bins = $(patsubst %.c,$(BUILD)/%,$(1))

ENGINE := $(call objs,$(wildcard engine/*.c))
LINK := $(call objs,$(wildcard engine/link/*.c))
SHIM := $(call objs,$(wildcard shim/*.c))
# A unit test that is linked with hooks would call them instead of the libc.
# Neither does it take its memory from shim/mem.c, see tests/engine/oom.c.
HOOKS := $(call objs,$(wildcard shim/hook*.c) shim/init.c shim/wrap.c)

LIB := $(BUILD)/libmytcp.so
LAUNCHER := $(BUILD)/mytcp
EXAMPLES := $(patsubst %.c,$(BUILD)/%.so,$(wildcard examples/*.c))
EMULATOR := $(BUILD)/mytcp-link
EMULATOR_OBJS := $(call objs,$(wildcard tools/link/*.c))
ARCHIVES := $(BUILD)/libshim.a $(BUILD)/liblink.a $(BUILD)/libengine.a $(BUILD)/libemulator.a

.PHONY: all
all: $(LIB) $(LAUNCHER) $(EMULATOR) $(EXAMPLES) $(if $(filter build,$(BUILD)),tools/mytcp tools/mytcp-link)

.PHONY: help
help:
	@echo 'make                  build/libmytcp.so, tools/mytcp and tools/mytcp-link'
	@echo 'make demo             a download on our TCP, with its ladder'
	@echo 'make check            build and run every test [SANITIZE=address,undefined]'
	@echo 'make linked           socket calls through the hooks [SANITIZE=thread or address,undefined]'
	@echo 'make unit             only the unit tests'
	@echo 'make live [T=name]    only the tests with real programs; on hosts with'
	@echo '                      CONGESTION=bbr SYSCTLS="NAME=VALUE;NAME=VALUE"'
	@echo 'make apps             a matrix of real programs, the table of README.md [APP=regex RUNS=3 UPDATE=1]'
	@echo 'make sim SEEDS=n      more of the simulator; SEED=n replays one run'
	@echo 'make sim-report       algorithms on simulated paths: table, plots [UPDATE=1]'
	@echo 'make rfc              the requirements of RFC 9293, each with its tests'
	@echo 'make fuzz             fuzz engine, link and shim [FUZZ_SECONDS=n, 0: for ever]'
	@echo 'make coverage         of engine/: lines by the tests, at least 95 %; branches by the fuzzers alone, 88 %'
	@echo 'make bench            ours against the kernel, table and build/bench.json'
	@echo 'make bench-flood      a server under attack, ours against the kernel [FLOODS="syn:20000 ack:60000"]'
	@echo 'make compare          goodput ours/kernel over emulated links [CELLS=regex SEEDS=5 JOBS=2]'
	@echo 'make lint             static analysis of code, scripts and man pages'
	@echo 'make deps             install what the above need (Debian)'
	@echo 'make install, make uninstall   [PREFIX=/usr/local DESTDIR=]'
	@echo 'make clean'

# ---- the library and the launcher -------------------------------------------

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) $(SAN) -c -o $@ $<

$(BUILD)/libengine.a: $(ENGINE)
$(BUILD)/liblink.a: $(LINK)
$(BUILD)/libemulator.a: $(EMULATOR_OBJS)
$(BUILD)/libshim.a: $(filter-out $(HOOKS),$(SHIM))
$(ARCHIVES):
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

# The only code in Debian's libev.a that is not position independent is one
# reference to stderr. Renamed, it resolves inside our library.
$(BUILD)/libev-pic.a:
	@mkdir -p $(@D)
	objcopy --redefine-sym stderr=mytcp_ev_stderr $$($(CC) -print-file-name=libev.a) $@

$(LIB): $(ENGINE) $(LINK) $(SHIM) $(BUILD)/libev-pic.a
	$(CC) -shared $(CFLAGS) $(SAN) -o $@ $^ -Wl,-soname,libmytcp.so -Wl,-z,defs -Wl,-z,text -Wl,-z,now -Wl,-z,relro -Wl,--exclude-libs,ALL -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free -lm -ldl -pthread $(LDFLAGS)

$(LAUNCHER): $(BUILD)/tools/mytcp.o $(BUILD)/libshim.a $(BUILD)/libengine.a
	$(CC) $(CFLAGS) $(SAN) -o $@ $^ -Wl,-z,now -Wl,-z,relro -ldl $(LDFLAGS)

# A congestion control of one's own, as a user would build it.
$(BUILD)/examples/%.so: examples/%.c engine/cc.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O2 -g -fPIC -fvisibility=hidden -shared -Iengine -o $@ $<

$(EMULATOR): $(BUILD)/tools/mytcp-link.o $(BUILD)/libemulator.a
	$(CC) $(CFLAGS) $(SAN) -o $@ $^ $$($(CC) -print-file-name=libev.a) -lm -Wl,-z,now -Wl,-z,relro $(LDFLAGS)

# The launcher finds the library beside itself, so the link names the build.
tools/mytcp tools/mytcp-link: tools/%: $(BUILD)/%
	@ln -sfn $$(realpath --relative-to=tools $<) $@

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/mytcp $(DESTDIR)$(PREFIX)/include/mytcp $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(LAUNCHER) $(DESTDIR)$(PREFIX)/bin/mytcp
	install -m 755 $(EMULATOR) $(DESTDIR)$(PREFIX)/bin/mytcp-link
	install -m 755 $(LIB) $(DESTDIR)$(PREFIX)/lib/mytcp/libmytcp.so
	install -m 644 engine/cc.h $(DESTDIR)$(PREFIX)/include/mytcp/cc.h
	install -m 644 tools/mytcp.1 tools/mytcp-link.1 $(DESTDIR)$(PREFIX)/share/man/man1

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/mytcp bin/mytcp-link lib/mytcp/libmytcp.so include/mytcp/cc.h share/man/man1/mytcp.1 share/man/man1/mytcp-link.1)
	-rmdir $(DESTDIR)$(PREFIX)/lib/mytcp $(DESTDIR)$(PREFIX)/include/mytcp

# ---- tests ------------------------------------------------------------------

TEST_DIRS := tests/engine tests/link tests/shim tests/sim tests/tools
TEST_SRC := $(foreach d,$(TEST_DIRS),$(wildcard $(d)/test_*.c))
TESTS := $(call bins,$(TEST_SRC))
SIM_SRC := tests/sim/sim.c tests/sim/report.c
SIM := $(call bins,$(SIM_SRC))
# Whatever else lies in these folders serves the tests there.
TEST_HELP := $(call objs,$(filter-out $(TEST_SRC) $(SIM_SRC),$(foreach d,$(TEST_DIRS),$(wildcard $(d)/*.c))))
LIVE_HELP := $(call bins,$(wildcard tests/live/*.c) $(wildcard tests/bench/*.c))
# The cases of the socket API, one program.
SOCKAPI := $(BUILD)/tests/sockapi/sockapi
SOCKAPI_OBJS := $(call objs,$(wildcard tests/sockapi/*.c))
# Wrong arguments are what some of them are about.
$(SOCKAPI_OBJS): BASE += -Wno-stringop-overflow -Wno-stringop-overread -Wno-nonnull
# Allocations may be made to fail: tests/engine/oom.c.
OOM := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,-u,__wrap_malloc,-u,__wrap_calloc,-u,__wrap_realloc
TEST_LIBS := -Wl,--start-group $(if $(TEST_HELP),$(BUILD)/libtesthelp.a) $(ARCHIVES) $(BUILD)/libev-pic.a -Wl,--end-group -lcmocka -lm -ldl $(OOM)

$(BUILD)/libtesthelp.a: $(TEST_HELP)
	@rm -f $@
	$(AR) rcs $@ $^

$(TESTS) $(SIM): $(BUILD)/%: $(BUILD)/%.o $(ARCHIVES) $(BUILD)/libev-pic.a $(if $(TEST_HELP),$(BUILD)/libtesthelp.a)
	$(CC) $(CFLAGS) $(SAN) -pthread -o $@ $< $(TEST_LIBS) $(LDFLAGS)

$(LIVE_HELP): $(BUILD)/%: $(BUILD)/%.o
	$(CC) $(CFLAGS) $(SAN) -pthread -o $@ $< $(LDFLAGS)
$(BUILD)/tests/live/inetd: LDFLAGS += $(if $(SANITIZE),,-static)
.SECONDARY: $(TESTS:=.o) $(SIM:=.o) $(LIVE_HELP:=.o)

$(SOCKAPI): $(SOCKAPI_OBJS)
	$(CC) $(CFLAGS) $(SAN) -pthread -o $@ $^ -luring $(LDFLAGS)

# The same with our TCP linked in, for the sanitizers: an unmodified program cannot be
# preloaded with them. Its memory is the libc's, which they watch; and they ask for
# limits before they are ready for anybody's code.
LINKED := $(BUILD)/tests/sockapi/linked
UNTRACKED := dlsym epoll_create epoll_create1 epoll_wait eventfd fstat open pipe pipe2 poll socketpair
$(BUILD)/libmytcp.o: $(ENGINE) $(LINK) $(filter-out $(addprefix $(BUILD)/shim/,wrap.o hooks_limit.o),$(SHIM)) $(BUILD)/libev-pic.a
	$(LD) -r -o $@ $^
	objcopy --localize-hidden $(if $(filter thread,$(SANITIZE)),$(foreach f,$(UNTRACKED),--redefine-sym $(f)=untracked_$(f))) $@
$(LINKED): $(SOCKAPI_OBJS) $(BUILD)/libmytcp.o $(if $(filter thread,$(SANITIZE)),$(BUILD)/tests/sanitize/untracked.o)
	$(CC) $(CFLAGS) $(SAN) -pthread -o $@ $^ -luring -lm -ldl $(LDFLAGS)

SEEDS ?= 10000
SEED ?=
FUZZ_SECONDS ?= 60
RUN := BUILD=$(BUILD) SEEDS=$(SEEDS) SEED=$(SEED) FUZZ_SECONDS=$(FUZZ_SECONDS) SANITIZE=$(SANITIZE) tests/run

.PHONY: tests unit sim fuzz rfc live check
tests: $(TESTS) $(SIM) $(LIVE_HELP) $(SOCKAPI)

unit: tests
	$(RUN) unit

sim: $(SIM)
	$(RUN) sim

# UPDATE=1: what is measured now becomes the snapshot that `make check` expects.
.PHONY: sim-report
sim-report: $(SIM)
	tools/deps report
	@mkdir -p $(BUILD)/sim-report
	$(BUILD)/tests/sim/report --snapshot tests/sim/report.snapshot $(if $(UPDATE),--update) --out $(BUILD)/sim-report; \
		status=$$?; cd $(BUILD)/sim-report && gnuplot plots.gp && exit $$status

rfc: tests
	tests/rfc/table $(BUILD)

live: all $(LIVE_HELP) $(SOCKAPI)
	BUILD=$(BUILD) tests/live/run '$(T)'

# Most of an hour for all of it, each cell three times.
APP ?=
RUNS ?= 3
.PHONY: apps
apps: all
	tools/deps build apps
	BUILD=$(BUILD) tests/apps/run --app '$(APP)' --runs $(RUNS) --jobs $(JOBS) $(if $(UPDATE),--update)

# The fuzz targets and the engine under clang's libFuzzer, always sanitized.
FUZZ := $(call bins,$(wildcard tests/fuzz/*.c))
.PHONY: fuzz-targets
fuzz-targets: $(FUZZ)
# Unlike the tests they take memory from the libc, so that a sanitizer sees it.
$(FUZZ): $(BUILD)/%: $(BUILD)/%.o $(addprefix $(BUILD)/,libtesthelp.a libshim.a liblink.a libengine.a libev-pic.a)
	$(CC) $(CFLAGS) $(subst fuzzer-no-link,fuzzer,$(SAN)) -pthread -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -lm -ldl $(OOM)

.PHONY: fuzz-build
fuzz-build:
	+$(MAKE) CC=clang BUILD=build-fuzz SANITIZE=fuzzer-no-link,address,undefined CFLAGS='-O1 -g -Wno-gnu-variable-sized-type-not-at-end' fuzz-targets

fuzz: fuzz-build
	$(RUN) fuzz

# The calls of a program through the hooks, under a sanitizer; the thread sanitizer is
# for this alone.
.PHONY: linked
linked: $(LINKED) $(SOCKAPI)
	$(if $(SANITIZE),,$(error SANITIZE=thread or SANITIZE=address,undefined))
	$(RUN) linked

# An unmodified program cannot be preloaded with the sanitizers: no live tests.
check: deps
	+$(MAKE) all tests fuzz-build $(if $(SANITIZE),$(LINKED))
	$(RUN) unit sim fuzz $(if $(SANITIZE),linked,rfc lab exports live)

# Of the tests, and of the fuzzers alone, with a floor for engine/ in each.
FUZZ_BRANCHES_MIN := 88
.PHONY: coverage fuzz-coverage
coverage: deps
	tools/deps cover
	+$(MAKE) BUILD=build-coverage CFLAGS='-O0 -g --coverage' build-coverage/coverage
	+$(MAKE) fuzz-coverage

fuzz-coverage:
	+$(MAKE) CC=clang BUILD=build-fuzz-coverage SANITIZE=fuzzer-no-link CFLAGS='-O1 -g -Wno-gnu-variable-sized-type-not-at-end -fprofile-instr-generate -fcoverage-mapping' fuzz-targets
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/coverage build-fuzz-coverage $(FUZZ_BRANCHES_MIN)

build-coverage/coverage: $(TESTS) $(SIM)
	find $(BUILD) -name '*.gcda' -delete
	$(RUN) unit sim
	gcovr --root . --filter 'engine/' --exclude 'engine/link/' --fail-under-line 95 --print-summary $(BUILD)
.PHONY: build-coverage/coverage

# ---- the rest ---------------------------------------------------------------

.PHONY: demo bench bench-flood compare lint deps clean
demo:
	tools/deps build demo
	+$(MAKE) all
	tools/demo

bench:
	tools/deps build bench
	+$(MAKE) all $(LIVE_HELP)
	BUILD=$(BUILD) tools/bench

# KIND:RATE ..., each takes half a minute and more.
FLOODS ?=
bench-flood:
	tools/deps build bench
	+$(MAKE) all $(LIVE_HELP)
	BUILD=$(BUILD) tools/bench-flood 4 $(FLOODS)

# Half an hour for all of it; SEEDS of the simulator mean nothing here.
CELLS ?=
JOBS ?= 2
compare:
	tools/deps build bench
	+$(MAKE) all
	BUILD=$(BUILD) tests/live/compare.py --cells '$(CELLS)' --jobs $(JOBS) --seeds $(if $(filter file,$(origin SEEDS)),5,$(SEEDS))

C_SRC = $(wildcard engine/*.c engine/link/*.c shim/*.c tools/*.c tools/link/*.c)
SCRIPTS := tools/demo tools/deps tests/run tests/fuzz/coverage tests/fuzz/plan.sh tests/live/run $(wildcard tests/live/*.sh) .ci/run
lint:
	tools/deps build lint
	shellcheck -x -P tests/live -S warning $(SCRIPTS)
	mandoc -Tlint -Wwarning tools/mytcp.1 tools/mytcp-link.1
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppressions-list=.cppcheck --enable=warning,performance,portability -D_GNU_SOURCE $(C_SRC)
	clang-tidy --quiet $(C_SRC) -- -std=gnu11 -D_GNU_SOURCE -DMYTCP_VERSION='"$(VERSION)"'

deps:
	tools/deps build demo check

clean:
	rm -rf build build-* tools/mytcp tools/mytcp-link

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
