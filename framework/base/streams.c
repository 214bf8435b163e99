/* The three standard streams of a process. */
#include "base/streams.h"

#include <fcntl.h>
#include <unistd.h>

void weir_streams_open(void)
{
    int file = open("/dev/null", O_RDONLY);
    while (file >= 0 && file <= STDERR_FILENO) /* the lowest number that is free */
        file = open("/dev/null", O_RDONLY);
    if (file >= 0)
        close(file);
}
