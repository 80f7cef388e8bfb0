/* Is this log the one that the ledger has known so far? The ledger's position is (epoch, n): the
 * stream's ids are only where to look first, since they go on from a lower one after a failover.
 *
 * Which store is right is not decided here: publisherd keeps epoch and adoption of each region in
 * state/store.known, and changes them for an operator (gongkaictl store adopt) alone. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crash.h"
#include "core/files.h"
#include "core/log.h"
#include "core/memory.h"

struct question {
        struct region *region;
        unsigned generation;
        int64_t n; /* our position when it was asked: the answer may be older than what we have now */
};

struct region *region_find(struct ledgerd *daemon, const char *code) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (strcmp(daemon->regions[i].code, code) == 0)
                        return &daemon->regions[i];
        return NULL;
}

void region_stop(struct region *region, enum message message, ...) {
        struct buf sentence freed_by(buf_done) = { 0 };
        va_list pairs;

        va_start(pairs, message);
        say_list(&sentence, message, pairs);
        va_end(pairs);
        region->state = REGION_STOPPED;
        if (region->refusal && strcmp(region->refusal, buf_text(&sentence)) == 0)
                return;
        free(region->refusal);
        region->refusal = strdup(buf_text(&sentence));
        log_say(LOG_ERR, MESSAGE_LEDGER_STOPPED, "region", region->code, "reason", buf_text(&sentence), NULL);
}

void regions_forget(struct ledgerd *daemon) {
        daemon->generation++;
        /* The next question would wait behind the one that still blocks. */
        if (daemon->reading && daemon->tail)
                store_reconnect(daemon->tail, "looking anew");
        daemon->reading = daemon->was_full = false;
        batch_drop(daemon);
        tail_drop(daemon);
        tidy_forget(daemon);
        for (size_t i = 0; i < daemon->n_regions; i++)
                daemon->regions[i].state = REGION_NEW;
}

static void question_failed(struct region *region) {
        region->state = REGION_NEW; /* the next tick asks again */
}

/* Those that are still being asked about should be part of the same XREAD. */
static bool all_asked(const struct ledgerd *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].state == REGION_LOOKING)
                        return false;
        return true;
}

static void follow(struct region *region, const char *from) {
        (void) snprintf(region->from, sizeof(region->from), "%s", from);
        region->state = REGION_FOLLOWING;
        free(give_away(region->refusal));
        if (all_asked(region->daemon))
                tail_go(region->daemon);
}

/* -- the last entry that we have ------------------------------------------------------------------- */

static void on_last(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct question *question freed_by(freep) = userdata;
        struct region *region = question->region;

        (void) store;
        (void) reason;
        if (question->generation != region->daemon->generation)
                return;
        if (error) {
                question_failed(region);
                return;
        }
        /* Where the entry still stands, reading begins with it, so that it is compared; where it was
         * trimmed, or another has taken its place in the order, with all that there is. */
        region->checking = true;
        if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
                unsigned long long ms = 0, step = 0;
                char before[LEDGER_STREAM_ID];

                (void) sscanf(region->position.id, "%llu-%llu", &ms, &step);
                if (step > 0)
                        (void) snprintf(before, sizeof(before), "%llu-%llu", ms, step - 1);
                else
                        (void) snprintf(before, sizeof(before), "%llu-18446744073709551615", ms - 1);
                follow(region, before);
        } else
                follow(region, "0-0");
}

static void look_at_last(struct region *region) {
        struct ledgerd *daemon = region->daemon;
        struct question *question = malloc(sizeof(*question));
        struct words words = { 0 };

        if (!question) {
                question_failed(region);
                return;
        }
        *question = (struct question) { .region = region, .generation = daemon->generation };
        words_str(&words, "XRANGE");
        words_key(&words, region->code, "log");
        words_str(&words, region->position.id);
        words_str(&words, region->position.id);
        if (store_command(daemon->store, &words, on_last, question) < 0) {
                free(question);
                question_failed(region);
        }
        words_done(&words);
}

/* -- epochs --------------------------------------------------------------------------------------- */

/* What publisherd says of the region: "REGION EPOCH N [ADOPTION]". */
static bool known_store(const struct region *region, char epoch[static ULID_TEXT],
                        char adoption[static ULID_TEXT]) {
        char *path freed_by(freep) = NULL, *text freed_by(freep) = NULL, *rest, *line;

        if (asprintf(&path, "%s/store.known", region->daemon->configuration->main.state_dir) < 0) {
                path = NULL;
                return false;
        }
        if (file_read(path, 1 << 20, &text, NULL) < 0)
                return false;
        rest = text;
        while ((line = strsep(&rest, "\n")) != NULL) {
                char code[7];
                unsigned long long n;

                adoption[0] = '\0';
                if (sscanf(line, "%6s %26s %llu %26s", code, epoch, &n, adoption) >= 3 &&
                    strcmp(code, region->code) == 0)
                        return true;
        }
        return false;
}

static int begin_era(struct region *region, const char *epoch, const char *adoption) {
        struct ledgerd *daemon = region->daemon;
        int64_t n = region->has_position || *adoption ? -1 : 0;
        int r = ledger_begin(daemon->ledger);

        if (r == 0)
                r = ledger_begin_era(daemon->ledger, region->code, epoch, adoption, n);
        crash_point("ledgerd/era-written");
        if (r == 0)
                r = ledger_commit(daemon->ledger);
        if (r == 0)
                r = ledger_position(daemon->ledger, region->code, &region->position);
        if (r < 0) {
                trouble_ledger(daemon, r);
                return r;
        }
        region->has_position = true;
        crash_point("ledgerd/era-committed");
        log_say(LOG_NOTICE, MESSAGE_LEDGER_ERA, "region", region->code, "epoch", epoch, NULL);
        return 0;
}

static void judge(struct region *region, const char *epoch) {
        struct ledgerd *daemon = region->daemon;
        char known_epoch[ULID_TEXT], adoption[ULID_TEXT], now[24], known[24];
        int r = ledger_position(daemon->ledger, region->code, &region->position);

        if (r < 0 && r != -ENOENT) {
                trouble_ledger(daemon, r);
                return;
        }
        region->has_position = r == 0;
        if (!*epoch || !known_store(region, known_epoch, adoption)) {
                region->state = REGION_NEW; /* publisherd has not founded it yet */
                return;
        }
        if (strcmp(known_epoch, epoch) != 0) {
                region_stop(region, MESSAGE_STORE_OTHER_EPOCH, "region", region->code, "now", epoch, "known",
                            known_epoch, NULL);
                return;
        }
        if (!region->has_position || strcmp(region->position.epoch, epoch) != 0 ||
            strcmp(region->position.adoption, adoption) != 0) {
                if (begin_era(region, epoch, adoption) < 0)
                        return;
        } else if (region->n_store < region->position.n) {
                (void) snprintf(now, sizeof(now), "%lld", (long long) region->n_store);
                (void) snprintf(known, sizeof(known), "%lld", (long long) region->position.n);
                region_stop(region, MESSAGE_STORE_LOST, "region", region->code, "now", now, "known", known,
                            NULL);
                return;
        }
        region->any = region->position.n < 0;
        look_at_last(region);
}

static void on_meta(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct question *question freed_by(freep) = userdata;
        struct region *region = question->region;
        struct ledgerd *daemon = region->daemon;
        const char *epoch = reply_text(reply, 0);

        (void) store;
        (void) reason;
        if (question->generation != daemon->generation)
                return;
        if (error) {
                if (region->state == REGION_LOOKING)
                        question_failed(region);
                return;
        }
        region->n_store = reply_number(reply, 1);
        if (region->state == REGION_LOOKING)
                judge(region, epoch);
        else if (region->state == REGION_FOLLOWING &&
                 (strcmp(epoch, region->position.epoch) != 0 || region->n_store < question->n)) {
                /* Another store stands behind the same socket. */
                regions_forget(daemon);
                regions_look(daemon);
        } else if (region->state == REGION_STOPPED)
                region->state = REGION_NEW; /* an operator may have acted */
}

static void ask_meta(struct region *region) {
        struct ledgerd *daemon = region->daemon;
        struct question *question = malloc(sizeof(*question));
        struct words words = { 0 };

        if (!question)
                return;
        *question = (struct question) { region, daemon->generation, region->position.n };
        words_str(&words, "HMGET");
        words_key(&words, region->code, "meta");
        words_str(&words, "epoch");
        words_str(&words, "n");
        if (store_command(daemon->store, &words, on_meta, question) < 0) {
                free(question);
                if (region->state == REGION_LOOKING)
                        question_failed(region);
        }
        words_done(&words);
}

void regions_look(struct ledgerd *daemon) {
        if (!daemon->ledger || !store_is_up(daemon->store))
                return;
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];

                if (region->state != REGION_NEW)
                        continue;
                region->state = REGION_LOOKING;
                ask_meta(region);
        }
}

void regions_measure(struct ledgerd *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                trouble_behind(&daemon->regions[i]);
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].state != REGION_LOOKING && daemon->regions[i].state != REGION_NEW)
                        ask_meta(&daemon->regions[i]);
}
