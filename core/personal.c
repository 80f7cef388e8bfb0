#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/personal_parts.h"
#include "core/unicode.h"

const char *const personal_codes[N_PERSONAL_KINDS + 1] = {
        [PERSONAL_RESIDENT] = "resident_number",
        [PERSONAL_MOBILE] = "mobile_number",
        [PERSONAL_CARD] = "bank_card",
};

/* -- the numbers themselves -- */

/* By the second digit, which third ones were given out (numbering plan of the MIIT, as collected in
 * github.com/VincentSit/ChinaMobilePhoneNumberRegex, README-CN.md, state of 2020-05). */
bool personal_is_mobile(const char *digits) {
        static const char *const third[10] = {
                [3] = "0123456789", [4] = "01456789",   [5] = "012356789", [6] = "2567",
                [7] = "012345678",  [8] = "0123456789", [9] = "012356789",
        };
        const char *given;

        if (digits[0] != '1' || digits[1] < '3' || digits[1] > '9')
                return false;
        given = third[digits[1] - '0'];
        /* Six zeros are an amount's. */
        return strchr(given, digits[2]) && memcmp(digits + 5, "000000", 6) != 0;
}

static bool luhn_is_right(const char *digits, size_t n) {
        unsigned sum = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned digit = (unsigned) (digits[n - 1 - i] - '0');

                if (i % 2)
                        digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
                sum += digit;
        }
        return sum % 10 == 0;
}

/* By ISO/IEC 7812-1 a card's number has at most 19 digits, and its first one names the kind of issuer: 4 and 5
 * banks, 6 banks and trade, 9 national numbers. Chinese banks' cards begin with 62 (UnionPay), those of
 * before it with 4, 60 or 95; nobody publishes which, so the first digit alone counts where the lengths are those
 * that banks here use. Where it would take in too much (5 begins the codes of regions and
 * of associations, 2 and 3 what offices number) it is the schemes' own ranges. */
static bool is_issued(const char *digits, size_t n) {
        static const struct {
                const char *from, *to; /* of as many digits, both included */
                unsigned lengths;      /* bit n: n digits */
        } issuers[] = {
#define N(n) (1u << (n))
                { "6", "6", N(16) | N(17) | N(18) | N(19) },
                { "4", "4", N(13) | N(16) | N(19) },
                { "9", "9", N(16) | N(19) }, /* not 18: social credit codes */
                { "51", "55", N(16) },                         /* Mastercard */
                { "2221", "2720", N(16) },
                { "34", "34", N(15) }, /* American Express */
                { "37", "37", N(15) },
                { "3528", "3589", N(16) }, /* JCB */
#undef N
        };

        for (size_t i = 0; i < ELEMENTS(issuers); i++)
                if (issuers[i].lengths >> n & 1 &&
                    memcmp(digits, issuers[i].from, strlen(issuers[i].from)) >= 0 &&
                    memcmp(digits, issuers[i].to, strlen(issuers[i].to)) <= 0)
                        return true;
        return false;
}

/* Region, day, serial: how offices number things. One card in 6,000 looks so, and Gansu's regions
 * begin like UnionPay's cards, the south's like Visa's. */
static bool is_dated(const char *digits) {
        int month = (digits[10] - '0') * 10 + digits[11] - '0';
        int day = (digits[12] - '0') * 10 + digits[13] - '0';

        return (memcmp(digits + 6, "19", 2) == 0 || memcmp(digits + 6, "20", 2) == 0) && month >= 1 &&
               month <= 12 && day >= 1 && day <= 31;
}

bool personal_is_card(const char *digits, size_t n) {
        return n >= 13 && n <= 19 && is_issued(digits, n) && luhn_is_right(digits, n) &&
               !(n > 14 && is_dated(digits));
}

/* -- what stands around them -- */

static bool is_letter(uint32_t code) {
        return (code | 32) >= 'a' && (code | 32) <= 'z';
}

static bool is_digit(uint32_t code) {
        return code >= '0' && code <= '9';
}

/* Words in letters that announce a telephone number: tel138..., mobile=138... */
static bool announces(const char *word, size_t n) {
        static const char *const words[] = { "tel", "phone", "telephone", "mobile", "mob", "cell",
                                             "wx",  "vx",    "weixin",    "wechat", "qq",  "sms" };

        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (strlen(words[i]) == n && strncasecmp(words[i], word, n) == 0)
                        return true;
        return false;
}

/* Labels of numbers that are no person's. The list is short on purpose: 号码 alone, 电话, 账号 and
 * 身份证号 announce what we look for. */
static bool ends_in_label(const char *text, const char *at) {
        static const char *const labels[] = { "编号",   "单号",   "文号",   "案号",   "批号",
                                              "序号",   "流水号", "合同号", "代码",   "编码",
                                              "索引号", "备案号", "可证号", "登记号", "注册号",
                                              "执照号", "发票号", "信用码", "项目号", "工程号" };
        uint32_t code;

        for (int i = 0; i < 4; i++) { /* blanks, a colon, a cell's end */
                const char *before = unicode_previous(text, at, &code);

                if (code != ':' && code != 0xff1a && code != 0x4e3a /* 为 */ &&
                    (unicode_between(code) == BETWEEN_NOT || unicode_between(code) == BETWEEN_HYPHEN))
                        break;
                at = before;
        }
        for (size_t i = 0; i < ELEMENTS(labels); i++) {
                size_t n = strlen(labels[i]);

                if ((size_t) (at - text) >= n && memcmp(at - n, labels[i], n) == 0)
                        return true;
        }
        return false;
}

/* A code with letters, an amount of money, a part of an address. */
static bool is_spoilt_before(enum personal_kind kind, const char *text, const char *from) {
        const char *at, *word;
        uint32_t code, before;

        at = unicode_previous(text, from, &code);
        for (int i = 0; i < 4 && unicode_between(code) == BETWEEN_UNSEEN; i++) { /* a tag stood there */
                from = at;
                at = unicode_previous(text, from, &code);
        }
        if (code == '$' || code == 0xa5 || code == 0xffe5 || code == 0x7b2c /* 第 */)
                return true;
        (void) unicode_previous(text, at, &before);
        if (code == '/')
                return is_letter(before) || before == '/';
        if (is_letter(code) || (code == '=' && is_letter(before))) {
                const char *end = is_letter(code) ? from : at;

                for (word = end; word > text && end - word < 12 && is_letter((unsigned char) word[-1]);)
                        word--;
                return kind != PERSONAL_MOBILE || !announces(word, (size_t) (end - word));
        }
        return ends_in_label(text, from);
}

/* A unit, a letter, a file's ending. */
static bool is_spoilt_behind(const char *to, const char *end) {
        static const uint32_t units[] = { 0x5143 /* 元 */, 0x4e07 /* 万 */, 0x4ebf /* 亿 */,
                                          0x5343 /* 千 */, 0x767e /* 百 */, 0x5428 /* 吨 */,
                                          '%' };
        uint32_t code = 0, next = 0;
        const char *at = to < end ? unicode_next(to, &code) : end;

        for (int i = 0; i < 4 && at < end && unicode_between(code) == BETWEEN_UNSEEN; i++)
                at = unicode_next(at, &code);
        if (code == ' ' && at < end)
                (void) unicode_next(at, &code); /* 15000123000 元 */
        else if (is_letter(code))
                return true;
        else if (code == '.' && at < end)
                (void) unicode_next(at, &next);
        for (size_t i = 0; i < ELEMENTS(units); i++)
                if (code == units[i])
                        return true;
        return is_letter(next) || is_digit(next);
}

bool personal_is_something_else(enum personal_kind kind, const char *text, const char *from,
                                const char *to, const char *end) {
        return is_spoilt_before(kind, text, from) || is_spoilt_behind(to, end);
}

/* -- what was found -- */

bool personal_is_empty(const struct personal *personal) {
        for (size_t i = 0; i < N_PERSONAL_KINDS; i++)
                if (personal->of[i].n > 0)
                        return false;
        return true;
}

void personal_merge(struct personal *personal, const struct personal *other) {
        for (size_t i = 0; i < N_PERSONAL_KINDS; i++)
                if (other->of[i].n > personal->of[i].n)
                        personal->of[i] = other->of[i];
}
