/* The display channel: playlists for the player's page (README.md). Everything here is a pure
 * function of its arguments.
 *
 * One folder below `root` is one display: the page's files, playlist.json, and a/ for the pictures
 * within the texts. The index keeps of each document all that a playlist needs (entry.c); whether a
 * display shows it is asked when its playlist is written (screens.c), so a display that is new in
 * the configuration starts with all that is shown elsewhere. Every delivery writes every playlist
 * anew from the index: whatever failed half-way before is mended by the next one. */
#ifndef CHANNELS_DISPLAY_DISPLAY_H
#define CHANNELS_DISPLAY_DISPLAY_H

#include "channels/driver.h"

struct display_options {
        char *root;
        struct string_list displays; /* "hall" or "hall@530581103"; empty: one, named as the channel */
        char *heading, *county;      /* NULL: made from the region's name */
        char *address;               /* where the web server shows `root`; NULL = unknown */
        char *language;              /* zh | en, or NULL */
        int64_t show_days, most;
};

/* -- screens.c: which displays there are, and what concerns them -- */

enum { SCREENS_MAX = 64 };

struct screen {
        char name[33];
        char area[13]; /* 6, 9 or 12 digits; "" = everything */
};

struct screens {
        struct screen list[SCREENS_MAX];
        size_t n;
        bool any_area;
};

/* -EINVAL and *ret_bad (borrowed) for an item that is none, or is there twice; -E2BIG. */
int screens_read(const struct display_options *options, const char *channel, struct screens *ret,
                 const char **ret_bad);
/* Two codes of GB/T 2260 and GB/T 10114: the same place, or one lies in the other. 530500 is the
 * prefecture, with all its counties. */
bool areas_meet(const char *one, const char *other);
/* Does an entry concern a display? An entry without areas concerns its whole region. */
bool screen_wants(const struct screen *screen, const json_t *entry);

/* -- ends.c: until when an entry is shown; data is the event's -- */

int64_t end_of(const struct delivery *delivery, const json_t *data, int64_t show_days);

/* -- entry.c: what the index keeps of a document -- */

/* *ret_until: the first moment at which it is not shown any more. -ENOMEM. */
int display_entry(const struct delivery *delivery, json_t **ret, int64_t *ret_until);
json_t *display_entry_gone(const struct delivery *delivery); /* not a word of it; NULL: memory */

/* -- playlist.c -- */

enum {
        PLAYLIST_BYTES = 2500000, /* a browser keeps five million characters; see README.md */
        LOOK_BACK = 2000,         /* entries that are looked through for a display with an area */
};

/* The playlist of a display from the views that display.c asks for: urgent entries first, else
 * newest first, as many as fit. The pictures of what is shown are added to `pictures`: {file,
 * sha256, size}. */
int playlist_write(const struct delivery *delivery, const struct screen *screen,
                   const json_t *views, const char *version, struct buf *ret, json_t *pictures);

/* -- player.c: the page's files, from channels/display/player/ -- */

struct player_file {
        const char *name, *bytes, *end;
};
size_t player_file_size(const struct player_file *file);
extern const struct player_file player_files[]; /* ends with a NULL name */
#define PLAYER_VERSION 13
int player_version(char ret[static PLAYER_VERSION]); /* changes whenever a file does; -ENOMEM */

#endif
