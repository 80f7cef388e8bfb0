/* Setting a channel up, and trying whether it works: a delivery of no document. */
#include "daemons/channeld/channeld.h"

#include <errno.h>

#include "core/clock.h"
#include "core/memory.h"

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

int special_run(struct channeld *daemon, enum delivery_kind kind, char **ret_sentence) {
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
