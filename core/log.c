#include "core/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/digest.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/visible.h"

#define LINE_MAX_BYTES ((size_t) 8 << 10) /* a stranger's text may be in it */

static const char *program_name = "gongkai";
static int highest_level = LOG_INFO;
static bool stderr_is_journal;

static const char *const field_names[] = { "channel", "region", "document", "event",  "revision",
                                           "attempt", "code",   "emitter",  "source", "alarm",
                                           "subject", "do" };

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of the stream that it made. A shell may since
 * have sent stderr elsewhere, so the numbers are compared with what stderr is now. */
static bool is_journal(int fd) {
        const char *stream = getenv("JOURNAL_STREAM");
        uint64_t device, inode;
        struct stat st;

        return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
               fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program) {
        program_name = program;
        stderr_is_journal = is_journal(STDERR_FILENO);
}

void log_set_level(int level) {
        highest_level = level;
}

const char *log_message_id(enum message message, char ret[static LOG_MESSAGE_ID]) {
        char name[128], digest[DIGEST_TEXT];
        int n = snprintf(name, sizeof(name), "gongkai.%s", message_name(message));

        digest_bytes(name, (size_t) n < sizeof(name) ? (size_t) n : sizeof(name) - 1, digest);
        memcpy(ret, digest, LOG_MESSAGE_ID - 1);
        ret[LOG_MESSAGE_ID - 1] = '\0';
        return ret;
}

static const char *level_name(int level) {
        static const char *const names[] = { "emergency", "alert",  "critical", "error",
                                             "warning",   "notice", "info",     "debug" };

        return names[level & LOG_PRIMASK];
}

/* A line that was cut or lost cannot be mended here, and there is nobody left to tell. */
static void write_line(int level, const char *sentence) {
        int64_t now_ms = clock_now_ms();
        struct buf line = { 0 };
        char moment[MOMENT_TEXT];

        buf_fmt(&line, "%s %s %s: %s\n", moment_write(now_ms - now_ms % 1000, moment),
                program_name, level_name(level), sentence);
        for (size_t at = 0; !line.error && at < line.len;) {
                ssize_t n = write(STDERR_FILENO, line.data + at, line.len - at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                at += (size_t) n;
        }
        buf_done(&line);
}

/* The journal's fields, one buffer each. */
struct fields {
        struct buf text[ELEMENTS(field_names) + 4];
        size_t n;
};

static struct buf *field(struct fields *fields, const char *name) {
        struct buf *buf = fields->text + fields->n++;

        buf_fmt(buf, "%s=", name);
        return buf;
}

static void pair_fields(struct fields *fields, va_list pairs) {
        for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
                const char *value = va_arg(pairs, const char *);

                for (size_t i = 0; i < ELEMENTS(field_names); i++) {
                        char name[32] = "GONGKAI_";
                        struct buf *buf;

                        if (!value || strcmp(key, field_names[i]) != 0 ||
                            fields->n == ELEMENTS(fields->text))
                                continue;
                        for (size_t j = 0; key[j]; j++)
                                name[8 + j] = (char) (key[j] - 'a' + 'A');
                        buf = field(fields, name);
                        visible_add(buf, value, strnlen(value, LINE_MAX_BYTES));
                }
        }
}

static bool send_fields(struct fields *fields) {
        struct iovec parts[ELEMENTS(fields->text)];

        for (size_t i = 0; i < fields->n; i++) {
                if (fields->text[i].error)
                        return false;
                parts[i] = (struct iovec) { fields->text[i].data, fields->text[i].len };
        }
        return sd_journal_sendv(parts, (int) fields->n) >= 0;
}

static bool send_to_journal(int level, enum message message, const char *sentence, va_list pairs) {
        struct fields fields = { 0 };
        char id[LOG_MESSAGE_ID];
        bool sent;

        buf_str(field(&fields, "MESSAGE"), sentence);
        buf_fmt(field(&fields, "PRIORITY"), "%d", level & LOG_PRIMASK);
        buf_str(field(&fields, "MESSAGE_ID"), log_message_id(message, id));
        buf_str(field(&fields, "SYSLOG_IDENTIFIER"), program_name);
        pair_fields(&fields, pairs);
        sent = send_fields(&fields);
        for (size_t i = 0; i < fields.n; i++)
                buf_done(fields.text + i);
        return sent;
}

void log_say(int level, enum message message, ...) {
        struct buf raw = { 0 }, clean = { 0 };
        int saved_errno = errno;
        va_list pairs;

        if (level > highest_level)
                return;
        va_start(pairs, message);
        say_list(&raw, message, pairs);
        va_end(pairs);
        visible_add(&clean, buf_text(&raw), raw.len < LINE_MAX_BYTES ? raw.len : LINE_MAX_BYTES);
        if (raw.len > LINE_MAX_BYTES)
                buf_str(&clean, " ...");
        va_start(pairs, message);
        if (!stderr_is_journal || !send_to_journal(level, message, buf_text(&clean), pairs))
                write_line(level, buf_text(&clean));
        va_end(pairs);
        buf_done(&raw);
        buf_done(&clean);
        errno = saved_errno;
}
