/* held list, show, release, reject. */
#include "ctl/ctl.h"

#include <stdio.h>

#include "core/memory.h"

int command_held_list(struct ctl *ctl) {
        static const struct column columns[] = {
                { "at", MESSAGE_CTL_COLUMN_AT },         { "region", MESSAGE_CTL_COLUMN_REGION },
                { "event", MESSAGE_CTL_COLUMN_EVENT },   { "document", MESSAGE_CTL_COLUMN_DOCUMENT },
                { "source", MESSAGE_CTL_COLUMN_SOURCE }, { "reasons", MESSAGE_CTL_COLUMN_REASONS },
        };
        int code;
        json_t *answer = ctl_ask_well(ctl, json_pack("{s:s}", "do", "held.list"), &code);
        const json_t *rows = json_object_get(answer, "rows");

        if (answer && ctl->json)
                print_json(rows);
        else if (answer && json_array_size(rows) == 0)
                print_line(MESSAGE_CTL_NOTHING_HELD, NULL);
        else if (answer)
                print_table(rows, columns, ELEMENTS(columns));
        json_decref(answer);
        return code;
}

static json_t *ask_one(struct ctl *ctl, const char *command, int *ret_code) {
        json_t *question;

        if (ctl->n_arguments != 1) {
                print_error(MESSAGE_CTL_NAME_EVENT, NULL);
                *ret_code = EXIT_USAGE;
                return NULL;
        }
        question = json_pack("{s:s, s:s}", "do", command, "event", ctl->arguments[0]);
        if (ctl->reason)
                (void) json_object_set_new(question, "reason", json_string(ctl->reason));
        return ctl_ask_well(ctl, question, ret_code);
}

int command_held_show(struct ctl *ctl) {
        int code;
        json_t *answer = ask_one(ctl, "held.show", &code);
        const json_t *data = json_object_get(json_object_get(answer, "content"), "data"), *why;
        size_t i;

        if (answer && ctl->json)
                print_json(answer);
        else if (answer) {
                print_line(MESSAGE_CTL_HELD_SHOW, "event", text_member(answer, "event"), "document",
                           text_member(answer, "document"), "reasons", text_member(answer, "reasons"),
                           NULL);
                json_array_foreach(json_object_get(answer, "why"), i, why)
                        (void) printf("  %s\n", text_member(why, "message"));
                (void) printf("\n%s\n\n%s\n", text_member(data, "title"),
                              text_member(json_object_get(data, "body"), "content"));
        }
        json_decref(answer);
        return code;
}

static int decide(struct ctl *ctl, const char *command, enum message done) {
        int code;
        json_t *answer = ask_one(ctl, command, &code);

        if (answer && ctl->json)
                print_json(answer);
        else if (answer)
                print_line(done, "event", text_member(answer, "event"), "document",
                           text_member(answer, "document"), NULL);
        json_decref(answer);
        return code;
}

int command_held_release(struct ctl *ctl) {
        return decide(ctl, "held.release", MESSAGE_CTL_RELEASED);
}

int command_held_reject(struct ctl *ctl) {
        return decide(ctl, "held.reject", MESSAGE_CTL_REJECTED);
}
