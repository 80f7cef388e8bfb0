#include "core/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

/* A key file has a handful of lines; what goes on longer is another file. */
enum { LINES_MOST = 1000 };

bool key_is_valid(const char *text) {
        uint8_t bytes[32];

        return strlen(text) == KEY_TEXT - 1 && zmq_z85_decode(bytes, text) != NULL;
}

static char *trimmed(char *text) {
        size_t n;

        text += strspn(text, " \t\r\n");
        n = strlen(text);
        while (n > 0 && strchr(" \t\r\n", text[n - 1]))
                text[--n] = '\0';
        return text;
}

static void take_key(const char *value, char *ret, bool *ret_found) {
        if (!ret || !key_is_valid(value))
                return;
        memcpy(ret, value, KEY_TEXT);
        *ret_found = true;
}

int keys_read(const char *path, char *ret_public, char *ret_secret) {
        FILE *file = fopen(path, "re");
        bool has_public = !ret_public, has_secret = !ret_secret;
        char line[256];

        if (!file)
                return -errno;
        for (unsigned i = 0; i < LINES_MOST && fgets(line, sizeof(line), file); i++) {
                char *start = i == 0 && strncmp(line, "\xef\xbb\xbf", 3) == 0 ? line + 3 : line;
                char *equals = strchr(start, '='), *key;

                if (*trimmed(start) == '#' || !equals)
                        continue;
                *equals = '\0';
                key = trimmed(start);
                if (strcmp(key, "public") == 0)
                        take_key(trimmed(equals + 1), ret_public, &has_public);
                else if (strcmp(key, "secret") == 0)
                        take_key(trimmed(equals + 1), ret_secret, &has_secret);
        }
        (void) fclose(file);
        explicit_bzero(line, sizeof(line));
        return has_public && has_secret ? 0 : -EINVAL;
}

int keys_read_public(const char *text_or_path, char ret[static KEY_TEXT]) {
        /* Slashes and dots may stand in a key too, so a file of that name goes first. */
        if (access(text_or_path, F_OK) == 0)
                return keys_read(text_or_path, ret, NULL);
        if (!key_is_valid(text_or_path))
                return strlen(text_or_path) == KEY_TEXT - 1 ? -EINVAL : -ENOENT;
        memcpy(ret, text_or_path, KEY_TEXT);
        return 0;
}
