/* Looks at projections: whether one stands still, or nobody runs it. */
#include <string.h>

#include "commands/doctor.h"
#include "commands/projection_verbs.h"
#include "commands/values.h"

#define WAITS_LONG_MS 60000

/* The age of the oldest event that is not applied yet; 0: there is none. */
static int64_t age_of(const struct weir_doctor *doctor, const json_t *row)
{
    const json_t *oldest = json_object_get(row, "oldest");
    return json_is_integer(oldest) ? doctor->now_ms - json_integer_value(oldest) : 0;
}

static void judge_behind(struct weir_doctor *doctor, const struct weir_projection_name *name,
                         bool idle, int64_t age_ms)
{
    if (age_ms < WAITS_LONG_MS)
        weir_doctor_find(doctor, WEIR_FINDING_OK, "projections", name->shown, "%s",
                         idle ? "has read all events, and no worker runs it"
                              : "has read all events");
    else if (idle)
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "projections", name->shown,
                         "is behind by %s, and no worker runs it; start one of %s, or, where no "
                         "program has it any more: weir projection forget %s",
                         weir_span_of(age_ms).text, name->view, name->shown);
    else
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "projections", name->shown,
                         "is behind by %s; see how far: weir projection show %s",
                         weir_span_of(age_ms).text, name->shown);
}

static void judge(struct weir_doctor *doctor, const struct weir_projection_name *name,
                  const struct weir_projection_status *status, const json_t *row)
{
    const char *state = weir_projection_state(status);
    if (weir_projection_is_stopped(status))
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "projections", name->shown,
                         "is %s: %s; see the event: weir projection show %s", state,
                         status->stop.reason, name->shown);
    else
        judge_behind(doctor, name, strcmp(state, "idle") == 0, age_of(doctor, row));
    if (weir_event_stops(&status->event))
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "projections", name->shown,
                         "its rebuild is stopped: %s; see the event: weir projection show %s",
                         status->event.reason, name->shown);
    else if (status->paused && status->phase[0])
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "projections", name->shown,
                         "its rebuild is paused; weir projection rebuild %s goes on, abandon drops "
                         "it",
                         name->shown);
}

static void look_at(struct weir_doctor *doctor, const struct weir_projection_name *name)
{
    struct weir_error error = {0};
    struct weir_projection_status status;
    json_t *sources = weir_projection_sources(doctor->session, name, &error);
    if (sources && weir_projection_look(doctor->session, name, &status, &error) == WEIR_OK) {
        json_t *row = weir_projection_describe(name, &status, sources);
        judge(doctor, name, &status, row);
        json_decref(row);
    } else {
        weir_doctor_find_error(doctor, "projections", name->shown, &error);
    }
    json_decref(sources);
}

void weir_doctor_look_at_projections(struct weir_doctor *doctor)
{
    struct weir_error error = {0};
    const char *shown;
    json_t *sources;
    if (doctor->lost.status != WEIR_OK)
        return;
    json_t *all = weir_projections_read(doctor->session, &error);
    if (!all)
        weir_doctor_find_error(doctor, "projections", "projections", &error);
    json_object_foreach(all, shown, sources)
    {
        struct weir_projection_name name;
        if (doctor->lost.status == WEIR_OK && weir_projection_name_split(&name, shown, sources)) {
            look_at(doctor, &name);
            weir_projection_name_close(&name);
        }
    }
    json_decref(all);
}
