#include "core/parcel.h"

#include <stdint.h>
#include <string.h>

/* The last character is the version of the form. */
static const char mark[PARCEL_HEAD] = { 'g', 'k', 'p', '1' };

enum { LENGTHS = 8 };

size_t parcel_room(size_t n_name, size_t n_bytes) {
        return LENGTHS + n_name + 1 + n_bytes + 1;
}

char *parcel_head(char *at) {
        memcpy(at, mark, sizeof(mark));
        return at + sizeof(mark);
}

static char *put_length(char *at, size_t n) {
        for (int shift = 24; shift >= 0; shift -= 8)
                *at++ = (char) (unsigned char) (n >> shift);
        return at;
}

static char *put_text(char *at, const void *text, size_t n) {
        if (n > 0)
                memcpy(at, text, n);
        at[n] = '\0';
        return at + n + 1;
}

char *parcel_add(char *at, const char *name, size_t n_name, const void *bytes, size_t n_bytes) {
        at = put_length(at, n_name);
        at = put_length(at, n_bytes);
        at = put_text(at, name, n_name);
        return put_text(at, bytes, n_bytes);
}

static size_t length_at(const char *at) {
        const unsigned char *c = (const unsigned char *) at;

        return (uint32_t) c[0] << 24 | (uint32_t) c[1] << 16 | (uint32_t) c[2] << 8 | c[3];
}

/* A text of n bytes and its NUL. Compared without adding: a length may lie. */
static bool take_text(struct parcel *parcel, size_t n, const char **ret) {
        if (n >= (size_t) (parcel->end - parcel->at) || parcel->at[n] != '\0')
                return false;
        *ret = parcel->at;
        parcel->at += n + 1;
        return true;
}

bool parcel_next(struct parcel *parcel, struct parcel_event *ret) {
        struct parcel rest = *parcel;
        struct parcel_event event;

        if ((size_t) (rest.end - rest.at) < LENGTHS)
                return false;
        event.n_name = length_at(rest.at);
        event.n_bytes = length_at(rest.at + 4);
        rest.at += LENGTHS;
        if (!take_text(&rest, event.n_name, &event.name) ||
            !take_text(&rest, event.n_bytes, &event.bytes))
                return false;
        *parcel = rest;
        *ret = event;
        return true;
}

bool parcel_open(struct parcel *ret, const void *data, size_t n) {
        struct parcel parcel;
        struct parcel_event event;

        if (n < sizeof(mark) || memcmp(data, mark, sizeof(mark)) != 0)
                return false;
        parcel = (struct parcel) { (const char *) data + sizeof(mark), (const char *) data + n };
        while (parcel_next(&parcel, &event))
                ;
        if (parcel.at != parcel.end)
                return false;
        *ret = (struct parcel) { (const char *) data + sizeof(mark), parcel.end };
        return true;
}
