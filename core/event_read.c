/* Bytes from strangers -> JSON values.
 *
 * A reader of our own that makes jansson's values: jansson's own takes 25 microseconds for an event
 * of 2 KB, knows no limits of depth, number and size but its own, and says of a doubled key not
 * which. This one is as strict (event_read_test.c and tests/fuzz/mutate.c compare the two), copies
 * each string once, and holds the limits while it reads. */
#include <stdlib.h>
#include <string.h>

#include "core/event_reader.h"
#include "core/memory.h"

static void skip_space(struct reader *reader) {
        const char *at = reader->at, *end = reader->end;

        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
                at++;
        reader->at = at;
}

static json_t *read_value(struct reader *reader, unsigned depth);

/* "key" : value, the reader standing at the quote. */
static bool read_member(struct reader *reader, json_t *object, unsigned depth) {
        char *unescaped freed_by(freep) = NULL;
        const char *where = reader->at;
        size_t n_before = json_object_size(object);
        struct slice key;
        json_t *value;

        if (where >= reader->end || *where != '"')
                return reader_unexpected(reader);
        if (!read_string(reader, &key))
                return false;
        if (key.text != where + 1) { /* the value may have escapes too */
                unescaped = strndup(key.text, key.n);
                if (!unescaped)
                        return reader_no_memory(reader);
                key.text = unescaped;
        }

        skip_space(reader);
        if (reader->at >= reader->end || *reader->at != ':')
                return reader_unexpected(reader);
        reader->at++;
        skip_space(reader);

        value = read_value(reader, depth);
        if (!value)
                return false;
        if (json_object_setn_new_nocheck(object, key.text, key.n, value) < 0)
                return reader_no_memory(reader);
        if (json_object_size(object) == n_before) {
                reader_note(reader, key.text, key.n);
                return reader_fail(reader, MESSAGE_READ_TWICE, where);
        }
        return true;
}

/* Behind one entry of an object or array: true when another one follows, which the reader then
 * stands at; *ret_closed when it has ended. */
static bool read_separator(struct reader *reader, char closing, bool *ret_closed) {
        skip_space(reader);
        *ret_closed = reader->at < reader->end && *reader->at == closing;
        if (*ret_closed) {
                reader->at++;
                return false;
        }
        if (reader->at >= reader->end || *reader->at != ',')
                return reader_unexpected(reader);
        reader->at++;
        skip_space(reader);
        return true;
}

static json_t *read_object(struct reader *reader, unsigned depth) {
        json_t *object freed_by(json_decrefp) = json_object();
        bool closed = false;

        if (!object)
                return reader_no_memory(reader);
        reader->at++;
        skip_space(reader);
        if (reader->at < reader->end && *reader->at == '}') {
                reader->at++;
                return give_away(object);
        }
        do {
                if (!read_member(reader, object, depth + 1))
                        return NULL;
        } while (read_separator(reader, '}', &closed));
        return closed ? give_away(object) : NULL;
}

static json_t *read_array(struct reader *reader, unsigned depth) {
        json_t *array freed_by(json_decrefp) = json_array();
        bool closed = false;

        if (!array)
                return reader_no_memory(reader);
        reader->at++;
        skip_space(reader);
        if (reader->at < reader->end && *reader->at == ']') {
                reader->at++;
                return give_away(array);
        }
        do {
                json_t *value = read_value(reader, depth + 1);

                if (!value)
                        return NULL;
                if (json_array_append_new(array, value) < 0)
                        return reader_no_memory(reader);
        } while (read_separator(reader, ']', &closed));
        return closed ? give_away(array) : NULL;
}

/* `depth` counts the objects and arrays around this value. */
static json_t *read_value(struct reader *reader, unsigned depth) {
        struct slice string;
        json_t *json;

        if (reader->at >= reader->end) {
                (void) reader_unexpected(reader);
                return NULL;
        }
        if (++reader->n_values > EVENT_MAX_VALUES ||
            ++reader->n_all_values > EVENT_MAX_ALL_VALUES) {
                (void) reader_fail(reader, MESSAGE_READ_TOO_MANY_VALUES, reader->at);
                return NULL;
        }

        switch (*reader->at) {
        case '{':
        case '[':
                if (depth >= EVENT_MAX_DEPTH) {
                        (void) reader_fail(reader, MESSAGE_READ_TOO_DEEP, reader->at);
                        return NULL;
                }
                return *reader->at == '{' ? read_object(reader, depth) : read_array(reader, depth);
        case '"':
                if (!read_string(reader, &string))
                        return NULL;
                json = json_stringn_nocheck(string.text, string.n);
                return json ? json : reader_no_memory(reader);
        case '-':
        case '0' ... '9':
                return read_number(reader);
        default:
                return read_word(reader);
        }
}

static json_t *read_event(struct reader *reader) {
        json_t *json freed_by(json_decrefp) = NULL;

        reader->element = reader->at;
        reader->n_values = 0;
        json = read_value(reader, 0);
        if (json && reader->at - reader->element > EVENT_MAX_BYTES) {
                (void) reader_fail(reader, MESSAGE_READ_TOO_LARGE, reader->element);
                return NULL;
        }
        return give_away(json);
}

static json_t *read_events(struct reader *reader, size_t *ret_n) {
        json_t *array freed_by(json_decrefp) = json_array();
        bool closed = false;

        if (!array)
                return reader_no_memory(reader);
        reader->element = reader->at++;
        skip_space(reader);
        if (reader->at < reader->end && *reader->at == ']') {
                (void) reader_fail(reader, MESSAGE_READ_NO_EVENTS, reader->at);
                return NULL;
        }
        do {
                json_t *event;

                if (*ret_n == EVENT_MAX_ARRAY) {
                        (void) reader_fail(reader, MESSAGE_READ_TOO_MANY_EVENTS, reader->at);
                        return NULL;
                }
                event = read_event(reader);
                if (!event)
                        return NULL;
                if (json_array_append_new(array, event) < 0)
                        return reader_no_memory(reader);
                ++*ret_n;
        } while (read_separator(reader, ']', &closed));
        return closed ? give_away(array) : NULL;
}

json_t *event_read(const void *bytes, size_t n_bytes, struct findings *errors) {
        struct reader reader = { .start = bytes, .at = bytes };
        json_t *json freed_by(json_decrefp) = NULL;
        bool is_array = false;
        size_t n_read = 0;

        reader.end = reader.start + n_bytes;
        if (n_bytes > EVENT_MAX_MESSAGE) {
                findings_add(errors, "", "too_large", MESSAGE_READ_MESSAGE_TOO_LARGE, NULL);
                return NULL;
        }
        if (n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
                reader.start = reader.at = reader.at + 3; /* what editors on Windows leave there */

        skip_space(&reader);
        if (reader.at == reader.end) {
                findings_add(errors, "", "json", MESSAGE_READ_EMPTY, NULL);
                return NULL;
        }
        is_array = *reader.at == '[';
        event_memory_open();
        if (is_array)
                json = read_events(&reader, &n_read);
        else if (*reader.at != '{')
                (void) reader_fail(&reader, *reader.at ? MESSAGE_READ_TOP : MESSAGE_READ_NUL,
                                   reader.at);
        else if (n_bytes > EVENT_MAX_BYTES)
                (void) reader_fail(&reader, MESSAGE_READ_TOO_LARGE, reader.at);
        else
                json = read_event(&reader);
        event_memory_close();

        if (json) {
                skip_space(&reader);
                if (reader.at < reader.end)
                        (void) reader_fail(&reader,
                                           *reader.at ? MESSAGE_READ_TRAILING : MESSAGE_READ_NUL,
                                           reader.at);
        }
        buf_done(&reader.unescaped);
        if (!reader.failed)
                return give_away(json);

        reader_report(&reader, is_array, n_read, errors);
        return NULL;
}
