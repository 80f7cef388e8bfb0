/* Puts a file of the tree into the program: EMBED(start_page, "channels/site/start.html") defines
 * `start_page` (bytes, a NUL behind them) and its end. EMBED_FILES() puts several behind each other.
 * The Makefile names the files as prerequisites of the object. */
#ifndef CORE_EMBED_H
#define CORE_EMBED_H

#include <stddef.h>

#define EMBED_FILE(path) ".incbin \"" path "\"\n"
#define EMBED(name, path) EMBED_FILES(name, EMBED_FILE(path))
#define EMBED_FILES(name, files)                                                                   \
        __asm__(".section .rodata\n"                                                               \
                ".global " #name "\n"                                                              \
                ".balign 16\n" #name ":\n"                                                         \
                files                                                                              \
                ".byte 0\n"                                                                        \
                ".global " #name "_end\n" #name "_end:\n"                                          \
                ".previous\n");                                                                    \
        extern const char name[];                                                                  \
        extern const char name##_end[];                                                            \
        enum { name##_embedded = 1 }

#define EMBEDDED_SIZE(name) ((size_t) (name##_end - name) - 1)

#endif
