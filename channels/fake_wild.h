/* For the tests of limits: documents as nobody writes them, the same ones for a seed. Emoji of several code
 * points, accents without end, Han beyond the first plane, long bodies, fifty pictures. */
#ifndef CHANNELS_FAKE_WILD_H
#define CHANNELS_FAKE_WILD_H

#include <jansson.h>
#include <string.h>

#include "channels/driver.h"
#include "channels/fake_documents.h"

enum { WILD_PICTURES = 50 };

/* `n` words at most, without any space between; "" too. To be freed with the text. */
static inline void wild_words(uint64_t *seed, unsigned n, struct buf *ret) {
        static const char *const words[] = {
                "停水", "关于", "公告", "12,345.60元", "2026年11月23日", "〔2026〕7号", "，", "。", "a", "Zürich", " ",
                "\U00020BB7", "\U0002CE93\U00030EDD", "\u4DAE", "\U0001F600",
                "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F1E8\U0001F1F3", "e\u0301", "m\u00B2", "\\C3", "\"", "&lt;",
        };

        while (n-- > 0) {
                unsigned word = fake_random(seed, ELEMENTS(words) + 1);

                for (unsigned marks = fake_random(seed, 40); word == ELEMENTS(words) && marks > 0; marks--)
                        buf_str(ret, "\u0335"); /* more and more strokes through one letter */
                if (word < ELEMENTS(words))
                        buf_str(ret, words[word]);
        }
}

static inline json_t *wild_text(uint64_t *seed, unsigned most) {
        struct buf text = { 0 };
        json_t *string;

        buf_str(&text, "文");
        wild_words(seed, fake_random(seed, most), &text);
        string = json_string(buf_text(&text));
        buf_done(&text);
        return string;
}

static inline json_t *wild_body(uint64_t *seed, unsigned n_pictures) {
        static const char *const formats[] = { "text", "markdown", "html" };
        const char *format = formats[fake_random(seed, 3)];
        unsigned n = fake_random(seed, 50) == 0 ? 900 : fake_random(seed, 12);
        struct buf text = { 0 };
        json_t *body;

        for (unsigned i = 0; i < n; i++) {
                buf_str(&text, *format == 'h' ? "<p>" : "\n\n");
                wild_words(seed, fake_random(seed, n > 100 ? 60 : 20), &text);
                if (n_pictures > 0 && *format != 't')
                        buf_fmt(&text, *format == 'h' ? "<img src=\"attachment:%u.png\" alt=\"图\"></p>"
                                                      : "![图](attachment:%u.png)",
                                fake_random(seed, n_pictures));
        }
        buf_str(&text, "完");
        body = json_pack("{s:s, s:s}", "format", format, "content", buf_text(&text));
        buf_done(&text);
        return body;
}

/* The pictures of document i: names, sizes up to 400 KB. */
static inline unsigned wild_pictures(uint64_t *seed, char (*names)[16], struct attachment *ret) {
        static const char digest[] = "aaaaaaaa11111111222222223333333344444444555555556666666677777777";
        unsigned n = fake_random(seed, 20) == 0 ? WILD_PICTURES : fake_random(seed, 3);

        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(names[i], 16, "%u.png", i);
                ret[i] = (struct attachment) { .name = names[i], .media_type = "image/png", .role = "inline",
                                               .sha256 = digest, .size = 1 + fake_random(seed, 400000),
                                               .here = fake_random(seed, 10) > 0 };
        }
        return n;
}

/* The event; `n_pictures` as wild_pictures() made them. */
static inline json_t *wild_event(uint64_t *seed, unsigned n_pictures) {
        json_t *data = json_pack("{s:o, s:o, s:{s:o}, s:{s:s}}", "title", wild_text(seed, fake_random(seed, 2) ? 12 : 100),
                                 "body", wild_body(seed, n_pictures), "publisher", "name", wild_text(seed, 20), "dates",
                                 "formed", "2026-11-20");

        if (fake_random(seed, 3) == 0)
                (void) json_object_set_new(data, "texts", json_pack("{s:o}", "short", wild_text(seed, 60)));
        if (fake_random(seed, 2) == 0)
                (void) json_object_set_new(data, "number", wild_text(seed, 5));
        return json_pack("{s:s, s:o}", "id", "e", "data", data);
}

#endif
