/* `--secret NAME`: what is secret, asked for part by part on a terminal without its echo, since the
 * driver knows its parts. Spoken to by gongkaictl, which keeps it: it goes to the descriptor 3. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "channels/secret.h"
#include "core/files.h"
#include "core/memory.h"

enum { SECRET_MOST = 64 << 10, SECRET_FD = 3 };

/* Overwritten when it is done. */
struct secret {
        char bytes[SECRET_MOST + 1];
        size_t n;
};

static void tell(enum message message, const char *part) {
        char *text freed_by(freep) = say(message, "part", part, NULL);

        (void) fputs(text ? text : "", stderr);
}

static bool add(struct secret *secret, const char *bytes, size_t n) {
        if (n > SECRET_MOST - secret->n)
                return false;
        memcpy(secret->bytes + secret->n, bytes, n);
        secret->n += n;
        secret->bytes[secret->n] = '\0';
        return true;
}

/* One line without blanks around it. False at the end of the input, a NUL, and Ctrl-C, which comes
 * as a byte: a signal would leave the terminal without its echo. */
static bool read_hidden(struct secret *ret) {
        char c;

        ret->n = 0;
        for (;;) {
                ssize_t got = read(STDIN_FILENO, &c, 1);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0 || c == '\3' || c == '\0' || (c != '\n' && !add(ret, &c, 1)))
                        return false;
                if (c == '\n')
                        break;
        }
        while (ret->n > 0 && strchr(" \t\r", ret->bytes[ret->n - 1]))
                ret->n--;
        ret->bytes[ret->n] = '\0';
        return true;
}

/* Behind "name =", for who types the whole line of the file; else all of it. */
static const char *value_of(const char *line, const char *name) {
        size_t n = strlen(name);
        const char *at = line + strspn(line, " \t");

        if (strncmp(at, name, n) != 0)
                return line + strspn(line, " \t");
        at += n + strspn(at + n, " \t");
        if (*at != '=')
                return line + strspn(line, " \t");
        return at + 1 + strspn(at + 1, " \t");
}

static bool add_part(struct secret *secret, const char *name, const char *value) {
        return add(secret, name, strlen(name)) && add(secret, " = ", 3) &&
               add(secret, value, strlen(value)) && add(secret, "\n", 1);
}

/* Typed, or as it was. */
static bool ask_part(const char *name, bool first, const char *before, struct secret *typed,
                     struct secret *ret, bool *ret_any) {
        char *kept freed_by(secret_part_freep) = NULL;
        const char *value;

        tell(MESSAGE_CTL_TYPE_PART, name);
        if (!read_hidden(typed))
                return false;
        (void) fputc('\n', stderr);
        value = value_of(typed->bytes, name);
        if (*value) {
                *ret_any = true;
                return add_part(ret, name, value);
        }
        kept = secret_part(before, name, first);
        return !kept || add_part(ret, name, kept);
}

static bool is_one_of(const char *const *names, const char *line, size_t n) {
        for (; names && *names; names++)
                if (strlen(*names) == n && memcmp(*names, line, n) == 0)
                        return true;
        return false;
}

/* "NAME = VALUE", not the end of base64. *ret_name: its first n bytes; 0: no such line. */
static size_t name_in(const char *line, size_t n_line, const char **ret_name) {
        const char *equals = memchr(line, '=', n_line), *end = line + n_line;
        size_t n;

        *ret_name = line + strspn(line, " \t");
        if (!equals || equals < *ret_name || equals + strspn(equals, "=") >= end)
                return 0;
        n = (size_t) (equals - *ret_name);
        while (n > 0 && strchr(" \t", (*ret_name)[n - 1]))
                n--;
        return n;
}

/* What nobody asks for, as what a login has brought, and remarks. */
static bool keep_others(const struct driver *driver, const char *before, struct secret *ret) {
        for (const char *line = before; line && *line;) {
                size_t n_line = strcspn(line, "\n"), n;
                const char *name;

                n = name_in(line, n_line, &name);
                if ((n > 0 || *name == '#') && !is_one_of(driver->secret_parts, name, n) &&
                    !is_one_of(driver->secret_more, name, n) &&
                    !(add(ret, line, n_line) && add(ret, "\n", 1)))
                        return false;
                line += n_line + (line[n_line] == '\n');
        }
        return true;
}

static bool ask_all(const struct driver *driver, const char *before, struct secret *typed,
                    struct secret *ret) {
        const char *const *const lists[] = { driver->secret_parts, driver->secret_more };
        bool any = false;

        if (!driver->secret_parts && !driver->secret_more) {
                tell(MESSAGE_CTL_TYPE_SECRET, "");
                if (!read_hidden(typed) || typed->n == 0)
                        return false;
                (void) fputc('\n', stderr);
                return add(ret, typed->bytes, typed->n);
        }
        tell(MESSAGE_CTL_TYPE_PARTS, "");
        (void) fputc('\n', stderr);
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                for (const char *const *name = lists[i]; name && *name; name++)
                        if (!ask_part(*name, name == driver->secret_parts, before, typed, ret, &any))
                                return false;
        return any && keep_others(driver, before, ret);
}

/* Without its echo as long as somebody types. */
static bool ask_hidden(const struct driver *driver, const char *before, struct secret *typed,
                       struct secret *ret) {
        struct termios shown, silent;
        bool well;

        if (tcgetattr(STDIN_FILENO, &shown) < 0)
                return false;
        silent = shown;
        silent.c_lflag &= ~(tcflag_t) (ECHO | ISIG);
        silent.c_cc[VEOL] = '\3'; /* ends a line as Enter does */
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        well = ask_all(driver, before, typed, ret);
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        return well;
}

/* What is there already in *ret_before. One that cannot be read must not be lost. */
static const struct driver *driver_of(const struct configuration *configuration, const char *name,
                                      char **ret_before) {
        const struct channel_config *channel = configuration_channel(configuration, name);
        const struct driver *driver = channel ? driver_find(channel->driver) : NULL;
        char *reason freed_by(freep) = NULL;
        int r = driver && channel->secret_file ? secret_read(channel->secret_file, ret_before) : 0;

        if (r == 0 || r == -ENOENT || r == -ENODATA)
                return driver;
        reason = secret_error(channel->secret_file, r);
        (void) fprintf(stderr, "%s\n", reason ? reason : strerror(-r));
        return NULL;
}

int ask_secret_run(const char *config_path, const char *name) {
        struct configuration *configuration freed_by(configuration_freep) = NULL;
        struct problems problems = { 0 };
        struct secret *typed = calloc(1, sizeof(*typed)), *secret = calloc(1, sizeof(*secret));
        const struct driver *driver;
        char *before = NULL;
        int r = configuration_load(config_path, NULL, &problems, &configuration);

        problems_done(&problems); /* told by whoever started us, and by the check */
        driver = r < 0 ? NULL : driver_of(configuration, name, &before);
        r = -EINVAL;
        if (driver && typed && secret && fcntl(SECRET_FD, F_GETFD) >= 0)
                r = ask_hidden(driver, before, typed, secret) ? write_whole(SECRET_FD, secret->bytes, secret->n) : -ENODATA;
        if (r == -ENODATA) {
                (void) fputc('\n', stderr);
                tell(MESSAGE_CTL_BAD_SECRET, "");
                (void) fputc('\n', stderr);
        }
        secret_part_free(before);
        if (typed)
                explicit_bzero(typed, sizeof(*typed));
        if (secret)
                explicit_bzero(secret, sizeof(*secret));
        free(typed);
        free(secret);
        return r < 0;
}
