#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config_parts.h"
#include "core/files.h"
#include "core/memory.h"

#define SECRET_MAX_BYTES ((size_t) 64 << 10)

int config_secret_path(const char *folder, char **path) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        char *found = NULL;

        if (!*path)
                return 0;
        if (credentials && !strchr(*path, '/')) {
                found = config_path(credentials, *path);
                if (!found)
                        return -ENOMEM;
                if (access(found, F_OK) < 0) {
                        free(found);
                        found = NULL;
                }
        }
        if (!found)
                found = config_path(folder, *path);
        if (!found)
                return -ENOMEM;
        free(*path);
        *path = found;
        return 0;
}

int secret_read(const char *path, char **ret) {
        char *bytes = NULL;
        struct stat st;
        size_t n;
        int r;

        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH)))
                return -EPERM;
        r = file_read(path, SECRET_MAX_BYTES, &bytes, &n);
        if (r < 0)
                return r;
        if (n > 0 && bytes[n - 1] == '\n')
                bytes[--n] = '\0';
        if (n > 0 && bytes[n - 1] == '\r')
                bytes[--n] = '\0';
        if (n == 0 || strlen(bytes) != n) {
                r = n == 0 ? -ENODATA : -EBADMSG;
                explicit_bzero(bytes, n);
                free(bytes);
                return r;
        }
        *ret = bytes;
        return 0;
}

char *secret_error(const char *path, int error) {
        switch (error) {
        case -EPERM:
                return say(MESSAGE_SECRET_OPEN_TO_ALL, "path", path, NULL);
        case -ENODATA:
                return say(MESSAGE_SECRET_EMPTY, "path", path, NULL);
        case -EBADMSG:
                return say(MESSAGE_SECRET_NOT_TEXT, "path", path, NULL);
        case -E2BIG:
                return say(MESSAGE_SECRET_TOO_LARGE, "path", path, NULL);
        default:
                return say(MESSAGE_SECRET_CANNOT_READ, "path", path, "reason", strerror(-error),
                           NULL);
        }
}
