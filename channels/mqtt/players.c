/* What players say of themselves: on line or not, and by heartbeats what they draw. */
#include <errno.h>
#include <string.h>

#include "channels/mqtt/mqtt.h"
#include "channels/sightings.h"
#include "core/memory.h"
#include "core/unicode.h"

enum { NAMES_MOST = 10, NAME_CHARACTERS = 60 };

static const char MIDDLE[] = "/players/", END[] = "/state";

/* "hall/box-1" out of "hall/players/box-1/state"; false: another topic. */
static bool player_of(const char *path, struct buf *ret) {
        const char *name = strstr(path, MIDDLE), *behind;

        behind = name ? strchr(name + strlen(MIDDLE), '/') : NULL;
        if (!behind || strcmp(behind, END) != 0)
                return false;
        buf_add(ret, path, (size_t) (name - path));
        buf_add(ret, name + strlen(MIDDLE) - 1, (size_t) (behind - name) - strlen(MIDDLE) + 1);
        return true;
}

/* -- on line -- */

/* "online", or an object whose `state` says so. Whatever else it is, the player is not on line. */
static bool is_online(const char *payload) {
        json_t *json freed_by(json_decrefp) = json_loads(payload, JSON_DECODE_ANY, NULL);
        const json_t *state = json_is_object(json) ? json_object_get(json, "state") : json;

        return strcmp(json_is_string(state) ? json_string_value(state) : payload, "online") == 0;
}

void mqtt_players(const struct mqtt_options *options, const json_t *seen, unsigned *ret_online,
                  unsigned *ret_offline, struct buf *ret_names) {
        size_t n_prefix = strlen(options->prefix);
        char excerpt[UNICODE_EXCERPT(NAME_CHARACTERS)];
        const char *topic;
        json_t *payload;

        *ret_online = *ret_offline = 0;
        json_object_foreach((json_t *) seen, topic, payload) {
                struct buf player freed_by(buf_done) = { 0 };

                if (strncmp(topic, options->prefix, n_prefix) != 0 || topic[n_prefix] != '/' ||
                    !player_of(topic + n_prefix + 1, &player))
                        continue;
                if (is_online(json_string_value(payload))) {
                        (*ret_online)++;
                        continue;
                }
                if ((*ret_offline)++ < NAMES_MOST)
                        buf_fmt(ret_names, " %s",
                                unicode_excerpt(buf_text(&player), player.len, NAME_CHARACTERS,
                                                excerpt));
        }
}

/* -- heartbeats -- */

static bool is_group(const struct mqtt_options *options, const char *player) {
        size_t n = strcspn(player, "/");
        struct screens groups;
        const char *bad;

        if (options->groups.n == 0) /* the one that is named as the channel: which, is not known here */
                return true;
        if (screens_read(&options->groups, "", &groups, &bad) < 0)
                return false;
        for (size_t i = 0; i < groups.n; i++)
                if (strlen(groups.list[i].name) == n && memcmp(groups.list[i].name, player, n) == 0)
                        return true;
        return false;
}

static int refuse(const char *player, char *why, struct call_answer *ret) {
        char *reason freed_by(freep) = why;
        char excerpt[UNICODE_EXCERPT(NAME_CHARACTERS)];

        if (!reason)
                return -ENOMEM;
        ret->status = 400;
        ret->trouble = say(MESSAGE_SIGHT_BAD, "name",
                           unicode_excerpt(player, strlen(player), NAME_CHARACTERS, excerpt), "reason",
                           reason, NULL);
        return ret->trouble ? 0 : -ENOMEM;
}

static int read_state(const char *player, const json_t *state, struct call_answer *ret) {
        char *why = NULL;
        int r;

        if (!json_object_get(state, "showing"))
                return refuse(player, say(MESSAGE_SIGHT_ONLY_STATE, NULL), ret);
        r = sighting_read(player, state, &ret->sight, &why);
        return r == -EINVAL ? refuse(player, why, ret) : r;
}

/* One that is off line draws what it drew, for all we know: nothing is noted. */
int mqtt_call(const struct call *call, const void *pointer, const char *secret, int64_t now_ms,
              struct call_answer *ret) {
        const struct mqtt_options *options = pointer;
        struct buf player freed_by(buf_done) = { 0 };
        json_t *state freed_by(json_decrefp) = NULL;

        (void) secret;
        (void) now_ms;
        ret->status = 404; /* nobody else is expected to call */
        if (!options->heartbeats || strcmp(call->method, "MQTT") != 0 ||
            !player_of(call->path, &player) || !is_online(call->body))
                return player.error;
        if (!is_group(options, buf_text(&player)))
                return refuse(buf_text(&player), say(MESSAGE_SIGHT_BAD_SCREEN, NULL), ret);
        if (!sighting_name_is_sound(strchr(buf_text(&player), '/') + 1))
                return refuse(buf_text(&player), say(MESSAGE_SIGHT_BAD_NAME, NULL), ret);
        state = json_loadb(call->body, call->n_body, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        return read_state(buf_text(&player), state, ret);
}
