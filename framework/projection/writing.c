/* The commit of a folded batch: what weir_project is told beside the writes. */
#include "projection/writing.h"

#include <stdio.h>
#include <string.h>

#include "base/crash_point.h"

/* Registers of weir's own that a batch may write have names like a model's. */
static bool is_own(const char *name, size_t length)
{
    return (length > 8 && memcmp(name, "skipped:", 8) == 0) ||
           (length > 11 && memcmp(name, "projection:", 11) == 0);
}

/* Notes the kinds of the keys that the batch writes to the model. */
static enum weir_status note_kinds(struct weir_runner *runner)
{
    const struct weir_effects *effects = &runner->effects;
    size_t head = strlen(runner->head);
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < effects->key_count && status == WEIR_OK; i++) {
        const char *name = effects->bytes.at + effects->keys[i].name_offset;
        size_t length = effects->keys[i].name_length;
        if (length > head && memcmp(name, runner->head, head) == 0 &&
            !is_own(name + head, length - head) && weir_effects_write(effects, i))
            status = weir_kinds_add(&runner->kinds, name + head, length - head);
    }
    return status;
}

static const char *number(char *room, size_t value)
{
    snprintf(room, 24, "%zu", value);
    return room;
}

static void lay_head(struct weir_runner *runner)
{
    const struct weir_projection *projection = runner->projection;
    const struct weir_kinds *kinds = &runner->kinds;
    size_t count = 0, streams = 0, streams_at;
    runner->commit_head[count++] = projection->name;
    runner->commit_head[count++] = runner->rebuild;
    runner->commit_head[count++] = runner->head;
    runner->commit_head[count++] = number(runner->commit_numbers[0], runner->batch.count);
    runner->commit_head[count++] = number(runner->commit_numbers[1], kinds->count - kinds->fresh);
    for (size_t i = kinds->fresh; i < kinds->count; i++)
        runner->commit_head[count++] = kinds->at[i];
    streams_at = count++;
    for (size_t i = 0; i < projection->sources.count; i++) {
        const struct weir_position *position = &runner->positions[i];
        if (strcmp(position->next, position->at) == 0)
            continue;
        runner->commit_head[count++] = projection->sources.at[i].stream;
        runner->commit_head[count++] = position->at;
        runner->commit_head[count++] = position->next;
        streams++;
    }
    runner->commit_head[streams_at] = number(runner->commit_numbers[2], streams);
    runner->commit.head = runner->commit_head;
    runner->commit.head_count = (uint32_t)count;
}

/* Events of one history do not come into the model of another, where the same position means
 * something else. */
static bool is_of_this_history(const struct weir_runner *runner)
{
    return weir_link_same_master(&runner->link, runner->projection->runtime->link);
}

enum weir_status weir_writing_submit(struct weir_runner *runner)
{
    struct weir_projection *projection = runner->projection;
    enum weir_status status = is_of_this_history(runner) ? note_kinds(runner) : WEIR_UNAVAILABLE;
    if (status != WEIR_OK)
        return status;
    lay_head(runner);
    runner->commit_keys[0] = runner->checkpoint;
    runner->commit_keys[1] = projection->keys.status;
    runner->commit_keys[2] = projection->keys.kinds;
    runner->commit_keys[3] = runner->following ? projection->keys.done : projection->keys.written;
    runner->commit.head_keys = runner->commit_keys;
    runner->commit.head_key_count = 4;
    runner->commit.effects = &runner->effects;
    runner->commit.function = "weir_project";
    WEIR_CRASH_POINT(PROJECT_WRITING);
    runner->commit.once = true; /* the events may be gone after a restart: look at them again */
    return weir_committer_submit(projection->runtime->committer, &runner->commit);
}
