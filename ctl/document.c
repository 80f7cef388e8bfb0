/* document list, show, history, withdraw. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { LIST_LIMIT = 30 };

static json_t *question(const struct ctl *ctl, const char *command) {
        json_t *json = json_pack("{s:s}", "do", command);

        if (ctl->region)
                (void) json_object_set_new(json, "region", json_string(ctl->region));
        if (ctl->n_arguments > 0)
                (void) json_object_set_new(json, "document", json_string(ctl->arguments[0]));
        if (ctl->limit > 0)
                (void) json_object_set_new(json, "limit", json_integer(ctl->limit));
        return json;
}

static int needs_document(const struct ctl *ctl) {
        if (ctl->n_arguments == 1)
                return EXIT_WELL;
        print_error(MESSAGE_CTL_NAME_DOCUMENT, NULL);
        return EXIT_USAGE;
}

static int newest_first(const void *a, const void *b) {
        return strcmp(text_member(*(json_t *const *) b, "at"), text_member(*(json_t *const *) a, "at"));
}

/* They come region by region: the newest of all of them are wanted. */
static json_t *newest(json_t *rows, size_t most) {
        size_t n = json_array_size(rows), i;
        json_t **sorted = calloc(n + 1, sizeof(json_t *));
        json_t *list = json_array();

        for (i = 0; sorted && i < n; i++)
                sorted[i] = json_array_get(rows, i);
        if (sorted)
                qsort(sorted, n, sizeof(json_t *), newest_first);
        for (i = 0; sorted && i < n && i < most; i++)
                (void) json_array_append(list, sorted[i]);
        free(sorted);
        return list;
}

int command_document_list(struct ctl *ctl) {
        static const struct column columns[] = {
                { "at", MESSAGE_CTL_COLUMN_AT },
                { "region", MESSAGE_CTL_COLUMN_REGION },
                { "document", MESSAGE_CTL_COLUMN_DOCUMENT },
                { "revision", MESSAGE_CTL_COLUMN_REVISION },
                { "what", MESSAGE_CTL_COLUMN_STATE },
                { "event", MESSAGE_CTL_COLUMN_EVENT },
        };
        int code;
        json_t *records, *rows, *row;
        size_t i;

        if (ctl->limit <= 0)
                ctl->limit = LIST_LIMIT;
        records = ctl_records(ctl, question(ctl, "document.list"), NULL, &code);
        rows = newest(records, (size_t) ctl->limit);
        json_array_foreach(rows, i, row) {
                const char *kind = text_member(row, "code");

                (void) json_object_set_new(
                        row, "what",
                        json_string(strcmp(text_member(row, "state"), "held") == 0 ? "held"
                                    : *kind == 'W'                                 ? "withdraw"
                                                                                   : "publish"));
        }
        if (records && ctl->json)
                print_json(rows);
        else if (records)
                print_table(rows, columns, ELEMENTS(columns));
        json_decref(rows);
        json_decref(records);
        return code;
}

/* What waits for attachments: where each is, and why it has not come. */
static void print_attachments(const json_t *answer) {
        static const struct column columns[] = {
                { "name", MESSAGE_CTL_COLUMN_NAME },         { "state", MESSAGE_CTL_COLUMN_STATE },
                { "attempts", MESSAGE_CTL_COLUMN_ATTEMPTS }, { "next", MESSAGE_CTL_COLUMN_NEXT },
                { "url", MESSAGE_CTL_COLUMN_URL },           { "error", MESSAGE_CTL_COLUMN_ERROR },
        };
        const json_t *list = json_object_get(answer, "attachments");

        if (json_array_size(list) == 0)
                return;
        print_line(MESSAGE_CTL_DOCUMENT_FETCHING, NULL);
        print_table(list, columns, ELEMENTS(columns));
}

static void print_channels(const json_t *answer) {
        static const struct column columns[] = {
                { "channel", MESSAGE_CTL_COLUMN_CHANNEL }, { "state", MESSAGE_CTL_COLUMN_STATE },
                { "revision", MESSAGE_CTL_COLUMN_REVISION }, { "at", MESSAGE_CTL_COLUMN_AT },
                { "attempts", MESSAGE_CTL_COLUMN_ATTEMPTS }, { "next", MESSAGE_CTL_COLUMN_NEXT },
                { "url", MESSAGE_CTL_COLUMN_URL },           { "error", MESSAGE_CTL_COLUMN_ERROR },
        };

        print_table(json_object_get(answer, "channels"), columns, ELEMENTS(columns));
}

int command_document_show(struct ctl *ctl) {
        int code = needs_document(ctl);
        char revision[24];
        const char *publish_at;
        json_t *answer;

        if (code != EXIT_WELL)
                return code;
        answer = ctl_ask_well(ctl, question(ctl, "document.show"), &code);
        if (!answer)
                return code;
        publish_at = text_member(json_array_get(json_object_get(answer, "pending"), 0), "publish_at");
        (void) json_object_del(answer, "ok");
        if (ctl->json)
                print_json(answer);
        else {
                (void) snprintf(revision, sizeof(revision), "%lld",
                                (long long) json_integer_value(json_object_get(answer, "revision")));
                print_line(MESSAGE_CTL_DOCUMENT, "document", text_member(answer, "document"),
                           "revision", revision, "state", text_member(answer, "state"), "owner",
                           text_member(answer, "owner"), "accepted", text_member(answer, "accepted"),
                           NULL);
                if (*text_member(answer, "held"))
                        print_line(MESSAGE_CTL_DOCUMENT_HELD, "event", text_member(answer, "held"),
                                   NULL);
                if (*publish_at)
                        print_line(MESSAGE_CTL_DOCUMENT_PENDING, "at", publish_at, NULL);
                print_attachments(answer);
                print_channels(answer);
        }
        json_decref(answer);
        return code;
}

int command_document_history(struct ctl *ctl) {
        static const struct column columns[] = {
                { "at", MESSAGE_CTL_COLUMN_AT },           { "state", MESSAGE_CTL_COLUMN_STATE },
                { "revision", MESSAGE_CTL_COLUMN_REVISION }, { "channel", MESSAGE_CTL_COLUMN_CHANNEL },
                { "attempt", MESSAGE_CTL_COLUMN_ATTEMPTS }, { "code", MESSAGE_CTL_COLUMN_CODE },
                { "url", MESSAGE_CTL_COLUMN_URL },         { "sentence", MESSAGE_CTL_COLUMN_ERROR },
                { "extra", MESSAGE_CTL_COLUMN_EXTRA },
        };
        int code = needs_document(ctl);
        json_t *rows, *row;
        size_t i;

        if (code != EXIT_WELL)
                return code;
        rows = ctl_records(ctl, question(ctl, "document.history"), ctl->arguments[0], &code);
        if (!rows)
                return code;
        if (ctl->json)
                print_json(rows);
        else if (json_array_size(rows) == 0)
                print_error(MESSAGE_CONTROL_NO_DOCUMENT, NULL);
        else {
                json_array_foreach(rows, i, row)
                        say_sight(row);
                print_table(rows, columns, ELEMENTS(columns));
        }
        if (json_array_size(rows) == 0)
                code = EXIT_REFUSED;
        json_decref(rows);
        return code;
}

int command_document_withdraw(struct ctl *ctl) {
        int code = needs_document(ctl);
        json_t *ask, *answer;

        if (code != EXIT_WELL)
                return code;
        if (!ctl->reason) {
                print_error(MESSAGE_CONTROL_NAME_REASON, NULL);
                return EXIT_USAGE;
        }
        ask = question(ctl, "document.withdraw");
        (void) json_object_set_new(ask, "reason", json_string(ctl->reason));
        (void) json_object_set_new(ask, "erase", json_boolean(ctl->erase));
        if (ctl->reason_code)
                (void) json_object_set_new(ask, "reason_code", json_string(ctl->reason_code));
        answer = ctl_ask(ctl, ask);
        if (!answer)
                return EXIT_NO_DAEMON;
        code = json_is_true(json_object_get(answer, "ok")) ? EXIT_WELL : EXIT_REFUSED;
        if (ctl->json)
                print_json(answer);
        else if (code == EXIT_WELL)
                print_line(MESSAGE_CTL_WITHDRAWN, "document", ctl->arguments[0], NULL);
        else if (json_object_get(answer, "error"))
                (void) fprintf(stderr, "%s\n", text_member(answer, "error"));
        else {
                const json_t *error = json_array_get(json_object_get(answer, "errors"), 0);

                print_error(MESSAGE_CTL_NOT_WITHDRAWN, "status", text_member(answer, "status"),
                            "reason", text_member(error, "message"), NULL);
        }
        json_decref(answer);
        return code;
}
