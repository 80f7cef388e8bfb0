#include <string.h>

#include <utf8proc.h>

#include "core/buf.h"
#include "core/content_char.h"
#include "core/content_read.h"
#include "core/fit.h"
#include "core/memory.h"

void content_read_text(struct reading *reading, const char *source, size_t n_bytes) {
        const char *end = source + n_bytes;
        bool in_paragraph = false;

        while (source < end && !reading->tree->error) {
                const char *line = source, *at, *line_end = source;
                bool empty = true;

                while (line_end < end && *line_end != '\n' && *line_end != '\r')
                        line_end++;
                source = line_end + (line_end < end);
                if (source < end && *line_end == '\r' && *source == '\n')
                        source++;
                for (at = line; at < line_end && empty;) {
                        uint32_t c = char_next(&at, line_end);

                        empty = char_is_space(c) || char_is_blank(c) || char_is_invisible(c);
                }
                if (empty) {
                        tree_boundary(reading->tree);
                        in_paragraph = false;
                        continue;
                }
                if (in_paragraph)
                        tree_break(reading->tree);
                in_paragraph = true;
                tree_text(reading->tree, line, (size_t) (line_end - line));
        }
        tree_boundary(reading->tree);
}

/* -- the summary -- */

/* How long the summary still has to be to end at a sentence or a word, and at a clause. */
#define NEAR_SENTENCE(n) ((n) / 2)
#define NEAR_CLAUSE(n) ((n) * 2 / 3)

static bool ends_sentence(uint32_t c) {
        return c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0xff1b || c == '!' || c == '?' ||
               c == ';';
}

static bool ends_clause(uint32_t c) {
        return c == 0xff0c || c == 0x3001 || c == 0xff1a || c == ',' || c == ':';
}

/* A mark that closes what stands before it and goes with it: ”》）」』】’ and ASCII's. */
static bool closes(uint32_t c) {
        return c == 0x201d || c == 0x2019 || c == 0x300b || c == 0xff09 || c == 0x300d ||
               c == 0x300f || c == 0x3011 || c == '"' || c == ')';
}

/* The text as one line: white space is one blank, none where characters join. */
static void one_line(struct buf *line, const char *text) {
        const char *end = text + strlen(text);
        uint32_t last = 0;
        bool blank = false, line_end = false;

        while (text < end) {
                const char *from = text;
                uint32_t c = char_next(&text, end);

                if (char_is_space(c)) {
                        blank = true;
                        line_end |= c != ' ' && c != '\t';
                        continue;
                }
                if (blank && line->len && !(line_end && char_joins(last, c)))
                        buf_char(line, ' ');
                blank = line_end = false;
                last = c;
                buf_add(line, from, (size_t) (text - from));
        }
}

/* A mark that belongs to what follows. */
static bool opens(uint32_t c) {
        return c == 0x201c || c == 0x2018 || c == 0x300a || c == 0xff08 || c == 0x300c ||
               c == 0x300e || c == 0x3010 || c == '(';
}

struct cut {
        size_t n_bytes, n_characters;
};

/* The best place to cut `line` so that at most `most` characters stay. */
static struct cut best_cut(const char *line, size_t most) {
        const char *at = line, *end = line + strlen(line);
        struct cut sentence = { 0 }, clause = { 0 }, word = { 0 }, any = { 0 };
        size_t n = 0;
        utf8proc_int32_t state = 0;
        uint32_t last = 0;

        for (;;) {
                const char *from = at;
                uint32_t c = at < end ? char_next(&at, end) : 0;
                bool whole = !c || !last ||
                             utf8proc_grapheme_break_stateful((utf8proc_int32_t) last,
                                                              (utf8proc_int32_t) c, &state);
                struct cut cut = { (size_t) (from - line), n };

                if (whole && last && !opens(last)) { /* a character with its marks is not torn */
                        any = cut;
                        if (ends_sentence(last) || (last == '.' && c == ' ') ||
                            (closes(last) && sentence.n_characters + 1 == n))
                                sentence = cut;
                        if (ends_clause(c))
                                clause = cut;
                        if (c == ' ' || last >= 0x2e80 || c >= 0x2e80)
                                word = cut;
                }
                if (n >= most || !c)
                        break;
                n++;
                last = c;
        }
        if (sentence.n_characters > NEAR_SENTENCE(most))
                return sentence;
        if (clause.n_characters > NEAR_CLAUSE(most))
                return clause;
        return word.n_characters > NEAR_SENTENCE(most) ? word : any;
}

char *content_summary(const char *text, size_t n_characters) {
        struct buf line freed_by(buf_done) = { 0 }, summary freed_by(buf_done) = { 0 };
        size_t n = 0;

        one_line(&line, text);
        if (line.error)
                return NULL;
        for (const char *at = buf_text(&line), *end = at + line.len; at < end; n++)
                (void) char_next(&at, end);
        if (n <= n_characters)
                return buf_take(&line);
        if (n_characters > 0) {
                struct cut cut = best_cut(buf_text(&line), n_characters - 1);
                size_t whole = fit_cut(buf_text(&line), line.len, FIT_BYTES, cut.n_bytes);

                /* "共1亿元" must not become "共1"; a figure longer than all the room is cut. */
                buf_add(&summary, buf_text(&line), whole > 0 ? whole : cut.n_bytes);
                buf_str(&summary, "…");
        }
        return buf_take(&summary);
}
