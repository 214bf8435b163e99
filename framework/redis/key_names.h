/* Every key is spelled here and nowhere else. A key is
 *   <namespace>{<service>}:<rest>
 * where the braces are the Cluster hash tag that keeps all of a service's keys in one slot. */
#ifndef WEIR_REDIS_KEY_NAMES_H
#define WEIR_REDIS_KEY_NAMES_H

#include <stddef.h>

#include "base/status.h"

#define WEIR_KEY_MAX 512 /* bytes with the final NUL */

/* The service that runs sagas. */
#define WEIR_SAGAS "sagas"

/* Each writes a key into `key` (WEIR_KEY_MAX bytes) and returns it. `prefix` is the namespace, ""
 * for none. Names have been checked by their readers and fit. */
char *weir_key_commands(char *key, const char *prefix, const char *service);
char *weir_key_events(char *key, const char *prefix, const char *service);
char *weir_key_dead(char *key, const char *prefix, const char *service);
char *weir_key_scheduled(char *key, const char *prefix, const char *service);
char *weir_key_workers(char *key, const char *prefix, const char *service);
/* hash: process → how often it has borne witness (witness.lua). */
char *weir_key_witness(char *key, const char *prefix, const char *service);
/* hash: who reads the service's events without a consumer group: "<view>/<projection>" → id of
 * the last entry that it has applied. Looked at before events are trimmed. */
char *weir_key_readers(char *key, const char *prefix, const char *service);
char *weir_key_checkpoint(char *key, const char *prefix, const char *service,
                          const char *projection);
/* hash: whose turn a projection is, its state, its rebuild. */
char *weir_key_projection(char *key, const char *prefix, const char *service,
                          const char *projection);
/* set: "<stream> <entry>" of events that an operator had a projection pass over. */
char *weir_key_skipped(char *key, const char *prefix, const char *service, const char *projection);
/* hash: first part of the keys of read models → the projection that writes them. */
char *weir_key_kinds(char *key, const char *prefix, const char *service);
/* A register of a projection's rebuild: "checkpoint", "keys", "done", "differences", "lives". */
char *weir_key_rebuild(char *key, const char *prefix, const char *service, const char *which,
                       const char *projection);
/* Read models: `base` is "" for the live one, weir_key_rebuild_base's text for a rebuilt one. */
char *weir_key_model(char *key, const char *prefix, const char *service, const char *base,
                     const char *rest);
char *weir_key_rebuild_base(char *base, const char *projection);
/* string: what became of the message with this id; the words are those of message/mark.h. */
char *weir_key_seen(char *key, const char *prefix, const char *service, const char *id);
/* string: what an operator has done with a dead letter (functions/replay.lua). */
char *weir_key_letter(char *key, const char *prefix, const char *service, const char *letter);
/* hash: what became of a saga's step in this service. */
char *weir_key_step(char *key, const char *prefix, const char *service, const char *saga,
                    const char *step);
/* Any key of the service by what stands behind its tag: "account:c7", "commands". */
char *weir_key_named(char *key, const char *prefix, const char *service, const char *name);
/* The service whose events a key holds, written to `owner`; NULL where it is no such key. */
const char *weir_key_events_owner(const char *key, const char *prefix, char *owner, size_t room);
/* {sagas}:… */
char *weir_key_replies(char *key, const char *prefix);
char *weir_key_held(char *key, const char *prefix);
char *weir_key_saga(char *key, const char *prefix, const char *saga);
char *weir_key_saga_state(char *key, const char *prefix, const char *state);
char *weir_key_definition(char *key, const char *prefix, const char *name);
/* {weir}:projections, hash: "<view>/<projection>" → the services that it reads, by blanks. */
char *weir_key_projections(char *key, const char *prefix);
/* {weir}:actions, stream: what operators have done (commands/action.h). */
char *weir_key_actions(char *key, const char *prefix);
/* {weir}:services, hash: service → ms of the server's clock of its last sign of life, which its
 * workers write now and then. */
char *weir_key_services(char *key, const char *prefix);
/* set: the names of the definitions that `weir definition load` has written. */
char *weir_key_definitions(char *key, const char *prefix);

#endif
