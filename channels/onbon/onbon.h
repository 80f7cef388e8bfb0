/* The LED boards with an Onbon font card (BX-5K, BX-6K): what its files share. Everything here is a
 * pure function. README.md tells what a board shows and where the facts come from. */
#ifndef CHANNELS_ONBON_ONBON_H
#define CHANNELS_ONBON_ONBON_H

#include "channels/driver.h"

struct onbon_options {
        char *host;
        int64_t port, screen, area;
        int64_t left, top, width, height; /* pixels */
        bool over;                        /* above the card's own programmes */
        int colour, urgent_colour;        /* as in the escapes \C1 \C2 \C3, less one */
        int effect, align;
        bool lines;                       /* several, wrapped by the card */
        int64_t speed, stay_ms;
        int64_t most, length, most_bytes;
        int unencodable;
        char *place, *separator, *idle;
        int64_t show_days, refresh_ms, ping_ms;
};

enum { ONBON_REPLACE, ONBON_REFUSE };

/* -- frame.c: what is on the wire -- */

/* The frame around a command, escaped; `over`: dynamic areas may lie above programmes. */
void onbon_frame(unsigned screen, bool over, const void *command, size_t n_bytes, struct buf *ret);
uint16_t onbon_crc(const void *bytes, size_t n_bytes);

enum onbon_answer { ONBON_ACK, ONBON_NACK, ONBON_NONSENSE };
/* A whole answer, with whatever came before it. *ret_error is the code of a NACK. */
enum onbon_answer onbon_read(const unsigned char *bytes, size_t n_bytes, unsigned *ret_error);

/* -- text.c: from a document to the bytes of the card's font -- */

/* One line: the short form that somebody wrote, else title and publisher; fitted to `length` Chinese
 * characters. To be freed; NULL: memory is short. */
char *onbon_text(const struct delivery *delivery, int64_t length);
/* Adds GBK. What GBK has no place for becomes □ and is named in `lost`, each once, ten at most. A
 * negative errno when this machine knows no GBK, or memory is short. */
int onbon_gbk(const char *text, struct buf *ret, struct buf *lost);

/* -- board.c: the board as it should be -- */

/* The command that makes it so, from the views: urgent ones first, then the newest, as many as fit;
 * with none of them the area is deleted, or shows `idle`. */
int onbon_board(const struct onbon_options *options, const json_t *views, struct buf *ret,
                struct buf *ret_words,  /* the same in UTF-8, a line for each notice */
                json_t *ret_drawn); /* the entries that it draws are added to this array */
extern const char onbon_ping[5];

#endif
