/* Displays that send heartbeats: which there are, and taking one off that is gone for good. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"

static size_t n_channels(const struct publisherd *daemon, const struct region *region) {
        return daemon->configuration->n_channels + region->extra_channels.n;
}

static bool is_silent(const struct publisherd *daemon, const char *name, int64_t last_ms) {
        const struct channel_config *channel = configuration_channel(daemon->configuration, name);

        return channel && channel->screen_silent_ms > 0 &&
               clock_now_ms() - last_ms > channel->screen_silent_ms;
}

static void add_screen(struct tour *tour, const char *channel, const redisReply *screen) {
        const redisReply *left = reply_at(screen, 3);
        int64_t last_ms = reply_number(screen, 1);
        json_t *still = json_array();

        for (size_t i = 0; reply_at(left, i + 1); i += 2)
                (void) json_array_append_new(still, json_string(reply_text(left, i)));
        (void) json_array_append_new(
                tour->rows,
                json_pack("{s:s, s:s, s:s, s:o, s:I, s:b, s:o}", "region",
                          tour->daemon->regions[tour->region].code, "channel", channel, "player",
                          reply_text(screen, 0), "last", control_moment(last_ms), "draws",
                          (json_int_t) reply_number(screen, 2), "silent",
                          is_silent(tour->daemon, channel, last_ms), "still", still));
}

static void on_screens(struct store *store, const redisReply *reply, int error, const char *reason,
                       void *userdata) {
        struct tour *tour = userdata;
        const struct region *region = &tour->daemon->regions[tour->region];

        (void) store;
        if (error) {
                tour_fail(tour, reason);
                return;
        }
        for (size_t i = 0; reply_at(reply, i); i++)
                add_screen(tour, control_due_name(tour->daemon, region, tour->channel),
                           reply_at(reply, i));
        tour->channel++;
        if (tour->channel >= n_channels(tour->daemon, region)) {
                tour->region++;
                tour->channel = 0;
        }
        tour_next(tour);
}

/* Asks one channel of a region after the other; `value`: only this one. */
static int ask_screens(struct tour *tour) {
        const struct region *region = &tour->daemon->regions[tour->region];
        struct words words = { 0 };
        const char *channel;
        int r;

        while (*tour->value && tour->channel < n_channels(tour->daemon, region) &&
               strcmp(control_due_name(tour->daemon, region, tour->channel), tour->value) != 0)
                tour->channel++;
        if (tour->channel >= n_channels(tour->daemon, region)) {
                on_screens(tour->daemon->store, NULL, 0, NULL, tour);
                return 0;
        }
        channel = control_due_name(tour->daemon, region, tour->channel);
        words_str(&words, "FCALL_RO");
        words_str(&words, "gk1_screens");
        words_number(&words, 3);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "screens:%s", channel);
        words_key(&words, region->code, "draws:%s", channel);
        words_str(&words, channel);
        r = store_command(tour->daemon->store, &words, on_screens, tour);
        words_done(&words);
        return r;
}

static struct tour *screen_tour(struct publisherd *daemon, struct client *client,
                                const json_t *question, int (*ask)(struct tour *tour)) {
        struct tour *tour = tour_new(daemon, client, question, ask);

        if (tour) {
                free(tour->value);
                free(tour->what);
                tour->value = strdup(control_text(question, "channel"));
                tour->what = strdup(control_text(question, "player"));
        }
        if (tour && tour->value && tour->what)
                return tour;
        if (tour)
                tour_fail(tour, strerror(ENOMEM));
        else
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
        return NULL;
}

void control_screen_list(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *channel = control_text(question, "channel");
        struct tour *tour;

        if (*channel && !conf_name_is_valid(channel)) {
                control_fail(client, MESSAGE_CONTROL_NO_CHANNEL, "channel", channel, NULL);
                return;
        }
        tour = screen_tour(daemon, client, question, ask_screens);
        if (tour)
                tour_next(tour);
}

/* -- forgetting ---------------------------------------------------------------------------------------- */

static void ignore_reply(struct store *store, const redisReply *reply, int error, const char *reason,
                         void *userdata) {
        (void) store;
        (void) reply;
        (void) error;
        (void) reason;
        (void) userdata;
}

/* A withdrawal may have waited for it alone. */
static void wake(struct publisherd *daemon, struct region *region, const char *channel,
                 const char *document) {
        struct words words = { 0 };

        words_str(&words, "FCALL");
        words_str(&words, "gk1_wake");
        words_number(&words, 4);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "doc:%s", document);
        words_key(&words, region->code, "due:%s", channel);
        words_str(&words, region->epoch);
        words_str(&words, channel);
        (void) store_command(daemon->store, &words, ignore_reply, NULL);
        words_done(&words);
}

static void on_forgotten(struct store *store, const redisReply *reply, int error, const char *reason,
                         void *userdata) {
        struct tour *tour = userdata;
        struct publisherd *daemon = tour->daemon;
        struct region *region = &daemon->regions[tour->region];

        (void) store;
        if (error || (!reply_is(reply, 0, "ok") && !reply_is(reply, 0, "none"))) {
                tour_fail(tour, error ? reason : reply_text(reply, 0));
                return;
        }
        if (reply_is(reply, 0, "ok")) {
                (void) json_array_append_new(tour->rows, json_string(region->code));
                for (size_t i = 1; reply_at(reply, i); i++)
                        wake(daemon, region, tour->value, reply_text(reply, i));
                fanout_nudge(daemon, region, tour->value, strlen(tour->value), "");
        }
        tour->region++;
        if (tour->region == daemon->n_regions && json_array_size(tour->rows) == 0)
                tour_refuse(tour, MESSAGE_CONTROL_NO_SCREEN);
        else
                tour_next(tour);
}

static int ask_forget(struct tour *tour) {
        const struct region *region = &tour->daemon->regions[tour->region];
        struct words words = { 0 };
        int r;

        words_str(&words, "FCALL");
        words_str(&words, "gk1_screen_forget");
        words_number(&words, 5);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "screens:%s", tour->value);
        words_key(&words, region->code, "draws:%s", tour->value);
        words_key(&words, region->code, "seen:%s", tour->value);
        words_str(&words, region->epoch);
        words_str(&words, tour->value);
        words_str(&words, tour->what);
        words_fmt(&words, "screen forget: %s", tour->who);
        r = store_command(tour->daemon->store, &words, on_forgotten, tour);
        words_done(&words);
        return r;
}

/* The channel may be one that the configuration lost. */
void control_screen_forget(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *channel = control_text(question, "channel"), *player = control_text(question, "player");
        struct buf what = { 0 };
        struct tour *tour;

        if (!conf_name_is_valid(channel)) {
                control_fail(client, MESSAGE_CONTROL_NO_CHANNEL, "channel", channel, NULL);
                return;
        }
        tour = screen_tour(daemon, client, question, ask_forget);
        if (!tour)
                return;
        buf_fmt(&what, "screen forget %s %s", channel, player);
        control_audit(client, buf_text(&what));
        buf_done(&what);
        tour_next(tour);
}
