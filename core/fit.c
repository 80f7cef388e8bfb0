#include "core/fit.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/buf.h"
#include "core/memory.h"
#include "core/unicode.h"

static size_t units_of(uint32_t code, size_t n_bytes, enum fit_unit unit) {
        size_t utf16 = code > 0xffff ? 2 : 1;

        switch (unit) {
        case FIT_BYTES:
                return n_bytes;
        case FIT_CHARACTERS:
                return 1;
        case FIT_UTF16:
                return utf16;
        case FIT_HALVES:
                return code <= 0x80 ? 1 : 2 * utf16;
        }
        return n_bytes;
}

size_t fit_length(const char *text, size_t n_bytes, enum fit_unit unit) {
        size_t n = 0;

        for (const char *at = text, *end = text + n_bytes; at < end;) {
                uint32_t code;
                const char *next = unicode_next(at, &code);

                n += units_of(code, (size_t) (next - at), unit);
                at = next;
        }
        return n;
}

/* What a figure is made of: digits of any width, Chinese numerals, what stands between and behind
 * them. A word of these letters only costs a few characters more. */
static bool is_figure(uint32_t code) {
        static const uint32_t letters[] = {
                0x3007, 0x96f6, 0x4e00, 0x4e8c, 0x4e24, 0x4e09, 0x56db, 0x4e94, 0x516d, 0x4e03,
                0x516b, 0x4e5d, 0x5341, 0x767e, 0x5343, 0x4e07, 0x4ebf, 0x5146, 0x5eff, 0x58f9,
                0x8d30, 0x53c1, 0x8086, 0x4f0d, 0x9646, 0x67d2, 0x634c, 0x7396, 0x62fe, 0x4f70,
                0x4edf, 0x842c, 0x5104, 0x70b9, 0x5e74, 0x6708, 0x65e5, 0x5143, 0x89d2, 0x5206,
                0x7b2c, 0x53f7, 0x8d1f,
        };

        if ((code >= '0' && code <= '9') || (code >= 0xff10 && code <= 0xff19))
                return true;
        if (code < 0x80)
                return strchr("+-.,:/%$", (int) code) != NULL && code != 0;
        if (code == 0xa5 || code == 0xffe5 || code == 0x2030 || code == 0xff05 || code == 0xff0e ||
            code == 0xff0c)
                return true;
        for (size_t i = 0; i < ELEMENTS(letters); i++)
                if (letters[i] == code)
                        return true;
        return false;
}

/* A comma, a full stop or a dash alone makes no figure. */
static bool is_digit(uint32_t code) {
        return is_figure(code) && !(code < 0x80 && !(code >= '0' && code <= '9')) && code != 0xff0c &&
               code != 0xff0e;
}

size_t fit_cut(const char *text, size_t n_bytes, enum fit_unit unit, size_t most) {
        const char *at = text, *end = text + n_bytes;
        size_t used = 0, good = 0, run = 0; /* `run`: where the figure that is going on began */
        utf8proc_int32_t state = 0;
        uint32_t before = 0;
        bool in_figure = false, has_digit = false;

        while (at < end) {
                uint32_t code;
                const char *next = unicode_next(at, &code);
                size_t here = (size_t) (at - text);
                bool border = at == text || utf8proc_grapheme_break_stateful((utf8proc_int32_t) before,
                                                                            (utf8proc_int32_t) code, &state);
                bool figure = is_figure(code);

                if (border) {
                        if (figure && !in_figure) {
                                run = here;
                                has_digit = false;
                        }
                        in_figure = figure;
                        has_digit = has_digit || (figure && is_digit(code));
                        /* Before what goes on a figure is no place to cut; before what ends it is. */
                        if (!figure)
                                good = here;
                        else if (here == run || !has_digit)
                                good = run;
                }
                used += units_of(code, (size_t) (next - at), unit);
                if (used > most)
                        return good;
                before = code;
                at = next;
        }
        return n_bytes;
}

/* Where an ending of blanks and of marks that promise more begins. */
static size_t without_ending(const char *text, size_t n_bytes) {
        static const char *const endings[] = { " ", "\n", "\t", "　", "，", "、", "：", "；", "（", "“", "《", "【", ",", ":", ";", "(" };
        bool found = true;

        while (found && n_bytes > 0) {
                found = false;
                for (size_t i = 0; i < ELEMENTS(endings) && !found; i++) {
                        size_t n = strlen(endings[i]);

                        found = n_bytes >= n && memcmp(text + n_bytes - n, endings[i], n) == 0;
                        n_bytes -= found ? n : 0;
                }
        }
        return n_bytes;
}

char *fit_text(const char *text, enum fit_unit unit, size_t most, bool *ret_cut) {
        static const char dots[] = "…";
        size_t n_bytes = strlen(text), n_dots = fit_length(dots, strlen(dots), unit), n;
        bool cut = fit_length(text, n_bytes, unit) > most;
        struct buf out = { 0 };

        if (ret_cut)
                *ret_cut = cut;
        if (!cut)
                return strdup(text);
        n = most > n_dots ? fit_cut(text, n_bytes, unit, most - n_dots) : 0;
        buf_add(&out, text, without_ending(text, n));
        if (most >= n_dots)
                buf_add(&out, dots, strlen(dots));
        return buf_take(&out);
}
