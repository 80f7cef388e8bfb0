/* gongkai-consoled: a window on the county for those who run it. It reads, and changes nothing.
 * Where a fact comes from:
 *
 *   the store    every 5 s, by read-only commands (pulse.c)
 *   publisherd   its control socket, as gongkaictl asks it (ask.c)
 *   the ledger   read in place; what a page needs by words or by the hour stands in an index of our
 * own that follows the ledger (cards.c) alarms       their files
 *
 * Every page is made for one request from what is known then; one that needs an answer of
 * publisherd's waits for it. */
#ifndef DAEMONS_CONSOLED_CONSOLED_H
#define DAEMONS_CONSOLED_CONSOLED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "core/config.h"
#include "core/ledger.h"
#include "core/store.h"
#include "daemons/consoled/standing.h"

struct asked;
struct cards;
struct pulse;
struct server;

struct consoled {
        sd_event *event;
        sd_event_source *tick;
        struct configuration *configuration;
        struct store *store;
        bool store_told, stopping, reading;
        int64_t pulse_at_ms, cards_again_ms; /* by the boot clock */
        char *ledger_path;
        struct cards *cards;
        struct pulse *pulse;
        struct server *server;
        struct standing standing;
        struct asked *asks; /* under way */
        uint64_t n_answers;
};

/* -- questions to publisherd (ask.c) -- */

/* One question over the control socket. The answer is borrowed; NULL when none came within
 * 3 s, or publisherd is away. on_answer is called exactly once, from the loop, unless it returns a
 * negative errno. */
typedef void ask_fn(const json_t *answer, void *userdata);
int ask_publisherd(struct consoled *daemon, json_t *question, ask_fn *on_answer, void *userdata);
void ask_close(struct consoled *daemon); /* all get NULL */

/* -- the ledger in place -- */

/* Opened anew for each page: it may be moved, restored, or not be there yet. */
int consoled_ledger(const struct consoled *daemon, struct ledger_reader **ret);

#endif
