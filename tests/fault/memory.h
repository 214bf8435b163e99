/* Memory that runs out on demand, within a test program. The program is linked with
 * -Wl,--wrap=malloc and so on (see the Makefile), so that what the library and the test allocate
 * is counted; jansson is told to use the same. hiredis, libev and the C library go on as ever. */
#ifndef WEIR_TESTS_FAULT_MEMORY_H
#define WEIR_TESTS_FAULT_MEMORY_H

#include <stdbool.h>

/* To be called once, before jansson is used. */
void test_memory_begin(void);

/* From now on the n-th allocation from here fails (1: the next), and with `for_good` all behind it.
 * 0: none. */
void test_memory_fail(unsigned long n, bool for_good);
/* Ends that. Returns whether an allocation has failed. */
bool test_memory_recover(void);
/* Allocations that were made and not freed. */
long test_memory_live(void);

#endif
