/* One attempt: from a loaded document to a verdict. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/attachments.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/template.h"

/* The pause holds back what is blocked; the wait is for the moment until it is in force. */
enum { PARK_MS = 60000, BLOCKED_MS = 2000 };

void attempt_free(struct attempt *attempt) {
        if (!attempt)
                return;
        step_done(&attempt->step);
        free(attempt->document);
        free(attempt->lease);
        free(attempt->event_id);
        free(attempt->evid);
        free(attempt->reference);
        free(attempt->url);
        free(attempt->after_url);
        free(attempt->surplus);
        free(attempt->key);
        free(attempt->revision_part);
        free(attempt->attachments);
        json_decref(attempt->memo);
        json_decref(attempt->withdrawal);
        json_decref(attempt->delivery.stages);
        (void) event_free(attempt->event);
        free(attempt);
}

static void attempt_end(struct attempt *attempt, struct outcome *outcome) {
        struct channeld *daemon = attempt->daemon;
        struct attempt **at = &daemon->attempts;

        while (*at != attempt)
                at = &(*at)->next;
        *at = attempt->next;
        daemon->n_attempts--;
        if (outcome) {
                outcome->document = give_away(attempt->document);
                outcome->lease = give_away(attempt->lease);
                outcome->revision = attempt->revision;
                outcome->level = attempt->level;
                outcome->sent = attempt->sent;
                settle_add(attempt->region, outcome);
        }
        attempt_free(attempt);
        engine_pump(daemon);
}

void attempt_release(struct attempt *attempt) {
        struct outcome *outcome = calloc(1, sizeof(*outcome));

        if (outcome)
                outcome->verdict = "release";
        attempt_end(attempt, outcome); /* without one the lease passes by itself */
}

void attempt_drop(struct attempt *attempt) {
        attempt_end(attempt, NULL);
}

static uint32_t random_number(void) {
        uint32_t number = 0;

        (void) !getrandom(&number, sizeof(number), 0);
        return number;
}

/* The channel can pass nothing until somebody acts: it pauses, and holds what is due. */
static void pause_channel(struct attempt *attempt, const char *sentence) {
        struct channeld *daemon = attempt->daemon;
        struct buf what freed_by(buf_done) = { 0 };
        struct buf why freed_by(buf_done) = { 0 };
        char moment[MOMENT_TEXT];

        log_say(LOG_ERR, MESSAGE_CHANNEL_BLOCKED, "channel", daemon->channel->name, "reason",
                sentence, NULL);
        buf_fmt(&what, "pause:%s", daemon->channel->name);
        buf_fmt(&why, "%s channeld %s", moment_write_minute(clock_now_ms(), moment), sentence);
        for (size_t i = 0; i < daemon->n_regions; i++) {
                const struct region *region = &daemon->regions[i];

                if (region->ready)
                        (void) store_control(daemon->store, region->code, region->epoch,
                                             buf_text(&what), buf_text(&why), "channeld",
                                             engine_ignore_reply, NULL);
        }
}

static void back_off(struct attempt *attempt, struct outcome *outcome, const struct verdict *verdict) {
        outcome->at_ms = clock_now_ms() + retry_wait_ms(attempt->daemon->channel,
                                                        attempt->delivery.attempt,
                                                        random_number());
        if (verdict->at_ms > outcome->at_ms)
                outcome->at_ms = verdict->at_ms;
}

static void log_outcome(const struct attempt *attempt, const struct verdict *verdict,
                        const struct outcome *outcome) {
        char number[24], revision[24], took[24];
        bool bad = verdict->kind != VERDICT_DONE;

        (void) snprintf(number, sizeof(number), "%u", attempt->delivery.attempt);
        (void) snprintf(revision, sizeof(revision), "%s", attempt->revision_part);
        (void) snprintf(took, sizeof(took), "%lld",
                        (long long) (clock_boot_ms() - attempt->started_ms));
        log_say(bad ? LOG_WARNING : LOG_INFO, bad ? MESSAGE_ATTEMPT_FAILED : MESSAGE_ATTEMPT_DONE,
                "channel", attempt->daemon->channel->name, "region", attempt->region->code,
                "document", attempt->document, "revision", revision, "event", attempt->event_id,
                "attempt", number, "took", took, "state", outcome->verdict, "code",
                verdict->code ? verdict->code : "", "reason",
                verdict->sentence ? verdict->sentence : "", "url", verdict->url ? verdict->url : "",
                NULL);
}

static void attempt_verdict(struct attempt *attempt) {
        struct verdict *verdict = &attempt->step.verdict;
        struct outcome *outcome = calloc(1, sizeof(*outcome));

        tree_rollback(attempt->daemon);
        if (!outcome) {
                attempt_end(attempt, NULL);
                return;
        }
        outcome->code = verdict->code;
        outcome->sentence = verdict->sentence ? strdup(verdict->sentence) : NULL;
        outcome->reference = verdict->reference ? strdup(verdict->reference) : NULL;
        outcome->url = verdict->url ? strdup(verdict->url) : NULL;
        outcome->at_ms = verdict->at_ms;
        if (attempt->step.memo)
                outcome->memo = json_dumps(attempt->step.memo, JSON_COMPACT);
        switch (verdict->kind) {
        case VERDICT_DONE:
                outcome->verdict = "done";
                outcome->forget_memo = true;
                attempt->sent = true;
                break;
        case VERDICT_ASK:
                outcome->verdict = "ask";
                break;
        case VERDICT_WAIT:
                outcome->verdict = "wait";
                break;
        case VERDICT_LATER:
                outcome->verdict = "later";
                back_off(attempt, outcome, verdict);
                break;
        case VERDICT_UNCERTAIN:
                outcome->verdict = "uncertain";
                back_off(attempt, outcome, verdict);
                break;
        case VERDICT_REFUSED:
                outcome->verdict = "dead";
                break;
        case VERDICT_BLOCKED:
                outcome->verdict = "wait";
                outcome->at_ms = clock_now_ms() + BLOCKED_MS;
                pause_channel(attempt, verdict->sentence ? verdict->sentence : "");
                break;
        }
        if (verdict->kind == VERDICT_DONE)
                attempt->daemon->n_done++;
        else
                attempt->daemon->n_failed++;
        log_outcome(attempt, verdict, outcome);
        attempt_end(attempt, outcome);
}

/* Another second for the request to be written and the reply to be read. */
static bool may_still_send(const struct attempt *attempt) {
        return clock_boot_ms() + attempt->daemon->channel->timeout_ms <= attempt->deadline_boot_ms;
}

static void attempt_failed_here(struct attempt *attempt, int error) {
        step_done(&attempt->step);
        if (step_verdict(&attempt->step, VERDICT_LATER, "machine", 0, MESSAGE_MACHINE_FAILED, "reason",
                         strerror(-error), NULL) < 0)
                attempt->step.kind = STEP_VERDICT;
        attempt_verdict(attempt);
}

static void on_checkpoint(struct store *store, const redisReply *reply, int error,
                          const char *reason, void *userdata);

static void attempt_checkpoint(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        char *memo freed_by(freep) = json_dumps(attempt->step.memo, JSON_COMPACT);
        struct words words = { 0 };

        words_str(&words, "FCALL");
        words_str(&words, "gk1_checkpoint");
        words_number(&words, 3);
        words_key(&words, attempt->region->code, "meta");
        words_key(&words, attempt->region->code, "due:%s", daemon->channel->name);
        words_key(&words, attempt->region->code, "doc:%s", attempt->document);
        words_str(&words, attempt->region->epoch);
        words_str(&words, daemon->channel->name);
        words_str(&words, attempt->lease);
        words_str(&words, memo ? memo : "");
        words_number(&words, attempt->revision);
        words_number(&words, attempt->level);
        if (!memo || store_command(daemon->store, &words, on_checkpoint, attempt) < 0)
                attempt_release(attempt);
        words_done(&words);
}

/* Runs steps until one waits for the world, or there is a verdict. */
static void attempt_go(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;

        for (;;) {
                struct step *step = &attempt->step;
                struct step next = { 0 };
                struct reply reply = { .kind = step->kind };
                int r;

                if (step->memo) {
                        json_decref(attempt->memo);
                        attempt->memo = json_incref(step->memo);
                        attempt->delivery.memo = attempt->memo;
                }
                switch (step->kind) {
                case STEP_VERDICT:
                        attempt_verdict(attempt);
                        return;
                case STEP_HTTP:
                        if (!may_still_send(attempt)) {
                                attempt_release(attempt);
                                return;
                        }
                        if (step->checkpoint && step->memo) {
                                step->checkpoint = false;
                                attempt_checkpoint(attempt);
                                return;
                        }
                        r = http_start(attempt, &step->http);
                        if (r < 0)
                                attempt_failed_here(attempt, r);
                        return;
                case STEP_TREE_OPEN:
                        tree_open_entry(daemon, attempt->region ? attempt->region->code : "",
                                        attempt->document, &step->tree_open, &reply.tree);
                        break;
                case STEP_TREE_COMMIT:
                        tree_commit_files(daemon, &step->tree_commit, &reply.tree);
                        break;
                }
                r = daemon->driver->next(&attempt->delivery, &reply, &next);
                step_done(step);
                *step = next;
                if (r < 0) {
                        attempt_failed_here(attempt, r);
                        return;
                }
        }
}

static void on_checkpoint(struct store *store, const redisReply *reply, int error,
                          const char *reason, void *userdata) {
        struct attempt *attempt = userdata;

        (void) store;
        (void) reason;
        if (error || !reply_is(reply, 0, "ok"))
                attempt_release(attempt);
        else
                attempt_go(attempt);
}

void attempt_replied(struct attempt *attempt, const struct reply *reply) {
        struct step next = { 0 };
        int r;

        if (reply->kind == STEP_HTTP && reply->http.sent)
                attempt->sent = true;
        r = attempt->daemon->driver->next(&attempt->delivery, reply, &next);
        step_done(&attempt->step);
        attempt->step = next;
        if (r < 0)
                attempt_failed_here(attempt, r);
        else
                attempt_go(attempt);
}

/* -- what the driver gets to see ------------------------------------------------------------------- */

static void key_part(struct buf *key, const char *text) {
        if (key->len > 0)
                buf_char(key, '/');
        escape_add(key, ESCAPE_URI, text, strlen(text));
}

static int make_key(struct attempt *attempt) {
        struct buf part = { 0 }, key = { 0 };

        buf_fmt(&part, "%lld", (long long) attempt->revision);
        if (attempt->kind == 'X')
                buf_char(&part, 'x');
        else if (attempt->level > 0)
                buf_char(&part, 'w');
        if (attempt->level > 1) /* a second withdrawal of one revision, say erase after mark */
                buf_fmt(&part, "%u", attempt->level);
        key_part(&key, attempt->region->code);
        key_part(&key, attempt->document);
        key_part(&key, buf_text(&part));
        key_part(&key, attempt->daemon->channel->name);
        attempt->revision_part = buf_take(&part);
        attempt->key = buf_take(&key);
        return attempt->revision_part && attempt->key ? 0 : -ENOMEM;
}

/* The expiry as an event: a withdrawal that the daemon itself makes. */
static json_t *expiry_event(const struct attempt *attempt) {
        char *reason freed_by(freep) = say(MESSAGE_EXPIRED_REASON, NULL);
        char time[MOMENT_TEXT], source[48];
        struct buf id = { 0 };
        json_t *json;

        (void) snprintf(source, sizeof(source), "urn:gongkai:%s:gongkai", attempt->region->code);
        buf_fmt(&id, "%s-expired", attempt->event_id);
        json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:I, s:s, s:s}}", "specversion",
                         "1.0", "type", "cn.gongkai.disclosure.withdraw.v1", "source", source, "id",
                         buf_text(&id), "time", moment_write(clock_now_ms(), time),
                         "datacontenttype", "application/json", "data", "document",
                         attempt->document, "revision", (json_int_t) attempt->revision, "mode",
                         "mark", "reason", reason ? reason : "");
        buf_done(&id);
        return json;
}

static int fill_attachments(struct attempt *attempt) {
        const struct event *event = attempt->event;

        if (event->n_attachments == 0)
                return 0;
        attempt->attachments = calloc(event->n_attachments, sizeof(*attempt->attachments));
        if (!attempt->attachments)
                return -ENOMEM;
        for (size_t i = 0; i < event->n_attachments; i++) {
                const struct event_attachment *from = &event->attachments[i];

                attempt->attachments[i] = (struct attachment) {
                        .name = from->name, .media_type = from->media_type, .role = from->role,
                        .sha256 = from->sha256, .size = from->size, .url = from->url,
                        .here = attachment_is_here(attempt->daemon->attachments_dir, from->sha256,
                                                   from->size),
                };
        }
        attempt->delivery.attachments = attempt->attachments;
        attempt->delivery.n_attachments = event->n_attachments;
        return 0;
}

static void fill_item(struct attempt *attempt) {
        struct delivery *delivery = &attempt->delivery;
        const struct event *event = attempt->event;
        const json_t *stage = json_object_get(event->data, "stage");
        const char *kind = json_string_value(json_object_get(event->data, "kind"));
        const struct item *item = event->item ? catalogue_find(attempt->daemon->catalogue, event->item,
                                                               attempt->region->code)
                                              : NULL;

        delivery->domain = item && *item->domain ? item->domain : NULL;
        delivery->item_name = item ? (*item->level2 ? item->level2 : item->level1) : NULL;
        delivery->document_kind = kind ? kind : item && *item->kind ? item->kind : "other";
        delivery->stages = json_array();
        if (json_is_string(stage))
                (void) json_array_append_new(delivery->stages,
                                             json_string(json_string_value(stage)));
        else if (json_is_array(stage))
                (void) json_array_extend(delivery->stages, (json_t *) stage);
        else if (item) {
                for (const char *at = item->stages; *at;) {
                        size_t n = strcspn(at, " ");

                        (void) json_array_append_new(delivery->stages, json_stringn(at, n));
                        at += n + strspn(at + n, " ");
                }
        }
}

static int fill_delivery(struct attempt *attempt) {
        struct channeld *daemon = attempt->daemon;
        struct delivery *delivery = &attempt->delivery;
        int r = make_key(attempt);

        if (r < 0)
                return r;
        delivery->kind = attempt->kind == 'X'   ? DELIVER_EXPIRE
                         : attempt->level > 0 ? DELIVER_WITHDRAW
                                              : DELIVER_PUBLISH;
        delivery->channel = daemon->channel->name;
        delivery->region = attempt->region->code;
        delivery->region_name =
                configuration_region_name(daemon->configuration, attempt->region->code);
        delivery->several_regions = daemon->n_regions > 1;
        delivery->document = attempt->document;
        delivery->revision = attempt->revision;
        delivery->level = attempt->level;
        delivery->revision_part = attempt->revision_part;
        delivery->event_id = attempt->event_id;
        delivery->key = attempt->key;
        delivery->reference = attempt->reference;
        delivery->surplus = attempt->surplus;
        delivery->url = attempt->url;
        delivery->after_url = attempt->after_url;
        delivery->memo = attempt->memo;
        delivery->doubt = attempt->doubt && !daemon->driver->local;
        delivery->now_ms = clock_now_ms();
        delivery->secret = daemon->secret;
        delivery->options = daemon->options;
        delivery->event = attempt->event->json;
        fill_item(attempt);
        r = fill_attachments(attempt);
        if (attempt->kind == 'X') {
                attempt->withdrawal = expiry_event(attempt);
                delivery->event = attempt->withdrawal;
                r = attempt->withdrawal ? r : -ENOMEM;
        }
        return r;
}

static bool hex_is(const char *hex, const char *raw) {
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < 32; i++)
                if (hex[2 * i] != digits[(unsigned char) raw[i] >> 4] ||
                    hex[2 * i + 1] != digits[(unsigned char) raw[i] & 15])
                        return false;
        return true;
}

void attempt_begin(struct attempt *attempt, const char *bytes, size_t n_bytes) {
        struct channeld *daemon = attempt->daemon;
        struct findings errors = { 0 }, warnings = { 0 };
        json_t *json = event_read(bytes, n_bytes, &errors);
        int r = 0;

        attempt->started_ms = clock_boot_ms();
        if (json)
                attempt->event = event_parse(json, &errors, &warnings);
        json_decref(json);
        findings_done(&errors);
        findings_done(&warnings);
        /* The append-only file has no checksum: a flipped bit must not be published. */
        if (!attempt->event || !hex_is(attempt->event->digest, attempt->digest)) {
                log_say(LOG_ERR, MESSAGE_BYTES_BROKEN, "channel", daemon->channel->name, "region",
                        attempt->region->code, "document", attempt->document, NULL);
                if (step_verdict(&attempt->step, VERDICT_WAIT, "store/bytes",
                                 clock_now_ms() + 60 * (int64_t) PARK_MS,
                                 MESSAGE_BYTES_BROKEN, "channel", daemon->channel->name, "region",
                                 attempt->region->code, "document", attempt->document, NULL) < 0) {
                        attempt_release(attempt);
                        return;
                }
                r = make_key(attempt);
                attempt_verdict(attempt);
                return;
        }
        r = fill_delivery(attempt);
        if (r == 0)
                r = daemon->driver->begin(&attempt->delivery, &attempt->step);
        if (r < 0)
                attempt_failed_here(attempt, r);
        else
                attempt_go(attempt);
}

/* -- setup and test ---------------------------------------------------------------------------------- */

/* Which region a setup or a test speaks for: that of a channel that serves only one. */
static void fill_special(const struct channeld *daemon, enum delivery_kind kind,
                         struct delivery *ret) {
        const char *region = daemon->n_regions == 1 ? daemon->regions[0].code : "";

        *ret = (struct delivery) {
                .kind = kind,
                .channel = daemon->channel->name,
                .region = region,
                .region_name =
                        *region ? configuration_region_name(daemon->configuration, region) : "",
                .several_regions = daemon->n_regions > 1,
                .document = "",
                .revision_part = "0",
                .event_id = "",
                .document_kind = "other",
                .attempt = 1,
                .key = kind == DELIVER_TEST ? "test" : "setup",
                .now_ms = clock_now_ms(),
                .secret = daemon->secret,
                .options = daemon->options,
        };
}

static int special_step(struct channeld *daemon, const struct delivery *delivery,
                        struct step *step, struct step *ret) {
        struct reply reply = { .kind = step->kind };

        if (step->kind == STEP_HTTP)
                return http_run(daemon, &step->http, delivery, ret);
        if (step->kind == STEP_TREE_OPEN)
                tree_open_entry(daemon, "", "", &step->tree_open, &reply.tree);
        else
                tree_commit_files(daemon, &step->tree_commit, &reply.tree);
        return daemon->driver->next(delivery, &reply, ret);
}

int attempt_run_special(struct channeld *daemon, enum delivery_kind kind, char **ret_sentence) {
        struct delivery delivery;
        struct step step = { 0 };
        json_t *memo = NULL;
        int r;

        fill_special(daemon, kind, &delivery);
        r = daemon->driver->begin(&delivery, &step);
        while (r == 0 && step.kind != STEP_VERDICT) {
                struct step next = { 0 };

                if (step.memo) {
                        json_decref(memo);
                        memo = json_incref(step.memo);
                        delivery.memo = memo;
                }
                r = special_step(daemon, &delivery, &step, &next);
                step_done(&step);
                step = next;
        }
        tree_rollback(daemon);
        json_decref(memo);
        if (r == 0) {
                struct verdict *verdict = &step.verdict;

                *ret_sentence = verdict->sentence ? give_away(verdict->sentence)
                                                  : give_away(verdict->url);
                r = verdict->kind == VERDICT_DONE ? 0 : -EIO;
        }
        step_done(&step);
        return r;
}
