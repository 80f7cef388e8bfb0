#include "channels/secret.h"

#include <stdlib.h>
#include <string.h>

static const char BLANKS[] = " \t\r";

/* The line without blanks around it. */
static const char *trimmed(const char *line, size_t *n) {
        size_t before = 0;

        while (before < *n && strchr(BLANKS, line[before]))
                before++;
        *n -= before;
        while (*n > 0 && strchr(BLANKS, line[before + *n - 1]))
                (*n)--;
        return line + before;
}

/* Whether the secret is one bare line: no line of it looks like "name = value". */
static char *bare(const char *secret) {
        const char *found = NULL;
        size_t n_found = 0;

        for (const char *at = secret; *at;) {
                size_t n_line = strcspn(at, "\n"), n = n_line;
                const char *line = trimmed(at, &n);
                const char *equals = memchr(line, '=', n);

                at += n_line + (at[n_line] == '\n');
                if (n == 0 || *line == '#')
                        continue;
                /* The '=' at the end of base64 begins no value. */
                if (found || (equals && equals[strspn(equals, "=")] != '\0' && equals + strspn(equals, "=") < line + n))
                        return NULL;
                found = line;
                n_found = n;
        }
        return found ? strndup(found, n_found) : NULL;
}

char *secret_part(const char *secret, const char *name, int only) {
        if (!secret)
                return NULL;
        for (const char *at = secret; *at;) {
                size_t n_line = strcspn(at, "\n"), n = n_line, n_key, n_value;
                const char *line = trimmed(at, &n);
                const char *equals = memchr(line, '=', n), *value;

                at += n_line + (at[n_line] == '\n');
                if (n == 0 || *line == '#' || !equals)
                        continue;
                n_key = (size_t) (equals - line);
                n_value = n - n_key - 1;
                (void) trimmed(line, &n_key);
                value = trimmed(equals + 1, &n_value);
                if (n_key == strlen(name) && memcmp(line, name, n_key) == 0 && n_value > 0)
                        return strndup(value, n_value);
        }
        return only ? bare(secret) : NULL;
}

void secret_part_free(char *part) {
        if (part)
                explicit_bzero(part, strlen(part));
        free(part);
}

void secret_part_freep(char **part) {
        secret_part_free(*part);
}
