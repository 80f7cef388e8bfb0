#include "channels/onbon/onbon.h"

/* Head A5 x 8, tail 5A. Between them no A5 and no 5A: A5 is A6 02, A6 is A6 01, 5A is 5B 02, 5B is
 * 5B 01. The header has 14 bytes; integers little-endian; then the command and a CRC over both,
 * made before escaping. */
enum { HEAD = 0xa5, TAIL = 0x5a, HEADS = 8, HEADER = 14, SENDER = 0x8000, ANY_CARD = 0xfe };

/* CRC-16/ARC: polynomial A001 reflected, from 0. */
uint16_t onbon_crc(const void *bytes, size_t n_bytes) {
        const unsigned char *at = bytes;
        uint16_t crc = 0;

        for (size_t i = 0; i < n_bytes; i++) {
                crc ^= at[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = (uint16_t) (crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1);
        }
        return crc;
}

static void add_16(struct buf *ret, unsigned number) {
        buf_char(ret, (char) (number & 0xff));
        buf_char(ret, (char) (number >> 8 & 0xff));
}

static void add_escaped(struct buf *ret, const struct buf *plain) {
        for (size_t i = 0; i < plain->len; i++) {
                unsigned char byte = (unsigned char) plain->data[i];

                if (byte == HEAD || byte == TAIL) {
                        buf_char(ret, (char) (byte + 1));
                        buf_char(ret, 2);
                } else if (byte == HEAD + 1 || byte == TAIL + 1) {
                        buf_char(ret, (char) byte);
                        buf_char(ret, 1);
                } else
                        buf_char(ret, (char) byte);
        }
}

void onbon_frame(unsigned screen, bool over, const void *command, size_t n_bytes, struct buf *ret) {
        /* reserved 3, bar code 0, check by CRC 0, display mode, device, version 2 */
        const char middle[] = { 0, 0, 0, 0, 0, over, (char) ANY_CARD, 2 };
        struct buf plain = { 0 };

        add_16(&plain, screen);
        add_16(&plain, SENDER);
        buf_add(&plain, middle, sizeof(middle));
        add_16(&plain, (unsigned) n_bytes);
        buf_add(&plain, command, n_bytes);
        if (!plain.error)
                add_16(&plain, onbon_crc(plain.data, plain.len));
        for (unsigned i = 0; i < HEADS; i++)
                buf_char(ret, (char) HEAD);
        add_escaped(ret, &plain);
        buf_char(ret, TAIL);
        if (plain.error && !ret->error)
                ret->error = plain.error;
        buf_done(&plain);
}

/* Behind the last head byte up to the first tail, without escapes; false where it is no frame. */
static bool unescape(const unsigned char *bytes, size_t n_bytes, unsigned char *to, size_t room,
                     size_t *ret_n) {
        size_t at = 0, n = 0;

        for (size_t i = 0; i < n_bytes && bytes[i] != TAIL; i++)
                if (bytes[i] == HEAD)
                        at = i + 1;
        if (at == 0)
                return false;
        for (; at < n_bytes && bytes[at] != TAIL; at++) {
                unsigned char byte = bytes[at];

                if (byte == HEAD + 1 || byte == TAIL + 1) {
                        if (++at == n_bytes || (bytes[at] != 1 && bytes[at] != 2))
                                return false;
                        byte = (unsigned char) (byte + 1 - bytes[at]);
                }
                if (n == room)
                        return false;
                to[n++] = byte;
        }
        *ret_n = n;
        return at < n_bytes;
}

/* A0, 00 or 01, the error, and two reserved bytes; a ping may be answered with more behind these. */
enum onbon_answer onbon_read(const unsigned char *bytes, size_t n_bytes, unsigned *ret_error) {
        unsigned char plain[4096];
        const unsigned char *data = plain + HEADER;
        size_t n = 0, n_data;
        unsigned crc;

        if (!unescape(bytes, n_bytes, plain, sizeof(plain), &n) || n < HEADER + 3 + 2)
                return ONBON_NONSENSE;
        n_data = plain[HEADER - 2] | (size_t) plain[HEADER - 1] << 8;
        crc = plain[n - 2] | (unsigned) plain[n - 1] << 8;
        /* FFFF: the card does not count (so the vendor's own tool reads it). */
        if (n_data != n - HEADER - 2 || (crc != 0xffff && crc != onbon_crc(plain, n - 2)) ||
            data[0] != 0xa0 || data[1] > 1)
                return ONBON_NONSENSE;
        *ret_error = data[1] ? data[2] : 0;
        return data[1] ? ONBON_NACK : ONBON_ACK;
}
