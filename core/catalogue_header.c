#include <errno.h>
#include <string.h>

#include "core/catalogue_cells.h"
#include "core/catalogue_file.h"
#include "core/memory.h"

#define HEADER_ROWS 6 /* a title and notes may stand above the header */

/* Spellings found in counties' catalogues, as plain_header() leaves them; best first. */
const struct catalogue_column catalogue_columns[N_COLUMNS] = {
        [CODE] = { "code",
                   { "code", "编码", "代码", "事项编码", "事项代码", "目录编码", "条目编码",
                     "公开事项编码" },
                   true },
        [DOMAIN] = { "领域", { "领域", "试点领域", "公开领域", "domain" }, false },
        [LEVEL1] = { "一级事项", { "一级事项", "公开事项一级事项", "一级公开事项" }, false },
        [LEVEL2] = { "二级事项",
                     { "二级事项", "公开事项二级事项", "二级公开事项", "事项名称", "公开事项名称",
                       "公开事项", "名称" },
                     false },
        [CONTENT] = { "公开内容（要素）",
                      { "公开内容(要素)", "公开内容", "公开内容要素", "公开要素", "内容(要素)",
                        "内容" },
                      true },
        [BASIS] = { "公开依据", { "公开依据", "依据", "法定依据" }, true },
        [DEADLINE] = { "公开时限", { "公开时限", "时限", "公开时间" }, true },
        [SUBJECT] = { "公开主体", { "公开主体", "主体", "责任主体" }, true },
        [CARRIERS] = { "公开渠道和载体",
                       { "公开渠道和载体", "公开渠道及载体", "公开渠道与载体", "公开载体和渠道",
                         "渠道和载体", "公开载体", "公开渠道", "载体" },
                       true },
        [STAGES] = { "五公开", { "五公开", "五公开类别", "五公开环节", "stage", "stages" }, false },
        [KIND] = { "类型", { "类型", "信息类型", "kind" }, false },
        [AUDIENCE] = { "公开对象", { "公开对象", "对象" }, false },
        [METHOD] = { "公开方式", { "公开方式", "方式" }, false },
        [LEVEL] = { "公开层级", { "公开层级", "层级" }, false },
        [ALL] = { "全社会", { "全社会" }, false },
        [GROUP] = { "特定群体", { "特定群体", "特定群众", "特定人群" }, false },
        [PROACTIVE] = { "主动", { "主动", "主动公开" }, false },
        [ON_REQUEST] = { "依申请", { "依申请", "依申请公开" }, false },
        [COUNTY] = { "县级", { "县级", "县(市)级", "区县级" }, false },
        [TOWNSHIP] = { "乡级", { "乡级", "乡镇级", "乡、村级", "乡(镇)级", "镇(街)级" }, false },
};

void catalogue_add_name(struct buf *list, const char *name) {
        buf_fmt(list, "%s%s", list->len ? "、" : "", name);
}

void catalogue_broken_row(struct catalogue_reader *reader, int result) {
        enum message message = result == CSV_OPEN_QUOTE  ? MESSAGE_CATALOGUE_OPEN_QUOTE :
                               result == CSV_AFTER_QUOTE ? MESSAGE_CATALOGUE_AFTER_QUOTE :
                                                           MESSAGE_CATALOGUE_TOO_WIDE;

        problems_add(reader->problems, reader->path, reader->row.line, message, NULL);
}

/* What a header is compared by: without blanks and quotes, signs in ASCII, letters small. */
static char *plain_header(const char *header) {
        static const char *const drop[] = { " ", "\n", "\"", "“", "”", "「", "」", "＊", "*" };
        static const char *const change[][2] = { { "（", "(" }, { "）", ")" } };
        struct buf buf = { 0 };

        while (*header) {
                size_t n = 0;

                for (size_t i = 0; i < ELEMENTS(drop) && !n; i++)
                        if (strncmp(header, drop[i], strlen(drop[i])) == 0)
                                n = strlen(drop[i]);
                for (size_t i = 0; i < ELEMENTS(change) && !n; i++) {
                        if (strncmp(header, change[i][0], strlen(change[i][0])) != 0)
                                continue;
                        n = strlen(change[i][0]);
                        buf_str(&buf, change[i][1]);
                }
                if (!n) {
                        buf_char(&buf, *header >= 'A' && *header <= 'Z' ?
                                               (char) (*header - 'A' + 'a') : *header);
                        n = 1;
                }
                header += n;
        }
        return buf_take(&buf);
}

/* "公开事项/一级事项", "公开对象(全社会)": the heading of merged cells before the column's own. */
static const char *without_group(char *plain) {
        static const char *const groups[] = { "公开事项", "公开对象", "公开方式", "公开层级" };

        for (size_t i = 0; i < ELEMENTS(groups); i++) {
                size_t n = strlen(groups[i]);

                if (strncmp(plain, groups[i], n) != 0 || !plain[n] ||
                    !strchr("/-:>(", plain[n]) || !plain[n + 1])
                        continue;
                if (plain[n] == '(' && plain[strlen(plain) - 1] == ')')
                        plain[strlen(plain) - 1] = '\0';
                return plain + n + 1;
        }
        return plain;
}

/* True for the name itself and for the name with a remark behind it: 特定群体(请写明). */
static bool is_header(const char *plain, const char *name) {
        size_t n = strlen(name);

        return strncmp(plain, name, n) == 0 && (!plain[n] || plain[n] == '(');
}

static int find_header(char *const *plain, const bool *taken, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (plain[i] && !taken[i] && strcmp(without_group(plain[i]), name) == 0)
                        return (int) i;
        for (size_t i = 0; i < n; i++)
                if (plain[i] && !taken[i] && is_header(without_group(plain[i]), name))
                        return (int) i;
        return -1;
}

/* Which cell of the row is which column. Returns how many were recognised, or -ENOMEM. */
static int map_columns(struct catalogue_reader *reader, char *const *cells, size_t n) {
        char *plain[CSV_MAX_FIELDS] = { 0 };
        int found = 0;

        memset(reader->is_mapped, 0, sizeof(reader->is_mapped));
        for (size_t i = 0; i < n; i++) {
                plain[i] = plain_header(cells[i]);
                found = plain[i] ? found : -ENOMEM;
        }
        for (size_t c = 0; c < N_COLUMNS && found >= 0; c++) {
                reader->at[c] = -1;
                for (size_t i = 0; catalogue_columns[c].names[i] && reader->at[c] < 0; i++)
                        reader->at[c] = find_header(plain, reader->is_mapped, n,
                                                    catalogue_columns[c].names[i]);
                if (reader->at[c] >= 0) {
                        reader->is_mapped[reader->at[c]] = true;
                        found++;
                }
        }
        for (size_t i = 0; i < n; i++)
                free(plain[i]);
        return found;
}

static int keep_headers(struct catalogue_reader *reader) {
        reader->n_headers = reader->row.n;
        for (size_t i = 0; i < reader->row.n; i++) {
                free(reader->headers[i]);
                reader->headers[i] = cell_clean(reader->row.fields[i], CELL_LINE);
                if (!reader->headers[i])
                        return -ENOMEM;
        }
        return 0;
}

/* The printed form has a second row below merged headings: 公开事项 over 一级事项 and 二级事项. When
 * the next row fills in such names, it belongs to the header. */
static int take_second_header(struct catalogue_reader *reader) {
        struct csv before = reader->csv;
        char *merged[CSV_MAX_FIELDS] = { 0 };
        int old_at[N_COLUMNS], first, r;
        bool old_mapped[CSV_MAX_FIELDS];

        memcpy(old_at, reader->at, sizeof(old_at));
        memcpy(old_mapped, reader->is_mapped, sizeof(old_mapped));
        first = map_columns(reader, reader->headers, reader->n_headers);
        r = first < 0 ? first : csv_read(&reader->csv, &reader->row);
        if (r == CSV_ROW) {
                for (size_t i = 0; i < reader->n_headers; i++) {
                        bool has = i < reader->row.n && !cell_is_blank(reader->row.fields[i]);

                        merged[i] = has ? reader->row.fields[i] : reader->headers[i];
                }
                r = map_columns(reader, merged, reader->n_headers);
                if (r > first && reader->at[CODE] >= 0 && reader->at[CODE] == old_at[CODE]) {
                        for (size_t i = 0; i < reader->n_headers; i++) {
                                char *header = cell_clean(merged[i], CELL_LINE);

                                if (!header)
                                        return -ENOMEM;
                                free(reader->headers[i]);
                                reader->headers[i] = header;
                        }
                        return 0;
                }
        }
        memcpy(reader->at, old_at, sizeof(old_at));
        memcpy(reader->is_mapped, old_mapped, sizeof(old_mapped));
        reader->csv = before;
        return r < 0 ? r : 0;
}

static void name_doubled(struct catalogue_reader *reader, unsigned line) {
        for (size_t c = 0; c < N_COLUMNS; c++)
                for (size_t i = 0; reader->at[c] >= 0 && i < reader->n_headers; i++)
                        if ((int) i != reader->at[c] &&
                            strcmp(reader->headers[i], reader->headers[reader->at[c]]) == 0)
                                problems_add(reader->problems, reader->path, line,
                                             MESSAGE_CATALOGUE_COLUMN_TWICE, "column",
                                             reader->headers[i], NULL);
}

/* 1: the header is understood; 0: it is not, and the file is left out. */
static int check_columns(struct catalogue_reader *reader, unsigned line) {
        struct buf missing = { 0 };
        int complete;

        for (size_t c = 0; c < N_COLUMNS; c++)
                if (catalogue_columns[c].is_required && reader->at[c] < 0)
                        catalogue_add_name(&missing, catalogue_columns[c].title);
        if (reader->at[LEVEL1] < 0 && reader->at[LEVEL2] < 0)
                catalogue_add_name(&missing, catalogue_columns[LEVEL2].title);
        complete = missing.len == 0;
        if (!complete)
                problems_add(reader->problems, reader->path, line, MESSAGE_CATALOGUE_NO_COLUMN,
                             "columns", buf_text(&missing), NULL);
        buf_done(&missing);
        return complete;
}

int catalogue_read_header(struct catalogue_reader *reader) {
        for (int rows = 0; rows < HEADER_ROWS; rows++) {
                int r = csv_read(&reader->csv, &reader->row), found;
                unsigned line = reader->row.line;

                if (r < 0)
                        return r;
                if (r == CSV_END)
                        break;
                if (r != CSV_ROW) {
                        catalogue_broken_row(reader, r);
                        return 0;
                }
                if (reader->row.n == 1 && strstr(reader->row.fields[0], "，")) {
                        problems_add(reader->problems, reader->path, line, MESSAGE_CONF_FULLWIDTH,
                                     "wrong", "，", "right", ",", NULL);
                        return 0;
                }
                r = keep_headers(reader);
                found = r < 0 ? r : map_columns(reader, reader->headers, reader->n_headers);
                if (found < 0)
                        return -ENOMEM;
                if (found < 3)
                        continue;
                r = take_second_header(reader);
                if (r < 0)
                        return r;
                name_doubled(reader, line);
                return check_columns(reader, line);
        }
        problems_add(reader->problems, reader->path, 1, MESSAGE_CATALOGUE_NO_HEADER, NULL);
        return 0;
}
