/* What was wrong with bytes that are no event, as a sentence with line and column. */
#include <string.h>

#include "core/event_reader.h"
#include "core/memory.h"
#include "core/unicode.h"

bool reader_fail(struct reader *reader, enum message why, const char *where) {
        if (!reader->failed) {
                reader->failed = true;
                reader->why = why;
                reader->where = where;
        }
        return false;
}

void reader_note(struct reader *reader, const char *text, size_t n) {
        if (!reader->found[0])
                (void) unicode_excerpt(text, n, SHOWN, reader->found);
}

void *reader_no_memory(struct reader *reader) {
        reader->no_memory = true;
        (void) reader_fail(reader, MESSAGE_READ_SYNTAX, reader->at);
        return NULL;
}

bool reader_unexpected(struct reader *reader) {
        static const struct {
                char wrong[4], right[2];
        } signs[] = {
                { "，", "," }, { "：", ":" }, { "“", "\"" }, { "”", "\"" }, { "＂", "\"" },
                { "｛", "{" }, { "｝", "}" }, { "［", "[" }, { "］", "]" },
        };
        const char *at = reader->at;

        if (at >= reader->end)
                return reader_fail(reader, MESSAGE_READ_CUT_SHORT, at);
        if (*at == '\0')
                return reader_fail(reader, MESSAGE_READ_NUL, at);
        for (size_t i = 0; i < ELEMENTS(signs); i++)
                if (reader->end - at >= 3 && memcmp(at, signs[i].wrong, 3) == 0) {
                        reader_note(reader, at, 3);
                        return reader_fail(reader, MESSAGE_READ_FULLWIDTH, at);
                }
        return reader_fail(reader, MESSAGE_READ_SYNTAX, at);
}

struct position {
        char line[24], column[24], offset[24];
};

static void locate(const struct reader *reader, const char *where, struct position *ret) {
        size_t line = 1, column = 1;
        const char *line_start = reader->start;

        for (const char *at = reader->start; at < where; at++)
                if (*at == '\n') {
                        line++;
                        line_start = at + 1;
                }
        for (const char *at = line_start; at < where; at++)
                column += ((unsigned char) *at & 0xc0) != 0x80;
        (void) snprintf(ret->line, sizeof(ret->line), "%zu", line);
        (void) snprintf(ret->column, sizeof(ret->column), "%zu", column);
        (void) snprintf(ret->offset, sizeof(ret->offset), "%zu",
                        (size_t) (where - reader->start) + 1);
}

static const char *code_of(enum message why) {
        switch ((int) why) {
        case MESSAGE_READ_NOT_UTF8:
        case MESSAGE_READ_GB18030:
        case MESSAGE_READ_UTF16:
        case MESSAGE_READ_NUL:
                return "encoding";
        case MESSAGE_READ_TOO_LARGE:
        case MESSAGE_READ_TOO_MANY_EVENTS:
        case MESSAGE_READ_TOO_MANY_VALUES:
                return "too_large";
        case MESSAGE_READ_TOO_DEEP:
                return "too_deep";
        case MESSAGE_READ_NO_EVENTS:
                return "length";
        default:
                return "json";
        }
}

/* A wrong encoding makes all kinds of other things wrong, so it is what we name, wherever it
 * stands. Only the failing message pays for this second look. */
static void look_for_encoding(struct reader *reader) {
        size_t n = (size_t) (reader->end - reader->start), valid;
        const unsigned char *bytes = (const unsigned char *) reader->start;

        if (n >= 2 &&
            ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff))) {
                reader->why = MESSAGE_READ_UTF16;
                reader->where = reader->start;
                return;
        }
        valid = unicode_valid(reader->start, n);
        if (valid == n)
                return;
        reader->where = reader->start + valid;
        reader->why = unicode_looks_gb18030(reader->start, n) ? MESSAGE_READ_GB18030
                                                              : MESSAGE_READ_NOT_UTF8;
}

static const char *right_sign(const char *wrong) {
        static const char *const pairs[][2] = {
                { "，", "," }, { "：", ":" }, { "｛", "{" },
                { "｝", "}" }, { "［", "[" }, { "］", "]" },
        };

        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                if (strcmp(pairs[i][0], wrong) == 0)
                        return pairs[i][1];
        return "\"";
}

void reader_report(struct reader *reader, bool is_array, size_t index, struct findings *errors) {
        char most[24], path[24] = "";
        struct position position;
        size_t limit;

        if (reader->no_memory)
                return;
        if (reader->why != MESSAGE_READ_TOO_LARGE)
                look_for_encoding(reader);
        locate(reader, reader->where, &position);
        if (reader->why == MESSAGE_READ_SYNTAX) {
                uint32_t code;
                const char *next = unicode_next(reader->where, &code);

                if (code > 0x20 && code != 0x7f)
                        reader_note(reader, reader->where, (size_t) (next - reader->where));
                else
                        (void) snprintf(reader->found, sizeof(reader->found), "U+%04X", code);
        }

        limit = reader->why == MESSAGE_READ_TOO_LARGE         ? EVENT_MAX_BYTES
                : reader->why == MESSAGE_READ_TOO_MANY_VALUES ? EVENT_MAX_VALUES
                : reader->why == MESSAGE_READ_TOO_DEEP        ? EVENT_MAX_DEPTH
                : reader->why == MESSAGE_READ_LONG_NUMBER     ? NUMBER_MAX
                                                              : EVENT_MAX_ARRAY;
        (void) snprintf(most, sizeof(most), "%zu", limit);
        if (is_array &&
            (reader->why == MESSAGE_READ_TOO_LARGE || reader->why == MESSAGE_READ_TOO_DEEP ||
             reader->why == MESSAGE_READ_TOO_MANY_VALUES))
                (void) snprintf(path, sizeof(path), "/%zu", index);
        findings_add(errors, path, code_of(reader->why), reader->why, "line", position.line,
                     "column", position.column, "offset", position.offset, "most", most, "found",
                     reader->found, "right", right_sign(reader->found), NULL);
}
