/* rejected list, show, retry. */
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/visible.h"

enum { LIST_LIMIT = 100 };

/* Strangers' words: what a terminal would act upon is made readable. Lines stay lines. */
static char *readable(const char *text) {
        struct buf buf = { 0 };

        while (*text) {
                size_t n = strcspn(text, "\n");

                visible_add(&buf, text, n);
                text += n;
                if (*text) {
                        buf_char(&buf, '\n');
                        text++;
                }
        }
        return buf_take(&buf);
}

static void make_readable(json_t *object) {
        const char *name;
        json_t *value;
        void *next;

        json_object_foreach_safe(object, next, name, value) {
                char *text freed_by(freep) =
                        json_is_string(value) ? readable(json_string_value(value)) : NULL;

                if (text)
                        (void) json_object_set_new(object, name, json_string(text));
        }
}

static void print_left_out(const json_t *left_out) {
        const json_t *one;
        size_t i;

        json_array_foreach(left_out, i, one) {
                char count[24];

                (void) snprintf(count, sizeof(count), "%lld",
                                (long long) json_integer_value(json_object_get(one, "count")));
                print_line(MESSAGE_CTL_REJECTED_LEFT_OUT, "day", text_member(one, "day"), "emitter",
                           text_member(one, "emitter"), "count", count, NULL);
        }
}

int command_rejected_list(struct ctl *ctl) {
        static const struct column columns[] = {
                { "number", MESSAGE_CTL_COLUMN_NUMBER },     { "at", MESSAGE_CTL_COLUMN_AT },
                { "emitter", MESSAGE_CTL_COLUMN_EMITTER },   { "source", MESSAGE_CTL_COLUMN_SOURCE },
                { "id", MESSAGE_CTL_COLUMN_ID },             { "document", MESSAGE_CTL_COLUMN_DOCUMENT },
                { "times", MESSAGE_CTL_COLUMN_ATTEMPTS },    { "codes", MESSAGE_CTL_COLUMN_CODE },
                { "error", MESSAGE_CTL_COLUMN_ERROR },
        };
        json_t *question = json_pack("{s:s, s:i}", "do", "rejected.list", "limit",
                                     ctl->limit > 0 ? (int) ctl->limit : LIST_LIMIT);
        int code;
        json_t *answer = ctl_ask_well(ctl, question, &code), *row;
        const json_t *rows = json_object_get(answer, "rows");
        size_t i;

        if (answer && ctl->json)
                print_json(rows);
        else if (answer && json_array_size(rows) == 0)
                print_line(MESSAGE_CTL_NOTHING_REJECTED, NULL);
        else if (answer) {
                json_array_foreach(rows, i, row)
                        make_readable(row);
                print_table(rows, columns, ELEMENTS(columns));
        }
        if (answer && !ctl->json)
                print_left_out(json_object_get(answer, "left_out"));
        json_decref(answer);
        return code;
}

/* The question about the entry that is named; NULL: said what is wrong. */
static json_t *question_of_one(const struct ctl *ctl, const char *command) {
        char *end = NULL;
        long long number;

        errno = 0;
        number = ctl->n_arguments == 1 ? strtoll(ctl->arguments[0], &end, 10) : 0;
        if (number > 0 && errno == 0 && end && !*end)
                return json_pack("{s:s, s:I}", "do", command, "number", (json_int_t) number);
        print_error(MESSAGE_CTL_NAME_REJECTED, NULL);
        return NULL;
}

static void print_errors(FILE *to, const json_t *errors) {
        json_t *error;
        size_t i;

        json_array_foreach(errors, i, error) {
                make_readable(error);
                (void) fprintf(to, "  %s  %s  %s\n", text_member(error, "path"), text_member(error, "code"),
                               text_member(error, "message"));
        }
}

int command_rejected_show(struct ctl *ctl) {
        json_t *question = question_of_one(ctl, "rejected.show"), *answer;
        int code;

        if (!question)
                return EXIT_USAGE;
        answer = ctl_ask_well(ctl, question, &code);
        if (answer)
                (void) json_object_del(answer, "ok");
        if (answer && ctl->json)
                print_json(answer);
        else if (answer) {
                char times[24], size[24];

                make_readable(answer);
                (void) snprintf(times, sizeof(times), "%lld",
                                (long long) json_integer_value(json_object_get(answer, "times")));
                (void) snprintf(size, sizeof(size), "%lld",
                                (long long) json_integer_value(json_object_get(answer, "size")));
                print_line(MESSAGE_CTL_REJECTED_SHOW, "number", ctl->arguments[0], "at",
                           text_member(answer, "at"), "emitter", text_member(answer, "emitter"),
                           "source", text_member(answer, "source"), "id", text_member(answer, "id"),
                           "document", text_member(answer, "document"), "times", times, "size", size,
                           NULL);
                print_errors(stdout, json_object_get(answer, "errors"));
                (void) printf("\n%s\n", text_member(answer, "text"));
                if (json_is_true(json_object_get(answer, "cut")))
                        print_line(MESSAGE_CTL_REJECTED_IS_CUT, "size", size, NULL);
        }
        json_decref(answer);
        return code;
}

int command_rejected_retry(struct ctl *ctl) {
        json_t *question = question_of_one(ctl, "rejected.retry"), *answer;
        int code;

        if (!question)
                return EXIT_USAGE;
        answer = ctl_ask(ctl, question);
        if (!answer)
                return EXIT_NO_DAEMON;
        code = json_is_true(json_object_get(answer, "ok")) ? EXIT_WELL : EXIT_REFUSED;
        if (ctl->json)
                print_json(answer);
        else if (json_object_get(answer, "error"))
                (void) fprintf(stderr, "%s\n", text_member(answer, "error"));
        else if (code == EXIT_WELL)
                print_line(MESSAGE_CTL_RETRIED, "number", ctl->arguments[0], "status",
                           text_member(answer, "status"), "event", text_member(answer, "event"), NULL);
        else {
                print_error(MESSAGE_CTL_NOT_RETRIED, "number", ctl->arguments[0], "status",
                            text_member(answer, "status"), NULL);
                print_errors(stderr, json_object_get(answer, "errors"));
        }
        json_decref(answer);
        return code;
}
