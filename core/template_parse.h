/* A template, read into a row of steps. */
#ifndef CORE_TEMPLATE_PARSE_H
#define CORE_TEMPLATE_PARSE_H

#include <stdbool.h>

#include "core/template.h"

#define TEMPLATE_SECTIONS_MAX 64 /* nested in each other, in one text */

enum step_kind { STEP_TEXT, STEP_VALUE, STEP_RAW, STEP_SECTION, STEP_INVERTED, STEP_PARTIAL };

struct step {
        enum step_kind kind;
        unsigned line;
        const char *text; /* TEXT: itself; the others: the name; in the program's text */
        size_t n_bytes;
        size_t end;         /* SECTION, INVERTED: the step behind its last */
        const char *indent; /* PARTIAL: the blanks before a tag alone on its line */
        size_t n_indent;
        struct program *program; /* PARTIAL: found by template.c */
};

/* The main text, or a partial as it is indented at one place. */
struct program {
        struct program *next;
        char *name, *indent, *text; /* owned; name and indent are NULL in the main text */
        size_t n_name, n_indent;
        struct step *steps;
        size_t n_steps, n_allocated;
        unsigned height; /* partials below */
        bool is_open;    /* being read: a partial that comes here again includes itself */
};

/* Reads program->text. -EINVAL with *ret_error filled, -ENOMEM. */
int program_parse(struct program *program, struct template_error *ret_error);
void program_done(struct program *program);

#endif
