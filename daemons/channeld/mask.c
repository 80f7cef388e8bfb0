/* A secret in what a person is shown: as it is in the file, and as requests carry it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/template.h"
#include "daemons/channeld/show.h"

enum { MOBILE = 11 /* digits, with 86 before them or not */ };
enum { LEAST = 4 /* bytes: shorter ones would blot out half of the text */ };

static const char stars[] = "******";

static int add(struct string_list *masks, const char *text, size_t n) {
        return n < LEAST ? 0 : string_list_add(masks, text, n);
}

/* In a form or an address, and in JSON. */
static int add_spellings(struct string_list *masks, const char *text, size_t n) {
        struct buf spelt freed_by(buf_done) = { 0 };
        json_t *string = json_stringn(text, n);
        char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
        int r = add(masks, text, n);

        escape_add(&spelt, ESCAPE_URI, text, n);
        if (r == 0)
                r = spelt.error ? spelt.error : add(masks, buf_text(&spelt), spelt.len);
        if (r == 0 && quoted && strlen(quoted) > 2)
                r = add(masks, quoted + 1, strlen(quoted) - 2);
        if (quoted)
                explicit_bzero(quoted, strlen(quoted));
        free(quoted);
        json_decref(string);
        return r;
}

static void trim(const char **at, size_t *n) {
        while (*n > 0 && strchr(" \t\r", **at)) {
                (*at)++;
                (*n)--;
        }
        while (*n > 0 && strchr(" \t\r", (*at)[*n - 1]))
                (*n)--;
}

/* The whole, each line, and what stands behind its first '='. */
int mask_fill(struct string_list *masks, const char *secret) {
        int r = secret ? add_spellings(masks, secret, strlen(secret)) : 0;

        for (const char *line = secret; r == 0 && line && *line;) {
                size_t n = strcspn(line, "\n"), n_all = n;
                const char *at = line, *equals;

                trim(&at, &n);
                if (n > 0 && *at != '#')
                        r = add_spellings(masks, at, n);
                equals = memchr(at, '=', n);
                if (r == 0 && equals) {
                        n -= (size_t) (equals + 1 - at);
                        at = equals + 1;
                        trim(&at, &n);
                        r = add_spellings(masks, at, n);
                }
                line += n_all + (line[n_all] == '\n');
        }
        return r;
}

void mask_text(const struct string_list *masks, const char *text, size_t n_bytes, struct buf *ret) {
        for (size_t i = 0; i < n_bytes;) {
                size_t longest = 0;

                for (size_t k = 0; k < masks->n; k++) {
                        size_t n = strlen(masks->items[k]);

                        if (n > longest && n <= n_bytes - i && memcmp(text + i, masks->items[k], n) == 0)
                                longest = n;
                }
                if (longest > 0)
                        buf_str(ret, stars);
                else
                        buf_char(ret, text[i]);
                i += longest > 0 ? longest : 1;
        }
}

static size_t digits_at(const char *text, size_t n) {
        size_t length = 0;

        while (length < n && text[length] >= '0' && text[length] <= '9')
                length++;
        return length;
}

void mask_numbers(struct buf *text, const char *open, size_t n_open) {
        for (size_t i = 0, n; i < text->len; i += n) {
                char *at = text->data + i;

                n = digits_at(at, text->len - i);
                if (n == MOBILE + 2 && at[0] == '8' && at[1] == '6')
                        at += 2;
                else if (n != MOBILE) {
                        n = n ? n : 1;
                        continue;
                }
                if (at[0] == '1' && at[1] >= '3' && !(n_open > 0 && memmem(open, n_open, at, MOBILE)))
                        memset(at + 3, '*', 4);
        }
}
