#include "core/problems.h"

#include <stdlib.h>
#include <string.h>

#include "core/visible.h"

/* Stands for the first problem when there is no memory for it. */
static struct problem unspeakable = { .text = (char *) "out of memory" };

static char *sentence(enum message message, va_list pairs) {
        struct buf raw = { 0 }, clean = { 0 };
        char *text = NULL;

        say_list(&raw, message, pairs);
        if (!raw.error) {
                visible_add(&clean, buf_text(&raw), raw.len);
                text = buf_take(&clean);
        }
        buf_done(&raw);
        buf_done(&clean);
        return text;
}

static struct problem *room(struct problems *problems) {
        size_t wanted = problems->allocated ? problems->allocated * 2 : 16;
        struct problem *list;

        if (problems->n >= PROBLEMS_MAX || problems->list == &unspeakable)
                return NULL;
        if (problems->n == problems->allocated) {
                list = reallocarray(problems->list, wanted, sizeof(*list));
                if (!list)
                        return NULL;
                problems->list = list;
                problems->allocated = wanted;
        }
        return problems->list + problems->n;
}

void problems_add(struct problems *problems, const char *file, unsigned line,
                  enum message message, ...) {
        struct problem *slot = room(problems);
        char *name = NULL, *text = NULL;
        va_list pairs;

        if (slot) {
                va_start(pairs, message);
                text = sentence(message, pairs);
                va_end(pairs);
                name = file ? strdup(file) : NULL;
        }
        if (text && (name || !file)) {
                *slot = (struct problem) { name, line, text };
                problems->n++;
                return;
        }
        free(name);
        free(text);
        if (problems->n > 0) {
                problems->more++;
                return;
        }
        free(problems->list);
        *problems = (struct problems) { .list = &unspeakable, .n = 1 };
}

char *problem_text(const struct problem *problem) {
        struct buf text = { 0 };

        if (problem->file && problem->line)
                buf_fmt(&text, "%s:%u: ", problem->file, problem->line);
        else if (problem->file)
                buf_fmt(&text, "%s: ", problem->file);
        buf_str(&text, problem->text);
        return buf_take(&text);
}

void problems_print(const struct problems *problems, FILE *to) {
        for (size_t i = 0; i < problems->n; i++) {
                const struct problem *problem = problems->list + i;

                if (problem->file && problem->line)
                        fprintf(to, "%s:%u: %s\n", problem->file, problem->line, problem->text);
                else if (problem->file)
                        fprintf(to, "%s: %s\n", problem->file, problem->text);
                else
                        fprintf(to, "%s\n", problem->text);
        }
        if (problems->more) {
                char count[24], *text;

                (void) snprintf(count, sizeof(count), "%zu", problems->more);
                text = say(MESSAGE_CONF_MORE_PROBLEMS, "count", count, NULL);
                if (text)
                        fprintf(to, "%s\n", text);
                free(text);
        }
}

void problems_done(struct problems *problems) {
        if (problems->list != &unspeakable) {
                for (size_t i = 0; i < problems->n; i++) {
                        free(problems->list[i].file);
                        free(problems->list[i].text);
                }
                free(problems->list);
        }
        *problems = (struct problems) { 0 };
}
