/* A clock that a test sets: preloaded into a program (LD_PRELOAD), it adds to the time of day what
 * the file WEIR_TEST_CLOCK holds, 8 bytes, in ms. The monotonic clocks go on as they are, as they
 * do on a machine whose date is changed; with WEIR_TEST_CLOCK_WHOLE they go with it, as where that
 * time has passed. (libfaketime does not run with redis-server: its own
 * look-ups ask for memory, and jemalloc asks for the time.) */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ms; /* NULL: none */
static int whole;

/* Calls that come before this see the true time. */
__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("WEIR_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    whole = getenv("WEIR_TEST_CLOCK_WHOLE") != NULL;
    void *place = mmap(NULL, sizeof(*offset_ms), PROT_READ, MAP_SHARED, file, 0);
    if (place != MAP_FAILED)
        offset_ms = place;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long failed = syscall(SYS_clock_gettime, clock, time);
    int date = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (failed || !offset_ms || (!date && !(whole && clock == CLOCK_MONOTONIC)))
        return (int)failed;
    int64_t ms = *offset_ms;
    int64_t ns = time->tv_nsec + ms % 1000 * 1000000;
    int64_t carry = ns < 0 ? -1 : ns >= 1000000000;
    time->tv_sec += ms / 1000 + carry;
    time->tv_nsec = (long)(ns - carry * 1000000000);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now = {0};
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
