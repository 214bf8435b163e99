/* To be preloaded into a program: its n-th allocation fails, n being WEIR_FAIL_AT, and with
 * WEIR_FAIL_FOR_GOOD all behind it. WEIR_FAIL_SIZE: only those of that size count. WEIR_FAIL_SPARE:
 * those from the library whose path holds that text do not. WEIR_FAIL_COUNT names a file that is
 * given the number of allocations when the program ends in order. */
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, under the names that it keeps for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);

static atomic_ulong count;
static unsigned long fail_at, only_size;
static bool for_good;
static uintptr_t spared_from, spared_to;

static int find_spared(struct dl_phdr_info *library, size_t size, void *name)
{
    (void)size;
    if (strstr(library->dlpi_name, name) == NULL)
        return 0;
    spared_from = library->dlpi_addr;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        uintptr_t end = library->dlpi_addr + part->p_vaddr + part->p_memsz;
        if (part->p_type == PT_LOAD && end > spared_to)
            spared_to = end;
    }
    return 1;
}

static unsigned long number_of(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    char *spared = getenv("WEIR_FAIL_SPARE");
    for_good = getenv("WEIR_FAIL_FOR_GOOD") != NULL;
    only_size = number_of("WEIR_FAIL_SIZE");
    if (spared != NULL)
        dl_iterate_phdr(find_spared, spared);
    atomic_store(&count, 0);
    fail_at = number_of("WEIR_FAIL_AT");
}

__attribute__((destructor)) static void end(void)
{
    const char *name = getenv("WEIR_FAIL_COUNT");
    unsigned long made = atomic_load(&count);
    FILE *file;
    fail_at = 0;
    file = name != NULL ? fopen(name, "we") : NULL;
    if (file != NULL) {
        fprintf(file, "%lu\n", made);
        fclose(file);
    }
}

static bool fails(size_t size, const void *caller)
{
    uintptr_t from = (uintptr_t)caller;
    unsigned long number;
    bool failed;
    if ((from >= spared_from && from < spared_to) || (only_size != 0 && size != only_size))
        return false;
    number = atomic_fetch_add(&count, 1) + 1;
    failed = fail_at != 0 && (number == fail_at || (for_good && number > fail_at));
    if (failed)
        errno = ENOMEM;
    return failed;
}

#define FAILS(size) fails((size), __builtin_return_address(0))

void *malloc(size_t size)
{
    return FAILS(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    return FAILS(number * size) ? NULL : __libc_calloc(number, size);
}

void *realloc(void *at, size_t size)
{
    return FAILS(size) ? NULL : __libc_realloc(at, size);
}

/* The C library's would be the caller, and not who wants the copy. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = FAILS(size) ? NULL : __libc_malloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}
