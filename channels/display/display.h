/* The display channel: playlists for the player's page (README.md). Everything here is a pure
 * function of its arguments.
 *
 * One folder below `root` is one display: the page's files, playlist.json, and a/ for the pictures
 * within the texts. The index keeps of each document all that a playlist needs; whether a
 * display shows it is asked when its playlist is written, so a display that is new in
 * the configuration starts with all that is shown elsewhere. Every delivery writes every playlist
 * anew from the index: whatever failed half-way before is mended by the next one. */
#ifndef CHANNELS_DISPLAY_DISPLAY_H
#define CHANNELS_DISPLAY_DISPLAY_H

#include "channels/playlist.h"

struct display_options {
        char *root;
        struct string_list displays; /* "hall" or "hall@530581103"; empty: one, named as the channel */
        char *heading, *county;      /* NULL: made from the region's name */
        char *address;               /* where the web server shows `root`; NULL = unknown */
        char *listen;                /* the common option: heartbeats come, or NULL: nobody tells */
        char *language;              /* zh | en, or NULL */
        int64_t show_days, most;
};

/* -- beat.c: heartbeats of the player, as driver.h's `call` -- */

int display_call(const struct call *call, const void *options, const char *secret, int64_t now_ms,
                 struct call_answer *ret);
extern const char *const display_secret_more[];

/* -- player.c: the page's files, from channels/display/player/ -- */

struct player_file {
        const char *name, *bytes, *end;
};
size_t player_file_size(const struct player_file *file);
extern const struct player_file player_files[]; /* ends with a NULL name */
#define PLAYER_VERSION 13
int player_version(char ret[static PLAYER_VERSION]); /* changes whenever a file does; -ENOMEM */

#endif
