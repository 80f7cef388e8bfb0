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
#include "daemons/ledgerd/touched.h"

/* A document is asked about when nothing has happened to it for a second: then most channels are
 * done with it. Each call makes the store sync, and each note the ledger: so they wait for company, a
 * little. */
enum {
        QUIET_MS = 1000,
        PACE_MS = 250, /* between two questions about quiet documents, unless there are more than one takes */
        TRIM_MS = 2000, /* the log is trimmed along with a question, or by itself when none came */
        NOTES_MS = 1000, /* what no transaction of a batch has taken along gets its own */
        ITEMS = 256,
        MARKS_MOST = 2048,
        SWEEP_ITEMS = 128,
        SWEEP_MS = 250,
        SWEEP_AGAIN_MS = 600000, /* what is kept may be free without a record, after a release say */
};

struct wanted { /* bytes that the store is to get back */
        struct wanted *next;
        struct region *region;
        bool noted; /* the ledger says that the store has them: it may get them */
        char ulid[ULID_TEXT];
        char document[];
};

struct asked { /* an event that the store is asked about; where its bytes went, that is to be noted */
        struct asked *next;
        char region[7], ulid[ULID_TEXT];
        char document[];
};

struct call {
        struct ledgerd *daemon;
        unsigned generation;
        struct region *region;
        size_t n;
        struct asked *items[ITEMS];
        struct words keys;
        bool sweep;
        char trim[LEDGER_STREAM_ID];
        char region_at[7], *document_at; /* of the last one of a sweep */
};

struct tidy {
        struct touched_list touched;
        struct wanted *wanted;
        struct asked *marks; /* bytes that the store has let go */
        size_t n_marks;
        int64_t marked_ms; /* when the first of them came */
        struct call *call; /* under way */
        bool giving;       /* a gk1_bytes is under way */
        bool sweeping;     /* all documents are to be asked about */
        char sweep_region[7], *sweep_document;
        int64_t sweep_ms, quiet_ms; /* not before then */
        sd_event_source *timer;
        bool comes_back;
};

static void give_bytes(struct ledgerd *daemon);

void tidy_touch(struct ledgerd *daemon, const struct region *region, const char *document) {
        touched_add(&daemon->tidy->touched, region->code, document);
}

/* -- what the ledger is to note --------------------------------------------------------------------- */

static void drop_marks(struct tidy *tidy) {
        while (tidy->marks) {
                struct asked *mark = tidy->marks;

                tidy->marks = mark->next;
                free(mark);
        }
        tidy->n_marks = 0;
}

int tidy_write(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;
        int r = 0;

        for (const struct asked *mark = tidy->marks; r == 0 && mark; mark = mark->next)
                r = ledger_end_in_store(daemon->ledger, mark->region, mark->document, mark->ulid);
        for (const struct wanted *wanted = tidy->wanted; r == 0 && wanted; wanted = wanted->next)
                r = ledger_put_in_store(daemon->ledger, wanted->ulid);
        return r;
}

void tidy_committed(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;

        drop_marks(tidy);
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

/* What the store is just getting back it may have let go before that. */
static bool is_wanted(const struct tidy *tidy, const char *ulid) {
        for (const struct wanted *wanted = tidy->wanted; wanted; wanted = wanted->next)
                if (strcmp(wanted->ulid, ulid) == 0)
                        return true;
        return false;
}

static void add_mark(struct tidy *tidy, struct asked *asked) {
        if (tidy->n_marks++ == 0)
                tidy->marked_ms = clock_boot_ms();
        asked->next = tidy->marks;
        tidy->marks = asked;
}

/* -- gk1_ledgered --------------------------------------------------------------------------------- */

static struct call *call_free(struct call *call) {
        if (!call)
                return NULL;
        for (size_t i = 0; i < call->n; i++)
                free(call->items[i]);
        words_done(&call->keys);
        free(call->document_at);
        free(call);
        return NULL;
}

static void add_key(struct words *words, const char *region, const char *kind, const char *name) {
        struct buf *buf = &words->bytes;

        buf_char(buf, '{');
        buf_str(buf, region);
        buf_str(buf, "}:");
        buf_str(buf, kind);
        buf_str(buf, name);
}

static struct asked *asked_new(const struct ledger_event *event) {
        size_t n = strlen(event->document);
        struct asked *asked = malloc(sizeof(*asked) + n + 1);

        if (!asked)
                return NULL;
        (void) snprintf(asked->region, sizeof(asked->region), "%s", event->region);
        (void) snprintf(asked->ulid, sizeof(asked->ulid), "%s", event->ulid);
        memcpy(asked->document, event->document, n + 1);
        return asked;
}

static int add_item(const struct ledger_event *event, void *userdata) {
        struct call *call = userdata;
        struct asked *asked;

        if (call->n >= ITEMS || strlen(event->ulid) >= ULID_TEXT ||
            (call->region && strcmp(event->region, call->region->code) != 0))
                return 1;
        if (!call->region)
                call->region = region_find(call->daemon, event->region);
        if (call->sweep) {
                (void) snprintf(call->region_at, sizeof(call->region_at), "%s", event->region);
                free(call->document_at);
                call->document_at = strdup(event->document);
                if (!call->document_at)
                        return -ENOMEM;
        }
        if (!call->region) /* it is served no more */
                return 0;
        asked = asked_new(event);
        if (!asked)
                return -ENOMEM;
        add_key(&call->keys, event->region, "doc:", event->document);
        words_end(&call->keys);
        add_key(&call->keys, event->region, "ev:", event->source);
        buf_char(&call->keys.bytes, ' ');
        buf_str(&call->keys.bytes, event->id);
        words_end(&call->keys);
        add_key(&call->keys, event->region, "body:", event->ulid);
        words_end(&call->keys);
        call->items[call->n++] = asked;
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
                        if (!reply_is(reply, i + 1, "kept") && !is_wanted(tidy, call->items[i]->ulid))
                                add_mark(tidy, give_away(call->items[i]));
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
                words_str(&words, call->items[i]->ulid);
        (void) snprintf(call->trim, sizeof(call->trim), "%s", region->position.id);
        words_done(&due);
        r = store_command(daemon->store, &words, on_ledgered, call);
        crash_point_written(daemon->store, "ledgerd/trim-written");
        words_done(&words);
        if (r == 0)
                daemon->tidy->call = call;
        region->trim_ms = 0;
        return r == 0;
}

/* Documents that are quiet: of one region, as many as make up a call. */
static bool collect_quiet(struct ledgerd *daemon, struct call *call, int64_t now) {
        struct tidy *tidy = daemon->tidy;
        bool looking;
        size_t n;

        if (now < tidy->quiet_ms || !tidy->touched.first || now - tidy->touched.first->at_ms < QUIET_MS)
                return false;
        tidy->quiet_ms = now + PACE_MS;
        looking = ledger_look(daemon->ledger) == 0;
        for (struct touched *touched = tidy->touched.first, *next; touched && call->n < ITEMS / 2; touched = next) {
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
                touched_drop(&tidy->touched, touched);
        }
        if (looking)
                ledger_look_done(daemon->ledger);
        if (call->n >= ITEMS / 2)
                tidy->quiet_ms = now; /* there are more */
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
                                   tidy->sweep_document ? tidy->sweep_document : "", SWEEP_ITEMS, add_item,
                                   call);
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

static bool collect_trim(struct ledgerd *daemon, struct call *call, int64_t now) {
        for (size_t i = 0; i < daemon->n_regions; i++) {
                struct region *region = &daemon->regions[i];

                if (region->state != REGION_FOLLOWING || region->position.n <= 0 ||
                    strcmp(region->trimmed, region->position.id) == 0)
                        continue;
                if (region->trim_ms == 0)
                        region->trim_ms = now + TRIM_MS;
                if (now >= region->trim_ms) {
                        call->region = region;
                        return true;
                }
        }
        return false;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct ledgerd *daemon = userdata;

        (void) source;
        (void) usec;
        daemon->tidy->comes_back = false;
        tidy_go(daemon);
        return 0;
}

static void come_back(struct ledgerd *daemon) {
        static const uint64_t wait_usec = PACE_MS * UINT64_C(1000);
        struct tidy *tidy = daemon->tidy;

        if (tidy->comes_back)
                return;
        tidy->comes_back = true;
        if (!tidy->timer) {
                (void) sd_event_add_time_relative(daemon->event, &tidy->timer, CLOCK_BOOTTIME, wait_usec, 0,
                                                  on_timer, daemon);
                return;
        }
        (void) sd_event_source_set_time_relative(tidy->timer, wait_usec);
        (void) sd_event_source_set_enabled(tidy->timer, SD_EVENT_ONESHOT);
}

void tidy_go(struct ledgerd *daemon) {
        struct tidy *tidy = daemon->tidy;
        struct call *call;
        int64_t now = clock_boot_ms();

        if (daemon->stopping || !daemon->ledger || !store_is_up(daemon->store))
                return;
        if (tidy->n_marks >= MARKS_MOST || (tidy->n_marks > 0 && now - tidy->marked_ms >= NOTES_MS))
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
             collect_trim(daemon, call, now)) &&
            call->region && call->region->state == REGION_FOLLOWING && send_call(call))
                return;
        call_free(call);
        if (tidy->touched.first || tidy->sweeping || tidy->n_marks > 0)
                come_back(daemon);
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

        while (tidy->touched.first)
                touched_drop(&tidy->touched, tidy->touched.first);
        while (tidy->wanted)
                drop_wanted(tidy, tidy->wanted->ulid);
        drop_marks(tidy); /* the store says so again */
        tidy->call = NULL; /* freed by its answer */
        tidy->giving = false;
        tidy->sweeping = true;
        tidy->sweep_ms = tidy->quiet_ms = 0;
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
        free(daemon->tidy);
        daemon->tidy = NULL;
}
