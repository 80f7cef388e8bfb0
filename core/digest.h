/* SHA-256 as lower-case hex, and the identifiers that we draw ourselves. */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT 65 /* 64 hex digits and NUL */
#define ULID_TEXT 27

void digest_bytes(const void *bytes, size_t n_bytes, char ret[static DIGEST_TEXT]);
/* 26 characters of Crockford base32: 48 bits of time, 80 random; later ones sort later within a
 * process, also inside one millisecond. */
void ulid_new(int64_t now_ms, char ret[static ULID_TEXT]);

#endif
