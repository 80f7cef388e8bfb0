#include "core/catalogue_cells.h"

#include <errno.h>
#include <string.h>
#include <utf8proc.h>

#include "core/buf.h"
#include "core/catalogue.h"
#include "core/memory.h"
#include "core/visible.h"

static bool is_blank(int32_t c) {
        return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0 || c == 0x3000 ||
               (c >= 0x2000 && c <= 0x200a);
}

/* Han and the signs that are set between them: a blank beside one parts no words. */
static bool is_chinese(int32_t c) {
        return (c >= 0x3001 && c <= 0x303f) || (c >= 0x3400 && c <= 0x9fff) ||
               (c >= 0xff00 && c <= 0xffef) || (c >= 0x20000 && c <= 0x3ffff);
}

/* The cells come from text that was checked; still, a broken byte is stepped over. */
static size_t next(const char *at, int32_t *ret) {
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *) at, -1, ret);

        if (n > 0)
                return (size_t) n;
        *ret = 0;
        return 1;
}

char *cell_clean(const char *cell, enum cell_style style) {
        bool gap = false, line_gap = false;
        struct buf buf = { 0 };
        int32_t last = 0, c;
        size_t n;

        for (const char *at = cell; *at; at += n) {
                n = next(at, &c);
                if (is_blank(c)) {
                        gap = true;
                        line_gap |= c == '\n';
                        continue;
                }
                if (visible_is_hidden(c))
                        continue;
                if (gap && last) {
                        if (line_gap && style == CELL_LINES)
                                buf_char(&buf, '\n');
                        else if (style == CELL_BLANKS || (!is_chinese(last) && !is_chinese(c)))
                                buf_char(&buf, ' ');
                }
                gap = line_gap = false;
                buf_add(&buf, at, n);
                last = c;
        }
        return buf_take(&buf);
}

bool cell_is_blank(const char *cell) {
        int32_t c;

        for (; *cell; cell += next(cell, &c)) {
                (void) next(cell, &c);
                if (!is_blank(c) && !visible_is_hidden(c))
                        return false;
        }
        return true;
}

static bool is_one_of(const char *text, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(text, words[i]) == 0)
                        return true;
        return false;
}

bool cell_is_as_above(const char *clean) {
        static const char *const words[] = { "同上", "同上。", "〃", "″", "\"", "″″" };

        return is_one_of(clean, words, ELEMENTS(words));
}

bool cell_is_ticked(const char *cell) {
        static const char *const words[] = { "", "□", "☐", "口", "否", "无", "×", "✗", "-", "—", "/" };
        char *clean = cell_clean(cell, CELL_LINE);
        bool ticked = clean && !is_one_of(clean, words, ELEMENTS(words));

        free(clean);
        return ticked;
}

/* The signs of a printed check list, as they come out of documents: R and £ are the boxes of a
 * font (Wingdings 2) that was lost, 口 is a Chinese character that somebody typed for □. */
static const struct sign {
        const char *text;
        bool is_ticked;
        bool is_letter; /* a sign only where a word cannot go on */
} signs[] = {
        { "■", true, false }, { "▄", true, false },  { "√", true, false },  { "☑", true, false },
        { "✓", true, false }, { "✔", true, false },  { "☒", true, false },  { "●", true, false },
        { "R", true, true },  { "□", false, false }, { "☐", false, false }, { "○", false, false },
        { "£", false, false }, { "口", false, true },
};

static bool is_word_start(const char *cell, const char *at) {
        return at == cell || strchr(" \t\n", at[-1]) ||
               (at - cell >= 3 && memcmp(at - 3, "　", 3) == 0);
}

static const struct sign *sign_at(const char *cell, const char *at) {
        for (size_t i = 0; i < ELEMENTS(signs); i++) {
                size_t n = strlen(signs[i].text);

                if (strncmp(at, signs[i].text, n) != 0)
                        continue;
                if (signs[i].is_letter &&
                    (!is_word_start(cell, at) || (unsigned char) at[n] < 0x80))
                        continue;
                return signs + i;
        }
        return NULL;
}

/* Hands each piece of the cell that is ticked to `take`: a ticked name, or the whole cell when it
 * has no tick signs. -ENOMEM. */
static int each_ticked(const char *cell, void (*take)(const char *piece, void *userdata),
                       void *userdata) {
        const char *from = cell, *at = cell;
        bool is_ticked = true; /* of what stands before the first sign */

        for (;;) {
                const struct sign *sign = *at ? sign_at(cell, at) : NULL;

                if (*at && !sign) {
                        at++;
                        continue;
                }
                if (is_ticked && at > from) {
                        char *piece = strndup(from, (size_t) (at - from));

                        if (!piece)
                                return -ENOMEM;
                        take(piece, userdata);
                        free(piece);
                }
                if (!*at)
                        return 0;
                is_ticked = sign->is_ticked;
                at += strlen(sign->text);
                from = at;
        }
}

/* From what surely parts two names to what may stand inside one. */
static const char *const separators[][8] = {
        { "、", "，", ",", "；", ";", "\n" },
        { " ", "\t", "　" },
        { "：", ":", "（", "）", "(", ")", "/", "／" },
};

static size_t separator_at(const char *at, size_t level) {
        for (size_t i = 0; i < ELEMENTS(separators[level]) && separators[level][i]; i++) {
                size_t n = strlen(separators[level][i]);

                if (strncmp(at, separators[level][i], n) == 0)
                        return n;
        }
        return 0;
}

static void add_carriers(char *piece, size_t level, uint64_t *set) {
        int carrier = carrier_find(piece);
        char *from = piece, *at = piece;

        if (carrier >= 0) {
                *set |= UINT64_C(1) << carrier;
                return;
        }
        if (level == ELEMENTS(separators))
                return;
        for (;;) {
                size_t n = *at ? separator_at(at, level) : 0;
                char kept = *at;

                if (*at && !n) {
                        at++;
                        continue;
                }
                *at = '\0';
                if (at > from)
                        add_carriers(from, level + 1, set);
                *at = kept;
                if (!kept)
                        return;
                at += n;
                from = at;
        }
}

static void take_carriers(const char *piece, void *userdata) {
        add_carriers((char *) piece, 0, userdata);
}

int cell_carriers(const char *cell, uint64_t *ret) {
        *ret = 0;
        return each_ticked(cell, take_carriers, ret);
}

static const char *const stages[][2] = {
        { "决策", "decision" }, { "执行", "execution" }, { "管理", "management" },
        { "服务", "service" },  { "结果", "result" },
};

static void take_stages(const char *piece, void *userdata) {
        unsigned *set = userdata;

        for (size_t i = 0; i < ELEMENTS(stages); i++)
                if (strstr(piece, stages[i][0]) || strstr(piece, stages[i][1]))
                        *set |= 1u << i;
}

char *cell_stages(const char *cell) {
        struct buf buf = { 0 };
        unsigned set = 0;

        if (each_ticked(cell, take_stages, &set) < 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(stages); i++)
                if (set & 1u << i)
                        buf_fmt(&buf, "%s%s", buf.len ? " " : "", stages[i][1]);
        return buf_take(&buf);
}
