/* Dead letters: one document on one channel is tried again, or given up. What is dead stands in the
 * ledger; gongkaictl reads it there and asks for each. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { MOST_TRIES = 8 };

struct dead {
        struct publisherd *daemon;
        struct client *client;
        struct region *region;
        char *document, *channel, *reason;
        const char *what; /* replay drop */
        unsigned tries;
};

static void dead_free(struct dead *dead) {
        free(dead->document);
        free(dead->channel);
        free(dead->reason);
        free(dead);
}

static void dead_fail(struct dead *dead, const char *reason) {
        control_fail(dead->client, MESSAGE_CONTROL_STORE_FAILED, "reason", reason, NULL);
        dead_free(dead);
}

static int dead_ask(struct dead *dead);

static void on_dead(struct store *store, const redisReply *reply, int error, const char *reason,
                    void *userdata) {
        struct dead *dead = userdata;
        struct client *client = dead->client;

        (void) store;
        if (error) {
                dead_fail(dead, reason);
                return;
        }
        if (reply_is(reply, 0, "again") && dead->tries++ < MOST_TRIES) {
                /* A channel that the configuration lost waits for this one. */
                region_learn_channel(dead->region, reply_text(reply, 1));
                if (dead_ask(dead) < 0)
                        dead_fail(dead, message_template(MESSAGE_STORE_AWAY, messages_language()));
                return;
        }
        if (reply_is(reply, 0, "ok")) {
                if (strcmp(dead->what, "replay") == 0)
                        fanout_nudge(dead->daemon, dead->region, dead->channel, strlen(dead->channel),
                                     "");
                control_reply(client, json_pack("{s:b, s:s, s:s, s:s}", "ok", 1, "region",
                                                dead->region->code, "document", dead->document,
                                                "channel", dead->channel));
        } else if (reply_is(reply, 0, "none")) {
                control_fail(client, MESSAGE_CONTROL_NOT_DEAD, "document", dead->document, "channel",
                             dead->channel, NULL);
        } else {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", reply_text(reply, 0),
                             NULL);
        }
        dead_free(dead);
}

static int dead_ask(struct dead *dead) {
        struct publisherd *daemon = dead->daemon;
        const struct region *region = dead->region;
        size_t n = daemon->configuration->n_channels + region->extra_channels.n, n_waiting = 0;
        struct words words = { 0 }, keys = { 0 };
        struct buf names = { 0 };
        int r;

        for (size_t i = 0; i < n; i++) {
                const char *name = control_due_name(daemon, region, i);

                if (strcmp(name, dead->channel) == 0)
                        continue;
                words_key(&keys, region->code, "due:%s", name);
                buf_fmt(&names, "%s%s", n_waiting++ ? "," : "", name);
        }
        words_str(&words, "FCALL");
        words_str(&words, "gk1_dead");
        words_number(&words, (int64_t) n_waiting + 4);
        words_key(&words, region->code, "meta");
        words_key(&words, region->code, "log");
        words_key(&words, region->code, "doc:%s", dead->document);
        words_key(&words, region->code, "due:%s", dead->channel);
        words_join(&words, &keys);
        words_str(&words, region->epoch);
        words_str(&words, dead->channel);
        words_str(&words, dead->what);
        words_str(&words, control_who(dead->client));
        words_str(&words, dead->reason);
        words_number(&words, (int64_t) n_waiting);
        words_str(&words, buf_text(&names));
        r = store_command(daemon->store, &words, on_dead, dead);
        words_done(&words);
        words_done(&keys);
        buf_done(&names);
        return r;
}

void control_dead(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *channel = control_text(question, "channel");
        const char *document = control_text(question, "document");
        bool drop = strcmp(control_text(question, "do"), "dead.drop") == 0;
        struct buf what = { 0 };
        struct dead *dead;
        const char *region;

        if (!control_region(daemon, client, question, &region))
                return;
        /* It may be of a channel that the configuration lost. */
        if (!conf_name_is_valid(channel)) {
                control_fail(client, MESSAGE_CONTROL_NO_CHANNEL, "channel", channel, NULL);
                return;
        }
        if (!*document) {
                control_fail(client, MESSAGE_CONTROL_NO_DOCUMENT, NULL);
                return;
        }
        if (!*control_text(question, "reason")) {
                control_fail(client, MESSAGE_CONTROL_NAME_REASON, NULL);
                return;
        }
        dead = calloc(1, sizeof(*dead));
        if (dead) {
                *dead = (struct dead) { .daemon = daemon, .client = client,
                                        .region = region_find(daemon, region),
                                        .document = strdup(document), .channel = strdup(channel),
                                        .reason = strdup(control_text(question, "reason")),
                                        .what = drop ? "drop" : "replay" };
        }
        if (!dead || !dead->document || !dead->channel || !dead->reason) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                if (dead)
                        dead_free(dead);
                return;
        }
        buf_fmt(&what, "dead %s %s %s %s: %s", dead->what, region, channel, document, dead->reason);
        control_audit(client, buf_text(&what));
        buf_done(&what);
        if (dead_ask(dead) < 0)
                dead_fail(dead, message_template(MESSAGE_STORE_AWAY, messages_language()));
}
