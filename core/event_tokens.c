/* Strings, numbers and words of JSON. */
#include <string.h>

#include "core/event_reader.h"
#include "core/lanes.h"
#include "core/memory.h"
#include "core/unicode.h"

/* -- strings -- */

static int hex4(const char *at, const char *end) {
        int value = 0;

        if (end - at < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                char c = at[i];
                int digit = c >= '0' && c <= '9'   ? c - '0'
                            : c >= 'a' && c <= 'f' ? c - 'a' + 10
                            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                   : -1;

                if (digit < 0)
                        return -1;
                value = value << 4 | digit;
        }
        return value;
}

static char *put_utf8(char *to, uint32_t code) {
        if (code < 0x80) {
                *to++ = (char) code;
        } else if (code < 0x800) {
                *to++ = (char) (0xc0 | code >> 6);
                *to++ = (char) (0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
                *to++ = (char) (0xe0 | code >> 12);
                *to++ = (char) (0x80 | (code >> 6 & 0x3f));
                *to++ = (char) (0x80 | (code & 0x3f));
        } else {
                *to++ = (char) (0xf0 | code >> 18);
                *to++ = (char) (0x80 | (code >> 12 & 0x3f));
                *to++ = (char) (0x80 | (code >> 6 & 0x3f));
                *to++ = (char) (0x80 | (code & 0x3f));
        }
        return to;
}

/* The part of an escape behind "\u"; returns where it ends, or NULL. */
static const char *read_unicode_escape(struct reader *reader, const char *at, const char *end,
                                       uint32_t *ret) {
        int high = hex4(at, end), low = -1;

        if (high < 0) {
                (void) reader_fail(reader, MESSAGE_READ_ESCAPE, at - 2);
                return NULL;
        }
        if (high == 0) {
                (void) reader_fail(reader, MESSAGE_READ_ESCAPED_NUL, at - 2);
                return NULL;
        }
        *ret = (uint32_t) high;
        if (high < 0xd800 || high > 0xdfff)
                return at + 4;
        if (high <= 0xdbff && end - at >= 10 && at[4] == '\\' && at[5] == 'u')
                low = hex4(at + 6, end);
        if (low < 0xdc00 || low > 0xdfff) {
                (void) reader_fail(reader, MESSAGE_READ_SURROGATE, at - 2);
                return NULL;
        }
        *ret = 0x10000 + (((uint32_t) high & 0x3ff) << 10) + ((uint32_t) low & 0x3ff);
        return at + 10;
}

/* Undoes the escapes of the raw string into reader->unescaped. It never grows by that. */
static bool unescape(struct reader *reader, struct slice *string) {
        const char *at = string->text, *end = at + string->n;
        char *room, *to;

        buf_reset(&reader->unescaped);
        room = buf_room(&reader->unescaped, string->n);
        if (!room)
                return reader_no_memory(reader);

        for (to = room; at < end;) {
                const char *stop = memchr(at, '\\', (size_t) (end - at));
                size_t n = (size_t) ((stop ? stop : end) - at);
                uint32_t code;

                memcpy(to, at, n);
                to += n;
                at += n;
                if (!stop)
                        break;
                at += 2; /* the scan has seen that a character follows */
                switch (at[-1]) {
                case '"':
                case '\\':
                case '/':
                        *to++ = at[-1];
                        break;
                case 'b':
                        *to++ = '\b';
                        break;
                case 'f':
                        *to++ = '\f';
                        break;
                case 'n':
                        *to++ = '\n';
                        break;
                case 'r':
                        *to++ = '\r';
                        break;
                case 't':
                        *to++ = '\t';
                        break;
                case 'u':
                        at = read_unicode_escape(reader, at, end, &code);
                        if (!at)
                                return false;
                        to = put_utf8(to, code);
                        break;
                default:
                        return reader_fail(reader, MESSAGE_READ_ESCAPE, at - 2);
                }
        }
        buf_grown(&reader->unescaped, (size_t) (to - room));
        *string = (struct slice){ room, (size_t) (to - room) };
        return true;
}

/* Passes over what is surely well-formed and stand for themselves: printable ASCII but
 * quote and backslash, and sequences of three bytes but those that begin with E0 or ED, where the
 * second byte's bounds are others. Each byte has to be of one of these kinds, and one of 80 to BF
 * exactly where one or two bytes before it a sequence begins. Two bytes before `at` are looked at,
 * and are no such beginning: a string has at least a brace and its quote before it. */
static const char *skip_plain(const char *at, const char *end) {
        for (; end - at >= LANES; at += LANES) {
                lanes bytes = lanes_load(at);
                lanes begun = lanes_within(lanes_load(at - 1), 0xe1, 0xff) |
                              lanes_within(lanes_load(at - 2), 0xe1, 0xff);
                lanes inner = lanes_below(bytes, 0xc0);
                lanes wrong = lanes_equal(bytes, '"') | lanes_equal(bytes, '\\') |
                              lanes_equal(bytes, 0xed) | (lanes_below(bytes, 0xe1) ^ inner) |
                              (lanes_below(bytes, 0x20) & ~lanes_below(bytes, 0xf0)) |
                              (begun ^ inner); /* the middle two: C0 to E0, F0 to FF and 00 to 1F */

                if (lanes_any(wrong)) {
                        at += lanes_first(wrong);
                        break;
                }
        }
        /* A sequence that is not whole is left to the byte-wise way. */
        if ((unsigned char) at[-1] >= 0xe1)
                return at - 1;
        return (unsigned char) at[-2] >= 0xe1 ? at - 2 : at;
}

/* The first byte of a sequence that skip_plain() does not pass over. */
static bool begins_rare(unsigned char lead) {
        return lead >= 0x80 && (lead <= 0xe0 || lead == 0xed || lead >= 0xf0);
}

bool read_string(struct reader *reader, struct slice *ret) {
        const char *at = reader->at + 1, *end = reader->end;
        bool escapes = false;

        for (;;) {
                size_t n, room;

                at = skip_plain(at, end);
                room = (size_t) (end - at);
                if (room == 0)
                        return reader_fail(reader, MESSAGE_READ_CUT_SHORT, at);
                if (*at == '"')
                        break;
                if (*at == '\0')
                        return reader_fail(reader, MESSAGE_READ_NUL, at);
                if ((unsigned char) *at < 0x20)
                        return reader_fail(reader, MESSAGE_READ_CONTROL, at);
                if (*at == '\\') {
                        if (room < 2)
                                return reader_fail(reader, MESSAGE_READ_CUT_SHORT, end);
                        escapes = true;
                        at++; /* the next byte is no end, and looked at like any other... */
                        if (*at == '"' || *at == '\\')
                                at++; /* ...but for these two */
                        continue;
                }
                if ((unsigned char) *at < 0x80) {
                        at++;
                        continue;
                }
                /* Tibetan, say, comes in runs, three bytes each from E0 on. */
                do {
                        n = unicode_sequence(at, (size_t) (end - at));
                        if (n == 0)
                                return reader_fail(reader, MESSAGE_READ_NOT_UTF8, at);
                        at += n;
                } while (at < end && begins_rare((unsigned char) *at));
        }

        *ret = (struct slice){ reader->at + 1, (size_t) (at - reader->at - 1) };
        reader->at = at + 1;
        if (reader->at - reader->element > EVENT_MAX_BYTES)
                return reader_fail(reader, MESSAGE_READ_TOO_LARGE, reader->element);
        return !escapes || unescape(reader, ret);
}

/* -- numbers and words -- */

static bool is_digit(const char *at, const char *end) {
        return at < end && *at >= '0' && *at <= '9';
}

static const char *skip_digits(const char *at, const char *end) {
        while (is_digit(at, end))
                at++;
        return at;
}

/* The reader stands behind the number. */
static json_t *out_of_range(struct reader *reader, const char *start) {
        reader_note(reader, start, (size_t) (reader->at - start));
        (void) reader_fail(reader, MESSAGE_READ_NUMBER_RANGE, start);
        return NULL;
}

json_t *read_number(struct reader *reader) {
        const char *start = reader->at, *at = start, *end = reader->end;
        bool negative = *at == '-', real = false, valid;
        json_int_t value = 0;
        json_t *json;

        at += negative;
        valid = is_digit(at, end);
        if (valid && *at == '0')
                at++;
        else
                at = skip_digits(at, end);
        if (valid && at < end && *at == '.') {
                real = true;
                valid = is_digit(++at, end);
                at = skip_digits(at, end);
        }
        if (valid && at < end && (*at == 'e' || *at == 'E')) {
                real = true;
                at++;
                if (at < end && (*at == '+' || *at == '-'))
                        at++;
                valid = is_digit(at, end);
                at = skip_digits(at, end);
        }
        if (!valid || is_digit(at, end)) { /* "-", "1.", "1e", "012" */
                reader_note(reader, start, (size_t) (skip_digits(at, end) - start));
                (void) reader_fail(reader, MESSAGE_READ_NUMBER, start);
                return NULL;
        }
        if (at - start > NUMBER_MAX) {
                reader_note(reader, start, (size_t) (at - start));
                (void) reader_fail(reader, MESSAGE_READ_LONG_NUMBER, start);
                return NULL;
        }
        reader->at = at;

        if (real) { /* none of our fields takes one: let jansson see to range and locale */
                json = json_loadb(start, (size_t) (at - start), JSON_DECODE_ANY, NULL);
                if (!json)
                        return out_of_range(reader, start);
        } else {
                /* gathered below zero, where there is room for one more */
                for (const char *digit = start + negative; digit < at; digit++)
                        if (__builtin_mul_overflow(value, 10, &value) ||
                            __builtin_sub_overflow(value, *digit - '0', &value))
                                return out_of_range(reader, start);
                if (!negative && __builtin_mul_overflow(value, -1, &value))
                        return out_of_range(reader, start);
                json = json_integer(value);
                if (!json)
                        return reader_no_memory(reader);
        }
        return json;
}

json_t *read_word(struct reader *reader) {
        size_t room = (size_t) (reader->end - reader->at);
        const char *at = reader->at;

        if (room >= 4 && memcmp(at, "true", 4) == 0) {
                reader->at += 4;
                return json_true();
        }
        if (room >= 5 && memcmp(at, "false", 5) == 0) {
                reader->at += 5;
                return json_false();
        }
        if (room >= 4 && memcmp(at, "null", 4) == 0) {
                reader->at += 4;
                return json_null();
        }
        (void) reader_unexpected(reader);
        return NULL;
}
