/* Rejected events: list, show, and try again, with the whole admission, as their emitter. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/unicode.h"
#include "core/visible.h"
#include "daemons/publisherd/rejected.h"

enum { LIST_MOST = 10000 };

void control_rejected_list(struct publisherd *daemon, struct client *client, json_t *question) {
        json_int_t limit = json_integer_value(json_object_get(question, "limit"));
        json_t *rows = rejected_list(daemon, limit > 0 && limit < LIST_MOST ? (size_t) limit : LIST_MOST);
        json_t *left_out = rows ? rejected_left_out(daemon) : NULL;

        if (!rows || !left_out) {
                json_decref(rows);
                json_decref(left_out);
                control_fail(client, MESSAGE_CONTROL_REJECTED_UNREADABLE, NULL);
                return;
        }
        control_reply(client, json_pack("{s:b, s:o, s:o}", "ok", 1, "rows", rows, "left_out", left_out));
}

static bool find(struct publisherd *daemon, struct client *client, const json_t *question,
                 struct rejected_entry *ret) {
        json_int_t number = json_integer_value(json_object_get(question, "number"));
        char text[24];
        int r = rejected_find(daemon, number, ret);

        (void) snprintf(text, sizeof(text), "%lld", (long long) number);
        if (r == -ENOENT)
                control_fail(client, MESSAGE_CONTROL_NO_REJECTED, "number", text, NULL);
        else if (r < 0)
                control_fail(client, MESSAGE_CONTROL_REJECTED_UNREADABLE, NULL);
        return r == 0;
}

static void set_text(json_t *json, const char *name, const char *text) {
        (void) json_object_set_new(json, name, text ? json_string(text) : json_null());
}

/* What is text goes as it is; of what is none, what can be read of it, and all of it by base64. */
static void set_bytes(json_t *json, const struct rejected_entry *entry) {
        struct buf readable freed_by(buf_done) = { 0 };
        char *base64 freed_by(freep) = NULL;

        if (unicode_valid(entry->bytes, entry->n_bytes) == entry->n_bytes) {
                (void) json_object_set_new(json, "text", json_stringn(entry->bytes, entry->n_bytes));
                return;
        }
        visible_add(&readable, entry->bytes, entry->n_bytes);
        set_text(json, "text", buf_text(&readable));
        base64 = malloc(4 * ((entry->n_bytes + 2) / 3) + 1);
        if (!base64)
                return;
        (void) EVP_EncodeBlock((unsigned char *) base64, (const unsigned char *) entry->bytes,
                               (int) entry->n_bytes);
        set_text(json, "base64", base64);
}

void control_rejected_show(struct publisherd *daemon, struct client *client, json_t *question) {
        struct rejected_entry entry freed_by(rejected_entry_done) = { 0 };
        json_t *json, *errors;

        if (!find(daemon, client, question, &entry))
                return;
        errors = json_loads(entry.errors, 0, NULL);
        json = json_pack("{s:b, s:I, s:o, s:I, s:s, s:I, s:b, s:o}", "ok", 1, "number",
                         (json_int_t) entry.number, "at", control_moment(entry.at_ms), "times",
                         (json_int_t) entry.times, "emitter", entry.emitter, "size",
                         (json_int_t) entry.n_all, "cut", entry.n_all > entry.n_bytes, "errors",
                         errors ? errors : json_array());
        set_text(json, "source", entry.source);
        set_text(json, "id", entry.id);
        set_text(json, "document", entry.document);
        set_bytes(json, &entry);
        control_reply(client, json);
}

/* -- again ----------------------------------------------------------------------------------------------- */

struct retry {
        struct publisherd *daemon;
        struct client *client;
        int64_t number;
};

/* The answer, as the emitter would have got it. What is settled leaves the list. */
static void retry_answered(struct retry *retry, json_t *answer) {
        static const char *const settled[] = { "accepted", "held", "duplicate", "stale" };
        const char *status = json_string_value(json_object_get(answer, "status"));
        json_t *errors = json_object_get(answer, "errors");
        bool well = false;

        for (size_t i = 0; i < ELEMENTS(settled); i++)
                well = well || (status && strcmp(status, settled[i]) == 0);
        if (well)
                rejected_remove(retry->daemon, retry->number);
        else if (errors) {
                char *text freed_by(freep) = json_dumps(errors, JSON_COMPACT);

                if (text)
                        rejected_set_errors(retry->daemon, retry->number, text);
        }
        (void) json_object_set_new(answer, "number", json_integer(retry->number));
        (void) json_object_set_new(answer, "ok", json_boolean(well));
        control_reply(retry->client, answer);
        free(retry);
}

static void on_retried(struct request *request, void *userdata) {
        json_t *answer = json_loads(request->jobs[0].answer ? request->jobs[0].answer : "{}", 0, NULL);

        retry_answered(userdata, answer ? answer : json_object());
}

/* The file of the emitter that sent it, as it is now. False: it may send no more. */
static bool rights_of(const struct publisherd *daemon, const char *name, const json_t *json,
                      const struct emitter_config **ret, bool *ret_local) {
        const struct configuration *configuration = daemon->configuration;

        for (size_t i = 0; i < configuration->n_emitters; i++) {
                const struct emitter_config *emitter = &configuration->emitters[i];

                if (strcmp(emitter->name, name) != 0)
                        continue;
                *ret = emitter;
                *ret_local = !emitter->key;
                return emitter->enabled;
        }
        if (strcmp(name, "local") != 0)
                return false;
        *ret = door_emitter_by_source(daemon, json);
        *ret_local = true;
        return true;
}

/* It could not even be read, and cannot now. */
static void still_unreadable(struct retry *retry, struct findings *errors) {
        json_t *answer = json_pack("{s:s, s:o}", "status", "rejected", "errors", findings_json(errors));

        findings_done(errors);
        retry_answered(retry, answer);
}

void control_rejected_retry(struct publisherd *daemon, struct client *client, json_t *question) {
        struct rejected_entry entry freed_by(rejected_entry_done) = { 0 };
        struct findings errors = { 0 };
        const struct emitter_config *emitter = NULL;
        char number[24], what[48];
        bool local = false;
        struct request *request;
        struct retry *retry;
        json_t *json;

        if (!find(daemon, client, question, &entry))
                return;
        (void) snprintf(number, sizeof(number), "%lld", (long long) entry.number);
        (void) snprintf(what, sizeof(what), "rejected retry %s", number);
        if (entry.n_all > entry.n_bytes) {
                control_fail(client, MESSAGE_CONTROL_REJECTED_CUT, "number", number, NULL);
                return;
        }
        retry = calloc(1, sizeof(*retry));
        if (!retry) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        *retry = (struct retry) { daemon, client, entry.number };
        json = event_read(entry.bytes, entry.n_bytes, &errors);
        if (!json && errors.n > 0) {
                still_unreadable(retry, &errors);
                return;
        }
        if (!json_is_object(json) || !rights_of(daemon, entry.emitter, json, &emitter, &local)) {
                control_fail(client, MESSAGE_CONTROL_REJECTED_NO_EMITTER, "number", number, "emitter",
                             entry.emitter, NULL);
                json_decref(json);
                free(retry);
                return;
        }
        request = request_own(daemon, on_retried, retry);
        if (!request) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                json_decref(json);
                free(retry);
                return;
        }
        control_audit(client, what);
        admit(daemon, &request->jobs[0], json, entry.bytes, entry.n_bytes, emitter, local, NULL, 0);
        json_decref(json);
        for (size_t i = 0; i < daemon->n_regions; i++)
                commit_go(daemon, &daemon->regions[i]);
}
