/* A list of what is wrong with files that people wrote, each with its place. Everything that is
 * wrong is collected and shown at once; whoever adds the first problem need not stop. */
#ifndef CORE_PROBLEMS_H
#define CORE_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

#include "core/messages.h"

#define PROBLEMS_MAX 1000 /* kept; a wrong file of a million lines must not fill the memory */

struct problem {
        char *file; /* as the user named it; NULL: no file */
        unsigned line; /* 0: the file as a whole */
        char *text; /* nothing in it acts on a terminal */
};

struct problems {
        struct problem *list;
        size_t n; /* entries of the list; never 0 once a problem was added */
        size_t more; /* found, but not kept */
        size_t allocated;
};

/* Adds one sentence; the pairs are those of say(). Silent when memory is short, but then too n is
 * not 0: "no problem" is never said by mistake. */
__attribute__((sentinel)) void problems_add(struct problems *problems, const char *file,
                                            unsigned line, enum message message, ...);
/* "FILE:LINE: sentence" per line. */
void problems_print(const struct problems *problems, FILE *to);
/* "FILE:LINE: sentence" of one; to be freed, NULL when memory is short. */
char *problem_text(const struct problem *problem);
void problems_done(struct problems *problems);

#endif
