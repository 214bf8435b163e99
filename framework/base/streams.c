/* The three standard streams of a process. */
#include "base/streams.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

#define WIDTH_MIN 20
#define WIDTH_DEFAULT 80
#define WIDTH_MAX 10000

void weir_streams_open(void)
{
    int file = open("/dev/null", O_RDONLY);
    while (file >= 0 && file <= STDERR_FILENO) /* the lowest number that is free */
        file = open("/dev/null", O_RDONLY);
    if (file >= 0)
        close(file);
}

size_t weir_terminal_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize window;
    int64_t width = 0;
    if (!columns || !weir_parse_integer(columns, strlen(columns), &width))
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 ||
                        ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0
                    ? window.ws_col
                    : 0;
    return width < WIDTH_MIN || width > WIDTH_MAX ? WIDTH_DEFAULT : (size_t)width;
}
