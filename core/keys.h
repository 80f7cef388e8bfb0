/* CURVE keys from files: lines `public = ...` and `secret = ...`, as `gongkaictl key new` writes
 * them. Z85 (ZeroMQ RFC 32): 40 characters for 32 bytes. */
#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include <stdbool.h>

#define KEY_TEXT 41

bool key_is_valid(const char *text);
/* Fills what is asked for (either may be NULL). -EINVAL when the file lacks one or it is no key;
 * else what open(2) says. */
int keys_read(const char *path, char *ret_public, char *ret_secret);
/* The key itself, or a file that has it as `public`. */
int keys_read_public(const char *text_or_path, char ret[static KEY_TEXT]);

#endif
