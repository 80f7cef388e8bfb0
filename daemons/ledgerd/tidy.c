/* What is in the ledger need not stay in the store: the log is trimmed, and an event's bytes go once
 * nothing of its document can need them (gk1_ledgered decides). Whoever needs them again gets them
 * back from the ledger (gk1_bytes).
 *
 * The ledger notes which events' bytes the store still has, after the store let them go and before it
 * gets them back: a crash in between makes us ask once more, never forget. */
#include "daemons/ledgerd/ledgerd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

/* A document is asked about when nothing has happened to it for a second: then most channels are
 * done with it. */
enum {
        QUIET_MS = 1000,
        ITEMS = 64,
        BUCKETS = 4096,
        MARKS_MOST = 1024,
        SWEEP_MS = 100,
        SWEEP_AGAIN_MS = 600000, /* what is kept may be free without a record, after a release say */
};

struct touched {
        struct touched *next_in_bucket, *next, *before;
        int64_t at_ms;
        char region[7];
        char document[];
};

struct wanted { /* bytes that the store is to get back */
        struct wanted *next;
        struct region *region;
        bool noted; /* the ledger says that the store has them: it may get them */
        char ulid[ULID_TEXT];
        char document[];
};

struct mark { /* bytes that the store has let go */
        char ulid[ULID_TEXT];
};

struct call {
        struct ledgerd *daemon;
        unsigned generation;
        struct region *region;
        size_t n;
        struct mark items[ITEMS];
        struct words keys;
        bool sweep;
        char trim[LEDGER_STREAM_ID];
        char region_at[7], *document_at; /* of the last one of a sweep */
};

struct tidy {
        struct touched *first, *last; /* the one that is quiet for longest first */
        struct touched *buckets[BUCKETS];
        struct wanted *wanted;
        struct mark *marks;
        size_t n_marks;
        struct call *call; /* under way */
        bool giving;       /* a gk1_bytes is under way */
        bool sweeping;     /* all documents are to be asked about */
        char sweep_region[7], *sweep_document;
        int64_t sweep_ms;
        sd_event_source *timer;
};

static void give_bytes(struct ledgerd *daemon);

/* -- documents to be asked about ------------------------------------------------------------------ */

static struct touched **bucket_of(struct tidy *tidy, const char *region, const char *document) {
        uint32_t hash = 2166136261u;

        for (const char *at = region; *at; at++)
                hash = (hash ^ (unsigned char) *at) * 16777619u;
        for (const char *at = document; *at; at++)
                hash = (hash ^ (unsigned char) *at) * 16777619u;
        return &tidy->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static void unlink_touched(struct tidy *tidy, struct touched *touched) {
        if (touched->before)
                touched->before->next = touched->next;
        else
                tidy->first = touched->next;
        if (touched->next)
                touched->next->before = touched->before;
        else
                tidy->last = touched->before;
}

static void link_touched(struct tidy *tidy, struct touched *touched) {
        touched->at_ms = clock_boot_ms();
        touched->next = NULL;
        touched->before = tidy->last;
        if (tidy->last)
                tidy->last->next = touched;
        else
                tidy->first = touched;
        tidy->last = touched;
}

void tidy_touch(struct ledgerd *daemon, const struct region *region, const char *document) {
        struct tidy *tidy = daemon->tidy;
        struct touched **bucket = bucket_of(tidy, region->code, document), *touched;
        size_t n = strlen(document);

        for (touched = *bucket; touched; touched = touched->next_in_bucket)
                if (strcmp(touched->document, document) == 0 && strcmp(touched->region, region->code) == 0)
                        break;
        if (touched)
                unlink_touched(tidy, touched);
        else {
                touched = malloc(sizeof(*touched) + n + 1);
                if (!touched)
                        return; /* the next start asks about it */
                memcpy(touched->document, document, n + 1);
                memcpy(touched->region, region->code, sizeof(touched->region));
                touched->next_in_bucket = *bucket;
                *bucket = touched;
        }
        link_touched(tidy, touched);
}

static void drop_touched(struct tidy *tidy, struct touched *touched) {
        struct touched **at = bucket_of(tidy, touched->region, touched->document);

        while (*at != touched)
                at = &(*at)->next_in_bucket;
        *at = touched->next_in_bucket;
        unlink_touched(tidy, touched);
        free(touched);
}

/* -- what the ledger is to note --------------------------------------------------------------------- */

int tidy_write(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;
        int r = 0;

        for (size_t i = 0; r == 0 && i < tidy->n_marks; i++)
                r = ledger_set_in_store(daemon->ledger, tidy->marks[i].ulid, false);
        for (const struct wanted *wanted = tidy->wanted; r == 0 && wanted; wanted = wanted->next)
                r = ledger_set_in_store(daemon->ledger, wanted->ulid, true);
        return r;
}

void tidy_committed(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;

        tidy->n_marks = 0;
        for (struct wanted *wanted = tidy->wanted; wanted; wanted = wanted->next)
                wanted->noted = true;
        give_bytes(daemon);
}

/* Without a batch to go along with: a transaction of our own. */
static void write_notes(struct ledgerd *daemon) {
        int r;

        if (!daemon->ledger || daemon->batch)
                return;
        r = ledger_begin(daemon->ledger);
        if (r == 0)
                r = tidy_write(daemon);
        crash_point("ledgerd/notes-written");
        if (r == 0)
                r = ledger_commit(daemon->ledger);
        crash_point("ledgerd/notes-committed");
        if (r < 0)
                trouble_ledger(daemon, r);
        else {
                trouble_over(daemon);
                tidy_committed(daemon);
        }
}

static void add_mark(struct tidy *tidy, const char *ulid) {
        struct mark *marks = realloc(tidy->marks, (tidy->n_marks + 1) * sizeof(*marks));

        if (!marks)
                return;
        tidy->marks = marks;
        memcpy(marks[tidy->n_marks++].ulid, ulid, ULID_TEXT);
}

/* -- gk1_ledgered --------------------------------------------------------------------------------- */

static struct call *call_free(struct call *call) {
        if (!call)
                return NULL;
        words_done(&call->keys);
        free(call->document_at);
        free(call);
        return NULL;
}

static int add_item(const struct ledger_event *event, void *userdata) {
        struct call *call = userdata;

        if (call->n >= ITEMS || strlen(event->ulid) >= ULID_TEXT ||
            (call->region && strcmp(event->region, call->region->code) != 0))
                return 1;
        if (!call->region)
                call->region = region_find(call->daemon, event->region);
        (void) snprintf(call->region_at, sizeof(call->region_at), "%s", event->region);
        free(call->document_at);
        call->document_at = strdup(event->document);
        if (!call->region || !call->document_at) /* a region that is served no more */
                return call->document_at ? 0 : -ENOMEM;
        words_key(&call->keys, event->region, "doc:%s", event->document);
        words_key(&call->keys, event->region, "ev:%s %s", event->source, event->id);
        words_key(&call->keys, event->region, "body:%s", event->ulid);
        (void) snprintf(call->items[call->n++].ulid, ULID_TEXT, "%s", event->ulid);
        return 0;
}

void tidy_learn(struct ledgerd *daemon, struct region *region, const char *channel) {
        if (*channel && !configuration_channel(daemon->configuration, channel) && conf_name_is_valid(channel) &&
            !string_list_has(&region->extra_channels, channel))
                (void) string_list_add(&region->extra_channels, channel, strlen(channel));
}

static void on_ledgered(struct store *store, const redisReply *reply, int error, const char *reason,
                        void *userdata) {
        struct call *call = userdata;
        struct ledgerd *daemon = call->daemon;
        struct tidy *tidy = daemon->tidy;

        (void) store;
        (void) reason;
        if (call->generation != daemon->generation) {
                call_free(call);
                return;
        }
        tidy->call = NULL;
        if (error || !reply_is(reply, 0, "ok")) {
                /* An older library, a store that refuses: later, all of it. */
                tidy->sweeping = tidy->sweeping || call->n > 0;
                tidy->sweep_ms = clock_boot_ms() + (error ? 10000 : SWEEP_MS);
        } else {
                crash_point("ledgerd/trimmed");
                if (call->trim[0])
                        memcpy(call->region->trimmed, call->trim, sizeof(call->trim));
                for (size_t i = 0; i < call->n; i++)
                        if (!reply_is(reply, i + 1, "kept"))
                                add_mark(tidy, call->items[i].ulid);
        }
        call_free(call);
        tidy_go(daemon);
}

static bool send_call(struct call *call) {
        struct ledgerd *daemon = call->daemon;
        struct region *region = call->region;
        const struct configuration *configuration = daemon->configuration;
        struct words words = { 0 }, due = { 0 };
        struct buf names freed_by(buf_done) = { 0 };
        size_t n_due = 0;
        int r;

        for (size_t i = 0; i < configuration->n_channels + region->extra_channels.n; i++) {
                const char *name = i < configuration->n_channels
                                           ? configuration->channels[i].name
                                           : region->extra_channels.items[i - configuration->n_channels];

                words_key(&due, region->code, "due:%s", name);
                buf_fmt(&names, "%s%s", n_due++ > 0 ? "," : "", name);
        }
        words_str(&words, "FCALL");
        words_str(&words, "gk1_ledgered");
        words_number(&words, (int64_t) (2 + n_due + 3 * call->n));
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_join(&words, &due);
        words_join(&words, &call->keys);
        words_str(&words, region->position.epoch);
        /* The last entry stays: by it the next start sees that this is the same log. */
        words_str(&words, strcmp(region->trimmed, region->position.id) != 0 ? region->position.id : "");
        words_number(&words, configuration->main.dedup_window_ms);
        words_number(&words, (int64_t) n_due);
        words_str(&words, buf_text(&names));
        for (size_t i = 0; i < call->n; i++)
                words_str(&words, call->items[i].ulid);
        (void) snprintf(call->trim, sizeof(call->trim), "%s", region->position.id);
        words_done(&due);
        r = store_command(daemon->store, &words, on_ledgered, call);
        crash_point_written(daemon->store, "ledgerd/trim-written");
        words_done(&words);
        if (r == 0)
                daemon->tidy->call = call;
        return r == 0;
}

/* Documents that are quiet: of one region, as many as make up a call. */
static bool collect_quiet(struct ledgerd *daemon, struct call *call, int64_t now) {
        struct tidy *tidy = daemon->tidy;
        size_t n;

        for (struct touched *touched = tidy->first, *next; touched && call->n < ITEMS / 2; touched = next) {
                next = touched->next;
                if (now - touched->at_ms < QUIET_MS)
                        break;
                if (!call->region)
                        call->region = region_find(daemon, touched->region);
                if (call->region && strcmp(call->region->code, touched->region) != 0)
                        continue;
                n = call->n;
                if (ledger_events_in_store(daemon->ledger, touched->region, touched->document, add_item, call) !=
                            0 && n > 0)
                        break; /* no room for all of its events: the next call begins with it */
                drop_touched(tidy, touched);
        }
        return call->n > 0;
}

static bool collect_sweep(struct ledgerd *daemon, struct call *call, int64_t now) {
        struct tidy *tidy = daemon->tidy;

        if (now < tidy->sweep_ms)
                return false;
        tidy->sweeping = true;
        call->region = NULL;
        call->sweep = true;
        (void) ledger_all_in_store(daemon->ledger, tidy->sweep_region,
                                   tidy->sweep_document ? tidy->sweep_document : "", ITEMS, add_item, call);
        tidy->sweep_ms = now + SWEEP_MS;
        if (!call->document_at) { /* nothing is left */
                tidy->sweeping = false;
                tidy->sweep_ms = now + SWEEP_AGAIN_MS;
                tidy->sweep_region[0] = '\0';
                free(give_away(tidy->sweep_document));
                return false;
        }
        memcpy(tidy->sweep_region, call->region_at, sizeof(tidy->sweep_region));
        free(tidy->sweep_document);
        tidy->sweep_document = give_away(call->document_at);
        return call->n > 0;
}

static bool collect_trim(struct ledgerd *daemon, struct call *call) {
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];

                if (region->state == REGION_FOLLOWING && region->position.n > 0 &&
                    strcmp(region->trimmed, region->position.id) != 0) {
                        call->region = region;
                        return true;
                }
        }
        return false;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        tidy_go(userdata);
        return 0;
}

static void come_back(struct ledgerd *daemon, uint64_t ms) {
        struct tidy *tidy = daemon->tidy;

        if (!tidy->timer) {
                (void) sd_event_add_time_relative(daemon->event, &tidy->timer, CLOCK_BOOTTIME, ms * 1000, 0,
                                                  on_timer, daemon);
                return;
        }
        (void) sd_event_source_set_time_relative(tidy->timer, ms * 1000);
        (void) sd_event_source_set_enabled(tidy->timer, SD_EVENT_ONESHOT);
}

void tidy_go(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;
        struct call *call;
        int64_t now = clock_boot_ms();

        if (daemon->stopping || !daemon->ledger || !store_is_up(daemon->store))
                return;
        if (tidy->n_marks >= MARKS_MOST || (tidy->n_marks > 0 && !daemon->first))
                write_notes(daemon);
        give_bytes(daemon);
        if (!daemon->ledger || tidy->call)
                return;
        call = calloc(1, sizeof(*call));
        if (!call)
                return;
        call->daemon = daemon;
        call->generation = daemon->generation;
        if ((collect_quiet(daemon, call, now) || collect_sweep(daemon, call, now) ||
             collect_trim(daemon, call)) &&
            call->region && call->region->state == REGION_FOLLOWING && send_call(call))
                return;
        call_free(call);
        if (tidy->first || tidy->sweeping)
                come_back(daemon, SWEEP_MS);
}

/* -- gk1_bytes ------------------------------------------------------------------------------------ */

void tidy_want_bytes(struct ledgerd *daemon, const struct region *region, const struct ledger_row *row) {
        struct tidy *tidy = daemon->tidy;
        size_t n = strlen(row->document);
        struct wanted *wanted;

        for (wanted = tidy->wanted; wanted; wanted = wanted->next)
                if (strcmp(wanted->ulid, row->event) == 0)
                        return;
        wanted = calloc(1, sizeof(*wanted) + n + 1);
        if (!wanted)
                return; /* the worker asks again */
        wanted->region = region_find(daemon, region->code);
        (void) snprintf(wanted->ulid, sizeof(wanted->ulid), "%s", row->event);
        memcpy(wanted->document, row->document, n + 1);
        wanted->next = tidy->wanted;
        tidy->wanted = wanted;
}

static void drop_wanted(struct tidy *tidy, const char *ulid) {
        for (struct wanted **at = &tidy->wanted; *at; at = &(*at)->next)
                if (strcmp((*at)->ulid, ulid) == 0) {
                        struct wanted *wanted = *at;

                        *at = wanted->next;
                        free(wanted);
                        return;
                }
}

struct gift {
        struct ledgerd *daemon;
        unsigned generation;
        char ulid[ULID_TEXT];
};

static void on_given(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct gift *gift freed_by(freep) = userdata;
        struct ledgerd *daemon = gift->daemon;

        (void) store;
        (void) reply;
        (void) error; /* the worker asks again, and this comes back as a record */
        (void) reason;
        if (gift->generation != daemon->generation)
                return;
        daemon->tidy->giving = false;
        crash_point("ledgerd/given");
        drop_wanted(daemon->tidy, gift->ulid);
        give_bytes(daemon);
}

static int send_bytes(struct ledgerd *daemon, const struct wanted *wanted, const char *bytes, size_t n) {
        struct gift *gift = malloc(sizeof(*gift));
        struct words words = { 0 };
        int r;

        if (!gift)
                return -ENOMEM;
        *gift = (struct gift) { .daemon = daemon, .generation = daemon->generation };
        memcpy(gift->ulid, wanted->ulid, sizeof(gift->ulid));
        words_str(&words, "FCALL");
        words_str(&words, "gk1_bytes");
        words_number(&words, 3);
        words_key(&words, wanted->region->code, "meta");
        words_key(&words, wanted->region->code, "doc:%s", wanted->document);
        words_key(&words, wanted->region->code, "body:%s", wanted->ulid);
        words_str(&words, wanted->region->position.epoch);
        words_str(&words, wanted->ulid);
        words_add(&words, bytes, n);
        r = store_command(daemon->store, &words, on_given, gift);
        crash_point_written(daemon->store, "ledgerd/gift-written");
        words_done(&words);
        if (r < 0)
                free(gift);
        return r;
}

/* One after the other: they may be large. */
static void give_bytes(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;

        while (tidy->wanted && !tidy->giving && daemon->ledger) {
                struct wanted *wanted = tidy->wanted;
                char *bytes freed_by(freep) = NULL;
                size_t n = 0;
                int r;

                if (!wanted->noted) {
                        if (!daemon->batch)
                                write_notes(daemon); /* comes back here */
                        return;
                }
                r = ledger_bytes(daemon->ledger, wanted->ulid, &bytes, &n);
                if (r == 0 && send_bytes(daemon, wanted, bytes, n) == 0) {
                        tidy->giving = true;
                        return;
                }
                if (r == -ENOENT)
                        trouble_bytes(wanted->region, wanted->document, "not in the ledger");
                drop_wanted(tidy, wanted->ulid);
        }
}

/* -- opening and closing -------------------------------------------------------------------------- */

int tidy_open(struct ledgerd *daemon) {
        daemon->tidy = calloc(1, sizeof(*daemon->tidy));
        if (!daemon->tidy)
                return -ENOMEM;
        daemon->tidy->sweeping = true;
        return 0;
}

void tidy_forget(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;

        while (tidy->first)
                drop_touched(tidy, tidy->first);
        while (tidy->wanted)
                drop_wanted(tidy, tidy->wanted->ulid);
        tidy->n_marks = 0; /* the store says so again */
        tidy->call = NULL; /* freed by its answer */
        tidy->giving = false;
        tidy->sweeping = true;
        tidy->sweep_ms = 0;
        tidy->sweep_region[0] = '\0';
        free(give_away(tidy->sweep_document));
        for (size_t i = 0; i < daemon->n_regions; i++)
                daemon->regions[i].trimmed[0] = '\0';
}

void tidy_close(struct ledgerd *daemon) {
        if (!daemon->tidy)
                return;
        tidy_forget(daemon);
        (void) sd_event_source_disable_unref(daemon->tidy->timer);
        free(daemon->tidy->marks);
        free(daemon->tidy);
        daemon->tidy = NULL;
}
