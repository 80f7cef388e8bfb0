#include "core/template.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/messages.h"
#include "core/template_parse.h"

#define PARTIALS_MAX 16 /* nested in each other */

struct template_form {
        enum escape escape;
        struct program main;
        struct program *partials;
};

void template_form_free(struct template_form *form) {
        if (!form)
                return;
        while (form->partials) {
                struct program *program = form->partials;

                form->partials = program->next;
                program_done(program);
                free(program);
        }
        program_done(&form->main);
        free(form);
}

static void template_form_freep(struct template_form **form) {
        template_form_free(*form);
}

void template_error_done(struct template_error *error) {
        free(error->sentence);
        *error = (struct template_error){ 0 };
}

/* -- reading, with all partials -- */

struct kit {
        const struct template *template;
        struct template_form *form;
        struct template_error *error;
};

/* The text with `indent` before every line that is not empty: a partial's tag that stands alone on
 * its line hands its indentation down. */
static char *indented(const char *text, const char *indent, size_t n_indent) {
        struct buf buf = { 0 };

        while (*text && !buf.error) {
                size_t n = strcspn(text, "\n");

                if (n > 0 && !(n == 1 && text[0] == '\r'))
                        buf_add(&buf, indent, n_indent);
                n += text[n] == '\n';
                buf_add(&buf, text, n);
                text += n;
        }
        return buf_take(&buf);
}

static int fail_partial(struct kit *kit, const struct step *step, enum message message) {
        char *name freed_by(freep) = strndup(step->text, step->n_bytes), most[16];

        (void) snprintf(most, sizeof(most), "%d", PARTIALS_MAX);
        kit->error->line = step->line;
        kit->error->sentence = say(message, "name", name, "most", most, NULL);
        return kit->error->sentence ? -EINVAL : -ENOMEM;
}

/* An error inside a partial is shown at the tag that calls for it, and says where it really is. */
static int wrap_error(struct kit *kit, const struct step *step, int r) {
        char *name freed_by(freep) = strndup(step->text, step->n_bytes), line[16];
        char *inner freed_by(freep) = give_away(kit->error->sentence);

        (void) snprintf(line, sizeof(line), "%u", kit->error->line);
        kit->error->line = step->line;
        if (r == -EINVAL)
                kit->error->sentence = say(MESSAGE_TEMPLATE_IN_PARTIAL, "name", name, "line", line,
                                           "sentence", inner, NULL);
        return r == -EINVAL && !kit->error->sentence ? -ENOMEM : r;
}

static struct program *find_program(const struct kit *kit, const struct step *step) {
        for (struct program *program = kit->form->partials; program; program = program->next)
                if (program->n_name == step->n_bytes && program->n_indent == step->n_indent &&
                    memcmp(program->name, step->text, step->n_bytes) == 0 &&
                    memcmp(program->indent, step->indent ? step->indent : "", step->n_indent) == 0)
                        return program;
        return NULL;
}

/* A partial that includes itself would be read without end where its indentation grows, so the
 * name alone tells. */
static bool is_open(const struct kit *kit, const struct step *step) {
        for (const struct program *program = kit->form->partials; program; program = program->next)
                if (program->is_open && program->n_name == step->n_bytes &&
                    memcmp(program->name, step->text, step->n_bytes) == 0)
                        return true;
        return false;
}

static int read_program(struct kit *kit, struct program *program, unsigned depth);

static int read_partial(struct kit *kit, struct step *step, unsigned depth) {
        const struct template *template = kit->template;
        char *name freed_by(freep) = NULL;
        const char *text;
        struct program *program;
        int r;

        if (depth >= PARTIALS_MAX || is_open(kit, step))
                return fail_partial(kit, step, MESSAGE_TEMPLATE_PARTIAL_DEEP);
        program = find_program(kit, step);
        if (program) {
                step->program = program;
                return depth + 1 + program->height > PARTIALS_MAX
                               ? fail_partial(kit, step, MESSAGE_TEMPLATE_PARTIAL_DEEP)
                               : 0;
        }

        name = strndup(step->text, step->n_bytes);
        if (!name)
                return -ENOMEM;
        text = template->partial ? template->partial(name, template->userdata) : NULL;
        if (!text)
                return fail_partial(kit, step, MESSAGE_TEMPLATE_PARTIAL_MISSING);
        program = calloc(1, sizeof(*program));
        if (!program)
                return -ENOMEM;
        program->next = kit->form->partials;
        kit->form->partials = program;
        step->program = program;
        program->n_name = step->n_bytes;
        program->name = give_away(name);
        program->n_indent = step->n_indent;
        program->indent = strndup(step->indent ? step->indent : "", step->n_indent);
        program->text = indented(text, step->indent, step->n_indent);
        if (!program->indent || !program->text)
                return -ENOMEM;
        r = read_program(kit, program, depth + 1);
        return r < 0 ? wrap_error(kit, step, r) : 0;
}

/* Depth is bounded by PARTIALS_MAX. */
static int read_program(struct kit *kit, struct program *program, unsigned depth) {
        int r = program_parse(program, kit->error);

        program->is_open = true;
        for (size_t i = 0; r == 0 && i < program->n_steps; i++) {
                struct step *step = &program->steps[i];

                if (step->kind != STEP_PARTIAL)
                        continue;
                r = read_partial(kit, step, depth);
                if (r == 0 && step->program->height + 1 > program->height)
                        program->height = step->program->height + 1;
        }
        program->is_open = false;
        return r;
}

/* -- writing -- */

struct pen {
        enum escape escape;
        struct buf *out;
};

/* What names are looked up in, from the innermost section outwards. */
struct scene {
        const struct scene *outer;
        const json_t *value;
};

static const json_t *member(const json_t *object, const char *name, size_t n_bytes) {
        char key[256];

        if (!json_is_object(object) || n_bytes >= sizeof(key))
                return NULL;
        memcpy(key, name, n_bytes);
        key[n_bytes] = '\0';
        return json_object_get(object, key);
}

/* The first part of a dotted name is looked for outwards, the others in what was found only. */
static const json_t *look_up(const struct scene *scene, const char *name, size_t n_bytes) {
        const char *end = name + n_bytes, *dot = memchr(name, '.', n_bytes);
        const json_t *value = NULL;

        if (n_bytes == 1 && *name == '.')
                return scene->value;
        for (; scene && !value; scene = scene->outer)
                value = member(scene->value, name, (size_t) ((dot ? dot : end) - name));
        while (value && dot) {
                name = dot + 1;
                dot = memchr(name, '.', (size_t) (end - name));
                value = member(value, name, (size_t) ((dot ? dot : end) - name));
        }
        return value;
}

static bool is_true(const json_t *value) {
        if (json_is_array(value))
                return json_array_size(value) > 0;
        if (json_is_string(value))
                return json_string_length(value) > 0;
        return value && !json_is_false(value) && !json_is_null(value);
}

static void write_value(struct pen *pen, const json_t *value, bool raw) {
        enum escape escape = raw ? ESCAPE_NONE : pen->escape;
        char number[40];

        switch (value ? json_typeof(value) : JSON_NULL) {
        case JSON_STRING:
                escape_add(pen->out, escape, json_string_value(value), json_string_length(value));
                break;
        case JSON_INTEGER:
                buf_fmt(pen->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
                break;
        case JSON_REAL: /* may have a "+" in its exponent */
                (void) snprintf(number, sizeof(number), "%.15g", json_real_value(value));
                escape_add(pen->out, escape, number, strlen(number));
                break;
        case JSON_TRUE:
                buf_str(pen->out, "true");
                break;
        case JSON_FALSE:
                buf_str(pen->out, "false");
                break;
        default:
                break; /* null, and what has no one text */
        }
}

static void write_steps(struct pen *pen, const struct program *program, size_t from, size_t to,
                        const struct scene *scene);

static void write_section(struct pen *pen, const struct program *program, size_t i,
                          const struct scene *scene) {
        const struct step *step = &program->steps[i];
        const json_t *value = look_up(scene, step->text, step->n_bytes);
        struct scene inner = { scene, value };

        if (step->kind == STEP_INVERTED) {
                if (!is_true(value))
                        write_steps(pen, program, i + 1, step->end, scene);
        } else if (json_is_array(value)) {
                for (size_t k = 0; k < json_array_size(value) && !pen->out->error; k++) {
                        inner.value = json_array_get(value, k);
                        write_steps(pen, program, i + 1, step->end, &inner);
                }
        } else if (is_true(value)) {
                write_steps(pen, program, i + 1, step->end, &inner);
        }
}

/* Calls itself for sections and partials, whose depth is bounded. */
static void write_steps(struct pen *pen, const struct program *program, size_t from, size_t to,
                        const struct scene *scene) {
        for (size_t i = from; i < to && !pen->out->error;) {
                const struct step *step = &program->steps[i++];

                switch (step->kind) {
                case STEP_TEXT:
                        buf_add(pen->out, step->text, step->n_bytes);
                        break;
                case STEP_VALUE:
                case STEP_RAW:
                        write_value(pen, look_up(scene, step->text, step->n_bytes),
                                    step->kind == STEP_RAW);
                        break;
                case STEP_PARTIAL:
                        write_steps(pen, step->program, 0, step->program->n_steps, scene);
                        break;
                default:
                        write_section(pen, program, i - 1, scene);
                        i = step->end;
                }
        }
}

/* -- all of it -- */

int template_form_read(const struct template *template, struct template_form **ret,
                       struct template_error *ret_error) {
        struct template_form *form freed_by(template_form_freep) = calloc(1, sizeof(*form));
        struct kit kit = { .template = template, .form = form, .error = ret_error };
        int r;

        *ret_error = (struct template_error){ 0 };
        if (!form)
                return -ENOMEM;
        form->escape = template->escape;
        form->main.text = strdup(template->text);
        r = form->main.text ? read_program(&kit, &form->main, 0) : -ENOMEM;
        if (r == 0)
                *ret = give_away(form);
        return r;
}

int template_form_write(const struct template_form *form, const json_t *context, struct buf *out) {
        struct pen pen = { .escape = form->escape, .out = out };
        struct scene scene = { NULL, context };

        write_steps(&pen, &form->main, 0, form->main.n_steps, &scene);
        return out->error;
}

int template_render(const struct template *template, const json_t *context, struct buf *out,
                    struct template_error *ret_error) {
        struct template_form *form freed_by(template_form_freep) = NULL;
        int r = template_form_read(template, &form, ret_error);

        return r < 0 ? r : template_form_write(form, context, out);
}

int template_check(const struct template *template, struct template_error *ret_error) {
        struct template_form *form freed_by(template_form_freep) = NULL;

        return template_form_read(template, &form, ret_error);
}
