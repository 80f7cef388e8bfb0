#include <errno.h>
#include <string.h>

#include "channels/onbon/onbon.h"
#include "core/memory.h"

const char onbon_ping[5] = { (char) 0xa2, 0, 1, 0, 0 };

/* What stands around the text in an update: the command's 9 bytes, and 27 of the area. */
enum { AROUND = 9 + 27 };

static void add_number(struct buf *ret, uint32_t number, unsigned n_bytes) {
        for (unsigned i = 0; i < n_bytes; i++)
                buf_char(ret, (char) (number >> 8 * i & 0xff));
}

static void add_colour(struct buf *ret, int colour) {
        buf_char(ret, '\\');
        buf_char(ret, 'C');
        buf_char(ret, (char) ('1' + colour));
}

/* -- the text -- */

/* Adds a notice if there is room for it; behind what is there already comes the separator. */
static int add_notice(const struct onbon_options *options, const char *text, bool urgent,
                      struct buf *ret, struct buf *words, bool *ret_full) {
        struct buf lost freed_by(buf_done) = { 0 };
        size_t before = ret->len;
        int r = 0;

        if (before > 0)
                r = onbon_gbk(options->separator, ret, &lost);
        add_colour(ret, urgent ? options->urgent_colour : options->colour);
        if (r == 0)
                r = onbon_gbk(text, ret, &lost);
        if (r < 0 || ret->error)
                return r < 0 ? r : ret->error;
        *ret_full = ret->len + AROUND > (size_t) options->most_bytes && before > 0;
        if (*ret_full) {
                ret->len = before;
                ret->data[before] = '\0';
        } else {
                buf_fmt(words, "%s%s", words->len ? "\n" : "", text);
        }
        return words->error;
}

/* The first view has the urgent ones, the second all. */
static int add_notices(const struct onbon_options *options, const json_t *views, struct buf *ret,
                       struct buf *words, json_t *drawn) {
        int64_t n = 0;
        bool full = false;

        for (size_t view = 0; view < 2; view++) {
                json_t *entry;
                size_t i;

                json_array_foreach(json_array_get(views, view), i, entry) {
                        const char *text = json_string_value(json_object_get(entry, "text"));
                        bool urgent = json_is_true(json_object_get(entry, "urgent"));
                        int r;

                        if (!text || (view == 1 && urgent) || full || n == options->most)
                                continue;
                        r = add_notice(options, text, urgent, ret, words, &full);
                        if (r == 0 && !full && json_array_append(drawn, entry) < 0)
                                r = -ENOMEM;
                        if (r < 0)
                                return r;
                        n++;
                }
        }
        return 0;
}

/* -- the command A3 06 -- */

static void add_area(const struct onbon_options *options, const struct buf *text, struct buf *ret) {
        static const unsigned char aligns[] = { 0, 2, 1 }; /* left, centre, right */

        add_number(ret, 0, 1); /* a text */
        /* The high bit: in pixels, not in eights. Rows are in pixels as they are. */
        add_number(ret, 0x8000 | (uint32_t) options->left, 2);
        add_number(ret, (uint32_t) options->top, 2);
        add_number(ret, 0x8000 | (uint32_t) options->width, 2);
        add_number(ret, (uint32_t) options->height, 2);
        add_number(ret, (uint32_t) options->area, 1);
        add_number(ret, 0, 1); /* between lines */
        add_number(ret, 0, 1); /* over and over */
        add_number(ret, 0, 2); /* no end of that */
        add_number(ret, 0, 1); /* no sound */
        add_number(ret, 0, 1); /* no extra bytes */
        add_number(ret, 0x08 | aligns[options->align], 1); /* in the middle of the height */
        add_number(ret, options->lines ? 2 : 1, 1);
        add_number(ret, options->lines ? 2 : 1, 1);
        add_number(ret, (uint32_t) options->effect + 1, 1);
        add_number(ret, 0, 1); /* goes as it came */
        add_number(ret, (uint32_t) options->speed, 1);
        add_number(ret, (uint32_t) (options->stay_ms / 500), 1);
        add_number(ret, (uint32_t) text->len, 4);
        buf_add(ret, buf_text(text), text->len);
}

int onbon_board(const struct onbon_options *options, const json_t *views, struct buf *ret,
                struct buf *ret_words, json_t *ret_drawn) {
        static const char update[] = { (char) 0xa3, 6, 1, 0, 0 }; /* answered; nothing cleared first */
        struct buf text freed_by(buf_done) = { 0 };
        struct buf area freed_by(buf_done) = { 0 };
        bool full;
        int r = add_notices(options, views, &text, ret_words, ret_drawn);

        if (r == 0 && text.len == 0 && options->idle)
                r = add_notice(options, options->idle, false, &text, ret_words, &full);
        if (r < 0)
                return r;
        buf_add(ret, update, sizeof(update));
        if (text.len == 0) {
                add_number(ret, 1, 1); /* one area is deleted: this one; */
                add_number(ret, (uint32_t) options->area, 1);
                add_number(ret, 0, 1); /* none is updated */
                return ret->error;
        }
        add_area(options, &text, &area);
        add_number(ret, 0, 1); /* none is deleted, one updated */
        add_number(ret, 1, 1);
        add_number(ret, (uint32_t) area.len, 2);
        buf_add(ret, buf_text(&area), area.len);
        return area.error ? area.error : ret->error;
}
