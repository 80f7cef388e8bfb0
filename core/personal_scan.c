/* The search: a text is read as runs of digits and the gaps between them, and where a run ends it is
 * looked whether it ends a number, together with as many runs before it as that takes. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/ident.h"
#include "core/memory.h"
#include "core/personal_parts.h"
#include "core/unicode.h"

/* -- runs and gaps -- */

enum gap {
        GAP_NONE,   /* nothing that anybody sees */
        GAP_BLANK,  /* one */
        GAP_HYPHEN, /* one, perhaps with a blank beside it, or at a line's end */
        GAP_DOT,
        GAP_LINE,   /* the end of one, and nothing else */
        GAP_WIDE,   /* blanks, cells, lines */
        GAP_OTHER,  /* what parts all numbers */
};

enum { LONGEST = 19, MANY_RUNS = 48, MANY_DIGITS = 128 };

struct run {
        const char *at;
        size_t n; /* digits; beyond LONGEST they are not kept */
        enum gap before;
};

struct scan {
        struct personal *personal;
        const char *text, *end, *today;

        struct run runs[MANY_RUNS];
        size_t n_runs;
        char digits[MANY_DIGITS]; /* of all runs */
        size_t n_digits;
        bool in_run;
        enum style style;

        /* the gap since the last digit */
        bool is_other, is_wide;
        unsigned blanks, hyphens, dots, lines;

        /* lines are counted up to here */
        const char *counted;
        size_t line;
};

static void gap_begin(struct scan *scan, bool is_other) {
        scan->is_other = is_other;
        scan->is_wide = false;
        scan->blanks = scan->hyphens = scan->dots = scan->lines = 0;
}

static void gap_add(struct scan *scan, uint32_t code) {
        bool is_dot = code == '.' || code == 0xff0e || code == 0xb7 || code == 0x2022 || code == '_';

        if (is_dot)
                scan->dots++;
        else if (code == '\r' || code == 0)
                return; /* of a line's end; of UTF-16 */
        else
                switch (unicode_between(code)) {
                case BETWEEN_NOT:
                        scan->is_other = true;
                        break;
                case BETWEEN_UNSEEN:
                        break;
                case BETWEEN_BLANK:
                        scan->blanks++;
                        scan->is_wide |= code == '\t' || scan->lines > 0;
                        break;
                case BETWEEN_LINE:
                        scan->is_wide |= scan->blanks > 0;
                        scan->lines++;
                        break;
                case BETWEEN_HYPHEN:
                        scan->is_wide |= scan->lines > 0;
                        scan->hyphens++;
                        break;
                }
}

static enum gap gap_end(const struct scan *scan) {
        unsigned signs = scan->hyphens + scan->dots;

        if (scan->is_other || (scan->dots > 0 && (signs > 1 || scan->blanks || scan->lines)))
                return GAP_OTHER;
        if (scan->is_wide || signs > 1 || scan->lines > 1 || scan->blanks > 2 ||
            (signs == 0 && scan->blanks > 1))
                return GAP_WIDE;
        return scan->dots      ? GAP_DOT
               : scan->hyphens ? GAP_HYPHEN
               : scan->lines   ? GAP_LINE
               : scan->blanks  ? GAP_BLANK
                               : GAP_NONE;
}

/* The newest runs stay: those that a number could reach back to, and one before it. */
static void make_room(struct scan *scan) {
        size_t keep = 0, digits = 0;

        if (scan->n_runs < MANY_RUNS && scan->n_digits + LONGEST <= MANY_DIGITS)
                return;
        while (keep <= LONGEST && digits <= 2 * (size_t) LONGEST) {
                size_t n = scan->runs[scan->n_runs - ++keep].n;

                digits += n < LONGEST ? n : LONGEST;
        }
        memmove(scan->runs, scan->runs + scan->n_runs - keep, keep * sizeof(*scan->runs));
        memmove(scan->digits, scan->digits + scan->n_digits - digits, digits);
        scan->n_runs = keep;
        scan->n_digits = digits;
}

static void add_digit(struct scan *scan, const char *at, char digit, enum style style) {
        struct run *run;

        if (!scan->in_run || style != scan->style) {
                enum gap before = scan->in_run ? GAP_NONE : gap_end(scan);

                if (before == GAP_OTHER)
                        scan->n_runs = scan->n_digits = 0;
                make_room(scan);
                scan->runs[scan->n_runs++] = (struct run){ .at = at, .before = before };
                scan->in_run = true;
                scan->style = style;
        }
        run = &scan->runs[scan->n_runs - 1];
        if (run->n++ < LONGEST)
                scan->digits[scan->n_digits++] = digit;
}

/* -- numbers -- */

/* The last runs, if they are one number. */
struct candidate {
        const struct scan *scan;
        size_t first, n_runs; /* of scan->runs */
        const char *digits;
        size_t n;
        const char *from, *to;
};

/* What is seen of it: groups of digits and one kind of gap between them. */
struct shape {
        size_t groups[LONGEST];
        size_t n;
        enum gap gap; /* GAP_NONE where there is one group */
};

/* A line that was broken where it was full: the number did not begin it, as it would a row of numbers. */
static bool is_wrapped(const struct candidate *candidate) {
        uint32_t code;

        (void) unicode_previous(candidate->scan->text, candidate->from, &code);
        return (code >= 0x3400 && code <= 0x9fff) || ((code | 32) >= 'a' && (code | 32) <= 'z') ||
               code == ':' || code == 0xff1a || code == '(' || code == 0xff08;
}

static bool shape_of(const struct candidate *candidate, struct shape *ret) {
        const struct run *runs = &candidate->scan->runs[candidate->first];
        unsigned lines = 0;

        *ret = (struct shape){ .groups = { runs[0].n }, .n = 1 };
        for (size_t i = 1; i < candidate->n_runs; i++) {
                enum gap gap = runs[i].before;

                if (gap == GAP_NONE || (gap == GAP_LINE && lines++ == 0 && is_wrapped(candidate))) {
                        ret->groups[ret->n - 1] += runs[i].n;
                        continue;
                }
                if ((gap != GAP_BLANK && gap != GAP_HYPHEN && gap != GAP_DOT) ||
                    (ret->gap != GAP_NONE && gap != ret->gap) || ret->n == ELEMENTS(ret->groups))
                        return false;
                ret->gap = gap;
                ret->groups[ret->n++] = runs[i].n;
        }
        return true;
}

/* "344" */
static bool shape_is(const struct shape *shape, const char *groups) {
        if (strlen(groups) != shape->n)
                return false;
        for (size_t i = 0; i < shape->n; i++)
                if (shape->groups[i] != (size_t) (groups[i] - '0'))
                        return false;
        return true;
}

static const struct run *run_before(const struct candidate *candidate, enum gap *ret) {
        *ret = candidate->scan->runs[candidate->first].before;
        return candidate->first > 0 ? &candidate->scan->runs[candidate->first - 1] : NULL;
}

/* How many digits follow behind a sign of this kind. */
static size_t digits_behind(const struct candidate *candidate, enum gap gap) {
        const char *at = candidate->to, *end = candidate->scan->end;
        uint32_t code = 0;
        size_t n = 0;

        if (at < end)
                at = unicode_next(at, &code);
        if (gap == GAP_BLANK ? code != ' ' : unicode_between(code) != BETWEEN_HYPHEN)
                return 0;
        while (at + n < end && n < LONGEST && at[n] >= '0' && at[n] <= '9')
                n++;
        return n;
}

/* Whether a hyphen makes it a part of a longer number. An area code, 86, the number of a row and another
 * mobile number do not. */
static bool is_joined(const struct candidate *candidate) {
        enum gap gap;
        const struct run *before = run_before(candidate, &gap);
        size_t behind = digits_behind(candidate, GAP_HYPHEN);
        const char *first;

        if (before && gap == GAP_DOT) /* a decimal number; but 1.13800138000 is the first of a list */
                return before->n > 1 || candidate->digits[-1] == '0';
        if (before && gap == GAP_HYPHEN && before->n >= 4 && before->n != 11) {
                first = candidate->digits - (before->n < LONGEST ? before->n : LONGEST);
                if (*first != '0' || before->n > 4)
                        return true;
        }
        return behind >= 2 && behind != 11;
}

/* Among numbers with blanks between them, as a table's row has, nobody can tell groups from cells. */
static bool is_in_row(const struct candidate *candidate) {
        enum gap gap;
        const struct run *before = run_before(candidate, &gap);

        return (before && gap == GAP_BLANK && before->n > 2) || digits_behind(candidate, GAP_BLANK) > 0;
}

static bool is_mobile(const struct candidate *candidate, size_t prefix) {
        static const char *const blanks[] = { "344", "38", "11111111111" };
        static const char *const signs[] = { "344", "38", "74", "434", "443", "335",
                                             "11111111111" };
        struct shape shape;

        if (!personal_is_mobile(candidate->digits + prefix) || !shape_of(candidate, &shape))
                return false;
        if (shape.n == 1)
                return !is_joined(candidate);
        if (prefix > 0) {
                if (shape.groups[0] < prefix)
                        return false;
                shape.groups[0] -= prefix;
        }
        if (shape.gap == GAP_BLANK) {
                for (size_t i = 0; i < ELEMENTS(blanks); i++)
                        if (shape_is(&shape, blanks[i]))
                                return !is_in_row(candidate);
                return false;
        }
        for (size_t i = 0; i < ELEMENTS(signs); i++)
                if (shape_is(&shape, signs[i]))
                        return !is_joined(candidate);
        return false;
}

static bool is_card(const struct candidate *candidate) {
        struct shape shape;

        if (!personal_is_card(candidate->digits, candidate->n) || !shape_of(candidate, &shape) ||
            shape.gap == GAP_DOT || is_joined(candidate))
                return false;
        if (shape.n == 1)
                return true;
        if (shape.n == 2)
                return shape.groups[0] == 6;
        for (size_t i = 0; i + 1 < shape.n; i++)
                if (shape.groups[i] != (shape.n == candidate->n ? 1 : 4))
                        return false;
        return shape.groups[shape.n - 1] <= 4 && (shape.gap != GAP_BLANK || !is_in_row(candidate));
}

static bool is_old_resident(const struct candidate *candidate) {
        struct shape shape;

        return ident_is_old_resident_number(candidate->digits) && shape_of(candidate, &shape) &&
               !is_joined(candidate) &&
               (shape.n == 1 || (shape.gap == GAP_HYPHEN && shape_is(&shape, "663")));
}

/* Whatever stands between: its check digit and the date leave one chance in some 50,000. */
static bool is_resident(const struct candidate *candidate, char last) {
        char number[18];

        for (size_t i = 1; i < candidate->n_runs; i++)
                if (candidate->scan->runs[candidate->first + i].before == GAP_DOT)
                        return false;
        memcpy(number, candidate->digits, candidate->n);
        if (last)
                number[17] = last;
        return ident_is_resident_number(number, candidate->scan->today);
}

static bool judge(const struct candidate *candidate, enum personal_kind *ret) {
        static const struct {
                size_t n;
                const char *prefix;
        } mobiles[] = { { 11, "" }, { 12, "0" }, { 13, "86" }, { 15, "0086" } };

        for (size_t i = 0; i < ELEMENTS(mobiles); i++) {
                size_t n_prefix = mobiles[i].n - 11;

                if (candidate->n == mobiles[i].n &&
                    memcmp(candidate->digits, mobiles[i].prefix, n_prefix) == 0 &&
                    is_mobile(candidate, n_prefix)) {
                        *ret = PERSONAL_MOBILE;
                        return true;
                }
        }
        *ret = PERSONAL_RESIDENT;
        if (candidate->n == 18 && is_resident(candidate, '\0'))
                return true;
        if (candidate->n == 15 && is_old_resident(candidate))
                return true;
        *ret = PERSONAL_CARD;
        return candidate->n >= 13 && is_card(candidate);
}

/* The first and the last, as people mask them by hand. */
static void mask(enum personal_kind kind, const char *digits, size_t n, char last, char *ret) {
        size_t head = kind == PERSONAL_MOBILE ? n - 8 : 4, tail = kind == PERSONAL_RESIDENT ? 2 : 4;
        size_t all = n + (last != '\0');

        memset(ret, '*', all);
        memcpy(ret, digits, head);
        for (size_t i = all - tail; i < all; i++)
                ret[i] = i < n ? digits[i] : last;
        ret[all] = '\0';
}

static void found(struct scan *scan, enum personal_kind kind, const struct candidate *candidate,
                  char last) {
        size_t n = scan->personal->of[kind].n++;
        const char *at;

        while ((at = memchr(scan->counted, '\n', (size_t) (candidate->from - scan->counted)))) {
                scan->line++;
                scan->counted = at + 1;
        }
        scan->counted = candidate->from;
        if (n < PERSONAL_KEPT) {
                struct personal_find *find = &scan->personal->of[kind].first[n];

                mask(kind, candidate->digits, candidate->n, last, find->masked);
                find->line = scan->line;
        }
}

/* A run ended at `to`: does a number end there? `last` is the X of one that lacks its last digit. */
static bool look_back(struct scan *scan, const char *to, char last) {
        struct candidate candidate = { .scan = scan, .to = to };
        size_t longest = last ? 17 : LONGEST;
        enum personal_kind kind = PERSONAL_RESIDENT;

        if (scan->n_digits < (last ? 17 : 11))
                return false; /* dates, sums: nearly always */
        for (size_t i = scan->n_runs; i-- > 0;) {
                const struct run *run = &scan->runs[i];

                candidate.n += run->n;
                if (candidate.n > longest)
                        return false;
                candidate.first = i;
                candidate.n_runs++;
                candidate.digits = scan->digits + scan->n_digits - candidate.n;
                candidate.from = run->at;
                if (last ? candidate.n == 17 && is_resident(&candidate, last)
                         : candidate.n >= 11 && judge(&candidate, &kind) &&
                                   ((kind == PERSONAL_RESIDENT && candidate.n == 18) ||
                                    !personal_is_something_else(kind, scan->text, run->at, to, scan->end))) {
                        found(scan, kind, &candidate, last);
                        return true;
                }
        }
        return false;
}

static bool is_x(uint32_t code) {
        return code == 'x' || code == 'X' || code == 0xff38 || code == 0xff58 || code == 0x2169 ||
               code == 0x2179; /* Ⅹ ⅹ */
}

static bool goes_on(uint32_t code) {
        char digits[4];
        enum style style;

        return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
               (code >= 0xff21 && code <= 0xff3a) || (code >= 0xff41 && code <= 0xff5a) ||
               personal_digits_of(code, digits, &style) > 0;
}

/* Behind a digit, or in a gap. */
static void other_sign(struct scan *scan, const char *from, const char *at, uint32_t code) {
        uint32_t next = 0;

        if (code >= 0x3001 && code <= 0x9fff) { /* 年 、 */
                if (scan->in_run)
                        (void) look_back(scan, from, '\0');
                scan->in_run = false;
                gap_begin(scan, true);
                return;
        }
        if (scan->in_run) {
                scan->in_run = false;
                gap_begin(scan, look_back(scan, from, '\0'));
        }
        if (is_x(code) && !scan->is_other && scan->dots == 0) {
                if (at < scan->end)
                        (void) unicode_next(at, &next);
                if (!goes_on(next))
                        (void) look_back(scan, at, 'X');
        }
        gap_add(scan, code);
}

static void scan_begin(struct scan *scan, struct personal *personal, const char *text, size_t n_bytes,
                       const char *today) {
        scan->personal = personal;
        scan->text = scan->counted = text;
        scan->end = text + n_bytes;
        scan->today = today;
        scan->n_runs = scan->n_digits = 0;
        scan->in_run = false;
        scan->line = 1;
        gap_begin(scan, true);
}

void personal_look(struct personal *personal, const char *text, size_t n_bytes, const char *today) {
        struct scan scan; /* its arrays are written before they are read */
        const char *at = text;

        scan_begin(&scan, personal, text, n_bytes, today);
        while (at < scan.end) {
                const char *from;
                uint32_t code;
                char digits[4];
                enum style style;
                size_t n;

                if (!scan.in_run && scan.is_other) {
                        at = personal_next_digit(at, scan.end);
                        if (at == scan.end)
                                break;
                        at = personal_skip_short_run(at, scan.end);
                }
                from = at;
                if ((unsigned char) (*at - '0') <= 9 && (!scan.in_run || scan.style == STYLE_PLAIN)) {
                        add_digit(&scan, at, *at, STYLE_PLAIN);
                        at++;
                        continue;
                }
                at = unicode_next(at, &code);
                n = personal_digits_of(code, digits, &style);
                if (n == 0) {
                        other_sign(&scan, from, at, code);
                        continue;
                }
                if (scan.in_run && style != scan.style && look_back(&scan, from, '\0')) {
                        scan.in_run = false;
                        gap_begin(&scan, true);
                }
                for (size_t i = 0; i < n; i++)
                        add_digit(&scan, from, digits[i], style);
        }
        if (scan.in_run)
                (void) look_back(&scan, scan.end, '\0');
}
