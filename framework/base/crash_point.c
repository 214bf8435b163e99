/* Points at which a test has a process die. Compiled with WEIR_CRASH_POINTS alone. */
#include "base/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
#define NAME(constant, name) name,
    WEIR_CRASH_POINT_TABLE(NAME)
#undef NAME
};

/* A test that asks for what there is not has to notice. */
static void refuse(const char *variable, const char *value)
{
    fprintf(stderr, "%s=%s: cannot be done\n", variable, value);
    abort();
}

/* The passings that are left until the process is to die here; 0: it is not. */
static long wanted_passing(const char *name)
{
    const char *wish = getenv("WEIR_CRASH_POINT");
    size_t length = strlen(name);
    long passing;
    if (wish == NULL || strncmp(wish, name, length) != 0 || wish[length] != ':')
        return 0;
    passing = strtol(wish + length + 1, NULL, 10);
    if (passing < 1)
        refuse("WEIR_CRASH_POINT", wish);
    return passing;
}

/* Written at once and whole: the process may die at any time, and others write as well. */
static void count(const char *name)
{
    const char *path = getenv("WEIR_CRASH_COUNT");
    char line[64];
    int length = snprintf(line, sizeof line, "%s\n", name), file;
    if (path == NULL)
        return;
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0 || write(file, line, (size_t)length) != length)
        refuse("WEIR_CRASH_COUNT", path);
    close(file);
}

void weir_crash_point(enum weir_crash_point point)
{
    static long passings[WEIR_CRASH_POINT_COUNT];
    count(names[point]);
    if (++passings[point] == wanted_passing(names[point]))
        raise(SIGKILL);
}
