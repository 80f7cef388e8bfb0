/* mutate COUNT SEED FILE...
 *
 * Reads events from the files, damages them COUNT times (the same SEED damages the same way), and
 * feeds each to event_read() and event_parse(). Built with sanitizers it finds what they find;
 * built in any way it aborts when
 *  - our reader and jansson's disagree on what is JSON, or on what it says;
 *  - an event that was taken says something else once it is written and read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "core/memory.h"

#define MAX_SEEDS 256
#define MAX_SIZE ((size_t) 64 << 10) /* of a seed, and of what becomes of it, roughly */

static struct buf seeds[MAX_SEEDS];
static size_t n_seeds;
static uint64_t state;

/* SplitMix64: small, and good enough to choose where to hit. */
static uint64_t draw(void) {
        uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

static size_t below(size_t n) {
        return n ? (size_t) (draw() % n) : 0;
}

/* Puts bytes in the place of others. */
static void replace(struct buf *text, size_t at, size_t n_out, const char *in, size_t n_in) {
        struct buf result = { 0 };

        if (at > text->len)
                at = text->len;
        if (n_out > text->len - at)
                n_out = text->len - at;
        buf_add(&result, buf_text(text), at);
        buf_add(&result, in, n_in);
        buf_add(&result, buf_text(text) + at + n_out, text->len - at - n_out);
        buf_done(text);
        *text = result;
}

static void flip(struct buf *text) {
        for (size_t i = 0, n = 1 + below(4); i < n && text->len; i++)
                text->data[below(text->len)] ^= (char) (1 << below(8));
}

static void cut(struct buf *text) {
        if (below(2))
                replace(text, below(text->len), text->len, "", 0);
        else
                replace(text, below(text->len), 1 + below(40), "", 0);
}

/* A piece of one event into another; of the same event it doubles keys and entries. */
static void splice(struct buf *text) {
        const struct buf *from = seeds + below(n_seeds);
        size_t start = below(from->len), n = 1 + below(200);
        const char *quote;

        if (n > from->len - start)
                n = from->len - start;
        /* half of the time a whole member, from its quote to a comma */
        quote = below(2) ? memchr(from->data + start, '"', n) : NULL;
        if (quote) {
                const char *comma;

                start = (size_t) (quote - from->data);
                comma = memchr(quote, ',', from->len - start);
                n = comma ? (size_t) (comma - quote) + 1 : from->len - start;
                quote = memchr(text->data, '"', text->len);
                if (quote && below(2)) {
                        char *copy = strndup(from->data + start, n);

                        replace(text, (size_t) (quote - text->data), 0, copy, strlen(copy));
                        free(copy);
                        return;
                }
        }
        replace(text, below(text->len), below(20), from->data + start, n);
}

static void nest(struct buf *text) {
        static const char *const openings[] = { "[", "{\"a\":", "[[]," };
        const char *opening = openings[below(ELEMENTS(openings))];
        struct buf deep = { 0 };

        for (size_t i = 0, n = below(below(4) ? 40 : 5000); i < n; i++)
                buf_str(&deep, opening);
        if (deep.len)
                replace(text, below(text->len), below(3), deep.data, deep.len);
        buf_done(&deep);
}

static void put_word(struct buf *text) {
        static const char *const words[] = {
                "1e999",
                "-1e-999",
                "9223372036854775807",
                "9223372036854775808",
                "-9223372036854775809",
                "0.00000000000000000000000000000000000001",
                "111111111111111111111111111111111",
                "-",
                "-0",
                "00",
                "1.",
                "null",
                "true",
                "false",
                "NaN",
                "\"\"",
                "\"",
                "\\",
                "\\u0000",
                "\\u00",
                "\\ud800",
                "\\udc00",
                "\\ud83d\\ude00",
                "\\u202e",
                "\\u0301",
                "\xff",
                "\xc0\x80",
                "\xed\xa0\x80",
                "\xf4\x90\x80\x80",
                "\xe5\x85",
                "\xef\xbb\xbf",
                "\xe2\x80\xae",
                "\xef\xbf\xbe",
                "，",
                "“",
                "公",
                "e\xcc\x81",
                "{}",
                "[]",
                ",",
                ":",
                "}",
                "]",
                "{\"a\":1,\"a\":2}",
                "cn.gongkai.disclosure.withdraw.v1",
                "cn.gongkai.query.document.v1",
                "2026-02-30",
                "2026-11-23T22:00:60",
                "\"gkdryrun\":true,",
                "\"revision\":2147483649,",
                "\"mode\":\"erase\",",
                "\"show_until\":{\"days\":-1,\"unit\":\"\"},",
        };
        const char *word = words[below(ELEMENTS(words))];

        if (below(20) == 0)
                replace(text, below(text->len), 0, "", 1); /* a NUL */
        else
                replace(text, below(text->len), below(8), word, strlen(word));
}

/* A value changes its type, the rest stays JSON: this reaches the checks behind the reader. */
static void replace_value(struct buf *text) {
        static const char *const values[] = { "0",
                                              "-1",
                                              "1.5",
                                              "\"\"",
                                              "\"x\"",
                                              "[]",
                                              "{}",
                                              "null",
                                              "true",
                                              "[\"x\",1,null]",
                                              "\" \"",
                                              "\"\\u2066\"",
                                              "{\"format\":\"html\"}" };
        const char *value = values[below(ELEMENTS(values))], *colon;
        size_t from = below(text->len), end;

        colon = memchr(buf_text(text) + from, ':', text->len - from);
        if (!colon)
                return;
        from = (size_t) (colon - text->data) + 1;
        end = from;
        if (end < text->len && text->data[end] == '"')
                for (end++; end < text->len && text->data[end] != '"'; end++)
                        ;
        while (end < text->len && !strchr(",}]", text->data[end]))
                end++;
        replace(text, from, end - from, value, strlen(value));
}

static void mutate(struct buf *text) {
        static void (*const ways[])(struct buf * text) = { flip,          cut,          splice,
                                                           nest,          put_word,     put_word,
                                                           replace_value, replace_value };

        for (size_t i = 0, n = 1 + below(3); i < n && text->len < MAX_SIZE; i++)
                ways[below(ELEMENTS(ways))](text);
}

static void stop(const char *why, const struct buf *text) {
        fprintf(stderr, "%s:\n", why);
        (void) fwrite(buf_text(text), 1, text->len, stderr);
        fputc('\n', stderr);
        abort();
}

/* Where we are stricter: jansson 2.14 knows no limit for the length of a number, and loses a NUL
 * that stands behind one (its stream takes the byte it puts back for the end of its buffer). */
static bool has_long_number_or_nul(const struct buf *text) {
        size_t run = 0;

        if (memchr(buf_text(text), '\0', text->len))
                return true;

        for (size_t i = 0; i < text->len; i++) {
                run = strchr("0123456789+-.eE", text->data[i]) ? run + 1 : 0;
                if (run > 32)
                        return true;
        }
        return false;
}

static void compare(const struct buf *text, const json_t *ours, const struct findings *errors) {
        size_t skip = text->len >= 3 && memcmp(text->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        json_t *theirs;

        if (!ours && errors->n == 0)
                stop("refused without a word", text);
        if (ours && errors->n > 0)
                stop("taken with an error", text);
        theirs = json_loadb(buf_text(text) + skip, text->len - skip, JSON_REJECT_DUPLICATES, NULL);
        if (ours && !theirs)
                stop("we read what jansson refuses", text);
        if (ours && !json_equal(ours, theirs))
                stop("we read it otherwise than jansson", text);
        if (!ours && theirs &&
            (findings_have(errors, "json") || findings_have(errors, "encoding")) &&
            !has_long_number_or_nul(text))
                stop("we refuse what jansson reads", text);
        json_decref(theirs);
}

static void check_again(const struct event *event, const struct buf *text) {
        struct findings errors = { 0 }, warnings = { 0 };
        struct buf written = { 0 };
        struct event *again;
        json_t *json;

        event_write(event->json, &written);
        json = event_read(buf_text(&written), written.len, &errors);
        again = json ? event_parse(json, &errors, &warnings) : NULL;
        if (!again)
                stop("what we write we do not take again", text);
        if (strcmp(event->digest, again->digest) != 0)
                stop("written and read again it has another digest", text);
        event_free(again);
        json_decref(json);
        findings_done(&warnings);
        buf_done(&written);
}

static size_t parse(json_t *json, const struct buf *text) {
        struct findings errors = { 0 }, warnings = { 0 };
        struct event *event = event_parse(json, &errors, &warnings);
        size_t taken = event != NULL;

        if (!event && errors.n == 0)
                stop("an event refused without a word", text);
        if (event && errors.n > 0)
                stop("an event taken with an error", text);
        for (size_t i = 0; i < errors.n; i++)
                if (strchr(errors.list[i].message, '\n'))
                        stop("a sentence of two lines", text);
        if (event)
                check_again(event, text);
        event_free(event);
        findings_done(&errors);
        findings_done(&warnings);
        return taken;
}

static void read_seed(const char *path) {
        FILE *file = fopen(path, "rbe");
        char *room;
        size_t n;

        if (!file) {
                perror(path);
                exit(2);
        }
        room = n_seeds < MAX_SEEDS ? buf_room(seeds + n_seeds, MAX_SIZE) : NULL;
        if (!room) {
                fprintf(stderr, "%s: too many files\n", path);
                exit(2);
        }
        n = fread(room, 1, MAX_SIZE, file);
        (void) fclose(file);
        if (n > 0)
                buf_grown(seeds + n_seeds++, n);
}

int main(int argc, char **argv) {
        size_t n_read = 0, n_taken = 0, count;

        if (argc < 4) {
                fprintf(stderr, "usage: %s COUNT SEED FILE...\n", argv[0]);
                return 2;
        }
        count = strtoul(argv[1], NULL, 10);
        state = strtoull(argv[2], NULL, 10);
        for (int i = 3; i < argc; i++)
                read_seed(argv[i]);
        if (n_seeds == 0)
                return 2;

        for (size_t i = 0; i < count; i++) {
                const struct buf *seed = seeds + below(n_seeds);
                struct findings errors = { 0 };
                struct buf text = { 0 };
                json_t *json;
                char *exact;

                buf_add(&text, seed->data, seed->len);
                if (i >= n_seeds) /* the first ones stay whole */
                        mutate(&text);

                /* in memory of just that size, so that a byte too far is seen */
                exact = malloc(text.len ? text.len : 1);
                if (!exact)
                        return 2;
                memcpy(exact, buf_text(&text), text.len);
                json = event_read(exact, text.len, &errors);
                free(exact);

                compare(&text, json, &errors);
                n_read += json != NULL;
                if (json_is_array(json))
                        for (size_t k = 0; k < json_array_size(json); k++)
                                n_taken += parse(json_array_get(json, k), &text);
                else if (json)
                        n_taken += parse(json, &text);
                json_decref(json);
                findings_done(&errors);
                buf_done(&text);
        }

        printf("%zu mutations: %zu were JSON, %zu events were taken\n", count, n_read, n_taken);
        for (size_t i = 0; i < n_seeds; i++)
                buf_done(seeds + i);
        return 0;
}
