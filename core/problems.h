/* A list of what is wrong with files that people wrote, each with its place. Everything that is
 * wrong is collected and shown at once; whoever adds the first problem need not stop. */
#ifndef CORE_PROBLEMS_H
#define CORE_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

#include "core/messages.h"

struct problem {
        char *file; /* as the user named it */
        unsigned line; /* 0: the file as a whole */
        char *text;
};

struct problems {
        struct problem *list;
        size_t n;
};

/* Adds one sentence; the pairs are those of say(). Silent when memory is short, but n grows. */
__attribute__((sentinel)) void problems_add(struct problems *problems, const char *file,
                                            unsigned line, enum message message, ...);
/* "FILE:LINE: sentence" per line. */
void problems_print(const struct problems *problems, FILE *to);
void problems_done(struct problems *problems);

#endif
