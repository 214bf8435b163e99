/* Memory that runs out on demand: the linker gives the library's calls to these. */
#include "fault/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "message/json_memory.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
void __wrap_free(void *at);

static unsigned long countdown; /* 0: nothing fails */
static bool stays, has_failed;
static long live;

static bool fails(void)
{
    if (has_failed && stays)
        return true;
    if (countdown == 0 || --countdown > 0)
        return false;
    return has_failed = true;
}

static void *counted(void *at)
{
    live += at != NULL;
    return at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *at, size_t size)
{
    void *grown = fails() ? NULL : __real_realloc(at, size);
    live += at == NULL && grown != NULL;
    return grown;
}

char *__wrap_strndup(const char *text, size_t length)
{
    size_t used = strnlen(text, length);
    char *copy = __wrap_malloc(used + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, used);
    copy[used] = '\0';
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}

void __wrap_free(void *at)
{
    live -= at != NULL;
    __real_free(at);
}

void test_memory_begin(void)
{
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    weir_json_watch();
    json_object_seed(1);
}

void test_memory_fail(unsigned long n, bool for_good)
{
    countdown = n;
    stays = for_good;
    has_failed = false;
}

bool test_memory_recover(void)
{
    bool failed = has_failed;
    countdown = 0;
    has_failed = stays = false;
    return failed;
}

long test_memory_live(void)
{
    return live;
}
