/* A parcel: the events of one commit, one behind the other in one piece of memory, as publisherd
 * nudges the channels with them.
 *
 *     "gkp1", then for each event:
 *     length of its name, length of its bytes (4 bytes each, the greatest first),
 *     its name ("SOURCE ID"), NUL, its bytes, NUL
 *
 * The NULs are not counted: a reader has texts that end without copying them. An event without
 * bytes only says that it is there. */
#ifndef CORE_PARCEL_H
#define CORE_PARCEL_H

#include <stdbool.h>
#include <stddef.h>

#define PARCEL_HEAD ((size_t) 4)

/* What an event takes up in one. Name and bytes are each shorter than 1 GiB. */
size_t parcel_room(size_t n_name, size_t n_bytes);
/* Both write what PARCEL_HEAD and parcel_room() say to where `at` points, and return the end. */
char *parcel_head(char *at);
char *parcel_add(char *at, const char *name, size_t n_name, const void *bytes, size_t n_bytes);

struct parcel_event {
        const char *name, *bytes; /* both inside the parcel, and with a NUL behind */
        size_t n_name, n_bytes;
};

/* What is left to be read of one; borrows its memory. */
struct parcel {
        const char *at, *end;
};

/* Looks through all of it, in linear time; `n` may be anything. False: it is no parcel, or is
 * damaged, and *ret is untouched. */
bool parcel_open(struct parcel *ret, const void *data, size_t n);
/* The next event; false at the end. Only of what parcel_open() has found good. */
bool parcel_next(struct parcel *parcel, struct parcel_event *ret);

#endif
