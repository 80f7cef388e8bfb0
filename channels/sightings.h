/* What players say by heartbeats that they show: how it is read, and what it means for a delivery.
 * For the drivers whose screens can tell (display, mqtt). Everything is a pure function.
 *
 * A player is named by its screen, "hall", or "hall/left" where several show the same one.
 *
 * What a driver does: when its delivery is in the playlists it fills sighting_ask(), and reads the reply
 * with sighting_judge(). PUBLISH is done when a player draws this revision with the digest that was sent;
 * WITHDRAW when no player draws or holds the document any more, in this or an older revision. Until then it asks
 * again: the engine wakes it when a player says something new, so this is only against what went lost, and
 * for the alarm; twice as late each time, at last every ten minutes. A player that has fallen silent counts
 * as showing what it last said, until it speaks again or somebody has it forgotten. */
#ifndef CHANNELS_SIGHTINGS_H
#define CHANNELS_SIGHTINGS_H

#include "channels/driver.h"

enum {
        SIGHTING_ENTRIES = 1000,      /* of a heartbeat: as many as a playlist may have */
        SIGHTING_BYTES = 512 << 10,   /* of its body */
        SIGHTING_NAME = 64,           /* characters of a player's name behind the screen's */
        SIGHTING_ONLINE_MS = 45000,   /* three beats: longer unheard of is off line */
        SIGHTING_LOOK_MS = 60000,     /* so often a playlist is looked at again for what is waited for */
};

/* -- heartbeats -- */

bool sighting_name_is_sound(const char *name);
/* `beat` has "showing" [{"document", "revision", "digest"}]: what it has drawn, and "holding" (may be missing)
 * [{"document", "revision"}]: what it may draw, but has not; and, where the playlist has it, "region".
 * *ret is what call_answer.sight takes. -EINVAL and *ret_why (owned) says what is wrong with it; -ENOMEM. */
int sighting_read(const char *player, const json_t *beat, json_t **ret, char **ret_why);

/* -- what is waited for; all this is kept in the memo, below "sight" -- */

/* *ret is the step that puts the delivery's entry into the index: its digest is remembered (PUBLISH, `item`
 * as playlist_item() made it; else NULL). What the memo has besides stays. -ENOMEM. */
int sighting_begin(const struct delivery *delivery, const json_t *item, struct step *ret);
/* Whether this very delivery is in the playlists already, and only the screens are waited for. */
bool sighting_is_awaited(const struct delivery *delivery);
/* The digest that is waited for; "" = none. */
const char *sighting_digest(const struct delivery *delivery);
/* *ret is the step that puts the playlists out: `names` (array of strings) are those of the screens that
 * will have the entry. -ENOMEM. */
int sighting_place(const struct delivery *delivery, const json_t *names, struct step *ret);
/* The playlists are out: asks what is drawn. `names`: where the entry is by now; NULL: as it was placed.
 * A publication that is nowhere is done, with a remark. -ENOMEM. */
int sighting_ask(const struct delivery *delivery, const json_t *names, struct step *ret);

enum sighting {
        SIGHTING_DONE,   /* the driver fills its verdict */
        SIGHTING_FILLED, /* *ret is the verdict, or *ret_error is not 0 */
        SIGHTING_LOOK,   /* the driver looks which screens have it still, then sighting_ask() again */
};
enum sighting sighting_judge(const struct delivery *delivery, const struct book_reply *reply,
                             struct step *ret, int *ret_error);

#endif
