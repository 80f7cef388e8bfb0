#include "channels/driver.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"

void delivery_document_digest(const struct delivery *delivery, char ret[static 65]) {
        struct buf name = { 0 };

        buf_fmt(&name, "%s/%s", delivery->region, delivery->document);
        digest_bytes(buf_text(&name), name.len, ret);
        buf_done(&name);
}

static void verdict_done(struct verdict *verdict) {
        free(verdict->sentence);
        free(verdict->reference);
        free(verdict->url);
        free(verdict->still);
        json_decref(verdict->sight);
}

static void http_request_done(struct http_request *http) {
        free(http->url);
        free(http->headers);
        buf_done(&http->body);
        free(http->upload);
        buf_done(&http->tail);
}

const char *http_request_body(const struct http_request *http, size_t *ret_n) {
        *ret_n = http->lent ? http->n_lent : http->body.len;
        return http->lent ? http->lent : buf_text(&http->body);
}

int http_request_set_headers(struct http_request *http, const struct buf *texts) {
        size_t n = 0, at = 0;
        char *to;

        for (size_t i = 0; i < texts->len; i++)
                n += texts->data[i] == '\0';
        http->headers = texts->error ? NULL : malloc((n + 1) * sizeof(*http->headers) + texts->len);
        if (!http->headers)
                return -ENOMEM;
        to = (char *) (http->headers + n + 1);
        memcpy(to, buf_text(texts), texts->len);
        for (size_t i = 0; i < n; i++) {
                http->headers[i] = to + at;
                at += strlen(to + at) + 1;
        }
        http->headers[n] = NULL;
        return 0;
}

static void tree_commit_done(struct tree_commit *commit) {
        for (size_t i = 0; i < commit->n_files; i++) {
                free(commit->files[i].path);
                free(commit->files[i].content);
                free(commit->files[i].sha256);
        }
        free(commit->files);
        for (size_t i = 0; i < commit->n_removals; i++)
                free(commit->removals[i]);
        free(commit->removals);
}

static void mqtt_step_done(struct mqtt_step *mqtt) {
        for (size_t i = 0; i < mqtt->n; i++) {
                free(mqtt->messages[i].topic);
                buf_done(&mqtt->messages[i].payload);
        }
        free(mqtt->messages);
}

void step_done(struct step *step) {
        switch (step->kind) {
        case STEP_VERDICT:
                verdict_done(&step->verdict);
                break;
        case STEP_HTTP:
                http_request_done(&step->http);
                break;
        case STEP_TREE_OPEN:
                json_decref(step->tree_open.data);
                json_decref(step->tree_open.tags);
                json_decref(step->tree_open.view_strings);
                break;
        case STEP_TREE_COMMIT:
                tree_commit_done(&step->tree_commit);
                break;
        case STEP_ACCOUNT:
                break;
        case STEP_BOOK:
                json_decref(step->book.get);
                json_decref(step->book.put);
                json_decref(step->book.spend);
                break;
        case STEP_FILE:
                free(step->file.path);
                break;
        case STEP_TCP:
                free(step->tcp.host);
                free(step->tcp.words);
                buf_done(&step->tcp.bytes);
                break;
        case STEP_MQTT:
                mqtt_step_done(&step->mqtt);
                break;
        }
        json_decref(step->account);
        json_decref(step->memo);
        *step = (struct step) { 0 };
}

int step_verdict(struct step *ret, enum verdict_kind kind, const char *code, int64_t at_ms,
                 enum message message, ...) {
        struct buf sentence = { 0 };
        va_list pairs;

        va_start(pairs, message);
        say_list(&sentence, message, pairs);
        va_end(pairs);
        *ret = (struct step) { .kind = STEP_VERDICT };
        ret->verdict = (struct verdict) {
                .kind = kind, .code = code, .at_ms = at_ms, .sentence = buf_take(&sentence),
        };
        return ret->verdict.sentence ? 0 : -ENOMEM;
}

void call_answer_done(struct call_answer *answer) {
        buf_done(&answer->body);
        json_decref(answer->put);
        free(answer->wake_key);
        free(answer->trouble);
        json_decref(answer->sight);
        *answer = (struct call_answer) { 0 };
}

int step_done_verdict(struct step *ret, const char *reference, const char *url) {
        struct verdict verdict = { .kind = VERDICT_DONE, .code = "done" };

        verdict.reference = reference ? strdup(reference) : NULL;
        verdict.url = url ? strdup(url) : NULL;
        *ret = (struct step) { .kind = STEP_VERDICT, .verdict = verdict };
        return (reference && !verdict.reference) || (url && !verdict.url) ? -ENOMEM : 0;
}
