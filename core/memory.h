/* Three short macros that keep ownership visible. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdlib.h>

/* The variable is handed (by address) to `function` when it leaves its scope. */
#define freed_by(function) __attribute__((cleanup(function)))

/* Takes the value out of an owning variable and leaves NULL behind. */
#define give_away(pointer)                                                                         \
        __extension__({                                                                            \
                __typeof__(pointer) given_ = (pointer);                                            \
                (pointer) = NULL;                                                                  \
                given_;                                                                            \
        })

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* For freed_by() on anything from malloc. */
static inline void freep(void *pointer) {
        free(*(void **) pointer);
}

#endif
