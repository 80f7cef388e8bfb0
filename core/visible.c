#include "core/visible.h"

#include <utf8proc.h>

bool visible_is_hidden(int32_t c) {
        return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f ||
               (c >= 0x80 && c <= 0x9f) || c == 0xad || c == 0x61c || c == 0x180e ||
               (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
               (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
}

void visible_add(struct buf *buf, const char *text, size_t n_bytes) {
        const utf8proc_uint8_t *at = (const utf8proc_uint8_t *) text, *end = at + n_bytes;

        while (at < end) {
                utf8proc_int32_t c;
                utf8proc_ssize_t n = utf8proc_iterate(at, end - at, &c);

                if (n <= 0) {
                        buf_fmt(buf, "\\x%02x", *at++);
                        continue;
                }
                if (c == '\n')
                        buf_str(buf, "\\n");
                else if (c == '\t')
                        buf_str(buf, "\\t");
                else if (c < 0x20)
                        buf_fmt(buf, "\\x%02x", (unsigned) c);
                else if (visible_is_hidden(c))
                        buf_fmt(buf, "<U+%04X>", (unsigned) c);
                else
                        buf_add(buf, at, (size_t) n);
                at += n;
        }
}
