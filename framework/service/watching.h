/* Looks at what nobody is refused for and everybody suffers from later: a server that may delete
 * weir's keys when memory gets short, one that runs in cluster mode, and streams whose ids have run
 * ahead of the time or have come to their end. Says so when it begins, changes and ends. */
#ifndef WEIR_SERVICE_WATCHING_H
#define WEIR_SERVICE_WATCHING_H

#include "redis/entry_id.h"
#include "service/service.h"

#define WEIR_WATCHED_MAX (WEIR_INBOXES_MAX + 2)

struct weir_watching {
    const struct weir_runtime *runtime;
    ev_timer timer;
    bool stopped;
    bool hastened;     /* the next look comes as soon as it may */
    int64_t every_ms;  /* between looks; init sets what is usual */
    int64_t looked_at; /* monotonic ms */
    size_t owed;       /* answers */
    int64_t server_ms; /* 0: not known in this look */
    char policy[32];   /* the one that was complained of; "": none */
    bool cluster_said;
    size_t stream_count;
    struct weir_watched {
        struct weir_watching *watching;
        const char *key; /* borrowed */
        enum weir_stream_ids ids;
    } streams[WEIR_WATCHED_MAX];
};

void weir_watching_init(struct weir_watching *watching, const struct weir_runtime *runtime);
/* The key has to outlive the watching. */
void weir_watching_add(struct weir_watching *watching, const char *key);
/* Looks now, and each minute from then on; also where it has been started before, as the server may
 * be another. */
void weir_watching_start(struct weir_watching *watching);
/* Something has gone wrong that may have such a reason: looks now, or within a second where it
 * has just looked. */
void weir_watching_hasten(struct weir_watching *watching);
void weir_watching_stop(struct weir_watching *watching);

/* ---- Answers, for the loop and for tests ------------------------------------------------- */

/* The text of INFO memory cluster. */
void weir_watching_info(struct weir_watching *watching, struct weir_slice info);
/* The stream's last-generated-id; without a known time of the server only the end counts. */
void weir_watching_last_id(struct weir_watched *stream, struct weir_slice id);

#endif
