/* Giving up, progress, time and memory. */
#include "bench.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void bench_fail(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%sbench: ", isatty(STDERR_FILENO) ? "\r\033[K" : "");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void bench_progress(const struct bench *bench, const char *format, ...)
{
    va_list arguments;
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%s%s: ", terminal ? "\r\033[K" : "", bench->row);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs(terminal ? "" : "\n", stderr);
    fflush(stderr);
}

double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void bench_pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

void bench_wait_until(double limit, unsigned pause_ms, const char *what)
{
    if (bench_now() > limit)
        bench_fail("waited too long for %s", what);
    bench_pause_ms(pause_ms);
}

void *bench_memory(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL)
        bench_fail("no memory");
    return memory;
}
