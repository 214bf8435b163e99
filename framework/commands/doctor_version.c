/* Server versions with faults that touch weir. */
#include <stdio.h>

#include "commands/doctor.h"

#define NUMBER(major, minor, patch) (((major)*1000 + (minor)) * 1000 + (patch))

/* From a version on, up to the one that mends it. */
static const struct fault {
    bool valkey;
    long from, mended;
    bool evicting; /* only where maxmemory-clients is set */
    const char *what;
} faults[] = {
    {false, NUMBER(7, 0, 0), NUMBER(7, 0, 5), false,
     "XAUTOCLAIM can write beyond its memory (CVE-2022-35951)"},
    {false, NUMBER(7, 0, 0), NUMBER(7, 0, 4), false,
     "XAUTOCLAIM can write beyond its memory (CVE-2022-31144)"},
    {false, NUMBER(7, 2, 0), NUMBER(8, 6, 3), true,
     "a blocked reader that is evicted by maxmemory-clients can crash it (CVE-2026-23479); set "
     "maxmemory-clients to 0"},
    {false, NUMBER(8, 2, 0), NUMBER(8, 2, 3), false,
     "XACKDEL can write beyond its memory (CVE-2025-62507)"},
    {false, NUMBER(8, 2, 0), NUMBER(8, 2, 9), false,
     "XREADGROUP may pass over access rights (redis#15478)"},
    {false, NUMBER(8, 2, 0), NUMBER(8, 2, 7), false,
     "XTRIM and XADD with '~' and ACKED or DELREF remove nothing (redis#14656); weir does not use "
     "them, and nobody should trim its streams so"},
    {false, NUMBER(8, 4, 0), NUMBER(8, 4, 4), false,
     "XTRIM and XADD with '~' and ACKED or DELREF remove nothing (redis#14656); weir does not use "
     "them, and nobody should trim its streams so"},
    {false, NUMBER(8, 4, 0), NUMBER(8, 4, 6), false,
     "XREADGROUP may pass over access rights (redis#15478)"},
    {false, NUMBER(8, 6, 0), NUMBER(8, 6, 6), false,
     "XREADGROUP may pass over access rights (redis#15478)"},
    {false, NUMBER(8, 6, 0), NUMBER(8, 6, 4), false,
     "a replica may know other consumers of a group than its master (redis#14963)"},
};

void weir_doctor_judge_version(struct weir_doctor *doctor, bool valkey, const char *version,
                               bool evicts_clients)
{
    const char *name = valkey ? "Valkey" : "Redis";
    int major = 0, minor = 0, patch = 0;
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) < 2) {
        weir_doctor_find(doctor, WEIR_FINDING_WARNING, "version", version,
                         "is no version that is known here; weir needs Redis 7.0 or Valkey 8");
        return;
    }
    if (major < 7) {
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "version", version,
                         "is too old: weir needs Redis 7.0 or newer, or Valkey 8");
        return;
    }
    weir_doctor_find(doctor, WEIR_FINDING_OK, "version", version, "%s, new enough", name);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        const struct fault *fault = &faults[i];
        long number = NUMBER((long)major, minor, patch);
        if (fault->valkey == valkey && number >= fault->from && number < fault->mended &&
            (evicts_clients || !fault->evicting))
            weir_doctor_find(doctor, WEIR_FINDING_WARNING, "version", version,
                             "%s, if your distribution has not mended it; update it", fault->what);
    }
}
