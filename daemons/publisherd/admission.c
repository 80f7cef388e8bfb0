/* Admission: what may an event do here? Everything that the event alone cannot tell: the emitter's
 * rights, the catalogue, attachments, screening, channels. */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/row.h"
#include "core/origin.h"

static void event_documents_own(struct job *job, const struct event *event) {
        job->source = strdup(event->source);
        job->id = strdup(event->id);
        if (event->document)
                job->document = strdup(event->document);
        job->dry_run = event->dry_run;
}

/* What can be told of an event that did not parse, for its answer. */
static void job_name_from_json(struct job *job, const json_t *json) {
        const char *source = json_string_value(json_object_get(json, "source"));
        const char *id = json_string_value(json_object_get(json, "id"));

        if (source && strlen(source) <= 256)
                job->source = strdup(source);
        if (id && strlen(id) <= 1024)
                job->id = strdup(id);
}

/* "urn:gongkai:530581:*" and the like. */
static bool pattern_matches(const char *pattern, const char *text) {
        size_t n = strlen(pattern);

        if (n > 0 && pattern[n - 1] == '*')
                return strncmp(pattern, text, n - 1) == 0;
        return strcmp(pattern, text) == 0;
}

bool source_is_listed(const struct string_list *list, const char *text) {
        for (size_t i = 0; i < list->n; i++)
                if (pattern_matches(list->items[i], text))
                        return true;
        return false;
}

static void check_rights(struct publisherd *daemon, const struct event *event,
                         const struct emitter_config *emitter, bool local,
                         struct findings *errors) {
        if (!configuration_has_region(daemon->configuration, event->region))
                findings_add(errors, "/source", "region", MESSAGE_EVENT_REGION_UNKNOWN, "region",
                             event->region, NULL);
        if (!emitter && local)
                return;
        if (!emitter || !emitter->enabled || !source_is_listed(&emitter->sources, event->source))
                findings_add(errors, "/source", "not_entitled", MESSAGE_EVENT_SOURCE_NOT_YOURS,
                             "source", event->source, "emitter", emitter ? emitter->name : "?",
                             NULL);
        if (emitter && emitter->regions.n > 0 && !string_list_has(&emitter->regions, event->region))
                findings_add(errors, "/source", "region", MESSAGE_EVENT_REGION_NOT_YOURS, "region",
                             event->region, "emitter", emitter->name, NULL);
        if (emitter && event->item && emitter->items.n > 0 &&
            !source_is_listed(&emitter->items, event->item))
                findings_add(errors, "/data/item", "not_entitled", MESSAGE_EVENT_ITEM_NOT_YOURS,
                             "item", event->item, "emitter", emitter->name, NULL);
}

static const struct item *check_item(struct publisherd *daemon, const char *code,
                                     const char *region, struct findings *errors) {
        const struct item *item;
        char *near freed_by(freep) = NULL;

        if (!code)
                return NULL;
        item = catalogue_find(daemon->catalogue, code, region);
        if (item)
                return item;
        near = catalogue_near(daemon->catalogue, code, region);
        findings_add(errors, "/data/item", "unknown_item",
                     near && *near ? MESSAGE_EVENT_UNKNOWN_ITEM_NEAR : MESSAGE_EVENT_UNKNOWN_ITEM,
                     "item", code, "near", near, NULL);
        return NULL;
}

/* What the catalogue says to an event that did not parse: all that is wrong is said at once. */
static void check_item_of_json(struct publisherd *daemon, const json_t *json,
                               struct findings *errors) {
        const char *source = json_string_value(json_object_get(json, "source"));
        const char *item = json_string_value(json_object_get(json_object_get(json, "data"), "item"));
        char region[7] = "";

        if (!source || !item || !*item || strlen(item) > 200 ||
            sscanf(source, "urn:gongkai:%6[0-9]:", region) != 1 || strlen(region) != 6 ||
            !configuration_has_region(daemon->configuration, region))
                return;
        for (size_t i = 0; i < errors->n; i++)
                if (strcmp(errors->list[i].path, "/data/item") == 0)
                        return;
        (void) check_item(daemon, item, region, errors);
}

static struct frame *frame_by_digest(struct frame *frames, size_t n_frames, const char *sha256) {
        for (size_t i = 0; i < n_frames; i++) {
                if (!frames[i].sha256[0])
                        digest_bytes(frames[i].bytes, frames[i].n_bytes, frames[i].sha256);
                if (strcmp(frames[i].sha256, sha256) == 0)
                        return &frames[i];
        }
        return NULL;
}

/* Whether it may be fetched when the event is accepted; else an error says what is missing. */
static bool may_fetch(const struct event_attachment *attachment, size_t i,
                      const struct emitter_config *emitter, struct findings *errors) {
        struct origin origin freed_by(origin_done) = { 0 };
        char path[48], *host freed_by(freep) = NULL;

        (void) snprintf(path, sizeof(path), "/data/attachments/%zu", i);
        if (!attachment->url) {
                findings_add(errors, path, "attachment_missing", MESSAGE_EVENT_ATTACHMENT_MISSING,
                             "name", attachment->name, "sha256", attachment->sha256, NULL);
                return false;
        }
        if (origin_of_url(attachment->url, &origin) == 0) {
                if (emitter && origin_is_listed(&emitter->fetch_from, &origin))
                        return true;
                host = origin_text(&origin);
        }
        findings_add(errors, path, "attachment_missing", MESSAGE_EVENT_ATTACHMENT_HOST, "name",
                     attachment->name, "sha256", attachment->sha256, "host", host ? host : "?",
                     "scheme", origin.scheme ? origin.scheme : "?", "emitter",
                     emitter ? emitter->name : "-", NULL);
        return false;
}

static void check_attachments(struct publisherd *daemon, struct job *job, const struct event *event,
                              const struct emitter_config *emitter, struct frame *frames,
                              size_t n_frames, struct findings *errors) {
        struct buf list = { 0 };
        size_t n_to_fetch = 0;
        char count[24];

        for (size_t i = 0; i < event->n_attachments; i++) {
                const struct event_attachment *attachment = &event->attachments[i];
                const struct frame *frame = frame_by_digest(frames, n_frames, attachment->sha256);
                char path[48], size[24];

                if (frame && frame->n_bytes != attachment->size) {
                        (void) snprintf(path, sizeof(path), "/data/attachments/%zu/size", i);
                        (void) snprintf(size, sizeof(size), "%zu", frame->n_bytes);
                        findings_add(errors, path, "digest", MESSAGE_EVENT_ATTACHMENT_SIZE, "name",
                                     attachment->name, "size", size, NULL);
                } else if (!frame && !attachment_is_here(daemon->attachments_dir,
                                                         attachment->sha256, attachment->size) &&
                           may_fetch(attachment, i, emitter, errors)) {
                        n_to_fetch++;
                        buf_fmt(&list, "%zu.", i);
                }
        }
        if (n_to_fetch == 0)
                return;
        job->to_fetch = buf_take(&list);
        (void) snprintf(count, sizeof(count), "%zu", n_to_fetch);
        job_warn(job, warning("/data/attachments", "attachments_pending",
                              MESSAGE_EVENT_ATTACHMENTS_PENDING, "count", count, NULL));
}

bool to_fetch_has(const char *list, size_t i) {
        size_t one;
        int n;

        for (const char *at = list; at && sscanf(at, "%zu.%n", &one, &n) == 1; at += n)
                if (one == i)
                        return true;
        return false;
}

/* The gate: the event's texts, and the attachments that are here. Negative errno: one cannot be read. */
static int screen(struct publisherd *daemon, struct job *job, const struct event *event,
                  struct frame *frames, size_t n_frames) {
        struct screened screened freed_by(screened_done) = { 0 };
        struct buf note = { 0 };
        const json_t *one;
        int r = 0;
        size_t k;

        screen_event(daemon, event, &screened);
        for (size_t i = 0; i < event->n_attachments && r == 0; i++) {
                if (to_fetch_has(job->to_fetch, i))
                        continue; /* it is looked at when it comes */
                r = screen_attachment(daemon, event, i,
                                      frame_by_digest(frames, n_frames, event->attachments[i].sha256),
                                      &screened);
                if (r < 0) {
                        char *name freed_by(freep) = screened_name(event, i);

                        log_say(LOG_ERR, MESSAGE_GATE_UNREADABLE, "name", name ? name : "?", "reason",
                                strerror(-r), NULL);
                }
        }
        job->reasons = json_incref(screened.reasons);
        json_array_foreach(screened.exempt, k, one)
                job_warn(job, json_incref((json_t *) one));
        screened_note(&screened, &note);
        job->exempt = note.len ? buf_take(&note) : NULL;
        return r;
}

struct unknown_wish {
        struct job *job;
        const json_t *channels; /* what the event names, or NULL */
};

static void on_unknown_channel(const char *name, void *userdata) {
        struct unknown_wish *wish = userdata;
        const char *path = "/data/carriers";
        const json_t *one;
        size_t i;

        json_array_foreach(wish->channels, i, one)
                if (strcmp(json_string_value(one), name) == 0)
                        path = "/data/channels";
        job_warn(wish->job, warning(path, "unknown_channel", MESSAGE_EVENT_UNKNOWN_CHANNEL,
                                    "channel", name, NULL));
}

static bool has_groups(const struct event *event) {
        return json_is_object(json_object_get(event->data, "audience"));
}

/* What is for groups goes to no channel that everybody reads. Returns how many are left. */
static size_t only_to_persons(const struct configuration *configuration, size_t *chosen, size_t n) {
        size_t kept = 0;

        for (size_t i = 0; i < n; i++)
                if (configuration->channels[chosen[i]].to_persons)
                        chosen[kept++] = chosen[i];
        return kept;
}

/* Who may not see it at all, and the warning of that. */
static void shut_out(struct job *job, const char *path) {
        job->not_for_all = path;
        job_warn(job, warning(path, "not_fanned_out", MESSAGE_EVENT_NOT_FANNED_OUT, NULL));
}

/* The channels as gk1_accept reads them: "portal,wechat<portal", see specs.c. */
static void route_event(struct publisherd *daemon, struct job *job, const struct event *event,
                        const struct item *item, struct buf *ret) {
        const struct configuration *configuration = daemon->configuration;
        size_t *chosen freed_by(freep) = calloc(configuration->n_channels + 1, sizeof(*chosen));
        struct unknown_wish wish = { job, json_object_get(event->data, "channels") };
        size_t n;

        if (!chosen || event->type != EVENT_PUBLISH)
                return; /* a withdrawal goes where its document is known */
        if (job->only_channel) {
                buf_str(ret, job->only_channel);
                return;
        }
        if (strcmp(event->openness, "proactive") != 0) {
                shut_out(job, "/data/openness");
                return;
        }
        n = route(configuration, event->region, item ? item->carriers : 0, wish.channels,
                  json_object_get(event->data, "carriers"), on_unknown_channel, &wish, chosen);
        if (has_groups(event)) {
                n = only_to_persons(configuration, chosen, n);
                if (n == 0) {
                        shut_out(job, "/data/audience");
                        return;
                }
                job_warn(job, warning("/data/audience", "groups_only", MESSAGE_EVENT_GROUPS_ONLY, NULL));
        }
        for (size_t i = 0; i < n; i++) {
                const struct channel_config *channel = &configuration->channels[chosen[i]];

                buf_str(ret, i ? "," : "");
                specs_channel(channel, ret);
        }
        if (n == 0)
                job_warn(job, warning("", "no_channel", MESSAGE_EVENT_NO_CHANNEL, NULL));
}

/* What is public, whatever document it stands in, is title and body. Marks are compared within one
 * region's store only, whose epoch is drawn by chance: nobody outside can make two that agree. */
static void content_mark(const struct event *event, const struct region *region,
                         unsigned char ret[static DIGEST_MARK]) {
        digest_mark(region->epoch, event->title ? event->title : "", event->body ? event->body : "",
                    event->body ? event->n_body : 0, ret);
}

/* " #0123456789abcdef" behind the emitter's name. */
static void add_sum(struct buf *buf, const unsigned char sum[static DIGEST_SUM]) {
        static const char hex[] = "0123456789abcdef";

        buf_str(buf, " #");
        for (size_t i = 0; i < DIGEST_SUM; i++) {
                buf_char(buf, hex[sum[i] >> 4]);
                buf_char(buf, hex[sum[i] & 15]);
        }
}

enum { WORDS_USUAL = 500 }; /* bytes that most events' fields keep within */

/* What gk_accept wants of one event: the mark of its content, and a row (EVENT in core/store_accept.lua). */
static void write_words(struct publisherd *daemon, struct job *job, const struct event *event,
                        const struct emitter_config *emitter, const char *channels) {
        const struct config *config = &daemon->configuration->main;
        struct words *words = &job->words;
        struct buf *row = &words->bytes;
        unsigned char same[DIGEST_MARK], sum[DIGEST_SUM];
        bool urgent = event->urgent && emitter && emitter->may_urgent;
        size_t at;

        job->urgent = urgent && !event->dry_run;
        content_mark(event, job->region, same);

        (void) buf_room(row, WORDS_USUAL);
        words_add(words, same, sizeof(same));
        row_text(row, job->ulid);
        row_text(row, event->type == EVENT_WITHDRAW ? "W" : job->not_for_all ? "N" : "P");
        row_text(row, event->source);
        row_number(row, event->time_ms);
        row_number(row, event->revision);
        row_bytes(row, event->digest_raw, sizeof(event->digest_raw));
        row_number(row, event->publish_at_ms);
        row_number(row, event->expires_ms);
        row_number(row, urgent ? 1 : 2);
        row_number(row, 0); /* the legal deadline: with the catalogue's */
        at = row_open(row);
        buf_str(row, job->reasons ? "h" : "");
        buf_str(row, event->dry_run ? "d" : "");
        buf_str(row, config->hold_same_content && !job->only_channel ? "s" : "");
        buf_str(row, emitter && emitter->may_backfill ? "b" : "");
        if (job->to_fetch)
                buf_fmt(row, "f%s", job->to_fetch);
        row_close(row, at);
        at = row_open(row);
        for (size_t i = 0; emitter && i < emitter->may_revise.n; i++) {
                buf_str(row, i ? " " : "");
                buf_str(row, emitter->may_revise.items[i]);
        }
        row_close(row, at);
        row_text(row, channels);
        digest_sum(job->bytes, job->n_bytes, sum);
        at = row_open(row);
        buf_str(row, emitter ? emitter->name : "local");
        add_sum(row, sum); /* the ledger looks whether the bytes that it copies are these */
        row_close(row, at);
        row_text(row, ""); /* due: with the catalogue's deadlines */
        at = row_open(row);
        screened_codes(&(struct screened){ .reasons = job->reasons }, row);
        if (job->exempt)
                buf_fmt(row, "%s%s", job->reasons ? " " : "", job->exempt);
        row_close(row, at);
        at = row_open(row);
        specs_end(event, row);
        row_close(row, at);
        row_bytes(row, sum, sizeof(sum));
        words_end(words);
}

static int store_attachments(struct publisherd *daemon, const struct event *event,
                             struct frame *frames, size_t n_frames) {
        for (size_t i = 0; i < event->n_attachments; i++) {
                const char *sha256 = event->attachments[i].sha256;
                const struct frame *frame = frame_by_digest(frames, n_frames, sha256);
                int r = 0;

                if (frame) {
                        r = attachment_put(daemon->attachments_dir, sha256, frame->bytes,
                                           frame->n_bytes);
                        fetch_arrived(daemon, sha256);
                } else if (attachment_is_here(daemon->attachments_dir, sha256,
                                              event->attachments[i].size))
                        r = attachment_sync(daemon->attachments_dir, sha256);
                if (r < 0)
                        return r;
        }
        return 0;
}

static char *ev_key(const struct event *event) {
        struct buf key = { 0 };

        buf_str(&key, event->source);
        buf_char(&key, ' ');
        buf_str(&key, event->id);
        return buf_take(&key);
}

static void admit_document(struct publisherd *daemon, struct job *job, const struct event *event,
                           const char *raw, size_t n_raw, const struct emitter_config *emitter,
                           bool local, struct frame *frames, size_t n_frames) {
        struct findings errors = { 0 };
        struct buf channels = { 0 };
        struct buf written freed_by(buf_done) = { 0 };
        const struct item *item = NULL;
        int r;

        check_rights(daemon, event, emitter, local, &errors);
        if (event->type == EVENT_PUBLISH && !job->only_channel) {
                item = check_item(daemon, event->item, event->region, &errors);
                check_attachments(daemon, job, event, emitter, frames, n_frames, &errors);
                if (event->urgent && !(emitter && emitter->may_urgent))
                        job_warn(job, warning("/data/urgent", "not_urgent",
                                              MESSAGE_EVENT_NOT_URGENT, NULL));
        }
        if (errors.n > 0) {
                daemon->n_rejected++;
                answer_rejected(job, &errors);
                findings_done(&errors);
                return;
        }
        if (!region_is_ready(daemon, region_find(daemon, event->region), NULL)) {
                answer_busy(daemon, job, 2000);
                return;
        }
        if (event->type == EVENT_PUBLISH && !job->only_channel &&
            screen(daemon, job, event, frames, n_frames) < 0) {
                answer_busy(daemon, job, 5000);
                return;
        }
        crash_point("publisherd/event-checked");
        if (!event->dry_run && event->n_attachments > 0) {
                r = store_attachments(daemon, event, frames, n_frames);
                if (r < 0) {
                        alarms_unwritable("attachments", daemon->attachments_dir, r);
                        log_say(LOG_ERR, MESSAGE_ATTACHMENT_NOT_STORED, "reason", strerror(-r),
                                "document", event->document, NULL);
                        answer_busy(daemon, job, 5000);
                        return;
                }
                crash_point("publisherd/attachments-stored");
                alarms_unwritable("attachments", daemon->attachments_dir, 0);
        }
        route_event(daemon, job, event, item, &channels);
        /* A mark of the byte order, or a name in another form than ours, would go on to receivers. */
        if (!raw || *raw != '{' || event->composed) {
                event_write(event->json, &written);
                raw = written.error ? NULL : written.data;
                n_raw = written.len;
        }
        job->region = region_find(daemon, event->region);
        ulid_new(clock_now_ms(), job->ulid);
        job->n_bytes = n_raw;
        job->bytes = raw ? malloc(n_raw + 1) : NULL;
        job->ev_key = ev_key(event);
        if (!job->bytes || !job->ev_key) {
                answer_busy(daemon, job, 5000);
        } else {
                memcpy(job->bytes, raw, n_raw);
                job->raw = NULL; /* from here on the bytes are our own */
                job->json = NULL;
                write_words(daemon, job, event, emitter, buf_text(&channels));
                commit_queue(daemon, job);
        }
        buf_done(&channels);
}

void admit(struct publisherd *daemon, struct job *job, json_t *json, const char *raw, size_t n_raw,
           const struct emitter_config *emitter, bool local, struct frame *frames,
           size_t n_frames) {
        struct findings errors = { 0 }, warnings = { 0 };
        struct event *event freed_by(event_freep) = event_parse(json, &errors, &warnings);

        job->json = json;
        job->raw = raw;
        job->n_raw = raw ? n_raw : 0;
        job_name_emitter(job, emitter ? emitter->name : local ? "local" : "");
        if (event)
                event_documents_own(job, event);
        else
                job_name_from_json(job, json);
        if (warnings.n > 0)
                job->warnings = findings_json(&warnings);
        findings_done(&warnings);
        if (!event && errors.n == 0) {
                answer_busy(daemon, job, 5000);
                return;
        }
        if (!event) {
                check_item_of_json(daemon, json, &errors);
                daemon->n_rejected++;
                answer_rejected(job, &errors);
                findings_done(&errors);
                return;
        }
        findings_done(&errors);
        if (event->type == EVENT_QUERY_DOCUMENT || event->type == EVENT_QUERY_RECEIPTS) {
                job->is_question = true;
                job->json = NULL;
                job->raw = NULL;
                check_rights(daemon, event, emitter, local, &errors);
                if (errors.n > 0)
                        answer_rejected(job, &errors);
                else
                        query_event(daemon, job, event, emitter);
                findings_done(&errors);
                return;
        }
        admit_document(daemon, job, event, raw, n_raw, emitter, local, frames, n_frames);
}
