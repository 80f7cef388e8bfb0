/* Inside event_read(): the reader, shared by its three files. */
#ifndef CORE_EVENT_READER_H
#define CORE_EVENT_READER_H

#include "core/event.h"
#include "core/unicode.h"

#define NUMBER_MAX 32 /* characters of a number */
#define SHOWN 40      /* characters of a stranger's text that a sentence repeats */

struct reader {
        const char *start, *at, *end;
        const char *element; /* where the event that we are in starts */
        size_t n_values;     /* in this event */
        size_t n_all_values;
        struct buf unescaped; /* a string whose escapes are undone */

        /* The first thing that is wrong; later ones are its consequence. */
        bool failed;
        bool no_memory;
        enum message why;
        const char *where;
        char found[UNICODE_EXCERPT(SHOWN)];
};

struct slice {
        const char *text;
        size_t n;
};

/* The first failure counts. Returns false. */
bool reader_fail(struct reader *reader, enum message why, const char *where);
/* Keeps a piece of valid UTF-8 for the sentence. */
void reader_note(struct reader *reader, const char *text, size_t n);
void *reader_no_memory(struct reader *reader); /* NULL */
/* Fails: something else stands here than JSON allows. */
bool reader_unexpected(struct reader *reader);

/* From the opening quote on. The slice points into the input, or, where there were escapes, into
 * reader->unescaped until the next string. */
bool read_string(struct reader *reader, struct slice *ret);
json_t *read_number(struct reader *reader);
json_t *read_word(struct reader *reader); /* true false null */

/* event_memory.c: between the two, values are made in the room, where event_memory_use() was called. */
void event_memory_open(void);
void event_memory_close(void);

/* The failure as one error; `index` is the event's where the message is an array. */
void reader_report(struct reader *reader, bool is_array, size_t index, struct findings *errors);

#endif
