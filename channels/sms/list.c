/* Lists of recipients, as a clerk keeps them: CSV in UTF-8 with a line of names first. What is wrong
 * with a line is noted and the line left out; the others stand. */
#include "channels/sms/sms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/csv.h"
#include "core/memory.h"
#include "core/unicode.h"

enum { ROWS_TOLD = 20, CELL_BYTES = 2000 };
enum column { NUMBER, AREAS, GROUPS, ITEMS, COLUMNS };

struct columns {
        size_t at[COLUMNS]; /* SIZE_MAX: not there */
};

struct reading {
        json_t *account, *people;
        const char *name, *key;
        bool optout;
        struct buf value; /* used again for each row */
};

/* -- what is wrong -- */

static int tell(const struct reading *reading, unsigned line, char *sentence) {
        json_t *bad = json_object_get(reading->account, "bad");
        struct buf text freed_by(buf_done) = { 0 };
        int r = 0;

        if (!sentence)
                return -ENOMEM;
        if (json_array_size(bad) < ROWS_TOLD) {
                buf_fmt(&text, "%s:%u: %s", reading->name, line, sentence);
                r = json_array_append_new(bad, json_string(buf_text(&text)));
        }
        free(sentence);
        r |= json_object_set_new(reading->account, "n_bad",
                                 json_integer(1 + json_integer_value(json_object_get(reading->account,
                                                                                     "n_bad"))));
        return r < 0 ? -ENOMEM : 0;
}

static char *about_number(const char *cell) {
        struct buf mask freed_by(buf_done) = { 0 };
        struct buf words freed_by(buf_done) = { 0 };
        size_t n = strlen(cell);

        if (!unicode_looks_gb18030(cell, n) && unicode_valid(cell, n) == n && n < 40)
                sms_words(cell, n, &words);
        if (strspn(buf_text(&words), "0123456789") == words.len)
                sms_number_mask(buf_text(&words), &mask);
        else
                /* A number with something around it is masked by its digits. */
                for (size_t i = 0, digits = 0; i < words.len; i++) {
                        bool digit = words.data[i] >= '0' && words.data[i] <= '9';

                        digits += digit;
                        buf_char(&mask, digit && digits > 3 && digits < 8 ? '*' : words.data[i]);
                }
        return say(MESSAGE_SMS_LIST_NUMBER, "number", buf_text(&mask), NULL);
}

/* -- the line of names -- */

static char *trimmed(char *cell) {
        size_t n;

        while (*cell == ' ' || *cell == '\t')
                cell++;
        for (n = strlen(cell); n > 0 && (cell[n - 1] == ' ' || cell[n - 1] == '\t'); n--)
                cell[n - 1] = '\0';
        return cell;
}

static void find_columns(const struct csv_row *row, struct columns *ret) {
        static const char *const names[COLUMNS][9] = {
                { "number", "mobile", "phone", "号码", "手机", "手机号", "手机号码", "电话", "联系电话" },
                { "areas", "area", "区划", "区划代码", "地区", "地区代码", "所在地" },
                { "groups", "group", "audience", "分组", "群组", "人群", "组别" },
                { "items", "item", "subjects", "subject", "事项", "领域", "订阅", "订阅事项", "主题" },
        };

        for (int column = 0; column < COLUMNS; column++) {
                ret->at[column] = SIZE_MAX;
                for (size_t i = row->n; i-- > 0;)
                        for (size_t k = 0; k < ELEMENTS(names[column]); k++)
                                if (names[column][k] &&
                                    strcasecmp(trimmed(row->fields[i]), names[column][k]) == 0)
                                        ret->at[column] = i;
        }
}

/* -- a line -- */

/* The parts of a cell, each followed by '\x1f': parted by ; ； 、 | , or blanks. */
static void add_parts(struct buf *to, const char *cell) {
        static const char *const marks[] = { ";", "；", "、", "|", ",", "，", " ", "\t", "　", "\n" };
        bool open = false;

        while (*cell) {
                size_t n = 0;

                for (size_t i = 0; i < ELEMENTS(marks) && n == 0; i++)
                        if (strncmp(cell, marks[i], strlen(marks[i])) == 0)
                                n = strlen(marks[i]);
                if (n == 0) {
                        if ((unsigned char) *cell >= ' ')
                                buf_char(to, *cell);
                        open = true;
                        cell++;
                        continue;
                }
                if (open)
                        buf_char(to, '\x1f');
                open = false;
                cell += n;
        }
        if (open)
                buf_char(to, '\x1f');
}

/* The first part that is no area code, or NULL. */
static char *bad_area(const char *parts) {
        for (const char *at = parts; *at;) {
                size_t n = strcspn(at, "\x1f");

                if ((n != 6 && n != 9 && n != 12) || strspn(at, "0123456789") != n) {
                        struct buf words freed_by(buf_done) = { 0 };

                        sms_words(at, n, &words);
                        return say(MESSAGE_SMS_LIST_AREA, "area", buf_text(&words), NULL);
                }
                at += n + 1;
        }
        return NULL;
}

static const char *cell_of(const struct csv_row *row, const struct columns *columns, enum column column) {
        size_t at = columns->at[column];

        return at < row->n ? row->fields[at] : "";
}

/* A person is "number \x1e areas \x1e groups \x1e items \x1d", and again for each line that names
 * the number. */
static int keep(struct reading *reading, const char *number) {
        char hash[SMS_HASH + 1];
        const char *before;

        if (reading->value.error)
                return reading->value.error;
        sms_number_hash(reading->key, number, hash);
        before = json_string_value(json_object_get(reading->people, hash));
        if (before && strlen(before) < 16 * CELL_BYTES && !strstr(before, buf_text(&reading->value)))
                buf_str(&reading->value, before);
        else if (before)
                return 0;
        return json_object_set_new(reading->people, hash, json_string(buf_text(&reading->value))) < 0
                       ? -ENOMEM
                       : 0;
}

static int read_row(struct reading *reading, const struct csv_row *row, const struct columns *columns) {
        const char *cell = cell_of(row, columns, NUMBER);
        char number[SMS_NUMBER];
        size_t areas;

        if (row->n == 1 && unicode_is_blank(row->fields[0], strlen(row->fields[0])))
                return 0;
        if (!sms_number_read(cell, number))
                return tell(reading, row->line, about_number(cell));
        buf_reset(&reading->value);
        buf_fmt(&reading->value, "%s\x1e", number);
        if (!reading->optout) {
                char *bad;

                for (int column = AREAS; column < COLUMNS; column++)
                        if (strlen(cell_of(row, columns, column)) > CELL_BYTES)
                                return tell(reading, row->line, say(MESSAGE_SMS_LIST_ROW, NULL));
                areas = reading->value.len;
                add_parts(&reading->value, cell_of(row, columns, AREAS));
                bad = bad_area(buf_text(&reading->value) + areas);
                if (bad)
                        return tell(reading, row->line, bad);
                buf_char(&reading->value, '\x1e');
                add_parts(&reading->value, cell_of(row, columns, GROUPS));
                buf_char(&reading->value, '\x1e');
                add_parts(&reading->value, cell_of(row, columns, ITEMS));
        }
        buf_char(&reading->value, '\x1d');
        return keep(reading, number);
}

/* -- a list -- */

static int read_rows(struct reading *reading, struct csv *csv, struct csv_row *row, char **ret_trouble) {
        struct columns columns = { { 0, SIZE_MAX, SIZE_MAX, SIZE_MAX } };
        char number[SMS_NUMBER];
        bool first = true;
        int result, r = 0;

        while (r == 0 && (result = csv_read(csv, row)) != CSV_END) {
                if (result < 0)
                        return result;
                if (result != CSV_ROW)
                        r = tell(reading, row->line, say(MESSAGE_SMS_LIST_ROW, NULL));
                else if (first && !reading->optout) {
                        find_columns(row, &columns);
                        if (columns.at[NUMBER] == SIZE_MAX) {
                                *ret_trouble = say(MESSAGE_SMS_LIST_HEADER, NULL);
                                return *ret_trouble ? 0 : -ENOMEM;
                        }
                } else if (first && !sms_number_read(row->fields[0], number)) {
                        /* A list of those opted out may begin with its columns' names, or with none. */
                        find_columns(row, &columns);
                        if (columns.at[NUMBER] == SIZE_MAX)
                                columns.at[NUMBER] = 0;
                } else
                        r = read_row(reading, row, &columns);
                first = false;
                if (json_object_size(reading->people) > SMS_MOST_PEOPLE) {
                        *ret_trouble = say(MESSAGE_SMS_LIST_TOO_LARGE, NULL);
                        return *ret_trouble ? 0 : -ENOMEM;
                }
        }
        return r;
}

int sms_list_read(json_t *account, const char *name, bool optout, const char *key, const char *bytes,
                  size_t n_bytes, char **ret_trouble) {
        struct reading reading = {
                .account = account, .name = name, .key = key, .optout = optout,
                .people = json_object_get(account, optout ? "optout" : "people"),
        };
        size_t begin = n_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        struct csv csv = csv_init(bytes + begin, n_bytes - begin);
        struct csv_row row = { 0 };
        int r;

        *ret_trouble = NULL;
        if (unicode_valid(bytes, n_bytes) != n_bytes || memchr(bytes, 0, n_bytes)) {
                *ret_trouble = say(MESSAGE_SMS_LIST_ENCODING, NULL);
                return *ret_trouble ? 0 : -ENOMEM;
        }
        r = read_rows(&reading, &csv, &row, ret_trouble);
        csv_row_done(&row);
        buf_done(&reading.value);
        return r;
}

static int by_text(const void *one, const void *other) {
        return strcmp(*(const char *const *) one, *(const char *const *) other);
}

int sms_list_close(json_t *account) {
        json_t *people = json_object_get(account, "people"), *value;
        const char **hashes freed_by(freep) = NULL;
        struct buf sorted freed_by(buf_done) = { 0 };
        const char *hash;
        size_t n = 0;

        json_object_foreach(json_object_get(account, "optout"), hash, value)
                (void) json_object_del(people, hash);
        hashes = calloc(json_object_size(people) + 1, sizeof(*hashes));
        if (!hashes)
                return -ENOMEM;
        json_object_foreach(people, hash, value)
                hashes[n++] = hash;
        qsort(hashes, n, sizeof(*hashes), by_text);
        for (size_t i = 0; i < n; i++)
                buf_add(&sorted, hashes[i], SMS_HASH);
        if (sorted.error)
                return sorted.error;
        return json_object_set_new(account, "sorted", json_string(buf_text(&sorted))) < 0 ? -ENOMEM : 0;
}

/* -- who is meant -- */

void sms_list_number(const char *person, char ret[static SMS_NUMBER]) {
        memcpy(ret, person, SMS_NUMBER - 1);
        ret[SMS_NUMBER - 1] = '\0';
}

bool sms_list_areas_meet(const char *one, const char *other) {
        size_t n = strcspn(one, "\x1f"), m = strcspn(other, "\x1f");

        return strncmp(one, other, n < m ? n : m) == 0;
}

/* A cell's parts, up to '\x1e' or '\x1d'. */
static bool any_part(const char *cell, bool (*is)(const char *part, size_t n, const void *of), const void *of) {
        for (const char *at = cell; *at != '\x1e' && *at != '\x1d' && *at;) {
                size_t n = strcspn(at, "\x1f");

                if (is(at, n, of))
                        return true;
                at += n + (at[n] == '\x1f');
        }
        return false;
}

static bool is_area(const char *part, size_t n, const void *of) {
        const struct delivery *delivery = of;
        const json_t *areas = json_object_get(json_object_get(delivery->event, "data"), "areas"), *area;
        size_t i;

        if (json_array_size(areas) == 0)
                return sms_list_areas_meet(part, delivery->region);
        json_array_foreach(areas, i, area)
                if (json_is_string(area) && sms_list_areas_meet(part, json_string_value(area)))
                        return true;
        return false;
}

static bool is_group(const char *part, size_t n, const void *of) {
        const json_t *group;
        size_t i;

        json_array_foreach((const json_t *) of, i, group)
                if (json_string_length(group) == n && memcmp(json_string_value(group), part, n) == 0)
                        return true;
        return false;
}

static bool is_text(const char *text, const char *part, size_t n) {
        return text && strlen(text) == n && memcmp(text, part, n) == 0;
}

static bool is_item(const char *part, size_t n, const void *of) {
        const struct delivery *delivery = of;
        const char *item = json_string_value(
                json_object_get(json_object_get(delivery->event, "data"), "item"));

        return is_text(item, part, n) || is_text(delivery->item_name, part, n) ||
               is_text(delivery->domain, part, n) || is_text(delivery->document_kind, part, n);
}

/* No area, group or subject stands for all; an event for groups goes to their members only. */
static bool line_means(const char *line, const struct delivery *delivery) {
        const json_t *groups = json_object_get(
                json_object_get(json_object_get(delivery->event, "data"), "audience"), "groups");
        const char *areas = line + SMS_NUMBER, *group, *items;

        group = areas + strcspn(areas, "\x1e\x1d");
        group += *group == '\x1e';
        items = group + strcspn(group, "\x1e\x1d");
        items += *items == '\x1e';
        if (*areas != '\x1e' && !any_part(areas, is_area, delivery))
                return false;
        if (json_is_array(groups) && !any_part(group, is_group, groups))
                return false;
        return *items == '\x1d' || any_part(items, is_item, delivery);
}

bool sms_list_means(const char *person, const struct delivery *delivery) {
        for (const char *line = person; *line;) {
                if (line_means(line, delivery))
                        return true;
                line += strcspn(line, "\x1d");
                line += *line == '\x1d';
        }
        return false;
}
