#include <errno.h>
#include <string.h>

#include "channels/display/display.h"
#include "core/digest.h"
#include "core/embed.h"

EMBED(player_index_html, "channels/display/player/index.html");
EMBED(player_player_css, "channels/display/player/player.css");
EMBED(player_words_js, "channels/display/player/words.js");
EMBED(player_clock_js, "channels/display/player/clock.js");
EMBED(player_sha256_js, "channels/display/player/sha256.js");
EMBED(player_playlist_js, "channels/display/player/playlist.js");
EMBED(player_clean_js, "channels/display/player/clean.js");
EMBED(player_tables_js, "channels/display/player/tables.js");
EMBED(player_paginate_js, "channels/display/player/paginate.js");
EMBED(player_screen_js, "channels/display/player/screen.js");
EMBED(player_beat_js, "channels/display/player/beat.js");
EMBED(player_player_js, "channels/display/player/player.js");
EMBED(player_sw_js, "channels/display/player/sw.js");

#define FILE(name, bytes) { name, bytes, bytes##_end }
const struct player_file player_files[] = {
        FILE("player.css", player_player_css),
        FILE("words.js", player_words_js),
        FILE("clock.js", player_clock_js),
        FILE("sha256.js", player_sha256_js),
        FILE("playlist.js", player_playlist_js),
        FILE("clean.js", player_clean_js),
        FILE("tables.js", player_tables_js),
        FILE("paginate.js", player_paginate_js),
        FILE("screen.js", player_screen_js),
        FILE("beat.js", player_beat_js),
        FILE("player.js", player_player_js),
        FILE("sw.js", player_sw_js),
        FILE("index.html", player_index_html), /* last: it names the others */
        { NULL, NULL, NULL },
};
#undef FILE

size_t player_file_size(const struct player_file *file) {
        return (size_t) (file->end - file->bytes) - 1; /* EMBED puts a NUL behind */
}

int player_version(char ret[static PLAYER_VERSION]) {
        struct buf all = { 0 };
        char digest[DIGEST_TEXT];
        int r;

        for (const struct player_file *file = player_files; file->name; file++) {
                buf_add(&all, file->name, strlen(file->name) + 1);
                buf_add(&all, file->bytes, player_file_size(file));
        }
        r = all.error;
        if (r == 0)
                digest_bytes(all.data, all.len, digest);
        buf_done(&all);
        if (r < 0)
                return r;
        memcpy(ret, digest, PLAYER_VERSION - 1);
        ret[PLAYER_VERSION - 1] = '\0';
        return 0;
}
