/* Looks at what stands beside the server: its replicas, and this machine's clock. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands/doctor.h"
#include "commands/values.h"
#include "redis/reply.h"

#define REPLICAS_SHOWN 10
#define LAGS_S 10
#define ALIKE_MS 1000

/* ---- Clocks ------------------------------------------------------------------------------ */

void weir_doctor_look_at_clock(struct weir_doctor *doctor)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return;
    int64_t own_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    int64_t ahead_ms = doctor->now_ms - own_ms;
    if (llabs(ahead_ms) < ALIKE_MS)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "clock", "TIME",
                         "the server's clock and this machine's are alike");
    else
        weir_doctor_find(doctor, WEIR_FINDING_OK, "clock", "TIME",
                         "the server's clock is %s %s this machine's; weir goes by the server's, "
                         "and only what people compare by eye is off: set both by NTP",
                         weir_span_of(llabs(ahead_ms)).text, ahead_ms > 0 ? "ahead of" : "behind");
}

/* ---- Replicas ---------------------------------------------------------------------------- */

/* The text behind "name=" in "ip=…,port=…,state=online,offset=…,lag=0". */
static void member_of(struct weir_slice line, const char *name, char *text, size_t room)
{
    size_t length = strlen(name);
    text[0] = '\0';
    for (size_t at = 0; line.at && at < line.length;) {
        const char *comma = memchr(line.at + at, ',', line.length - at);
        size_t end = comma ? (size_t)(comma - line.at) : line.length;
        if (end - at > length && memcmp(line.at + at, name, length) == 0 &&
            line.at[at + length] == '=')
            snprintf(text, room, "%.*s", (int)(end - at - length - 1), line.at + at + length + 1);
        at = end + 1;
    }
}

static void judge_replica(struct weir_doctor *doctor, struct weir_slice line)
{
    char host[128], port[16], state[32], lag[24], about[160];
    int64_t lag_s = 0;
    member_of(line, "ip", host, sizeof(host));
    member_of(line, "port", port, sizeof(port));
    member_of(line, "state", state, sizeof(state));
    member_of(line, "lag", lag, sizeof(lag));
    snprintf(about, sizeof(about), "%s:%s", host, port);
    if (strcmp(state, "online") != 0)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "replicas", about,
                         "is in state %s and does not have all yet; if that lasts, look at its log",
                         state[0] ? state : "unknown");
    else if (weir_slice_integer(weir_slice_of(lag), &lag_s) && lag_s >= LAGS_S)
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "replicas", about,
                         "has not been heard of for %" PRId64 " s: should it take over, what came "
                         "since is lost; look at it and at the network",
                         lag_s);
    else
        weir_doctor_find(doctor, WEIR_FINDING_OK, "replicas", about, "follows");
}

/* Sentinels give the role away, and the old master does not know. */
static void judge_cut_off(struct weir_doctor *doctor, const redisReply *settings)
{
    struct weir_slice wanted = weir_value_field(settings, "min-replicas-to-write");
    if (doctor->session->endpoint.master && wanted.at && weir_slice_equals(wanted, "0"))
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "replicas", "min-replicas-to-write",
                         "is 0 while Sentinels watch this server: a master that is cut off goes on "
                         "taking what is lost when another takes its place; set it to 1");
}

void weir_doctor_look_at_replicas(struct weir_doctor *doctor, const redisReply *info,
                                  const redisReply *settings)
{
    struct weir_slice text = weir_value_text(info), line;
    int64_t count = 0;
    if (!text.at || !weir_reply_info(text, "connected_slaves", &line) ||
        !weir_slice_integer(line, &count))
        return;
    for (int64_t i = 0; i < count && i < REPLICAS_SHOWN; i++) {
        char name[32];
        snprintf(name, sizeof(name), "slave%" PRId64, i);
        if (weir_reply_info(text, name, &line))
            judge_replica(doctor, line);
    }
    if (count == 0)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "replicas", "none",
                         "no replica is connected: should this machine be lost, so is what it has");
    judge_cut_off(doctor, settings);
}
