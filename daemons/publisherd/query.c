/* Questions of emitters: a document's newest revision and where it stands per channel (from the store),
 * and receipts (from the ledger, which is read in place: a page of 256 takes a millisecond or two). */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "core/memory.h"
#include "core/moment.h"

struct query {
        struct publisherd *daemon;
        char *region, *document;
        document_json_fn *on_json;
        void *userdata;
};

static void query_free(struct query *query) {
        free(query->region);
        free(query->document);
        free(query);
}

static void set_moment(json_t *object, const char *name, int64_t ms) {
        char text[MOMENT_TEXT];

        (void) json_object_set_new(object, name,
                                   ms > 0 ? json_string(moment_write(ms, text)) : json_null());
}

static void set_text(json_t *object, const char *name, const char *text) {
        (void) json_object_set_new(object, name, *text ? json_string(text) : json_null());
}

static const char *kind_name(const char *kind) {
        return *kind == 'W' ? "withdrawn" : *kind == 'X' ? "expired" : *kind == 'N' ? "kept" : "published";
}

static json_t *revision_json(const redisReply *record) {
        json_t *json = json_object();

        (void) json_object_set_new(json, "revision", json_integer(reply_number(record, 0)));
        (void) json_object_set_new(json, "state", json_string(kind_name(reply_text(record, 2))));
        set_text(json, "event", reply_text(record, 3));
        set_moment(json, "publish_at", reply_number(record, 4));
        set_moment(json, "expires", reply_number(record, 5));
        set_moment(json, "accepted", reply_number(record, 6));
        if (reply_is(record, 8, "1")) /* nothing shows it before its attachments are in */
                (void) json_object_set_new(json, "fetching", json_true());
        return json;
}

/* One channel as gk1_show gives it: name, state, shown revision and level, reference, url, first
 * shown, attempts, not before, code, sentence, in doubt since. */
static json_t *channel_json(struct publisherd *daemon, const redisReply *channel) {
        json_t *json = json_object();
        const char *name = reply_text(channel, 0), *sentence = reply_text(channel, 10);

        (void) json_object_set_new(json, "channel", json_string(name));
        (void) json_object_set_new(json, "state", json_string(reply_text(channel, 1)));
        if (*reply_text(channel, 2)) {
                (void) json_object_set_new(json, "revision", json_integer(reply_number(channel, 2)));
        }
        set_text(json, "url", reply_text(channel, 5));
        set_text(json, "reference", reply_text(channel, 4));
        set_moment(json, "at", reply_number(channel, 6));
        set_moment(json, "next", reply_number(channel, 8));
        (void) json_object_set_new(json, "attempts", json_integer(reply_number(channel, 7)));
        (void) json_object_set_new(json, "due", json_null());
        set_text(json, "error", *sentence ? sentence : reply_text(channel, 9));
        if (!configuration_channel(daemon->configuration, name))
                (void) json_object_set_new(json, "configured", json_false());
        return json;
}

static json_t *document_json(struct publisherd *daemon, const char *region, const char *document,
                             const redisReply *shown) {
        json_t *json = json_object(), *channels = json_array(), *pending = json_array();
        json_t *attachments = fetch_json(daemon, region_find(daemon, region), document);
        const redisReply *current = reply_at(shown, 2), *list = reply_at(shown, 3);

        (void) json_object_set_new(json, "document", json_string(document));
        set_text(json, "owner", reply_text(shown, 0));
        set_text(json, "held", reply_text(shown, 1));
        for (size_t i = 0; list && i < list->elements; i++)
                (void) json_array_append_new(pending, revision_json(reply_at(list, i)));
        if (current && current->elements > 0) {
                json_t *now = revision_json(current);

                (void) json_object_update(json, now);
                json_decref(now);
        }
        if (json_array_size(pending) > 0) {
                json_t *newest = json_array_get(pending, json_array_size(pending) - 1);

                (void) json_object_set(json, "revision", json_object_get(newest, "revision"));
                if (!json_object_get(json, "state"))
                        (void) json_object_set_new(
                                json, "state",
                                json_string(json_is_true(json_object_get(newest, "fetching"))
                                                    ? "fetching"
                                                    : "embargoed"));
        }
        if (!json_object_get(json, "revision")) /* all that there is of it is held */
                (void) json_object_set_new(json, "revision", json_null());
        (void) json_object_set_new(json, "pending", pending);
        list = reply_at(shown, 4);
        for (size_t i = 0; list && i < list->elements; i++)
                (void) json_array_append_new(channels, channel_json(daemon, reply_at(list, i)));
        (void) json_object_set_new(json, "channels", channels);
        if (attachments)
                (void) json_object_set_new(json, "attachments", attachments);
        return json;
}

static void on_shown(struct store *store, const redisReply *reply, int error, const char *reason,
                     void *userdata) {
        struct query *query = userdata;
        const redisReply *shown = reply_at(reply, 0);

        (void) store;
        if (error)
                query->on_json(NULL, reason, query->userdata);
        else if (!shown || shown->elements == 0)
                query->on_json(json_object(), NULL, query->userdata);
        else
                query->on_json(document_json(query->daemon, query->region, query->document, shown),
                               NULL, query->userdata);
        query_free(query);
}

int query_document(struct publisherd *daemon, const char *region, const char *document,
                   document_json_fn *on_json, void *userdata) {
        struct query *query = calloc(1, sizeof(*query));
        struct words words = { 0 };
        int r;

        if (!query)
                return -ENOMEM;
        query->daemon = daemon;
        query->region = strdup(region);
        query->document = strdup(document);
        query->on_json = on_json;
        query->userdata = userdata;
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_show");
        words_number(&words, 1);
        words_key(&words, region, "doc:%s", document);
        r = !query->region || !query->document
                    ? -ENOMEM
                    : store_command(daemon->store, &words, on_shown, query);
        words_done(&words);
        if (r < 0)
                query_free(query);
        return r;
}

/* -- a query that came through the door ------------------------------------------------------------ */

struct asked {
        struct publisherd *daemon;
        struct job *job;
        char region[7];
};

static void on_document(json_t *document, const char *error, void *userdata) {
        struct asked *asked freed_by(freep) = userdata;
        struct job *job = asked->job;

        if (error) {
                answer_busy(asked->daemon, job, 1000);
                return;
        }
        if (json_object_size(document) == 0) {
                (void) json_object_set_new(document, "document",
                                           job->document ? json_string(job->document) : json_null());
                (void) json_object_set_new(document, "revision", json_null());
                (void) json_object_set_new(document, "channels", json_array());
        }
        answer_ok(job, document);
        json_decref(document);
}

static void ask(struct asked *asked) {
        struct job *job = asked->job;

        if (query_document(asked->daemon, asked->region, job->document, on_document, asked) < 0) {
                answer_busy(asked->daemon, job, 1000);
                free(asked);
        }
}

/* The identity's header names its document: status ulid revision level accepted channels due
 * document, by tab, behind 33 bytes. */
static void on_identity(struct store *store, const redisReply *reply, int error, const char *reason,
                        void *userdata) {
        struct asked *asked = userdata;
        struct job *job = asked->job;
        const char *at;

        (void) store;
        (void) reason;
        if (error) {
                answer_busy(asked->daemon, job, 1000);
                free(asked);
                return;
        }
        if (!reply || reply->type != REDIS_REPLY_STRING || reply->len < 34) {
                on_document(json_object(), NULL, asked);
                return;
        }
        at = reply->str + 33;
        for (int i = 0; i < 7 && at; i++) {
                at = memchr(at, '\t', (size_t) (reply->str + reply->len - at));
                at = at ? at + 1 : NULL;
        }
        if (at) {
                const char *end = memchr(at, '\n', (size_t) (reply->str + reply->len - at));

                job->document = strndup(at, (size_t) ((end ? end : reply->str + reply->len) - at));
        }
        if (job->document)
                ask(asked);
        else
                on_document(json_object(), NULL, asked);
}

/* -- receipts --------------------------------------------------------------------------------------- */

enum { RECEIPTS_MOST = 256 };

struct receipts {
        const struct emitter_config *emitter;
        json_t *list;
        int64_t next;
        struct buf buf;
};

static bool is_own_source(const char *source, void *userdata) {
        const struct receipts *receipts = userdata;

        return !receipts->emitter || source_is_listed(&receipts->emitter->sources, source);
}

static int on_receipt(const struct ledger_row *row, void *userdata) {
        struct receipts *receipts = userdata;

        buf_reset(&receipts->buf);
        ledger_receipt_write(row, &receipts->buf);
        if (json_array_append_new(receipts->list, json_loads(buf_text(&receipts->buf), 0, NULL)) < 0)
                return -ENOMEM;
        receipts->next = row->receipt;
        return 0;
}

/* The ledger is opened anew each time: it may be moved, restored, or not be there yet. */
static int read_receipts(struct publisherd *daemon, const struct event *event, struct receipts *receipts) {
        char *path freed_by(freep) = ledger_path(daemon->configuration->main.state_dir);
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        int r = path ? ledger_reader_open(path, &reader) : -ENOMEM;

        return r < 0 ? r
                     : ledger_read_receipts(reader, event->region, event->after, RECEIPTS_MOST, is_own_source,
                                            on_receipt, receipts);
}

static void query_receipts(struct publisherd *daemon, struct job *job, const struct event *event,
                           const struct emitter_config *emitter) {
        struct receipts receipts = { .emitter = emitter, .list = json_array(), .next = event->after };
        struct findings errors = { 0 };
        json_t *answer;
        int r = receipts.list ? read_receipts(daemon, event, &receipts) : -ENOMEM;

        buf_done(&receipts.buf);
        if (r == -ENOENT) {
                findings_add(&errors, "/type", "unavailable", MESSAGE_QUERY_RECEIPTS_UNAVAILABLE, NULL);
                answer_rejected(job, &errors);
                findings_done(&errors);
        } else if (r < 0 || !(answer = json_pack("{s:O, s:I}", "receipts", receipts.list, "next",
                                                 (json_int_t) receipts.next)))
                answer_busy(daemon, job, 1000);
        else {
                answer_ok(job, answer);
                json_decref(answer);
        }
        json_decref(receipts.list);
}

void query_event(struct publisherd *daemon, struct job *job, const struct event *event,
                 const struct emitter_config *emitter) {
        struct asked *asked;
        struct words words = { 0 };
        int r;

        if (event->type == EVENT_QUERY_RECEIPTS) {
                query_receipts(daemon, job, event, emitter);
                return;
        }
        asked = calloc(1, sizeof(*asked));
        if (!asked) {
                answer_busy(daemon, job, 1000);
                return;
        }
        asked->daemon = daemon;
        asked->job = job;
        memcpy(asked->region, event->region, sizeof(asked->region));
        if (event->document) {
                ask(asked);
                return;
        }
        words_str(&words, "GETRANGE");
        words_key(&words, event->region, "ev:%s %s", event->source, event->query_id);
        words_number(&words, 0);
        words_number(&words, 8191);
        r = store_command(daemon->store, &words, on_identity, asked);
        words_done(&words);
        if (r < 0) {
                answer_busy(daemon, job, 1000);
                free(asked);
        }
}
