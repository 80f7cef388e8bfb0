#include "core/conf.h"

#include <errno.h>
#include <string.h>

#include "core/files.h"
#include "core/memory.h"
#include "core/textfile.h"

#define CONF_MAX_BYTES ((size_t) 1 << 20)

struct conf_reader {
        struct conf *conf;
        struct problems *problems;
        char *section;
        size_t allocated;
        unsigned line;
};

/* A piece of the file; most of the work is moving its two ends. */
struct span {
        const char *at, *end;
};

static bool starts_with(struct span span, const char *prefix) {
        size_t n = strlen(prefix);

        return (size_t) (span.end - span.at) >= n && memcmp(span.at, prefix, n) == 0;
}

static bool ends_with(struct span span, const char *suffix) {
        size_t n = strlen(suffix);

        return (size_t) (span.end - span.at) >= n && memcmp(span.end - n, suffix, n) == 0;
}

/* White space that a Chinese input method or a word processor leaves behind, too. */
static const char *const blanks[] = { " ", "\t", "\r", "\xe3\x80\x80" /* U+3000 */,
                                      "\xc2\xa0" /* U+00A0 */, "\xef\xbb\xbf" /* U+FEFF */ };

static struct span trim(struct span span) {
        for (size_t i = 0; i < ELEMENTS(blanks);) {
                if (starts_with(span, blanks[i]))
                        span.at += strlen(blanks[i]);
                else if (ends_with(span, blanks[i]))
                        span.end -= strlen(blanks[i]);
                else {
                        i++;
                        continue;
                }
                i = 0;
        }
        return span;
}

static const char *find(struct span span, const char *text) {
        return memmem(span.at, (size_t) (span.end - span.at), text, strlen(text));
}

static void wrong_sign(struct conf_reader *reader, const char *wrong, const char *right) {
        problems_add(reader->problems, reader->conf->path, reader->line, MESSAGE_CONF_FULLWIDTH,
                     "wrong", wrong, "right", right, NULL);
}

static void wrong_line(struct conf_reader *reader, enum message message) {
        problems_add(reader->problems, reader->conf->path, reader->line, message, NULL);
}

static int read_section(struct conf_reader *reader, struct span line) {
        static const struct {
                const char *open, *close;
        } wide[] = { { "［", "］" }, { "【", "】" } };
        bool is_closed = ends_with(line, "]"), has_name;
        char *section;

        for (size_t i = 0; i < ELEMENTS(wide); i++) {
                if (starts_with(line, wide[i].open)) {
                        wrong_sign(reader, wide[i].open, "[");
                        line.at += strlen(wide[i].open);
                }
                if (ends_with(line, wide[i].close)) {
                        wrong_sign(reader, wide[i].close, "]");
                        line.end -= strlen(wide[i].close);
                        is_closed = true;
                }
        }
        if (starts_with(line, "["))
                line.at++;
        if (ends_with(line, "]"))
                line.end--;
        line = trim(line);
        has_name = line.at < line.end && !find(line, "[") && !find(line, "]");
        if (!is_closed || !has_name)
                wrong_line(reader, MESSAGE_CONF_BAD_SECTION);
        if (!has_name)
                return 0;
        section = strndup(line.at, (size_t) (line.end - line.at));
        if (!section)
                return -ENOMEM;
        free(reader->section);
        reader->section = section;
        return 0;
}

static int add_entry(struct conf_reader *reader, struct span key, struct span value) {
        struct conf *conf = reader->conf;
        struct conf_entry *entry;

        if (conf->n == reader->allocated) {
                size_t wanted = reader->allocated ? reader->allocated * 2 : 32;
                struct conf_entry *entries =
                        reallocarray(conf->entries, wanted, sizeof(*conf->entries));

                if (!entries)
                        return -ENOMEM;
                conf->entries = entries;
                reader->allocated = wanted;
        }
        entry = conf->entries + conf->n++;
        *entry = (struct conf_entry) {
                .section = strdup(reader->section),
                .key = strndup(key.at, (size_t) (key.end - key.at)),
                .value = strndup(value.at, (size_t) (value.end - value.at)),
                .line = reader->line,
        };
        return entry->section && entry->key && entry->value ? 0 : -ENOMEM;
}

/* Quotes would become part of the value, and be seen on a page or miss a file. */
static struct span without_quotes(struct conf_reader *reader, struct span key, struct span value) {
        static const struct {
                const char *open, *close;
        } quotes[] = { { "\"", "\"" }, { "'", "'" }, { "“", "”" }, { "”", "”" },
                       { "“", "“" },   { "‘", "’" }, { "＂", "＂" } };
        char *name;

        for (size_t i = 0; i < ELEMENTS(quotes); i++) {
                struct span inner = value;

                if (starts_with(inner, quotes[i].open))
                        inner.at += strlen(quotes[i].open);
                if (inner.at == value.at || !ends_with(inner, quotes[i].close))
                        continue;
                inner.end -= strlen(quotes[i].close);
                name = strndup(key.at, (size_t) (key.end - key.at));
                problems_add(reader->problems, reader->conf->path, reader->line,
                             MESSAGE_CONF_QUOTES, "key", name, "open", quotes[i].open, "close",
                             quotes[i].close, NULL);
                free(name);
                return trim(inner);
        }
        return value;
}

static int read_setting(struct conf_reader *reader, struct span line) {
        const char *equals = find(line, "="), *wide = find(line, "＝");
        struct span key = line, value = line;

        if (!equals && !wide) {
                wrong_line(reader, MESSAGE_CONF_NO_EQUALS);
                return 0;
        }
        if (wide && (!equals || wide < equals)) {
                wrong_sign(reader, "＝", "=");
                key.end = wide;
                value.at = wide + strlen("＝");
        } else {
                key.end = equals;
                value.at = equals + 1;
        }
        key = trim(key);
        if (key.at == key.end) {
                wrong_line(reader, MESSAGE_CONF_EMPTY_KEY);
                return 0;
        }
        return add_entry(reader, key, without_quotes(reader, key, trim(value)));
}

static int read_line(struct conf_reader *reader, struct span line) {
        line = trim(line);
        if (line.at == line.end || starts_with(line, "#"))
                return 0;
        if (starts_with(line, "＃")) {
                wrong_sign(reader, "＃", "#");
                return 0;
        }
        for (const char *c = line.at; c < line.end; c++) {
                if (((unsigned char) *c < 0x20 && *c != '\t') || *c == 0x7f) {
                        wrong_line(reader, MESSAGE_CONF_CONTROL);
                        return 0;
                }
        }
        if (starts_with(line, "[") || starts_with(line, "［") || starts_with(line, "【"))
                return read_section(reader, line);
        return read_setting(reader, line);
}

static int read_lines(struct conf_reader *reader, struct span text) {
        while (text.at < text.end) {
                const char *newline = find(text, "\n");
                struct span line = { text.at, newline ? newline : text.end };
                int r;

                reader->line++;
                r = read_line(reader, line);
                if (r < 0)
                        return r;
                text.at = newline ? newline + 1 : text.end;
        }
        return 0;
}

int conf_parse(const char *path, const char *bytes, size_t n_bytes, struct problems *problems,
               struct conf **ret) {
        struct conf *conf freed_by(conf_freep) = calloc(1, sizeof(*conf));
        struct conf_reader reader = { .conf = conf, .problems = problems };
        size_t begin;
        int r;

        if (!conf || !(conf->path = strdup(path)))
                return -ENOMEM;
        if (n_bytes > CONF_MAX_BYTES) {
                problems_add(problems, path, 0, MESSAGE_CONF_TOO_LARGE, NULL);
        } else if (text_check(path, bytes, n_bytes, problems, &begin)) {
                reader.section = strdup("");
                r = reader.section ? read_lines(&reader, (struct span) { bytes + begin,
                                                                         bytes + n_bytes })
                                   : -ENOMEM;
                free(reader.section);
                if (r < 0)
                        return r;
        }
        *ret = give_away(conf);
        return 0;
}

int conf_read(const char *path, struct problems *problems, struct conf **ret) {
        char *bytes freed_by(freep) = NULL;
        size_t n_bytes;
        int r = file_read(path, CONF_MAX_BYTES, &bytes, &n_bytes);

        if (r == -E2BIG)
                problems_add(problems, path, 0, MESSAGE_CONF_TOO_LARGE, NULL);
        else if (r < 0)
                problems_add(problems, path, 0, MESSAGE_CONF_CANNOT_READ, "reason", strerror(-r),
                             NULL);
        if (r < 0)
                return r;
        return conf_parse(path, bytes, n_bytes, problems, ret);
}

struct conf *conf_free(struct conf *conf) {
        if (!conf)
                return NULL;
        for (size_t i = 0; i < conf->n; i++) {
                free(conf->entries[i].section);
                free(conf->entries[i].key);
                free(conf->entries[i].value);
        }
        free(conf->entries);
        free(conf->path);
        free(conf);
        return NULL;
}

void conf_freep(struct conf **conf) {
        *conf = conf_free(*conf);
}

const struct conf_entry *conf_find(const struct conf *conf, const char *section, const char *key) {
        for (size_t i = 0; i < conf->n; i++)
                if (strcmp(conf->entries[i].key, key) == 0 &&
                    strcmp(conf->entries[i].section, section) == 0)
                        return conf->entries + i;
        return NULL;
}

unsigned conf_line(const struct conf *conf, const char *section, const char *key) {
        const struct conf_entry *entry = conf_find(conf, section, key);

        return entry ? entry->line : 0;
}

int conf_name_is_valid(const char *name) {
        size_t n = strlen(name);

        return n >= 1 && n <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}
