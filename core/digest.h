/* SHA-256, sums that are cheaper, and the identifiers that we draw ourselves. */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_TEXT 65 /* 64 lower-case hex digits and NUL */
#define ULID_TEXT 27

void digest_bytes(const void *bytes, size_t n_bytes, char ret[static DIGEST_TEXT]);
void digest_raw(const void *bytes, size_t n_bytes, unsigned char ret[static DIGEST_BYTES]);
void digest_hex(const unsigned char digest[static DIGEST_BYTES], char ret[static DIGEST_TEXT]);
/* The same of bytes that come piece by piece. digest_end() is called once. */
struct digest;
struct digest *digest_new(void); /* NULL when memory is short */
void digest_add(struct digest *digest, const void *bytes, size_t n_bytes);
void digest_end(struct digest *digest, char ret[static DIGEST_TEXT]);
struct digest *digest_free(struct digest *digest);

/* A sum that tells bytes that were damaged: any change within eight bytes that stand together is
 * sure to be seen, any other with 1 - 2^-64. Not against anybody who means it. */
#define DIGEST_SUM 8
void digest_sum(const void *bytes, size_t n_bytes, unsigned char ret[static DIGEST_SUM]);

/* 128 bits of text, a NUL and bytes that tell contents apart, as long as no mark is told to anybody
 * who chooses contents: Poly1305 under a key made of `key` (ULID_TEXT at most). Two contents of n
 * bytes agree for n/2 keys in 2^106 at most (Bernstein, The Poly1305-AES message-authentication code,
 * theorem 3.3). */
#define DIGEST_MARK 16
void digest_mark(const char *key, const char *text, const void *bytes, size_t n_bytes,
                 unsigned char ret[static DIGEST_MARK]);

/* 26 characters of Crockford base32: 48 bits of time, 80 random; later ones sort later within a
 * process, also inside one millisecond. */
void ulid_new(int64_t now_ms, char ret[static ULID_TEXT]);

#endif
