/* Looks at the server: whether it is one that weir can rely on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/doctor.h"
#include "commands/values.h"
#include "redis/function_library.h"
#include "redis/reply.h"

#define FULL_PERCENT 95
#define NEARLY_FULL_PERCENT 80
#define MB (1024 * 1024)

/* INFO, and the settings of CONFIG GET; either may be missing. */
struct server {
    struct weir_doctor *doctor;
    const redisReply *info, *settings;
};

struct word {
    char text[64];
};

/* "" where there is none. */
static struct word info_of(const struct server *server, const char *name)
{
    struct word word = {""};
    struct weir_slice value;
    if (weir_reply_info(weir_value_text(server->info), name, &value))
        snprintf(word.text, sizeof(word.text), "%.*s", (int)value.length, value.at);
    return word;
}

static bool info_is(const struct server *server, const char *name, const char *value)
{
    return strcmp(info_of(server, name).text, value) == 0;
}

static int64_t info_number(const struct server *server, const char *name)
{
    int64_t number = 0;
    return weir_slice_integer(weir_slice_of(info_of(server, name).text), &number) ? number : 0;
}

static struct word setting_of(const struct server *server, const char *name)
{
    struct word word = {""};
    struct weir_slice value = weir_value_field(server->settings, name);
    snprintf(word.text, sizeof(word.text), "%.*s", (int)value.length, value.at ? value.at : "");
    return word;
}

static bool setting_is(const struct server *server, const char *name, const char *value)
{
    return strcmp(setting_of(server, name).text, value) == 0;
}

static void find(const struct server *server, enum weir_finding level, const char *check,
                 const char *about, const char *text)
{
    weir_doctor_find(server->doctor, level, check, about, "%s", text);
}

/* ---- What it is -------------------------------------------------------------------------- */

static void look_at_version(const struct server *server)
{
    bool valkey = info_is(server, "server_name", "valkey");
    struct word clients = setting_of(server, "maxmemory-clients");
    bool evicts = clients.text[0] && strcmp(clients.text, "0") != 0;
    weir_doctor_judge_version(server->doctor, valkey,
                              info_of(server, valkey ? "valkey_version" : "redis_version").text,
                              evicts);
}

static void look_at_wanted_replicas(const struct server *server)
{
    int64_t wanted = 0, near = info_number(server, "min_slaves_good_slaves");
    struct word setting = setting_of(server, "min-replicas-to-write");
    if (weir_slice_integer(weir_slice_of(setting.text), &wanted) && near < wanted)
        weir_doctor_find(server->doctor, WEIR_FINDING_PROBLEM, "role", "min-replicas-to-write",
                         "is %" PRId64 ", and %" PRId64 " replicas are near enough: the server "
                         "refuses writes (NOREPLICAS); bring replicas back, or set it lower",
                         wanted, near);
}

static void look_at_role(const struct server *server)
{
    if (info_is(server, "role", "master"))
        find(server, WEIR_FINDING_OK, "role", "master", "takes writes");
    else
        weir_doctor_find(server->doctor, WEIR_FINDING_PROBLEM, "role", "replica",
                         "is a replica of %s:%s and takes no writes; give the address of that one",
                         info_of(server, "master_host").text, info_of(server, "master_port").text);
    if (info_is(server, "cluster_enabled", "1"))
        find(server, WEIR_FINDING_PROBLEM, "role", "cluster-enabled",
             "is yes: a commit writes to several services, whose keys lie on several nodes; use a "
             "server of its own");
}

/* ---- Memory ------------------------------------------------------------------------------ */

static void look_at_policy(const struct server *server, int64_t limit)
{
    struct word policy = info_of(server, "maxmemory_policy");
    if (strcmp(policy.text, "noeviction") == 0)
        find(server, WEIR_FINDING_OK, "memory", "maxmemory-policy", "noeviction: nothing vanishes");
    else
        weir_doctor_find(server->doctor, limit > 0 ? WEIR_FINDING_PROBLEM : WEIR_FINDING_WARNING,
                         "memory", "maxmemory-policy",
                         "is %s: messages and state vanish when memory is short; set it to "
                         "noeviction",
                         policy.text);
}

static void look_at_memory(const struct server *server)
{
    int64_t limit = info_number(server, "maxmemory"), used = info_number(server, "used_memory");
    int64_t all = limit > 0 ? limit : info_number(server, "total_system_memory");
    int64_t percent = all >= 100 ? used / (all / 100) : 0;
    enum weir_finding level = percent >= FULL_PERCENT && limit > 0 ? WEIR_FINDING_PROBLEM
                              : percent >= NEARLY_FULL_PERCENT     ? WEIR_FINDING_WARNING
                                                                   : WEIR_FINDING_OK;
    look_at_policy(server, limit);
    weir_doctor_find(server->doctor, level, "memory", limit > 0 ? "maxmemory" : "used_memory",
                     "%" PRId64 " MB of %" PRId64 " MB are used, %" PRId64 " %% of %s%s", used / MB,
                     all / MB, percent,
                     limit > 0 ? "maxmemory" : "the machine's, as maxmemory is not set",
                     level == WEIR_FINDING_OK
                         ? ""
                         : "; when it is full no new work is taken: give it more, or remove dead "
                           "letters and events");
}

/* ---- What is kept ------------------------------------------------------------------------ */

static void look_at_fsync(const struct server *server)
{
    struct word fsync = setting_of(server, "appendfsync");
    if (strcmp(fsync.text, "always") == 0)
        find(server, WEIR_FINDING_OK, "durability", "appendfsync",
             "always: what was acknowledged survives a crash");
    else if (strcmp(fsync.text, "everysec") == 0)
        find(server, WEIR_FINDING_OK, "durability", "appendfsync",
             "everysec: a crash may lose the last two seconds, whole commits only");
    else if (fsync.text[0])
        weir_doctor_find(server->doctor, WEIR_FINDING_WARNING, "durability", "appendfsync",
                         "is %s: a crash of the machine may lose half a minute and more; set it to "
                         "everysec or always",
                         fsync.text);
    if (setting_is(server, "no-appendfsync-on-rewrite", "yes"))
        find(server, WEIR_FINDING_WARNING, "durability", "no-appendfsync-on-rewrite",
             "is yes: while the file is rewritten a crash may lose minutes; set it to no");
    if (setting_is(server, "aof-use-rdb-preamble", "no"))
        find(server, WEIR_FINDING_WARNING, "durability", "aof-use-rdb-preamble",
             "is no: a restart with many messages takes long; set it to yes");
}

static void look_at_durability(const struct server *server)
{
    if (info_is(server, "aof_enabled", "1")) {
        find(server, WEIR_FINDING_OK, "durability", "appendonly",
             "yes: every write goes to a file");
        look_at_fsync(server);
    } else {
        find(server, WEIR_FINDING_PROBLEM, "durability", "appendonly",
             "is no: all that came since the last snapshot is lost when the server ends; set it to "
             "yes");
    }
    if (info_is(server, "aof_last_bgrewrite_status", "err"))
        find(
            server, WEIR_FINDING_WARNING, "durability", "aof_last_bgrewrite_status",
            "err: the append-only file could not be rewritten and grows; look at the server's log");
}

/* With stop-writes-on-bgsave-error, as it is by itself, a server that cannot save takes no writes.
 */
static void look_at_saving(const struct server *server)
{
    if (info_is(server, "aof_enabled", "1") && info_is(server, "aof_last_write_status", "err"))
        find(server, WEIR_FINDING_PROBLEM, "durability", "aof_last_write_status",
             "err: the append-only file cannot be written, and writes are refused; make room on "
             "its disk");
    if (info_is(server, "rdb_last_bgsave_status", "err"))
        find(server, WEIR_FINDING_WARNING, "durability", "rdb_last_bgsave_status",
             "err: the last snapshot failed; look at the server's log, make room on its disk or in "
             "its memory, and try: redis-cli BGSAVE");
    if (info_is(server, "loading", "1"))
        find(server, WEIR_FINDING_PROBLEM, "durability", "loading",
             "the server is still reading its data; wait");
}

/* ---- The function library ---------------------------------------------------------------- */

static void look_at_library(struct weir_doctor *doctor)
{
    struct weir_error error = {0};
    int64_t found = 0, own = weir_function_library_version();
    redisReply *reply =
        weir_client_ask(&doctor->session->client, &error, "FCALL", "weir_version", "0", NULL);
    if (!reply && !strstr(error.text, "Function not found")) {
        weir_doctor_find_error(doctor, "library", "weir", &error);
        return;
    }
    if (!weir_reply_integer(reply, &found))
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "library", "weir",
                         "the function library is not loaded; workers load it when they start, or: "
                         "weir install");
    else if (found < own)
        weir_doctor_find(doctor, WEIR_FINDING_PROBLEM, "library", "weir",
                         "the function library has version %" PRId64 ", older than %" PRId64
                         " of this program; load it: weir install",
                         found, own);
    else
        weir_doctor_find(doctor, WEIR_FINDING_OK, "library", "weir",
                         "the function library has version %" PRId64 "%s", found,
                         found > own ? ", newer than this program's" : "");
    if (reply)
        freeReplyObject(reply);
}

/* ---- All of it --------------------------------------------------------------------------- */

void weir_doctor_look_at_server(struct weir_doctor *doctor)
{
    redisReply *info = weir_doctor_ask(doctor, "rights", "INFO", "INFO", NULL);
    redisReply *settings = weir_doctor_ask(
        doctor, "rights", "CONFIG", "CONFIG", "GET", "appendfsync", "no-appendfsync-on-rewrite",
        "aof-use-rdb-preamble", "maxmemory-clients", "min-replicas-to-write", NULL);
    struct server server = {doctor, info && info->type == REDIS_REPLY_STRING ? info : NULL,
                            settings};
    if (server.info) {
        look_at_version(&server);
        look_at_role(&server);
        look_at_wanted_replicas(&server);
        weir_doctor_look_at_replicas(doctor, info, settings);
        look_at_memory(&server);
        look_at_durability(&server);
        look_at_saving(&server);
    }
    if (doctor->lost.status == WEIR_OK)
        look_at_library(doctor);
    if (info)
        freeReplyObject(info);
    if (settings)
        freeReplyObject(settings);
}
