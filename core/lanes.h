/* Sixteen bytes of a text at once: most of what a text is looked through for is not there, and a
 * few comparisons of all sixteen prove it. GNU vectors, which gcc and clang make instructions of
 * that every machine of theirs has; where it has none, they write it out.
 *
 * What finds something falls back on the byte-wise way there: nothing is found wrong by lanes, a piece
 * of text is only found right. */
#ifndef CORE_LANES_H
#define CORE_LANES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16

typedef uint8_t lanes __attribute__((vector_size(LANES)));

static inline lanes lanes_load(const void *at) {
        lanes loaded;

        memcpy(&loaded, at, LANES);
        return loaded;
}

/* The same byte in every lane. */
static inline lanes lanes_of(uint8_t c) {
        return (lanes){ c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c };
}

/* Of comparisons, which fill a lane with ones where they hold. */
static inline lanes lanes_equal(lanes bytes, uint8_t c) {
        return (lanes) (bytes == lanes_of(c));
}

static inline lanes lanes_within(lanes bytes, uint8_t first, uint8_t last) {
        return (lanes) (bytes - lanes_of(first) <= lanes_of((uint8_t) (last - first)));
}

/* In the order of signed bytes, where 80 to FF come before 00: one instruction, where the order of
 * unsigned ones takes two or three. */
static inline lanes lanes_below(lanes bytes, uint8_t bound) {
        typedef int8_t signed_lanes __attribute__((vector_size(LANES)));

        return (lanes) ((signed_lanes) bytes < (signed_lanes) lanes_of(bound));
}

static inline bool lanes_any(lanes found) {
        uint64_t half[2];

        memcpy(half, &found, sizeof(half));
        return (half[0] | half[1]) != 0;
}

/* The first lane that is not zero, of those where there is one. */
static inline size_t lanes_first(lanes found) {
        uint64_t half[2];

        memcpy(half, &found, sizeof(half));
        return half[0] ? (size_t) __builtin_ctzll(le64toh(half[0])) / 8
                       : 8 + (size_t) __builtin_ctzll(le64toh(half[1])) / 8;
}

#endif
