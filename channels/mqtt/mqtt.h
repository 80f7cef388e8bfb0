/* Displays by MQTT: what the driver's files share. README.md tells topics and payloads. Everything
 * here is a pure function of its arguments. */
#ifndef CHANNELS_MQTT_MQTT_H
#define CHANNELS_MQTT_MQTT_H

#include "channels/playlist.h"

struct mqtt_options {
        char *host, *user, *prefix;
        int64_t port;
        int version;
        bool tls, heartbeats;
        char *tls_ca, *tls_cert, *tls_key;
        struct string_list groups; /* "hall" or "hall@530581103"; empty: one, named as the channel */
        char *heading, *county, *language;
        int64_t show_days, most;
};

enum { MQTT_VERSION_5, MQTT_VERSION_3 };
enum { MQTT_GONE = 500 }; /* documents taken down of late that a new connection takes down again */
#define MQTT_GONE_MS (INT64_C(35) * 24 * 3600 * 1000)

/* -- entry.c: what the index keeps --
 *
 * A member `on` has the groups that have, or may have, a message of the document: it only grows, as
 * long as the document is known, so that also what failed half-way, was for another place once, or
 * is on a group that the channel has no more, is taken away. Of what is gone nothing but that and
 * the document's name is left, and it is forgotten after 35 days. */

/* *ret is an OPEN with the entry; `before`: the data that the index had, or NULL. -ENOMEM. */
int mqtt_open_entry(const struct delivery *delivery, const struct screens *groups,
                    const json_t *before, struct step *ret);
void mqtt_add_views(const struct delivery *delivery, const struct screens *groups,
                    struct tree_open *open);
/* Whether `before` is on a group that `now` is not on. */
bool mqtt_is_elsewhere(const json_t *now, const json_t *before);
json_t *mqtt_name(const struct delivery *delivery); /* as the playlist has it; NULL: memory */

/* -- messages.c: what is sent --
 *
 * All that these groups (array of names) should have, with the document of the delivery, or with
 * all documents (DELIVER_SETUP). The sum is of everything but the playlists' time. */
int mqtt_messages(const struct delivery *delivery, const struct screens *groups,
                  const json_t *names, const json_t *views, struct step *ret, char *ret_sum);
/* Whether an entry with this digest is in one of the step's playlists; the groups' names. NULL: memory. */
json_t *mqtt_listed(const struct delivery *delivery, const struct mqtt_step *step, const char *digest);

/* -- players.c: what they say of themselves -- */

/* What comes under GROUP/players/NAME/state, as driver.h's `call`. */
int mqtt_call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
              struct call_answer *ret);
/* "hall/box-1" by PREFIX/GROUP/players/NAME/state: how many are on line, and the others' names. */
void mqtt_players(const struct mqtt_options *options, const json_t *seen, unsigned *ret_online,
                  unsigned *ret_offline, struct buf *ret_names);

#endif
