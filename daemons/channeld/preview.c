/* `--preview`: the event on standard input becomes a delivery, the driver its steps, and these are
 * shown, as if the carrier had answered well. Nothing is connected; nothing is written but to the
 * folder that was asked for. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/moment.h"
#include "daemons/channeld/show.h"

enum { EVENT_MOST = 4 << 20, MOST_STEPS = 100 };

static char *read_all(size_t *ret_n) {
        char *bytes = malloc(EVENT_MOST + 1);
        size_t n = 0;

        while (bytes && n < EVENT_MOST) {
                ssize_t got = read(STDIN_FILENO, bytes + n, EVENT_MOST - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        break;
                n += (size_t) got;
        }
        if (bytes)
                bytes[n] = '\0';
        *ret_n = n;
        return bytes;
}

/* What the index holds from the last OPEN that put something: a driver may look at it by another. */
struct entry {
        json_t *data, *tags; /* owned; no data: nothing is shown */
        int64_t date_ms;
};

static void entry_done(struct entry *entry) {
        json_decref(entry->data);
        json_decref(entry->tags);
        *entry = (struct entry) { 0 };
}

static void entry_put(struct entry *entry, const struct tree_open *open) {
        if (!open->has_entry)
                return;
        entry_done(entry);
        if (open->live)
                *entry = (struct entry) { .data = json_incref(open->data), .tags = json_incref(open->tags),
                                          .date_ms = open->date_ms };
}

static bool is_in_view(const struct entry *entry, const struct tree_view *view, const char *month) {
        bool tagged = !view->tag;
        size_t i;
        const json_t *tag;

        json_array_foreach(entry->tags, i, tag)
                tagged = tagged || strcmp(json_string_value(tag), view->tag) == 0;
        return entry->data && tagged && (!view->month || strcmp(view->month, month) == 0);
}

/* An index with nothing in it but this entry. */
static json_t *lonely_views(const struct entry *entry, const struct tree_open *open,
                            struct tree_reply *ret) {
        json_t *whole = json_pack("{s:[], s:{}, s:{}}", "views", "tags", "months");
        json_t *views = json_object_get(whole, "views"), *tag;
        char month[MOMENT_TEXT];
        size_t i;

        (void) moment_write_date(entry->date_ms, month);
        month[7] = '\0'; /* 2026-11 */
        for (i = 0; i < open->n_views; i++)
                (void) json_array_append_new(views, is_in_view(entry, &open->views[i], month)
                                                            ? json_pack("[O]", entry->data)
                                                            : json_array());
        if (entry->data) {
                (void) json_object_set_new(json_object_get(whole, "months"), "",
                                           json_pack("[s]", month));
                json_array_foreach(entry->tags, i, tag) {
                        (void) json_object_set_new(json_object_get(whole, "tags"),
                                                   json_string_value(tag), json_integer(1));
                        (void) json_object_set_new(json_object_get(whole, "months"),
                                                   json_string_value(tag), json_pack("[s]", month));
                }
        }
        *ret = (struct tree_reply) { .status = TREE_OK, .views = json_object_get(whole, "views"),
                                     .tags = json_object_get(whole, "tags"),
                                     .months = json_object_get(whole, "months") };
        return whole;
}

/* -- the steps ---------------------------------------------------------------------------------------- */

struct preview {
        struct channeld *daemon;
        struct delivery *delivery;
        struct show show;
        json_t *memo, *account;
        unsigned n_accounts;
        struct entry entry;
        json_t *book; /* object name -> string: empty at first, and every count has room */
};

typedef int begin_fn(const struct delivery *delivery, struct step *ret);

static void put_notes(json_t *notes, const json_t *put) {
        const char *name;
        const json_t *note;

        json_object_foreach((json_t *) put, name, note) {
                json_t *value = json_object_get(note, "value");

                if (value)
                        (void) json_object_set(notes, name, value);
                else
                        (void) json_object_del(notes, name);
        }
}

static json_t *ask_book(const struct preview *preview, const struct book *book,
                        struct book_reply *ret) {
        const struct delivery *delivery = preview->delivery;
        json_t *whole = json_pack("{s:{}, s:{}, s:{}}", "values", "counts", "screens");
        json_t *counts = json_object_get(whole, "counts"), *value;
        size_t i;
        const json_t *spend, *wanted;

        put_notes(preview->book, book->put);
        json_array_foreach(book->get, i, wanted) {
                value = json_object_get(preview->book, json_string_value(wanted));
                if (value)
                        (void) json_object_set(json_object_get(whole, "values"),
                                               json_string_value(wanted), value);
        }
        json_array_foreach(book->spend, i, spend) {
                const char *name = json_string_value(json_object_get(spend, "name"));

                if (name)
                        (void) json_object_set(counts, name, json_object_get(spend, "amount"));
        }
        *ret = (struct book_reply) { .values = json_object_get(whole, "values"), .counts = counts,
                                     .screens = json_object_get(whole, "screens"),
                                     .spent = true, .now_ms = delivery->now_ms,
                                     .opens_ms = delivery->now_ms };
        return whole;
}

static int walk(struct preview *preview, begin_fn *begin, step_next_fn *next);

/* The access token comes by steps of its own. */
static int get_account(struct preview *preview) {
        const struct driver *driver = preview->daemon->driver;
        json_t *memo = json_incref(preview->memo);
        int r;

        /* More than once: it may be made in rounds. */
        if (!driver->account_begin || !driver->account_next || preview->n_accounts++ == MOST_STEPS) {
                json_decref(memo);
                return -ENOSYS;
        }
        show_account(&preview->show);
        r = walk(preview, driver->account_begin, driver->account_next);
        json_decref(preview->memo);
        preview->memo = memo;
        preview->delivery->memo = memo;
        preview->delivery->account = preview->account;
        preview->delivery->account_version++;
        return r < 0 || preview->account ? r : -ENODATA;
}

/* What a step is answered with, in *ret; `kept` holds it alive. 1: nobody can know. */
static int answer(struct preview *preview, const struct step *step, struct reply *ret,
                  json_t **kept) {
        const struct driver *driver = preview->daemon->driver;
        bool goes_on;

        switch (step->kind) {
        case STEP_TREE_OPEN:
                entry_put(&preview->entry, &step->tree_open);
                *kept = lonely_views(&preview->entry, &step->tree_open, &ret->tree);
                return 0;
        case STEP_TREE_COMMIT:
                show_tree(&preview->show, &step->tree_commit);
                ret->tree.status = TREE_OK;
                return 0;
        case STEP_ACCOUNT:
                return get_account(preview);
        case STEP_BOOK:
                show_book(&preview->show, &step->book);
                *kept = ask_book(preview, &step->book, &ret->book);
                return 0;
        case STEP_FILE:
                local_file(preview->daemon, step->file.path, &ret->file);
                show_file_read(&preview->show, step->file.path, &ret->file);
                return 0;
        case STEP_MQTT: /* a broker only confirms */
                show_mqtt(&preview->show, &step->mqtt);
                ret->mqtt = (struct mqtt_reply) { .whole = true, .sent = true };
                return 0;
        case STEP_HTTP:
        case STEP_TCP:
                if (step->kind == STEP_HTTP)
                        show_request(&preview->show, &step->http, preview->delivery);
                else
                        show_tcp(&preview->show, &step->tcp);
                goes_on = driver->rehearse && driver->rehearse(step, ret);
                if (goes_on)
                        show_answer(&preview->show, ret);
                return goes_on ? 0 : 1;
        case STEP_VERDICT:
                break;
        }
        return -EINVAL;
}

static void keep(struct preview *preview, struct step *step) {
        if (step->memo) { /* the driver knows by it where it is */
                json_decref(preview->memo);
                preview->memo = json_incref(step->memo);
                preview->delivery->memo = preview->memo;
        }
        if (step->account) {
                json_decref(preview->account);
                preview->account = json_incref(step->account);
        }
}

/* From begin() to a verdict, or to what nobody can know. */
static int walk(struct preview *preview, begin_fn *begin, step_next_fn *next) {
        bool is_account = next == preview->daemon->driver->account_next;
        struct step step = { 0 };
        int r = begin(preview->delivery, &step);

        for (unsigned i = 0; r == 0 && i < MOST_STEPS; i++) {
                struct reply reply = { .kind = step.kind };
                struct step following = { 0 };
                json_t *kept = NULL;

                keep(preview, &step);
                if (step.kind == STEP_VERDICT) {
                        if (!is_account || step.verdict.kind != VERDICT_DONE)
                                show_verdict(&preview->show, &step.verdict);
                        break;
                }
                r = answer(preview, &step, &reply, &kept);
                if (r == 0)
                        r = next(preview->delivery, &reply, &following);
                step_done(&step);
                step = following;
                json_decref(kept);
                if (reply.kind == STEP_FILE)
                        local_file_done(&reply.file);
        }
        step_done(&step);
        if (r == 1)
                show_end(&preview->show);
        return r == 1 ? is_account ? -ENODATA : 0 : r;
}

int preview_follow(struct channeld *daemon, struct delivery *delivery, const char *out) {
        struct preview preview = { .daemon = daemon, .delivery = delivery, .book = json_object() };
        char *text freed_by(freep) = delivery->event ? json_dumps(delivery->event, 0) : NULL;
        int r = show_begin(&preview.show, daemon->secret, out);

        preview.show.open = text ? text : delivery->bytes;
        preview.show.n_open = text ? strlen(text) : delivery->n_bytes;
        if (r == 0)
                r = walk(&preview, daemon->driver->begin, daemon->driver->next);
        if (r == -ENODATA) /* told: the account depends on an answer */
                r = 0;
        show_done(&preview.show);
        json_decref(preview.memo);
        json_decref(preview.account);
        json_decref(preview.book);
        entry_done(&preview.entry);
        return r;
}

/* The channel before this one would tell the document's address: one on the site that its file names. */
static char *address_before(const struct channeld *daemon) {
        const struct channel_config *channel =
                daemon->channel->after
                        ? configuration_channel(daemon->configuration, daemon->channel->after)
                        : NULL;
        const struct conf_entry *site = channel ? conf_find(channel->conf, "", "address") : NULL;
        char *address;

        return site && asprintf(&address, "%s/preview.html", site->value) >= 0 ? address : NULL;
}

static int preview(struct channeld *daemon, struct attempt *attempt, const char *out,
                   struct findings *errors) {
        struct findings warnings = { 0 };
        json_t *json = event_read(attempt->bytes, attempt->n_bytes, errors);
        char *before freed_by(freep) = NULL;
        int r;

        if (json)
                attempt->event = event_parse(json, errors, &warnings);
        json_decref(json);
        findings_done(&warnings);
        if (!attempt->event || !attempt->event->document || (attempt->event->type != EVENT_PUBLISH &&
                                                           attempt->event->type != EVENT_WITHDRAW))
                return -EINVAL;
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (strcmp(daemon->regions[i].code, attempt->event->region) == 0)
                        attempt->region = &daemon->regions[i];
        attempt->revision = attempt->event->revision > 0 ? attempt->event->revision : 1;
        attempt->level = attempt->event->type == EVENT_WITHDRAW;
        attempt->kind = attempt->level ? 'W' : 'P';
        attempt->lease->document = strdup(attempt->event->document);
        attempt->event_id = "00000000000000000000000000";
        before = address_before(daemon);
        attempt->after_url = before;
        if (!attempt->region || !attempt->lease->document)
                return attempt->region ? -ENOMEM : -EINVAL;
        r = delivery_fill(attempt);
        if (r == 0) {
                attempt->delivery.attempt = 1;
                attempt->delivery.accepted_ms = attempt->delivery.now_ms;
                r = preview_follow(daemon, &attempt->delivery, out);
        }
        return r;
}

int preview_run(struct channeld *daemon, const char *out) {
        struct lease *lease = calloc(1, sizeof(*lease));
        struct attempt *attempt = calloc(1, sizeof(*attempt));
        struct findings errors = { 0 };
        int r = lease && attempt ? 0 : -ENOMEM;

        if (r == 0) {
                attempt->daemon = daemon;
                attempt->lease = lease;
                attempt->bytes = read_all(&attempt->n_bytes);
                r = attempt->bytes ? preview(daemon, attempt, out, &errors) : -ENOMEM;
        }
        if (r == -EINVAL && errors.n > 0)
                show_line(MESSAGE_PREVIEW_NOT_AN_EVENT, errors.list[0].message);
        else if (r < 0 && r != -ENOTEMPTY)
                show_line(MESSAGE_PREVIEW_NOT_AN_EVENT, strerror(-r));
        else if (r == 0)
                show_line(MESSAGE_PREVIEW_NOTHING_SENT, "");
        findings_done(&errors);
        if (attempt)
                attempt_free(attempt);
        else
                free(lease);
        return r;
}
