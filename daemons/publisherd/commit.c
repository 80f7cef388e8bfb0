/* Group commit: one transaction per region is in flight; what arrives meanwhile joins the next. It is
 * MULTI, MSET of the events' bytes, FCALL gk1_accept, EXEC: all of it or nothing, synced once. (Small
 * commands outside a transaction would be synced by the handful: Redis reads 16 KiB of a connection
 * at a time.) */
#include "daemons/publisherd/publisherd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

enum { RETRY_SOON_MS = 500, RETRY_LATER_MS = 2000 };

struct batch {
        struct publisherd *daemon;
        struct region *region;
        struct job *jobs[BATCH_MAX_EVENTS];
        size_t n;
};

struct region *region_find(struct publisherd *daemon, const char *code) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (strcmp(daemon->regions[i].code, code) == 0)
                        return &daemon->regions[i];
        return NULL;
}

bool region_is_ready(const struct publisherd *daemon, const struct region *region,
                     const char **ret_reason) {
        const char *reason = NULL;

        if (!store_is_up(daemon->store))
                reason = message_template(MESSAGE_STORE_AWAY, messages_language());
        else if (!daemon->library_loaded)
                reason = message_template(MESSAGE_STORE_NOT_READY, messages_language());
        else if (!daemon->fit)
                reason = daemon->unfit ? daemon->unfit
                                       : message_template(MESSAGE_STORE_NOT_READY,
                                                          messages_language());
        else if (!region->ready)
                reason = region->refusal ? region->refusal
                                         : message_template(MESSAGE_STORE_NOT_READY,
                                                            messages_language());
        if (ret_reason)
                *ret_reason = reason;
        return !reason;
}

static struct job *queue_take(struct region *region) {
        struct job *job = region->first;

        if (!job)
                return NULL;
        region->first = job->next;
        if (!region->first)
                region->last = NULL;
        region->n_queued--;
        region->n_queued_bytes -= job->n_bytes;
        job->next = NULL;
        return job;
}

static void queue_put_back(struct region *region, struct job *job) {
        job->next = region->first;
        region->first = job;
        if (!region->last)
                region->last = job;
        region->n_queued++;
        region->n_queued_bytes += job->n_bytes;
}

void commit_busy(struct publisherd *daemon, struct region *region) {
        struct job *job;

        while ((job = queue_take(region)) != NULL)
                answer_busy(daemon, job, RETRY_LATER_MS);
}

static void add_due_keys(struct publisherd *daemon, struct region *region, struct words *words,
                         struct buf *names, size_t *ret_n) {
        const struct configuration *configuration = daemon->configuration;
        size_t n = 0;

        for (size_t i = 0; i < configuration->n_channels; i++) {
                words_key(words, region->code, "due:%s", configuration->channels[i].name);
                buf_fmt(names, "%s%s", n++ ? "," : "", configuration->channels[i].name);
        }
        for (size_t i = 0; i < region->extra_channels.n; i++) {
                words_key(words, region->code, "due:%s", region->extra_channels.items[i]);
                buf_fmt(names, "%s%s", n++ ? "," : "", region->extra_channels.items[i]);
        }
        *ret_n = n;
}

/* A document has a channel that the configuration lost: its due set takes part from now on. */
void region_learn_channel(struct region *region, const char *name) {
        if (conf_name_is_valid(name) && !string_list_has(&region->extra_channels, name))
                (void) string_list_add(&region->extra_channels, name, strlen(name));
}

static bool is_accepted(const struct job *job, const char *line) {
        return job && strncmp(line, "accepted\t", 9) == 0 && !job->dry_run;
}

/* The answer's fourth field names every channel of the document, a withdrawal's too. */
static void nudge(struct publisherd *daemon, const struct job *job, const char *line) {
        const char *channels = line;

        for (int i = 0; i < 3 && channels; i++) {
                channels = strchr(channels, '\t');
                channels = channels ? channels + 1 : NULL;
        }
        if (channels)
                fanout_add(daemon, job->region, channels, strcspn(channels, "\t"), job->ev_key,
                           job->bytes, job->n_bytes);
}

/* All of the batch before the first answer: with that a job's bytes may go. */
static void nudge_all(struct batch *batch, const redisReply *reply) {
        bool any = false;

        for (size_t i = 0; i < batch->n; i++) {
                struct job *job = batch->jobs[i];

                if (is_accepted(job, reply_text(reply, 3 + i)) && !job->to_fetch) {
                        nudge(batch->daemon, job, reply_text(reply, 3 + i));
                        any = true;
                }
        }
        fanout_send(batch->daemon);
        if (any)
                crash_point("publisherd/nudged");
}

/* Status, ULID: of a held event that came again the ULID is that of the first. */
static void tell_fetch(struct publisherd *daemon, const struct job *job, const char *line) {
        size_t n = strcspn(line, "\t");
        bool is_new = (strncmp(line, "accepted\t", 9) == 0 || strncmp(line, "held\t", 5) == 0) &&
                      strncmp(line + n + 1, job->ulid, strlen(job->ulid)) == 0;

        if (!is_new)
                return;
        if (job->to_fetch)
                fetch_wanted(daemon, job->region, job->ulid, job->document, job->to_fetch, job->bytes,
                             job->n_bytes);
        if (job->exempt)
                log_say(LOG_NOTICE, MESSAGE_GATE_EXEMPT_LOG, "region", job->region->code, "document",
                        job->document, "event", job->ulid, "reasons", job->exempt, NULL);
        fetch_overtaken(daemon, job->region, job->document, job->ulid);
}

static void on_committed(struct store *store, const redisReply *reply, int error,
                         const char *reason, void *userdata) {
        struct batch *batch freed_by(freep) = userdata;
        struct publisherd *daemon = batch->daemon;
        struct region *region = batch->region;
        struct job *again = NULL;
        bool urgent_held = false;

        (void) store;
        if (!error) {
                /* What the two commands of the transaction answered: MSET, FCALL. */
                const redisReply *accept = reply_at(reply, 1);

                if (accept && accept->type == REDIS_REPLY_ERROR) {
                        reason = accept->str;
                        error = store_error_of(reason);
                }
                reply = accept;
        }
        /* EXEC only says that a command before it was refused. */
        if (error && strncmp(reason, "EXECABORT", 9) == 0 && daemon->queued_error[0]) {
                reason = daemon->queued_error;
                error = store_error_of(reason);
        }
        alarms_refused(error, reason);
        region->in_flight = NULL;
        if (!error)
                crash_point("publisherd/commit-answered");
        if (error == -ENOSYS)
                daemon->library_loaded = false; /* durable_tick() loads it anew */
        if (error == 0 && !reply_is(reply, 0, "ok")) {
                /* Another epoch, a clock that jumped, a key of another type: look before going on. */
                log_say(LOG_ERR, MESSAGE_STORE_REFUSED, "region", region->code, "reason",
                        reply_text(reply, 0), NULL);
                region->ready = false;
                error = -EBUSY;
        } else if (error && trouble_is_news(daemon, reason))
                log_say(LOG_WARNING, MESSAGE_COMMIT_FAILED, "region", region->code, "reason",
                        reason, NULL);
        for (size_t i = batch->n; i-- > 0;) {
                struct job *job = batch->jobs[i];
                const char *line = error ? "" : reply_text(reply, 3 + i);

                if (!error && strncmp(line, "again\t", 6) == 0) {
                        region_learn_channel(region, strrchr(line, '\t') + 1);
                        job->next = again;
                        again = job;
                        batch->jobs[i] = NULL;
                }
        }
        if (!error)
                nudge_all(batch, reply);
        for (size_t i = 0; i < batch->n; i++) {
                struct job *job = batch->jobs[i];
                const char *line = error ? "" : reply_text(reply, 3 + i);

                if (!job)
                        continue;
                if (error || !*line || strncmp(line, "broken\t", 7) == 0) {
                        if (!error) {
                                log_say(LOG_ERR, MESSAGE_STORE_BROKEN_KEY, "region", region->code,
                                        "document", job->document, NULL);
                                alarms_damaged(daemon, region, job->document,
                                               message_template(MESSAGE_ALARM_BROKEN_RECORD,
                                                                messages_language()));
                        }
                        answer_busy(daemon, job, error == -EBUSY ? RETRY_LATER_MS : RETRY_SOON_MS);
                        continue;
                }
                if (is_accepted(job, line)) {
                        daemon->n_accepted++;
                        alarms_mended(daemon, region, job->document);
                }
                if (!job->dry_run)
                        tell_fetch(daemon, job, line);
                if (strncmp(line, "held\t", 5) == 0 && job->urgent)
                        urgent_held = true;
                answer_committed(job, line);
        }
        if (urgent_held)
                alarms_look_at_held(daemon, region);
        daemon->queued_error[0] = '\0';
        if (!error) {
                uint64_t n = (uint64_t) reply_number(reply, 2);

                region->n = n > region->n ? n : region->n;
        }
        while (again) {
                /* The list is reversed twice: the order of arrival stays. */
                struct job *job = again, *before = NULL;

                while (job->next) {
                        before = job;
                        job = job->next;
                }
                if (before)
                        before->next = NULL;
                else
                        again = NULL;
                queue_put_back(region, job);
        }
        commit_go(daemon, region);
}

static void on_queued(struct store *store, const redisReply *reply, int error, const char *reason,
                      void *userdata) {
        struct publisherd *daemon = userdata;

        (void) store;
        (void) reply;
        if (error == -EBUSY || error == -EBADMSG) /* EXEC will fail, and not say why */
                (void) snprintf(daemon->queued_error, sizeof(daemon->queued_error), "%s", reason);
}

/* The transaction of a batch; on_committed() is called when this returns 0, else not. */
static int commit_send(struct batch *batch, struct words *bodies, struct words *accept) {
        struct publisherd *daemon = batch->daemon;
        struct store *store = daemon->store;
        struct words multi = { 0 }, exec = { 0 };
        int r;

        words_str(&multi, "MULTI");
        words_str(&exec, "EXEC");
        r = store_command(store, &multi, on_queued, daemon);
        if (r == 0)
                r = store_command(store, bodies, on_queued, daemon);
        if (r == 0)
                r = store_command(store, accept, on_queued, daemon);
        if (r == 0)
                r = store_command(store, &exec, on_committed, batch);
        else
                words_done(&exec);
        crash_point_written(store, "publisherd/commit-written");
        if (r < 0) /* the connection may be within MULTI */
                store_reconnect(store, strerror(-r));
        return r;
}

void commit_go(struct publisherd *daemon, struct region *region) {
        struct batch *batch;
        struct words words = { 0 }, bodies = { 0 }, keys = { 0 };
        struct buf names = { 0 };
        size_t n_bytes = 0, n_due = 0, n_keys;
        /* The contents of one length of the dedup window are kept together. */
        int64_t stretch = clock_now_ms() / daemon->configuration->main.dedup_window_ms;

        if (region->in_flight || !region->first)
                return;
        if (!region_is_ready(daemon, region, NULL)) {
                commit_busy(daemon, region);
                return;
        }
        batch = calloc(1, sizeof(*batch));
        if (!batch) {
                commit_busy(daemon, region);
                return;
        }
        batch->daemon = daemon;
        batch->region = region;
        while (region->first && batch->n < BATCH_MAX_EVENTS &&
               (batch->n == 0 || n_bytes + region->first->n_bytes <= BATCH_MAX_BYTES)) {
                n_bytes += region->first->n_bytes;
                batch->jobs[batch->n++] = queue_take(region);
        }

        /* Room at once, in place of one that doubles and moves: the words of an event, its key and bytes. */
        (void) buf_room(&words.bytes, 768 * batch->n);
        (void) buf_room(&bodies.bytes, n_bytes + 64 * batch->n);
        add_due_keys(daemon, region, &keys, &names, &n_due);
        n_keys = 5 + n_due + 2 * batch->n;
        words_str(&words, "FCALL");
        words_str(&words, "gk1_accept");
        words_number(&words, (int64_t) n_keys);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "held");
        words_key(&words, region->code, "same:%lld", (long long) stretch);
        words_key(&words, region->code, "same:%lld", (long long) stretch - 1);
        words_join(&words, &keys);
        for (size_t i = 0; i < batch->n; i++) {
                words_key(&words, region->code, "ev:%s", batch->jobs[i]->ev_key);
                words_key(&words, region->code, "doc:%s", batch->jobs[i]->document);
        }
        words_str(&words, region->epoch);
        words_number(&words, (int64_t) n_due);
        words_str(&words, buf_text(&names));
        words_number(&words, daemon->configuration->main.dedup_window_ms);
        for (size_t i = 0; i < batch->n; i++)
                words_join(&words, &batch->jobs[i]->words);
        words_str(&bodies, "MSET");
        for (size_t i = 0; i < batch->n; i++) {
                words_key(&bodies, region->code, "body:%s", batch->jobs[i]->ulid);
                words_add(&bodies, batch->jobs[i]->bytes, batch->jobs[i]->n_bytes);
        }
        words_done(&keys);
        buf_done(&names);
        region->in_flight = batch;
        crash_point("publisherd/commit-begun");
        if (commit_send(batch, &bodies, &words) < 0) {
                words_done(&bodies);
                words_done(&words);
                region->in_flight = NULL;
                for (size_t i = 0; i < batch->n; i++)
                        answer_busy(daemon, batch->jobs[i], RETRY_SOON_MS);
                free(batch);
                commit_busy(daemon, region);
        }
}

void commit_queue(struct publisherd *daemon, struct job *job) {
        struct region *region = job->region;

        if (!region_is_ready(daemon, region, NULL) || region->n_queued >= QUEUE_MAX_EVENTS ||
            region->n_queued_bytes + job->n_bytes > QUEUE_MAX_BYTES) {
                answer_busy(daemon, job, RETRY_SOON_MS);
                return;
        }
        if (region->last)
                region->last->next = job;
        else
                region->first = job;
        region->last = job;
        region->n_queued++;
        region->n_queued_bytes += job->n_bytes;
        /* The door calls commit_go() when it has read its share, so that what came together is
         * committed together. */
}
