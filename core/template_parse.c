#include "core/template_parse.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/messages.h"

#define SHOWN_MAX 60 /* bytes of a tag in a sentence */

struct parser {
        struct program *program;
        const char *at, *end, *line_start;
        unsigned line;
        size_t open[TEMPLATE_SECTIONS_MAX]; /* steps */
        unsigned n_open;
        struct template_error *error;
};

struct tag {
        const char *start, *end; /* with the braces */
        const char *name;
        size_t n_name;
        char kind; /* '#' '^' '/' '!' '>' '&', '{' for raw, 'v' for a variable */
        unsigned line;
};

void program_done(struct program *program) {
        free(program->name);
        free(program->indent);
        free(program->text);
        free(program->steps);
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static bool is_space(char c) {
        return is_blank(c) || c == '\n' || c == '\r';
}

/* What a sentence shows of the source: whole characters, one line. */
static char *shown(const char *text, size_t n_bytes) {
        const char *line_end = memchr(text, '\n', n_bytes);
        size_t n = line_end ? (size_t) (line_end - text) : n_bytes;

        if (n > SHOWN_MAX)
                for (n = SHOWN_MAX; n && ((unsigned char) text[n] & 0xc0) == 0x80;)
                        n--;
        return strndup(text, n);
}

static int fail(struct parser *parser, unsigned line, char *sentence) {
        parser->error->line = line;
        parser->error->sentence = sentence;
        return sentence ? -EINVAL : -ENOMEM;
}

static int fail_tag(struct parser *parser, const struct tag *tag, enum message message) {
        char *text freed_by(freep) = shown(tag->start, (size_t) (tag->end - tag->start));

        return fail(parser, tag->line, say(message, "tag", text, NULL));
}

static struct step *step_new(struct parser *parser, enum step_kind kind, const char *text,
                             size_t n_bytes, unsigned line) {
        struct program *program = parser->program;

        if (program->n_steps == program->n_allocated) {
                size_t n = program->n_allocated ? program->n_allocated * 2 : 32;
                struct step *steps = reallocarray(program->steps, n, sizeof(*steps));

                if (!steps)
                        return NULL;
                program->steps = steps;
                program->n_allocated = n;
        }
        program->steps[program->n_steps] =
                (struct step){ .kind = kind, .line = line, .text = text, .n_bytes = n_bytes };
        return &program->steps[program->n_steps++];
}

/* Names and their dots: "a", "a.b", "." alone. */
static bool is_name(const char *name, size_t n) {
        if (n == 1 && name[0] == '.')
                return true;
        for (size_t i = 0; i < n; i++)
                if (is_space(name[i]) || name[i] == '{' || name[i] == '}' ||
                    (name[i] == '.' && (i == 0 || i + 1 == n || name[i + 1] == '.')))
                        return false;
        return n > 0;
}

/* The next `n` times `brace`, or NULL. Not strstr(): with sanitizers that looks at the whole rest.
 */
static const char *find_braces(const struct parser *parser, const char *at, char brace, size_t n) {
        while ((at = memchr(at, brace, (size_t) (parser->end - at))) != NULL) {
                size_t found = 1;

                while (found < n && at[found] == brace)
                        found++;
                if (found == n)
                        return at;
                at += found;
        }
        return NULL;
}

/* Reads the tag at `start` ("{{..."). */
static int read_tag(struct parser *parser, const char *start, struct tag *tag) {
        const char *end, *last;

        *tag = (struct tag){ .start = start, .line = parser->line, .kind = 'v' };
        tag->name = start + 2;
        while (is_space(*tag->name))
                tag->name++;
        if (*tag->name && strchr("#^/!>&", *tag->name))
                tag->kind = *tag->name++;
        else if (start[2] == '{')
                tag->kind = *tag->name++;
        end = find_braces(parser, tag->name, '}', tag->kind == '{' ? 3 : 2);
        if (!end) {
                tag->end = parser->end;
                return fail_tag(parser, tag, MESSAGE_TEMPLATE_TAG_OPEN);
        }
        tag->end = end + (tag->kind == '{' ? 3 : 2);
        if (tag->kind == '!')
                return 0;

        last = end;
        while (tag->name < last && is_space(*tag->name))
                tag->name++;
        while (last > tag->name && is_space(last[-1]))
                last--;
        tag->n_name = (size_t) (last - tag->name);
        if (!tag->n_name)
                return fail_tag(parser, tag, MESSAGE_TEMPLATE_TAG_EMPTY);
        if (tag->kind == 'v' && strchr("=<$@%*?~|+,;:()[]\"'\\", *tag->name))
                return fail_tag(parser, tag, MESSAGE_TEMPLATE_TAG_KIND);
        if (tag->kind != '>' && !is_name(tag->name, tag->n_name))
                return fail_tag(parser, tag, MESSAGE_TEMPLATE_TAG_NAME);
        return 0;
}

/* A tag that writes nothing, alone on its line, takes the line with it. Moves both ends of `tag`
 * over the blanks and the line end. */
static bool take_line(const struct parser *parser, struct tag *tag) {
        const char *from = tag->start, *to = tag->end;

        if (tag->kind == 'v' || tag->kind == '{' || tag->kind == '&')
                return false;
        while (from > parser->line_start && is_blank(from[-1]))
                from--;
        while (is_blank(*to))
                to++;
        if (from > parser->line_start || (*to && *to != '\n' && strncmp(to, "\r\n", 2) != 0))
                return false;
        tag->start = from;
        tag->end = *to ? to + (*to == '\r') + 1 : to;
        return true;
}

static int close_section(struct parser *parser, const struct tag *tag) {
        struct program *program = parser->program;
        char *name freed_by(freep) = shown(tag->name, tag->n_name);
        char *open_name freed_by(freep) = NULL, line[16];
        const struct step *open;

        if (!parser->n_open)
                return fail(parser, tag->line,
                            say(MESSAGE_TEMPLATE_SECTION_END, "name", name, NULL));
        open = &program->steps[parser->open[parser->n_open - 1]];
        if (open->n_bytes != tag->n_name || memcmp(open->text, tag->name, tag->n_name) != 0) {
                open_name = shown(open->text, open->n_bytes);
                (void) snprintf(line, sizeof(line), "%u", open->line);
                return fail(parser, tag->line,
                            say(MESSAGE_TEMPLATE_SECTION_CROSSED, "name", name, "open", open_name,
                                "line", line, NULL));
        }
        program->steps[parser->open[--parser->n_open]].end = program->n_steps;
        return 0;
}

static int open_section(struct parser *parser, const struct tag *tag) {
        char *name freed_by(freep) = NULL, most[16];

        if (parser->n_open < TEMPLATE_SECTIONS_MAX) {
                parser->open[parser->n_open++] = parser->program->n_steps;
                return step_new(parser, tag->kind == '#' ? STEP_SECTION : STEP_INVERTED, tag->name,
                                tag->n_name, tag->line)
                               ? 0
                               : -ENOMEM;
        }
        name = shown(tag->name, tag->n_name);
        (void) snprintf(most, sizeof(most), "%d", TEMPLATE_SECTIONS_MAX);
        return fail(parser, tag->line,
                    say(MESSAGE_TEMPLATE_SECTIONS_DEEP, "name", name, "most", most, NULL));
}

static int add_tag(struct parser *parser, const struct tag *tag, bool whole_line) {
        const char *tag_itself = tag->start;
        struct step *step;

        switch (tag->kind) {
        case '!':
                return 0;
        case '/':
                return close_section(parser, tag);
        case '#':
        case '^':
                return open_section(parser, tag);
        case '>':
                step = step_new(parser, STEP_PARTIAL, tag->name, tag->n_name, tag->line);
                if (step && whole_line) {
                        while (is_blank(*tag_itself))
                                tag_itself++;
                        step->indent = tag->start;
                        step->n_indent = (size_t) (tag_itself - tag->start);
                }
                return step ? 0 : -ENOMEM;
        default:
                step = step_new(parser, tag->kind == 'v' ? STEP_VALUE : STEP_RAW, tag->name,
                                tag->n_name, tag->line);
                return step ? 0 : -ENOMEM;
        }
}

static void count_lines(struct parser *parser, const char *from, const char *to) {
        while ((from = memchr(from, '\n', (size_t) (to - from))) != NULL) {
                parser->line++;
                parser->line_start = ++from;
        }
}

int program_parse(struct program *program, struct template_error *ret_error) {
        struct parser parser = {
                .program = program,
                .at = program->text,
                .end = program->text + strlen(program->text),
                .line_start = program->text,
                .line = 1,
                .error = ret_error,
        };
        const struct step *open;

        while (*parser.at) {
                const char *start = find_braces(&parser, parser.at, '{', 2);
                const char *text_end = start ? start : parser.end;
                bool whole_line;
                struct tag tag;
                int r;

                count_lines(&parser, parser.at, text_end);
                if (start) {
                        r = read_tag(&parser, start, &tag);
                        if (r < 0)
                                return r;
                        whole_line = take_line(&parser, &tag);
                        text_end = tag.start;
                }
                if (text_end > parser.at && !step_new(&parser, STEP_TEXT, parser.at,
                                                      (size_t) (text_end - parser.at), parser.line))
                        return -ENOMEM;
                if (!start)
                        break;
                r = add_tag(&parser, &tag, whole_line);
                if (r < 0)
                        return r;
                count_lines(&parser, start, tag.end);
                parser.at = tag.end;
        }
        if (parser.n_open) {
                char *name freed_by(freep) = NULL;

                open = &program->steps[parser.open[parser.n_open - 1]];
                name = shown(open->text, open->n_bytes);
                return fail(&parser, open->line,
                            say(MESSAGE_TEMPLATE_SECTION_OPEN, "name", name, NULL));
        }
        return 0;
}
