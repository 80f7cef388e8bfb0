/* Heartbeats of the player's page: POST .../DISPLAY/beat, as README.md tells. Whoever can reach the page
 * can send them, unless the channel has a key. */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "channels/display/display.h"
#include "channels/secret.h"
#include "channels/sightings.h"
#include "core/memory.h"

static const char KEY[] = "beat";
const char *const display_secret_more[] = { KEY, NULL };

/* Who says it, for the log: what a stranger wrote stays out of it. */
struct caller {
        const struct display_options *options;
        char display[33]; /* "" = none of ours */
        struct buf player;
};

static void caller_done(struct caller *caller) {
        buf_done(&caller->player);
}

static int refuse(const struct caller *caller, unsigned status, char *why, struct call_answer *ret) {
        char *reason freed_by(freep) = why;
        const char *name = caller->player.len > 0 ? buf_text(&caller->player)
                           : *caller->display     ? caller->display
                                                  : "?";

        if (!reason)
                return -ENOMEM;
        ret->status = status;
        ret->trouble = say(MESSAGE_SIGHT_BAD, "name", name, "reason", reason, NULL);
        buf_fmt(&ret->body, "%s\n", reason);
        return ret->trouble ? ret->body.error : -ENOMEM;
}

/* The part of the path before the last, where that is "beat". */
static void find_display(struct caller *caller, const char *path) {
        const char *end = strrchr(path, '/'), *from = end;
        struct screens screens;
        const char *bad;

        if (!end || strcmp(end, "/beat") != 0)
                return;
        while (from > path && from[-1] != '/')
                from--;
        /* Without a list the one display has the channel's name, which is not known here. */
        if (caller->options->displays.n == 0) {
                struct buf name freed_by(buf_done) = { 0 };

                buf_add(&name, from, (size_t) (end - from));
                if (name.len < sizeof(caller->display) && conf_name_is_valid(buf_text(&name)))
                        memcpy(caller->display, buf_text(&name), name.len + 1);
                return;
        }
        if (screens_read(&caller->options->displays, "", &screens, &bad) < 0)
                return;
        for (size_t i = 0; i < screens.n; i++)
                if (strlen(screens.list[i].name) == (size_t) (end - from) &&
                    memcmp(screens.list[i].name, from, (size_t) (end - from)) == 0)
                        memcpy(caller->display, screens.list[i].name, sizeof(caller->display));
}

/* A page of another site cannot send this type without asking first, which nobody answers. */
static bool is_json(const char *content_type) {
        static const char wanted[] = "application/json";
        size_t n = sizeof(wanted) - 1;

        return content_type && strncasecmp(content_type, wanted, n) == 0 &&
               strchr("; ", content_type[n]);
}

static bool is_right(const char *ours, const char *theirs) {
        size_t n = strlen(ours);

        return theirs && strlen(theirs) == n && CRYPTO_memcmp(ours, theirs, n) == 0;
}

/* Strictly: an object of format 1, of this display, from a player whose name is one. */
static int read_head(struct caller *caller, const json_t *beat, enum message *ret_why) {
        const json_t *screen = json_object_get(beat, "screen"), *player = json_object_get(beat, "player");
        const char *name = json_string_value(player);

        *ret_why = MESSAGE_SIGHT_BAD_JSON;
        if (json_integer_value(json_object_get(beat, "format")) != 1 ||
            (screen && !json_is_string(screen)) || (player && !name))
                return -EINVAL;
        *ret_why = MESSAGE_SIGHT_BAD_SCREEN;
        if (screen && strcmp(json_string_value(screen), caller->display) != 0)
                return -EINVAL;
        *ret_why = MESSAGE_SIGHT_BAD_NAME;
        if (name && !sighting_name_is_sound(name))
                return -EINVAL;
        buf_fmt(&caller->player, "%s%s%s", caller->display, name ? "/" : "", name ? name : "");
        return caller->player.error;
}

static int check_key(const struct caller *caller, const json_t *beat, const char *secret,
                     struct call_answer *ret) {
        char *key freed_by(secret_part_freep) = secret_part(secret, KEY, true);

        if (!secret || (key && is_right(key, json_string_value(json_object_get(beat, "key")))))
                return 0;
        return refuse(caller, 403, say(key ? MESSAGE_SIGHT_BAD_KEY : MESSAGE_SIGHT_NO_KEY, NULL), ret);
}

int display_call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
                 struct call_answer *ret) {
        struct caller caller freed_by(caller_done) = { .options = options };
        json_t *beat freed_by(json_decrefp) = NULL;
        enum message reason = MESSAGE_SIGHT_BAD_JSON;
        char *why = NULL;
        int r;

        (void) now_ms;
        find_display(&caller, call->path);
        if (!*caller.display)
                return refuse(&caller, 400, say(MESSAGE_SIGHT_BAD_SCREEN, NULL), ret);
        if (strcmp(call->method, "POST") == 0 && is_json(call->content_type) &&
            call->n_body <= SIGHTING_BYTES)
                beat = json_loadb(call->body, call->n_body, JSON_REJECT_DUPLICATES, NULL);
        r = json_is_object(beat) ? read_head(&caller, beat, &reason) : -EINVAL;
        if (r == -EINVAL)
                return refuse(&caller, 400, say(reason, NULL), ret);
        r = r < 0 ? r : check_key(&caller, beat, secret, ret);
        if (r < 0 || ret->status)
                return r;
        r = sighting_read(buf_text(&caller.player), beat, &ret->sight, &why);
        if (r == -EINVAL)
                return refuse(&caller, 400, why, ret);
        ret->status = r < 0 ? 0 : 204;
        return r;
}
