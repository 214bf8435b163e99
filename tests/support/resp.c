/* The server's protocol, as far as one who stands in between has to know it. */
#include "support/resp.h"

#include <stdlib.h>
#include <string.h>

size_t test_resp_length(const char *bytes, size_t length)
{
    size_t at = 0;
    /* how many values are still to come */
    for (long long left = 1; left > 0; left--) {
        const char *line = bytes + at, *end = memchr(line, '\n', length - at);
        if (!end)
            return 0;
        long long number = strtoll(line + 1, NULL, 10);
        at = (size_t)(end + 1 - bytes);
        if (*line == '$' && number >= 0) {
            if (length - at < (size_t)number + 2)
                return 0;
            at += (size_t)number + 2;
        } else if (*line == '*' && number > 0) {
            left += number;
        }
    }
    return at;
}
