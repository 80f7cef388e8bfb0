#include "core/ident.h"

#include <stdint.h>
#include <string.h>

#include "core/lanes.h"
#include "core/memory.h"
#include "core/unicode.h"

/* -- the numbers themselves -- */

/* GB/T 2260's provinces; 83 is the residence permit of Taiwan residents, 91 the card of foreigners
 * with permanent residence. */
static bool is_province(char tens, char ones) {
        static const char *const of[10] = { "",      "12345", "123", "1234567", "123456",
                                            "01234", "12345", "1",   "123",     "1" };

        return tens >= '1' && tens <= '9' && ones != '\0' && strchr(of[tens - '0'], ones);
}

static bool all_digits(const char *at, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (at[i] < '0' || at[i] > '9')
                        return false;
        return true;
}

static int two(const char *at) {
        return (at[0] - '0') * 10 + (at[1] - '0');
}

static bool is_birthday(const char *at, const char *today) {
        static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        int year = two(at) * 100 + two(at + 2), month = two(at + 4), day = two(at + 6);
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        if (year < 1900 || month < 1 || month > 12 || day < 1 ||
            day > days[month - 1] + (month == 2 && leap))
                return false;
        if (strlen(today) < 10)
                return true;
        /* as text: YYYYMMDD against YYYY-MM-DD */
        int order = memcmp(at, today, 4);

        if (order == 0)
                order = memcmp(at + 4, today + 5, 2);
        if (order == 0)
                order = memcmp(at + 6, today + 8, 2);
        return order <= 0;
}

/* GB 32100-2015: no I, O, S, V, Z. */
static const char credit_alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";

static bool credit_check_is_right(const char *text) {
        static const unsigned char weights[17] = { 1,  3,  9,  27, 19, 26, 16, 17, 20,
                                                   29, 25, 13, 8,  24, 10, 30, 28 };
        unsigned sum = 0;

        for (int i = 0; i < 18; i++) {
                const char *in = text[i] ? strchr(credit_alphabet, text[i]) : NULL;

                if (!in)
                        return false;
                if (i < 17)
                        sum += (unsigned) (in - credit_alphabet) * weights[i];
        }
        return text[17] == credit_alphabet[(31 - sum % 31) % 31];
}

bool ident_is_credit_code(const char *text) {
        return strlen(text) == 18 && all_digits(text + 2, 6) && credit_check_is_right(text);
}

/* GB 11714, the organisation's code inside a credit code. */
static bool organisation_check_is_right(const char *text) {
        static const unsigned char weights[8] = { 3, 7, 9, 10, 5, 8, 4, 2 };
        unsigned sum = 0, check;

        for (int i = 0; i < 8; i++) {
                char c = text[i];

                if (c >= '0' && c <= '9')
                        sum += (unsigned) (c - '0') * weights[i];
                else
                        sum += (unsigned) (c - 'A' + 10) * weights[i];
        }
        check = (11 - sum % 11) % 11;
        return text[8] == (check == 10 ? 'X' : (char) ('0' + check));
}

/* One resident number in 31 bears the check character of a credit code by chance, and would slip
 * through. So a credit code has to be one in all its parts before it excuses a resident number. */
static bool is_credit_code_in_every_part(const char *text) {
        static const char *const kinds[10] = { "",     "1239", "129", "123459", "129",
                                               "1239", "129",  "129", "19",     "123" };

        return text[0] >= '1' && text[0] <= '9' && strchr(kinds[text[0] - '0'], text[1]) &&
               all_digits(text + 2, 6) &&
               (is_province(text[2], text[3]) || memcmp(text + 2, "10", 2) == 0) &&
               credit_check_is_right(text) && organisation_check_is_right(text + 8);
}

bool ident_is_resident_number(const char text[static 18], const char *today) {
        static const unsigned char weights[17] = { 7, 9, 10, 5,  8, 4, 2, 1, 6,
                                                   3, 7, 9,  10, 5, 8, 4, 2 };
        unsigned sum = 0;
        char last;

        if (!all_digits(text, 17) || !is_province(text[0], text[1]) ||
            !is_birthday(text + 6, today))
                return false;
        for (int i = 0; i < 17; i++)
                sum += (unsigned) (text[i] - '0') * weights[i];
        last = text[17] == 'x' ? 'X' : text[17];
        return last == "10X98765432"[sum % 11] && !is_credit_code_in_every_part(text);
}

bool ident_is_old_resident_number(const char text[static 15]) {
        char birthday[8] = "19";

        if (!all_digits(text, 15) || !is_province(text[0], text[1]))
                return false;
        memcpy(birthday + 2, text + 6, 6);
        return is_birthday(birthday, "");
}

/* -- marks of secrecy -- */

/* Between the signs of a mark: spaces and what nobody sees, but no line's end. */
static bool is_gap(uint32_t code) {
        enum unicode_between between = unicode_between(code);

        return between == BETWEEN_BLANK || between == BETWEEN_UNSEEN;
}

/* As far as a mark's signs may stand apart: a bound that keeps the search linear. */
#define MAX_GAP 16
#define MAX_LINE 24 /* characters of a line that is nothing but a mark */

/* The character before `at`, gaps skipped; 0 at the text's start. */
static const char *before(const char *start, const char *at, uint32_t *ret) {
        for (int i = 0; i < MAX_GAP; i++) {
                at = unicode_previous(start, at, ret);
                if (*ret == 0 || !is_gap(*ret))
                        break;
        }
        return at;
}

static const char *behind(const char *at, const char *end, uint32_t *ret) {
        *ret = 0;
        for (int i = 0; i < MAX_GAP && at < end; i++) {
                at = unicode_next(at, ret);
                if (!is_gap(*ret))
                        return at;
                *ret = 0;
        }
        return at;
}

static bool is_star(uint32_t code) {
        return code == 0x2605 || code == 0x2606;
}

static bool is_han(uint32_t code) {
        return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf);
}

/* One place in the text where the two characters of a degree stand. */
struct mark {
        const char *start, *from, *to, *end; /* the text around, and the two characters */
        uint32_t degree;                     /* 绝 机 秘 */
        uint32_t left, right;                /* the characters beside them, gaps skipped */
        const char *at_left, *at_right;
};

/* GB/T 9704: the degree, a star, the term. What is a trade secret has no degree before its star. */
static bool has_star(const struct mark *mark) {
        uint32_t next;

        if (mark->degree == 0x79d8 /* 秘 */ &&
            (mark->left == 0x4e1a /* 业 */ || mark->left == 0x5bb6 /* 家 */ ||
             mark->left == 0x4eba /* 人 */))
                return false;
        if (is_star(mark->right))
                return true;
        if (mark->right != '*' && mark->right != 0xff0a)
                return false;
        (void) behind(mark->at_right, mark->end, &next);
        return (next >= '0' && next <= '9') || (next >= 0xff10 && next <= 0xff19);
}

/* 密级：机密, but not the form's 密级：绝密、机密、秘密, which leaves the choice open. */
static bool follows_label(const struct mark *mark) {
        uint32_t code = mark->left;
        const char *at = mark->at_left;

        switch (mark->right) {
        case 0x3001: /* 、 */
        case 0xff0c:
        case ',':
        case '/':
        case 0xff0f:
        case 0x6216: /* 或 */
        case 0x548c: /* 和 */
                return false;
        default:
                break;
        }
        if (code == '"' || code == 0x201c || code == 0x3010 || code == 0x300c || code == '[')
                at = before(mark->start, at, &code);
        if (code != ':' && code != 0xff1a)
                return false;
        at = before(mark->start, at, &code);
        if (code != 0x7ea7) /* 级 */
                return false;
        (void) before(mark->start, at, &code);
        return code == 0x5bc6; /* 密 */
}

static bool is_in_brackets(const struct mark *mark) {
        static const uint32_t pairs[][2] = {
                { 0x3010, 0x3011 }, { 0x3014, 0x3015 }, { 0x3016, 0x3017 },
                { '[', ']' },       { 0xff3b, 0xff3d },
        };

        for (size_t i = 0; i < ELEMENTS(pairs); i++)
                if (mark->left == pairs[i][0] && mark->right == pairs[i][1])
                        return true;
        return false;
}

static bool ends_line(uint32_t code) {
        return code == 0 || code == '\n' || code == '\r' || code == 0x2028 || code == 0x2029;
}

/* What else may stand on a line that is only a mark: brackets, emphasis, and the urgency that
 * official papers print beside it (特急 加急 特提 平急), 级. */
static bool decorates_line(uint32_t code) {
        static const uint32_t allowed[] = { '(',    ')',    0xff08, 0xff09, '[',   ']', 0x3010,
                                            0x3011, 0x3014, 0x3015, '*',    '#',   '_', 0x7279,
                                            0x6025, 0x52a0, 0x63d0, 0x5e73, 0x7ea7 };

        if (is_gap(code))
                return true;
        for (size_t i = 0; i < ELEMENTS(allowed); i++)
                if (code == allowed[i])
                        return true;
        return false;
}

static bool fills_line(const struct mark *mark) {
        const char *at = mark->from;
        uint32_t code;
        int i;

        if (is_han(mark->left) && !decorates_line(mark->left))
                return false; /* the usual case, running text, at once */
        for (i = 0; i < MAX_LINE; i++) {
                at = unicode_previous(mark->start, at, &code);
                if (ends_line(code))
                        break;
                if (!decorates_line(code))
                        return false;
        }
        if (i == MAX_LINE)
                return false;
        for (i = 0, at = mark->to; i < MAX_LINE; i++) {
                code = 0;
                if (at < mark->end)
                        at = unicode_next(at, &code);
                if (ends_line(code))
                        return true;
                if (!decorates_line(code))
                        return false;
        }
        return false;
}

static const char *words_of(uint32_t degree, bool star) {
        switch (degree) {
        case 0x7edd:
                return star ? "绝密★" : "绝密";
        case 0x673a:
                return star ? "机密★" : "机密";
        default:
                return star ? "秘密★" : "秘密";
        }
}

static const char secret[] = "密";

/* The next 密, or NULL. Its last two bytes tell more than the first, which a sixth of all Han share. */
static const char *find_secret(const char *at, const char *end) {
        for (; end - at >= LANES + 2; at += LANES) {
                const char *found;

                if (!lanes_any(lanes_equal(lanes_load(at + 1), (uint8_t) secret[1]) &
                               lanes_equal(lanes_load(at + 2), (uint8_t) secret[2])))
                        continue;
                found = memmem(at, LANES + 2, secret, sizeof(secret) - 1);
                if (found)
                        return found;
        }
        return memmem(at, (size_t) (end - at), secret, sizeof(secret) - 1);
}

const char *ident_text_has_secrecy_mark(const char *text, size_t n_bytes) {
        const char *end = text + n_bytes;

        for (const char *at = text; (at = find_secret(at, end)) != NULL;) {
                struct mark mark = { .start = text, .end = end };

                mark.to = at + sizeof(secret) - 1;
                mark.from = before(text, at, &mark.degree);
                at = mark.to;
                if (mark.degree != 0x7edd && mark.degree != 0x673a && mark.degree != 0x79d8)
                        continue;
                mark.at_left = before(text, mark.from, &mark.left);
                mark.at_right = behind(mark.to, end, &mark.right);
                if (has_star(&mark))
                        return words_of(mark.degree, true);
                if (follows_label(&mark) || is_in_brackets(&mark) || fills_line(&mark))
                        return words_of(mark.degree, false);
        }
        return NULL;
}

/* -- regions -- */

const char *ident_region_name(const char *code) {
        static const struct {
                char code[7];
                const char *name;
        } regions[] = {
                { "530000", "云南省" },
                { "530500", "保山市" },
                { "530581", "腾冲市" },
                { "530600", "昭通市" },
                { "530626", "绥江县" },
                { "532300", "楚雄彝族自治州" },
                { "532301", "楚雄市" },
                { "532325", "姚安县" },
                { "532500", "红河哈尼族彝族自治州" },
                { "532502", "开远市" },
                { "532504", "弥勒市" },
        };

        for (size_t i = 0; i < ELEMENTS(regions); i++)
                if (strcmp(code, regions[i].code) == 0)
                        return regions[i].name;
        return NULL;
}
