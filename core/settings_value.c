#include "core/settings_value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <utf8proc.h>

#include "core/memory.h"

struct unit {
        const char *name;
        int64_t factor;
};

/* From small to great: what is written back takes the last one that fits. */
static const struct unit duration_units[] = {
        { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { 0 },
};
static const struct unit size_units[] = {
        { "B", 1 }, { "KiB", 1024 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { 0 },
};

/* Digits, blanks, one of the units. -EINVAL: no such thing; -ENODATA: the unit is missing. */
static int quantity_parse(const char *text, const struct unit *units, int64_t *ret) {
        int64_t number = 0;
        const char *at = text;

        for (; *at >= '0' && *at <= '9'; at++)
                if (__builtin_mul_overflow(number, 10, &number) ||
                    __builtin_add_overflow(number, *at - '0', &number))
                        return -ERANGE;
        if (at == text)
                return -EINVAL;
        at += strspn(at, " \t");
        if (!*at) {
                *ret = number;
                return -ENODATA;
        }
        for (; units->name; units++) {
                if (strcmp(at, units->name) != 0)
                        continue;
                if (__builtin_mul_overflow(number, units->factor, &number))
                        return -ERANGE;
                *ret = number;
                return 0;
        }
        return -EINVAL;
}

int duration_parse(const char *text, int64_t *ret_ms) {
        int64_t ms;
        int r = quantity_parse(text, duration_units, &ms);

        if (r < 0)
                return r == -ENODATA ? -EINVAL : r;
        *ret_ms = ms;
        return 0;
}

static int size_parse(const char *text, int64_t *ret) {
        int r = quantity_parse(text, size_units, ret);

        return r == -ENODATA && *ret == 0 ? 0 : r;
}

static int number_parse(const char *text, int64_t *ret) {
        static const struct unit one[] = { { "", 1 }, { 0 } };
        bool is_negative = text[0] == '-';
        int r = quantity_parse(text + is_negative, one, ret);

        if (r == -ENODATA) {
                *ret = is_negative ? -*ret : *ret;
                return 0;
        }
        return r < 0 ? r : -EINVAL;
}

/* The value as one would write it, in the greatest unit that leaves a whole number. */
static void quantity_write(const struct setting *setting, int64_t value, struct buf *buf) {
        const struct unit *units = setting->kind == SETTING_DURATION ? duration_units :
                                   setting->kind == SETTING_SIZE     ? size_units :
                                                                       NULL;
        const struct unit *best = units;

        for (const struct unit *unit = units; unit && unit->name; unit++)
                if (value && value % unit->factor == 0)
                        best = unit;
        buf_fmt(buf, "%" PRId64, best ? value / best->factor : value);
        if (best && (value || setting->kind == SETTING_DURATION))
                buf_str(buf, best->name);
}

char *setting_quantity_text(const struct setting *setting, int64_t value) {
        struct buf buf = { 0 };

        quantity_write(setting, value, &buf);
        return buf_take(&buf);
}

char *setting_choices_text(const struct setting *setting, const char *separator) {
        struct buf buf = { 0 };

        for (size_t i = 0; setting->choices[i]; i++)
                buf_fmt(&buf, "%s%s", i ? separator : "", setting->choices[i]);
        return buf_take(&buf);
}

const char *setting_meaning(const struct setting *setting) {
        return messages_language() == ENGLISH ? setting->english : setting->chinese;
}

static const char *shown(const struct setting_value *value) {
        return value->setting->secret ? "***" : value->text;
}

static int wrong(const struct setting_value *value, enum message message, const char *example) {
        problems_add(value->problems, value->file, value->line, message, "key",
                     value->setting->key, "value", shown(value), "example", example, NULL);
        return 1;
}

static int wrong_choice(const struct setting_value *value) {
        char *choices freed_by(freep) = setting_choices_text(value->setting, " | ");

        problems_add(value->problems, value->file, value->line, MESSAGE_CONF_BAD_CHOICE, "key",
                     value->setting->key, "value", shown(value), "choices", choices, NULL);
        return 1;
}

/* Full-width letters, digits and signs (U+FF01 to U+FF5E) where only ASCII can be right. */
static bool has_fullwidth(const struct setting_value *value) {
        const utf8proc_uint8_t *at = (const utf8proc_uint8_t *) value->text;
        utf8proc_ssize_t n;
        utf8proc_int32_t c;

        for (; *at && (n = utf8proc_iterate(at, -1, &c)) > 0; at += n) {
                char sign[5] = "", right[2] = "";

                if (c < 0xff01 || c > 0xff5e)
                        continue;
                memcpy(sign, at, (size_t) n);
                right[0] = (char) (c - 0xff01 + '!');
                problems_add(value->problems, value->file, value->line, MESSAGE_CONF_FULLWIDTH,
                             "wrong", sign, "right", right, NULL);
                return true;
        }
        return false;
}

static int store_quantity(const struct setting_value *value) {
        const struct setting *setting = value->setting;
        int64_t number;
        int r = setting->kind == SETTING_NUMBER ? number_parse(value->text, &number) :
                setting->kind == SETTING_SIZE   ? size_parse(value->text, &number) :
                        quantity_parse(value->text, duration_units, &number);

        if (r == -ERANGE || (r == 0 && (setting->least || setting->most) &&
                             (number < setting->least || number > setting->most))) {
                char *least freed_by(freep) = setting_quantity_text(setting, setting->least);
                char *most freed_by(freep) = setting_quantity_text(
                        setting, setting->least || setting->most ? setting->most : INT64_MAX);

                problems_add(value->problems, value->file, value->line,
                             MESSAGE_CONF_OUT_OF_RANGE, "key", setting->key, "value",
                             shown(value), "least", least, "most", most, NULL);
                return 1;
        }
        if (r < 0 && has_fullwidth(value))
                return 1;
        if (r < 0)
                return setting->kind == SETTING_NUMBER ?
                               wrong(value, MESSAGE_CONF_BAD_NUMBER, NULL) :
                       setting->kind == SETTING_SIZE ?
                               wrong(value, MESSAGE_CONF_NO_SIZE_UNIT, "16MiB") :
                               wrong(value, MESSAGE_CONF_NO_UNIT, "30s");
        memcpy(value->place, &number, sizeof(number));
        return 0;
}

static int store_bool(const struct setting_value *value) {
        bool yes = strcmp(value->text, "yes") == 0;

        if (!yes && strcmp(value->text, "no") != 0)
                return has_fullwidth(value) ? 1 : wrong(value, MESSAGE_CONF_BAD_BOOL, NULL);
        memcpy(value->place, &yes, sizeof(yes));
        return 0;
}

/* SETTING_CHOICE keeps the index, a SETTING_STRING with choices the word. */
static int find_choice(const struct setting_value *value) {
        for (int i = 0; value->setting->choices[i]; i++)
                if (strcmp(value->text, value->setting->choices[i]) == 0)
                        return i;
        return -1;
}

static int store_choice(const struct setting_value *value) {
        int index = find_choice(value);

        if (index < 0)
                return has_fullwidth(value) ? 1 : wrong_choice(value);
        memcpy(value->place, &index, sizeof(index));
        return 0;
}

static int store_string(const struct setting_value *value) {
        char *copy;

        if (value->setting->choices && find_choice(value) < 0)
                return wrong_choice(value);
        copy = strdup(value->text);
        if (!copy)
                return -ENOMEM;
        free(*(char **) value->place);
        *(char **) value->place = copy;
        return 0;
}

static int store_list(const struct setting_value *value) {
        static const char *const wide_commas[] = { "，", "、", "；" };
        struct string_list list freed_by(string_list_done) = { 0 };

        for (size_t i = 0; i < ELEMENTS(wide_commas); i++) {
                if (!strstr(value->text, wide_commas[i]))
                        continue;
                problems_add(value->problems, value->file, value->line,
                             i == 0 ? MESSAGE_CONF_FULLWIDTH : MESSAGE_CONF_LIST_SIGN, "key",
                             value->setting->key, "wrong", wide_commas[i], "right", ",", NULL);
                return 1;
        }
        for (const char *at = value->text; at;) {
                const char *comma = strchrnul(at, ','), *end = comma;

                at += strspn(at, " \t");
                while (end > at && strchr(" \t", end[-1]))
                        end--;
                if (end > at && string_list_add(&list, at, (size_t) (end - at)) < 0)
                        return -ENOMEM;
                at = *comma ? comma + 1 : NULL;
        }
        if (list.n == 0)
                return wrong(value, MESSAGE_CONF_EMPTY_VALUE, NULL);
        string_list_done(value->place);
        *(struct string_list *) value->place = list;
        list = (struct string_list) { 0 };
        return 0;
}

int setting_store(const struct setting_value *value) {
        if (!value->text[0])
                return wrong(value, MESSAGE_CONF_EMPTY_VALUE, NULL);
        switch (value->setting->kind) {
        case SETTING_STRING:
                return store_string(value);
        case SETTING_BOOL:
                return store_bool(value);
        case SETTING_NUMBER:
        case SETTING_DURATION:
        case SETTING_SIZE:
                return store_quantity(value);
        case SETTING_CHOICE:
                return store_choice(value);
        case SETTING_LIST:
                return store_list(value);
        }
        return -EINVAL;
}

int string_list_add(struct string_list *list, const char *string, size_t n_bytes) {
        char **items;

        /* Room doubles at each power of two, so nothing more than n need be kept. */
        if ((list->n & (list->n - 1)) == 0) {
                items = reallocarray(list->items, list->n ? list->n * 2 : 1, sizeof(*items));
                if (!items)
                        return -ENOMEM;
                list->items = items;
        }
        list->items[list->n] = strndup(string, n_bytes);
        if (!list->items[list->n])
                return -ENOMEM;
        list->n++;
        return 0;
}

bool string_list_has(const struct string_list *list, const char *string) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i], string) == 0)
                        return true;
        return false;
}

void string_list_done(struct string_list *list) {
        for (size_t i = 0; i < list->n; i++)
                free(list->items[i]);
        free(list->items);
        *list = (struct string_list) { 0 };
}

size_t setting_value_size(enum setting_kind kind) {
        switch (kind) {
        case SETTING_BOOL:
                return sizeof(bool);
        case SETTING_CHOICE:
                return sizeof(int);
        case SETTING_LIST:
                return sizeof(struct string_list);
        case SETTING_STRING:
                return sizeof(char *);
        case SETTING_NUMBER:
        case SETTING_DURATION:
        case SETTING_SIZE:
                break;
        }
        return sizeof(int64_t);
}
