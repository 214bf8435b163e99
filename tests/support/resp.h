/* The server's protocol, as far as one who stands in between has to know it. */
#ifndef WEIR_TESTS_SUPPORT_RESP_H
#define WEIR_TESTS_SUPPORT_RESP_H

#include <stddef.h>

/* The length of the first whole command or answer in the bytes; 0 where there is none yet. */
size_t test_resp_length(const char *bytes, size_t length);

#endif
