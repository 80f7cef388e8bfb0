/* Puts a file of the tree into the program: EMBED(store_lua, "core/store.lua") defines
 * `store_lua` (bytes, a NUL behind them) and `store_lua_size`. The Makefile names the file as a
 * prerequisite of the object. */
#ifndef CORE_EMBED_H
#define CORE_EMBED_H

#include <stddef.h>

#define EMBED(name, path)                                                                          \
        __asm__(".section .rodata\n"                                                               \
                ".global " #name "\n"                                                              \
                ".balign 16\n" #name ":\n"                                                         \
                ".incbin \"" path "\"\n"                                                           \
                ".byte 0\n"                                                                        \
                ".global " #name "_end\n" #name "_end:\n"                                          \
                ".previous\n");                                                                    \
        extern const char name[];                                                                  \
        extern const char name##_end[];                                                            \
        enum { name##_embedded = 1 }

#define EMBEDDED_SIZE(name) ((size_t) (name##_end - name) - 1)

#endif
