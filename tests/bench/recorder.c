/* Reads the lines of MONITOR: 1700000000.123456 [0 unix:/tmp/s] "SET" "key" "a\nb\x00" */
#include "recorder.h"

#include <stdlib.h>
#include <string.h>

#define END_MARK "weir-bench-recorded"

static int hexadecimal(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                          : -1;
}

/* The byte behind a backslash; moves `at` behind it. */
static char unescaped(const char **at, const char *end)
{
    static const char names[] = "nrtab", bytes[] = "\n\r\t\a\b";
    const char letter = *(*at)++;
    const char *known = letter != '\0' ? strchr(names, letter) : NULL;
    if (known != NULL)
        return bytes[known - names];
    if (letter == 'x' && end - *at >= 2) {
        const int high = hexadecimal((*at)[0]), low = hexadecimal((*at)[1]);
        *at += 2;
        return (char)(high * 16 + low);
    }
    return letter;
}

/* A word in quotes, `at` behind the first of them; false: it does not end. */
static bool parse_word(struct bench_command *command, const char **at, const char *end)
{
    char *word = bench_memory(NULL, (size_t)(end - *at) + 1);
    size_t length = 0;
    while (*at < end && **at != '"') {
        if (**at == '\\' && *at + 1 < end) {
            (*at)++;
            word[length++] = unescaped(at, end);
        } else {
            word[length++] = *(*at)++;
        }
    }
    word[length] = '\0';
    const size_t count = command->count++;
    command->words = bench_memory((void *)command->words, command->count * sizeof(char *));
    command->lengths = bench_memory(command->lengths, command->count * sizeof(size_t));
    command->words[count] = word;
    command->lengths[count] = length;
    return *at < end && *(*at)++ == '"';
}

bool bench_command_parse(const char *line, size_t length, struct bench_command *command)
{
    const char *end = line + length, *at = strstr(line, "] \"");
    const char *client = strchr(line, '[');
    memset(command, 0, sizeof *command);
    if (at == NULL || client == NULL || client > at)
        return false;
    command->by_script = at - client >= 3 && strncmp(at - 3, "lua", 3) == 0;
    at += 2;
    while (at < end && *at == '"') {
        at++;
        if (!parse_word(command, &at, end))
            return false;
        if (at < end && *at == ' ')
            at++;
    }
    return command->count > 0 && at == end;
}

void bench_command_close(struct bench_command *command)
{
    for (size_t i = 0; i < command->count; i++)
        free(command->words[i]);
    free((void *)command->words);
    free(command->lengths);
    memset(command, 0, sizeof *command);
}

redisContext *bench_record_begin(struct bench_server *server)
{
    redisContext *connection = bench_connect(server);
    if (redisAppendCommand(connection, "MONITOR") != REDIS_OK)
        bench_fail("cannot send MONITOR");
    freeReplyObject(bench_answer(connection));
    return connection;
}

static bool is_end(const struct bench_command *command)
{
    return command->count == 2 && strcmp(command->words[1], END_MARK) == 0;
}

struct bench_recording bench_record_end(struct bench_server *server, redisContext *connection_take)
{
    struct bench_recording recording = {0};
    bench_do(server, "ECHO " END_MARK);
    for (bool ended = false; !ended;) {
        struct bench_command command;
        redisReply *line = bench_answer(connection_take);
        if (line->type != REDIS_REPLY_STATUS ||
            !bench_command_parse(line->str, line->len, &command))
            bench_fail("MONITOR says what nobody understands: %.200s", line->str ? line->str : "");
        freeReplyObject(line);
        ended = is_end(&command);
        recording.commands =
            bench_memory(recording.commands, (recording.count + 1) * sizeof *recording.commands);
        recording.commands[recording.count++] = command;
    }
    redisFree(connection_take);
    return recording;
}

void bench_recording_close(struct bench_recording *recording)
{
    for (size_t i = 0; i < recording->count; i++)
        bench_command_close(&recording->commands[i]);
    free(recording->commands);
    memset(recording, 0, sizeof *recording);
}
