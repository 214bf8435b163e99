/* Looks at streams: whether they can take entries, and how long something has waited. */
#include <inttypes.h>
#include <string.h>

#include "commands/doctor.h"
#include "commands/values.h"
#include "redis/entry_id.h"
#include "redis/reply.h"

#define TEN_YEARS_MS UINT64_C(315360000000)
#define WAITS_LONG_MS 60000

static bool id_of(struct weir_slice text, struct weir_entry_id *id)
{
    return text.at && weir_entry_id_read(text, id);
}

/* ---- Its ids ----------------------------------------------------------------------------- */

/* Ids are never smaller than the last: one that lies in the future holds all later ones there. */
static void judge_last_id(struct weir_doctor *doctor, const char *key, struct weir_entry_id last)
{
    enum weir_stream_ids ids = weir_entry_id_judge(&last, doctor->now_ms);
    uint64_t now = (uint64_t)doctor->now_ms;
    if (ids == WEIR_IDS_FINE)
        return;
    if (ids == WEIR_IDS_EXHAUSTED)
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "ids", key,
                         "has come to the greatest id there is and takes hardly any entry more; "
                         "take that entry out by XDEL, set the stream back to the last good id by "
                         "XSETID, and its groups by XGROUP SETID; see \"A stream that takes no "
                         "more\" in weir's README");
    else if (last.ms > now + TEN_YEARS_MS)
        weir_doctor_find(
            doctor, WEIR_FINDING_PROBLEM, "ids", key,
            "has an id more than ten years ahead of the server's clock, which somebody "
            "has given by hand: nothing in it ever gets old; copy its entries into a "
            "new stream");
    else
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "ids", key,
                         "has ids %s ahead of the server's clock, which has gone back: until then "
                         "their times are wrong; keep the clock right, by NTP",
                         weir_span_of((int64_t)(last.ms - now)).text);
}

/* ---- What waits -------------------------------------------------------------------------- */

static void judge_backlog(struct weir_doctor *doctor, const char *key, const char *service,
                          struct weir_entry_id first, int64_t length, bool alive)
{
    int64_t age = first.ms < (uint64_t)doctor->now_ms ? doctor->now_ms - (int64_t)first.ms : 0;
    if (alive && age < WAITS_LONG_MS)
        return;
    weir_doctor_find(doctor, alive ? WEIR_FINDING_WARNING : WEIR_FINDING_PROBLEM, "backlog", key,
                     "%" PRId64 " wait, the oldest for %s%s%s", length, weir_span_of(age).text,
                     alive ? "; start more workers of " : "; no worker is alive: start one of ",
                     service);
}

void weir_doctor_look_at_stream(struct weir_doctor *doctor, const char *key, const char *service,
                                bool inbox, bool alive)
{
    struct weir_entry_id last, first;
    int64_t length = 0;
    redisReply *about = weir_doctor_ask(doctor, "stream", key, "XINFO", "STREAM", key, NULL);
    if (!about)
        return;
    if (id_of(weir_value_field(about, "last-generated-id"), &last))
        judge_last_id(doctor, key, last);
    if (inbox && weir_reply_integer(weir_reply_named(about, "length"), &length) && length > 0 &&
        id_of(weir_value_element(weir_reply_named(about, "first-entry"), 0), &first))
        judge_backlog(doctor, key, service, first, length, alive);
    freeReplyObject(about);
}
