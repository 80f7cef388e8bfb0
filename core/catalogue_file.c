#include "core/catalogue_file.h"

#include <errno.h>
#include <string.h>

#include "core/catalogue_cells.h"
#include "core/event.h"
#include "core/files.h"
#include "core/memory.h"
#include "core/textfile.h"

#define CATALOGUE_MAX_BYTES ((size_t) 16 << 20)
#define CODE_MAX_BYTES 64

static void reader_done(struct catalogue_reader *reader) {
        for (size_t i = 0; i < CSV_MAX_FIELDS; i++) {
                free(reader->headers[i]);
                free(reader->above[i]);
        }
        csv_row_done(&reader->row);
}

static const char *raw_cell(const struct catalogue_reader *reader, size_t i) {
        return i < reader->row.n ? reader->row.fields[i] : "";
}

static bool is_blank_row(const struct catalogue_reader *reader) {
        for (size_t i = 0; i < reader->row.n; i++)
                if (!cell_is_blank(reader->row.fields[i]))
                        return false;
        return true;
}

static bool is_too_long(const struct catalogue_reader *reader) {
        for (size_t i = reader->n_headers; i < reader->row.n; i++)
                if (!cell_is_blank(reader->row.fields[i]))
                        return true;
        return false;
}

/* One cleaned cell, 同上 resolved; it is then what the next row's 同上 means. */
static int take_cell(struct catalogue_reader *reader, size_t i, enum cell_style style, char **ret) {
        char *text freed_by(freep) = cell_clean(raw_cell(reader, i), style);
        char *copy;

        if (!text)
                return -ENOMEM;
        if (cell_is_as_above(text)) {
                free(text);
                if (!reader->above[i])
                        problems_add(reader->problems, reader->path, reader->row.line,
                                     MESSAGE_CATALOGUE_NOTHING_ABOVE, "column", reader->headers[i],
                                     NULL);
                text = strdup(reader->above[i] ? reader->above[i] : "");
                if (!text)
                        return -ENOMEM;
        } else if (text[0]) {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
                free(reader->above[i]);
                reader->above[i] = copy;
        }
        *ret = give_away(text);
        return 0;
}

static int take_column(struct catalogue_reader *reader, enum column column, enum cell_style style,
                       char **ret) {
        if (reader->at[column] >= 0)
                return take_cell(reader, (size_t) reader->at[column], style, ret);
        *ret = strdup("");
        return *ret ? 0 : -ENOMEM;
}

/* A merged cell: blank below its first row. */
static int inherit(struct catalogue_reader *reader, enum column column, char **value) {
        const char *above = reader->at[column] >= 0 ? reader->above[reader->at[column]] : NULL;
        char *copy;

        if ((*value)[0] || !above)
                return 0;
        copy = strdup(above);
        if (!copy)
                return -ENOMEM;
        free(*value);
        *value = copy;
        return 0;
}

/* 公开对象 and the like: a column of its own, or ticks in columns below it. What a tick column says
 * beyond a tick (特定群体: 项目单位) follows its title. */
static int take_ticks(struct catalogue_reader *reader, enum column whole, const enum column *ticks,
                      size_t n, char **ret) {
        struct buf buf = { 0 };
        int r = take_column(reader, whole, CELL_LINE, ret);

        if (r < 0)
                return r;
        buf_str(&buf, *ret);
        for (size_t i = 0; i < n; i++) {
                int at = reader->at[ticks[i]];
                const char *cell = at >= 0 ? raw_cell(reader, (size_t) at) : "";

                if (!cell_is_ticked(cell))
                        continue;
                if (buf.len)
                        buf_str(&buf, "、");
                buf_str(&buf,  catalogue_columns[ticks[i]].title);
                if (strlen(cell) > strlen("√") + 1) {
                        char *clean = cell_clean(cell, CELL_LINE);

                        if (clean)
                                buf_fmt(&buf, "：%s", clean);
                        free(clean);
                }
        }
        free(*ret);
        *ret = buf_take(&buf);
        return *ret ? 0 : -ENOMEM;
}

static int take_extra(struct catalogue_reader *reader, struct item *item) {
        item->extra = json_object();
        if (!item->extra)
                return -ENOMEM;
        for (size_t i = 0; i < reader->n_headers; i++) {
                char *text freed_by(freep) = NULL;
                int r;

                if (reader->is_mapped[i] || !reader->headers[i][0])
                        continue;
                r = take_cell(reader, i, CELL_LINES, &text);
                if (r < 0)
                        return r;
                if (text[0] &&
                    json_object_set_new(item->extra, reader->headers[i], json_string(text)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int take_texts(struct catalogue_reader *reader, struct item *item) {
        static const enum column audience[] = { ALL, GROUP }, method[] = { PROACTIVE, ON_REQUEST },
                                 level[] = { COUNTY, TOWNSHIP };
        const struct {
                enum column column;
                enum cell_style style;
                char **to;
        } texts[] = {
                { DOMAIN, CELL_LINE, &item->domain },     { LEVEL1, CELL_LINE, &item->level1 },
                { LEVEL2, CELL_LINE, &item->level2 },     { CONTENT, CELL_LINES, &item->content },
                { BASIS, CELL_LINES, &item->basis },      { DEADLINE, CELL_LINE, &item->deadline },
                { SUBJECT, CELL_LINE, &item->subject },   { KIND, CELL_LINE, &item->kind },
                { CARRIERS, CELL_BLANKS, &item->carriers_text },
                { STAGES, CELL_BLANKS, &item->stages },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(texts) && r == 0; i++)
                r = take_column(reader, texts[i].column, texts[i].style, texts[i].to);
        if (r == 0)
                r = take_ticks(reader, AUDIENCE, audience, ELEMENTS(audience), &item->audience);
        if (r == 0)
                r = take_ticks(reader, METHOD, method, ELEMENTS(method), &item->method);
        if (r == 0)
                r = take_ticks(reader, LEVEL, level, ELEMENTS(level), &item->level);
        return r == 0 ? take_extra(reader, item) : r;
}

static bool is_code(const char *code) {
        size_t n = strlen(code);

        return n >= 1 && n <= CODE_MAX_BYTES && !strpbrk(code, " \n,*") && !strstr(code, "，");
}

/* The six elements that the pilot plan demands of every row, and the code. */
static bool is_complete(struct catalogue_reader *reader, const struct item *item, bool has_name) {
        const struct {
                enum column column;
                bool has;
        } needed[] = { { CODE, item->code[0] },
                       { LEVEL2, has_name },
                       { CONTENT, item->content[0] },
                       { BASIS, item->basis[0] },
                       { DEADLINE, item->deadline[0] },
                       { SUBJECT, item->subject[0] },
                       { CARRIERS, item->carriers_text[0] } };
        struct buf missing = { 0 };
        bool complete;

        for (size_t i = 0; i < ELEMENTS(needed); i++) {
                enum column column = needed[i].column;

                if (column == LEVEL2 && reader->at[LEVEL2] < 0)
                        column = LEVEL1;
                if (!needed[i].has)
                        catalogue_add_name(&missing, catalogue_columns[column].title);
        }
        complete = missing.len == 0;
        if (!complete)
                problems_add(reader->problems, reader->path, reader->row.line,
                             MESSAGE_CATALOGUE_ROW_LACKS, "columns", buf_text(&missing), NULL);
        else if (!is_code(item->code))
                problems_add(reader->problems, reader->path, reader->row.line,
                             MESSAGE_CATALOGUE_BAD_CODE, "code", item->code, NULL);
        buf_done(&missing);
        return complete && is_code(item->code);
}

static void check_kind(struct catalogue_reader *reader, struct item *item) {
        struct buf kinds = { 0 };

        if (!item->kind[0])
                return;
        for (size_t i = 0; event_kinds[i]; i++) {
                if (strcmp(event_kinds[i], item->kind) == 0) {
                        buf_done(&kinds);
                        return;
                }
                buf_fmt(&kinds, "%s%s", i ? " " : "", event_kinds[i]);
        }
        problems_add(reader->problems, reader->path, reader->row.line, MESSAGE_CATALOGUE_BAD_KIND,
                     "value", item->kind, "kinds", buf_text(&kinds), NULL);
        item->kind[0] = '\0';
        buf_done(&kinds);
}

static int understand_stages(struct catalogue_reader *reader, struct item *item) {
        char *stages = cell_stages(item->stages);

        if (!stages)
                return -ENOMEM;
        if (!stages[0] && item->stages[0])
                problems_add(reader->problems, reader->path, reader->row.line,
                             MESSAGE_CATALOGUE_BAD_STAGE, "value", item->stages, NULL);
        free(item->stages);
        item->stages = stages;
        return 0;
}

static int understand_carriers(struct catalogue_reader *reader, struct item *item) {
        const char *raw = raw_cell(reader, (size_t) reader->at[CARRIERS]);
        char *clean = cell_clean(raw, CELL_LINE);
        int r;

        /* The cell itself knows where lines end; 同上 stands for the one above. */
        r = !clean ? -ENOMEM :
            cell_carriers(cell_is_as_above(clean) ? item->carriers_text : raw, &item->carriers);
        free(clean);
        if (r == 0 && item->carriers == 0)
                problems_add(reader->problems, reader->path, reader->row.line,
                             MESSAGE_CATALOGUE_NO_CARRIER, "text", item->carriers_text, NULL);
        return r;
}

/* 1: the item is whole; 0: it is left out. */
static int fill_item(struct catalogue_reader *reader, struct item *item) {
        bool has_name;
        int r;

        *item = (struct item) { .line = reader->row.line, .file = strdup(reader->path),
                                .region = strdup(reader->region),
                                .code = cell_clean(raw_cell(reader, (size_t) reader->at[CODE]),
                                                   CELL_LINE) };
        if (!item->file || !item->region || !item->code)
                return -ENOMEM;
        r = take_texts(reader, item);
        if (r < 0)
                return r;
        has_name = item->level2[0] || item->level1[0];
        if (!item->level1[0])
                r = inherit(reader, DOMAIN, &item->domain);
        if (r == 0)
                r = inherit(reader, LEVEL1, &item->level1);
        if (r < 0)
                return r;
        if (!is_complete(reader, item, has_name))
                return 0;
        check_kind(reader, item);
        r = understand_stages(reader, item);
        if (r == 0)
                r = understand_carriers(reader, item);
        return r < 0 ? r : 1;
}

static int add_item(struct catalogue_reader *reader) {
        struct catalogue *catalogue = reader->catalogue;
        struct item item;
        int r;

        if (catalogue->n == *reader->allocated) {
                size_t wanted = *reader->allocated ? *reader->allocated * 2 : 64;
                struct item *items = reallocarray(catalogue->items, wanted, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                catalogue->items = items;
                *reader->allocated = wanted;
        }
        r = fill_item(reader, &item);
        if (r == 1)
                catalogue->items[catalogue->n++] = item;
        else
                item_done(&item);
        return r < 0 ? r : 0;
}

static int read_rows(struct catalogue_reader *reader) {
        for (;;) {
                int r = csv_read(&reader->csv, &reader->row);

                if (r <= CSV_END)
                        return r;
                if (r != CSV_ROW)
                        catalogue_broken_row(reader, r);
                if (r == CSV_OPEN_QUOTE)
                        return 0;
                if (r != CSV_ROW || is_blank_row(reader))
                        continue;
                if (is_too_long(reader)) {
                        problems_add(reader->problems, reader->path, reader->row.line,
                                     MESSAGE_CATALOGUE_LONG_ROW, NULL);
                        continue;
                }
                r = add_item(reader);
                if (r < 0)
                        return r;
        }
}

int catalogue_read_file(struct catalogue *catalogue, size_t *allocated, const char *path,
                        const char *region, struct problems *problems) {
        struct catalogue_reader reader freed_by(reader_done) = { .catalogue = catalogue,
                                                       .allocated = allocated, .path = path,
                                                       .region = region, .problems = problems };
        char *bytes freed_by(freep) = NULL;
        size_t n, begin;
        int r = file_read(path, CATALOGUE_MAX_BYTES, &bytes, &n);

        if (r == -ENOMEM)
                return r;
        if (r == -E2BIG)
                problems_add(problems, path, 0, MESSAGE_CATALOGUE_TOO_LARGE, NULL);
        else if (r < 0)
                problems_add(problems, path, 0, MESSAGE_CONF_CANNOT_READ, "reason", strerror(-r),
                             NULL);
        if (r < 0 || !text_check(path, bytes, n, problems, &begin))
                return 0;
        reader.csv = csv_init(bytes + begin, n - begin);
        r = catalogue_read_header(&reader);
        return r == 1 ? read_rows(&reader) : r;
}

void item_done(struct item *item) {
        char *const texts[] = { item->code,     item->region,   item->domain, item->level1,
                                item->level2,   item->content,  item->basis,  item->deadline,
                                item->subject,  item->audience, item->method, item->level,
                                item->carriers_text, item->stages, item->kind, item->file };

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                free(texts[i]);
        json_decref(item->extra);
        *item = (struct item) { 0 };
}
