/* Setting a channel up, and trying whether it works: a delivery of no document. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"

/* Which region a setup or a test speaks for: that of a channel that serves only one. */
void special_fill(const struct channeld *daemon, enum delivery_kind kind, struct delivery *ret) {
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

/* One step that is no verdict, run to its end here and now. Nothing is left behind, so the book is
 * an empty one that takes everything. */
static int special_step(struct channeld *daemon, const struct delivery *delivery,
                        struct step *step, step_next_fn *next, struct step *ret) {
        struct reply reply = { .kind = step->kind };
        json_t *nothing freed_by(json_decrefp) = NULL;
        int r;

        switch (step->kind) {
        case STEP_HTTP:
                r = local_upload(daemon, &step->http);
                if (r == 0)
                        return http_run(daemon, &step->http, delivery, next, ret);
                reply.http.error = strerror(-r);
                break;
        case STEP_TCP:
                return tcp_run(daemon, &step->tcp, delivery, next, ret);
        case STEP_MQTT:
                return mqtt_run(daemon, &step->mqtt, delivery, next, ret);
        case STEP_FILE:
                local_file(daemon, step->file.path, &reply.file);
                r = next(delivery, &reply, ret);
                local_file_done(&reply.file);
                return r;
        case STEP_BOOK:
                nothing = json_object();
                reply.book = (struct book_reply) { .values = nothing, .counts = nothing, .spent = true,
                                                   .screens = nothing, .now_ms = delivery->now_ms };
                break;
        case STEP_TREE_OPEN:
                tree_open_entry(daemon, "", "", &step->tree_open, &reply.tree);
                break;
        case STEP_TREE_COMMIT:
                tree_commit_files(daemon, &step->tree_commit, &reply.tree);
                break;
        case STEP_ACCOUNT:
        case STEP_VERDICT:
                return -EINVAL;
        }
        return next(delivery, &reply, ret);
}

static void keep_memo(struct delivery *delivery, const struct step *step, json_t **memo) {
        if (!step->memo || step->memo == *memo)
                return;
        json_decref(*memo);
        *memo = json_incref(step->memo);
        delivery->memo = *memo;
}

/* Runs steps until a verdict, which is left in *step. */
static int special_steps(struct channeld *daemon, struct delivery *delivery, step_next_fn *next,
                         json_t **memo, struct step *step) {
        int r = 0;

        while (r == 0 && step->kind != STEP_VERDICT && step->kind != STEP_ACCOUNT) {
                struct step then = { 0 };

                keep_memo(delivery, step, memo);
                r = special_step(daemon, delivery, step, next, &then);
                step_done(step);
                *step = then;
        }
        return r;
}

/* Makes the account, and goes on with the delivery; a verdict on the account is the whole's. */
static int special_account(struct channeld *daemon, struct delivery *delivery, json_t **memo,
                           struct step *step) {
        const struct driver *driver = daemon->driver;
        struct step then = { 0 };
        int r;

        keep_memo(delivery, step, memo);
        step_done(step);
        if (delivery->account_version > 3)
                return -ELOOP;
        r = driver->account_begin(delivery, step);
        if (r == 0)
                r = special_steps(daemon, delivery, driver->account_next, memo, step);
        if (r == 0 && step->kind != STEP_VERDICT)
                return -EINVAL;
        if (r < 0 || step->verdict.kind != VERDICT_DONE)
                return r;
        json_decref(daemon->account);
        daemon->account = json_incref(step->account);
        delivery->account = daemon->account;
        delivery->account_version = ++daemon->account_version;
        r = driver->next(delivery, &(struct reply) { .kind = STEP_ACCOUNT }, &then);
        step_done(step);
        *step = then;
        return r < 0 ? r : special_steps(daemon, delivery, driver->next, memo, step);
}

/* The verdict's sentence is given away; 0 for DONE. */
static int special_end(struct step *step, int error, char **ret_sentence) {
        struct verdict *verdict = &step->verdict;

        if (error == 0) {
                *ret_sentence = verdict->sentence ? give_away(verdict->sentence)
                                                  : give_away(verdict->url);
                error = verdict->kind == VERDICT_DONE ? 0 : -EIO;
        }
        step_done(step);
        return error;
}

int special_run(struct channeld *daemon, enum delivery_kind kind, char **ret_sentence) {
        struct delivery delivery;
        struct step step = { 0 };
        json_t *memo freed_by(json_decrefp) = NULL;
        int r;

        special_fill(daemon, kind, &delivery);
        delivery.account = daemon->account;
        delivery.account_version = daemon->account_version;
        r = daemon->driver->begin(&delivery, &step);
        if (r == 0)
                r = special_steps(daemon, &delivery, daemon->driver->next, &memo, &step);
        while (r == 0 && step.kind == STEP_ACCOUNT)
                r = special_account(daemon, &delivery, &memo, &step);
        tree_rollback(daemon);
        return special_end(&step, r, ret_sentence);
}

int special_login(struct channeld *daemon, const char *code, struct buf *ret_secret,
                  char **ret_sentence) {
        const struct driver *driver = daemon->driver;
        struct reply reply = { .kind = STEP_HTTP };
        struct step step = { 0 }, next = { 0 };
        struct transfer *transfer;
        struct delivery delivery;
        int r;

        special_fill(daemon, DELIVER_TEST, &delivery);
        r = driver->login_begin(&delivery, code, &step);
        if (r == 0 && step.kind == STEP_HTTP) {
                transfer = http_hear(daemon, &step.http, &reply);
                r = transfer ? driver->login_next(&delivery, &reply, &next, ret_secret) : -ENOMEM;
                if (transfer)
                        http_forget(transfer);
                step_done(&step);
                step = next;
        }
        return special_end(&step, r, ret_sentence);
}
