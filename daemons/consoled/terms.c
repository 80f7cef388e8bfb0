#include "daemons/consoled/terms.h"

#include <string.h>

#include "core/unicode.h"

enum { PIECES_MOST = 8, WORD_MOST = 64 };

enum kind { BETWEEN, LETTER, HAN };

static enum kind kind_of(uint32_t code) {
        if ((code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
            (code >= 'A' && code <= 'Z'))
                return LETTER;
        if (code == 0x3007 || (code >= 0x3400 && code <= 0x9fff) ||
            (code >= 0xf900 && code <= 0xfaff) || (code >= 0x20000 && code <= 0x3ffff))
                return HAN;
        /* Letters of other scripts; signs, punctuation and full-width forms part words. */
        if (code >= 0xc0 && code != 0xd7 && code != 0xf7 &&
            (code < 0x2000 || (code >= 0x3040 && code < 0xe000)))
                return LETTER;
        return BETWEEN;
}

struct scan {
        struct buf *out;
        const char *run; /* where the run of this kind began, or the last character of a HAN run */
        enum kind kind;
        size_t n_run, n_terms;
};

static void term(struct scan *scan, const char *from, const char *to) {
        if (scan->n_terms++ > 0)
                buf_char(scan->out, ' ');
        for (; from < to; from++)
                buf_char(scan->out,
                         *from >= 'A' && *from <= 'Z' ? (char) (*from - 'A' + 'a') : *from);
}

/* The run ends before `at`: what it has left is a term. `tail`: with a HAN run's last character. */
static void close_run(struct scan *scan, const char *at, bool tail) {
        if (scan->kind == LETTER && scan->n_run <= WORD_MOST)
                term(scan, scan->run, at);
        else if (scan->kind == HAN && (tail || scan->n_run == 1))
                term(scan, scan->run, at);
        scan->kind = BETWEEN;
        scan->n_run = 0;
}

/* Returns how many characters that count there were. `whole`: of a text, whose every run has its
 * last character as a term; else of what is looked for, which may end within a run of the text. */
static size_t scan_text(const char *text, const char *end, bool whole, struct scan *scan) {
        const char *at = text;
        size_t n = 0;

        while (at < end) {
                unsigned char lead = (unsigned char) *at;
                uint32_t code = lead;
                const char *next = at + 1;
                enum kind kind;

                if (lead >= 0x80) {
                        size_t length = unicode_sequence(at, (size_t) (end - at));

                        code = 0;
                        if (length > 0)
                                next = unicode_next(at, &code);
                }
                kind = kind_of(code);
                if (kind != scan->kind)
                        close_run(scan, at, true);
                if (kind == HAN && scan->kind == HAN)
                        term(scan, scan->run, next); /* the pair */
                if (kind == HAN || scan->kind != kind)
                        scan->run = at;
                scan->kind = kind;
                scan->n_run += kind != BETWEEN;
                n += kind != BETWEEN;
                at = next;
        }
        /* "12号": in the text the 号 may begin a pair. It is looked for only where it is all there
         * is. */
        if (!whole && scan->kind == HAN && scan->n_run == 1 && scan->n_terms > 0)
                scan->kind = BETWEEN;
        close_run(scan, end, whole);
        return n;
}

void terms_of(const char *text, struct buf *ret) {
        struct scan scan = { .out = ret };

        (void) scan_text(text, text + strlen(text), true, &scan);
}

bool terms_query(const char *typed, struct buf *ret) {
        size_t n_pieces = 0, n = 0;

        while (*typed && n_pieces < PIECES_MOST) {
                size_t length = strcspn(typed, " \t\r\n"), blank = 0;
                const char *wide = strstr(typed, "\xe3\x80\x80"); /* the ideographic blank */
                struct buf terms = { 0 };
                struct scan scan = { .out = &terms };

                if (wide && (size_t) (wide - typed) < length) {
                        length = (size_t) (wide - typed);
                        blank = 2;
                }
                n += scan_text(typed, typed + length, false, &scan);
                if (scan.n_terms > 0) {
                        buf_fmt(ret, "%s\"%s\"", n_pieces > 0 ? " " : "", buf_text(&terms));
                        n_pieces++;
                }
                buf_done(&terms);
                typed += length;
                if (*typed)
                        typed += 1 + blank;
        }
        return n_pieces > 0 && n > 1;
}
