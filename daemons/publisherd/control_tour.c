#include "daemons/publisherd/control.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static void tour_free(struct tour *tour) {
        json_decref(tour->reply);
        free(tour->document);
        free(tour->from);
        free(tour->states);
        free(tour->value);
        free(tour->what);
        free(tour->who);
        free(tour);
}

static void tour_end(struct tour *tour) {
        struct client *client = tour->client;
        json_t *reply = give_away(tour->reply);

        tour_free(tour);
        control_reply(client, reply);
}

void tour_fail(struct tour *tour, const char *reason) {
        struct client *client = tour->client;

        tour_free(tour);
        control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", reason, NULL);
}

void tour_refuse(struct tour *tour, enum message message) {
        struct client *client = tour->client;

        control_fail(client, message, "channel", tour->value, "player", tour->what, NULL);
        tour_free(tour);
}

void tour_next(struct tour *tour) {
        int r;

        if (tour->region >= tour->daemon->n_regions) {
                tour_end(tour);
                return;
        }
        r = tour->ask(tour);
        if (r < 0)
                tour_fail(tour, message_template(MESSAGE_STORE_AWAY, messages_language()));
}

/* Starts at `region` when one is named, and stays there. */
struct tour *tour_new(struct publisherd *daemon, struct client *client,
                             const json_t *question, int (*ask)(struct tour *tour)) {
        struct tour *tour = calloc(1, sizeof(*tour));

        if (!tour)
                return NULL;
        tour->daemon = daemon;
        tour->client = client;
        tour->ask = ask;
        tour->most = (size_t) json_integer_value(json_object_get(question, "limit"));
        tour->document = strdup(control_text(question, "document"));
        tour->from = strdup("+");
        tour->states = strdup("");
        tour->value = strdup("");
        tour->what = strdup("");
        tour->who = strdup(control_who(client));
        tour->reply = json_object();
        tour->rows = json_array();
        (void) json_object_set_new(tour->reply, "ok", json_true());
        (void) json_object_set_new(tour->reply, "rows", tour->rows);
        if (!tour->document || !tour->from || !tour->states || !tour->value || !tour->what ||
            !tour->who) {
                tour_free(tour);
                return NULL;
        }
        return tour;
}
