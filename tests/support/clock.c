/* Dates that a test sets for a server or a worker. */
#include "support/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

void test_clock_open(struct test_clock *clock, const char *name)
{
    char folder[TEST_PATH_MAX / 2];
    if (!getcwd(folder, sizeof(folder)) || strlen(name) > 100)
        fail_msg("the current folder's path is too long");
    snprintf(clock->path, sizeof(clock->path), "%s/%s", folder, name);
    int file = open(clock->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    void *place = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof(*clock->offset_ms)) == 0)
        place = mmap(NULL, sizeof(*clock->offset_ms), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (place == MAP_FAILED)
        fail_msg("cannot make the clock %s: %s", clock->path, strerror(errno));
    close(file);
    clock->offset_ms = place;
}

void test_clock_begin(const struct test_clock *clock)
{
    setenv("LD_PRELOAD", test_program("../tests/fault/clock_shim.so"), 1);
    setenv("WEIR_TEST_CLOCK", clock->path, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1); /* it wants to be loaded first */
}

void test_clock_end(void)
{
    unsetenv("LD_PRELOAD");
    unsetenv("WEIR_TEST_CLOCK");
    unsetenv("ASAN_OPTIONS");
}

void test_clock_set(struct test_clock *clock, int64_t ahead_ms)
{
    *clock->offset_ms = ahead_ms;
}

void test_clock_close(struct test_clock *clock)
{
    munmap((void *)(uintptr_t)clock->offset_ms, sizeof(*clock->offset_ms));
    unlink(clock->path);
}
