/* `--preview`: the event on standard input becomes a delivery, the driver its request, and that is
 * printed. Nothing is connected, opened or written. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/moment.h"

enum { EVENT_MOST = 4 << 20, MOST_STEPS = 20, SHOWN_MOST = 4096 };

static char *read_all(size_t *ret_n) {
        char *bytes = malloc(EVENT_MOST + 1);
        size_t n = 0;

        while (bytes && n < EVENT_MOST) {
                ssize_t got = read(STDIN_FILENO, bytes + n, EVENT_MOST - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        break;
                n += (size_t) got;
        }
        if (bytes)
                bytes[n] = '\0';
        *ret_n = n;
        return bytes;
}

static void say_line(enum message message, const char *code, const char *reason, const char *count,
                     const char *removals) {
        char *text freed_by(freep) = say(message, "code", code, "reason", reason, "count", count,
                                         "removals", removals, NULL);

        (void) printf("%s\n", text ? text : "");
}

/* The secret itself is for nobody's eyes; what is signed with it may be seen. */
static void print_without_secret(const char *text, size_t n, const char *secret) {
        size_t n_secret = secret ? strlen(secret) : 0;

        for (size_t i = 0; i < n;) {
                if (n_secret > 0 && n - i >= n_secret && memcmp(text + i, secret, n_secret) == 0) {
                        (void) fputs("******", stdout);
                        i += n_secret;
                        continue;
                }
                (void) putchar(text[i++]);
        }
}

static void print_request(const struct http_request *http, const char *secret) {
        size_t n_body;
        const char *body = http_request_body(http, &n_body);

        (void) printf("%s ", http->method);
        print_without_secret(http->url, strlen(http->url), secret);
        (void) putchar('\n');
        for (char **header = http->headers; header && *header; header++) {
                print_without_secret(*header, strlen(*header), secret);
                (void) putchar('\n');
        }
        (void) putchar('\n');
        print_without_secret(body, n_body, secret);
        (void) putchar('\n');
}

static void print_files(const struct tree_commit *commit) {
        char count[24], removals[24];

        (void) snprintf(count, sizeof(count), "%zu", commit->n_files);
        (void) snprintf(removals, sizeof(removals), "%zu", commit->n_removals);
        say_line(MESSAGE_PREVIEW_TREE, NULL, NULL, count, removals);
        for (size_t i = 0; i < commit->n_files; i++) {
                const struct tree_file *file = &commit->files[i];

                if (file->content)
                        (void) printf("  %s  %zu\n", file->path, file->n_bytes);
                else
                        (void) printf("  %s  sha256:%.16s\n", file->path,
                                      file->sha256 ? file->sha256 : "");
        }
}

static bool is_in_view(const struct tree_open *open, const struct tree_view *view,
                       const char *month) {
        bool tagged = !view->tag;
        size_t i;
        const json_t *tag;

        json_array_foreach(open->tags, i, tag)
                tagged = tagged || strcmp(json_string_value(tag), view->tag) == 0;
        return open->has_entry && open->live && tagged &&
               (!view->month || strcmp(view->month, month) == 0);
}

/* An index with nothing in it but this entry. */
static json_t *lonely_views(const struct tree_open *open, struct tree_reply *ret) {
        json_t *whole = json_pack("{s:[], s:{}, s:{}}", "views", "tags", "months");
        json_t *views = json_object_get(whole, "views"), *tag;
        char month[MOMENT_TEXT];
        size_t i;

        (void) moment_write_date(open->date_ms, month);
        month[7] = '\0'; /* 2026-11 */
        for (i = 0; i < open->n_views; i++)
                (void) json_array_append_new(views, is_in_view(open, &open->views[i], month)
                                                            ? json_pack("[O]", open->data)
                                                            : json_array());
        if (open->has_entry && open->live) {
                (void) json_object_set_new(json_object_get(whole, "months"), "",
                                           json_pack("[s]", month));
                json_array_foreach(open->tags, i, tag) {
                        (void) json_object_set_new(json_object_get(whole, "tags"),
                                                   json_string_value(tag), json_integer(1));
                        (void) json_object_set_new(json_object_get(whole, "months"),
                                                   json_string_value(tag), json_pack("[s]", month));
                }
        }
        *ret = (struct tree_reply) { .status = TREE_OK, .views = json_object_get(whole, "views"),
                                     .tags = json_object_get(whole, "tags"),
                                     .months = json_object_get(whole, "months") };
        return whole;
}

/* Prints what would be sent. A request ends it: what comes after depends on the reply. */
static int follow(struct channeld *daemon, struct delivery *delivery) {
        struct step step = { 0 };
        json_t *memo = NULL;
        int r = daemon->driver->begin(delivery, &step);

        for (unsigned i = 0; r == 0 && step.kind == STEP_TREE_OPEN && i < MOST_STEPS; i++) {
                struct reply reply = { .kind = STEP_TREE_OPEN };
                json_t *views = lonely_views(&step.tree_open, &reply.tree);
                struct step next = { 0 };

                if (step.memo) { /* the driver knows by it where it is */
                        json_decref(memo);
                        memo = json_incref(step.memo);
                        delivery->memo = memo;
                }
                r = daemon->driver->next(delivery, &reply, &next);
                step_done(&step);
                step = next;
                json_decref(views);
        }
        if (r == 0 && step.kind == STEP_HTTP)
                print_request(&step.http, daemon->secret);
        else if (r == 0 && step.kind == STEP_TREE_COMMIT)
                print_files(&step.tree_commit);
        else if (r == 0 && step.kind == STEP_VERDICT)
                say_line(MESSAGE_PREVIEW_VERDICT, step.verdict.code ? step.verdict.code : "",
                         step.verdict.sentence ? step.verdict.sentence : "", NULL, NULL);
        step_done(&step);
        json_decref(memo);
        return r;
}

static int preview(struct channeld *daemon, struct attempt *attempt, struct findings *errors) {
        struct findings warnings = { 0 };
        json_t *json = event_read(attempt->bytes, attempt->n_bytes, errors);
        int r;

        if (json)
                attempt->event = event_parse(json, errors, &warnings);
        json_decref(json);
        findings_done(&warnings);
        if (!attempt->event || !attempt->event->document || (attempt->event->type != EVENT_PUBLISH &&
                                                           attempt->event->type != EVENT_WITHDRAW))
                return -EINVAL;
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (strcmp(daemon->regions[i].code, attempt->event->region) == 0)
                        attempt->region = &daemon->regions[i];
        attempt->revision = attempt->event->revision > 0 ? attempt->event->revision : 1;
        attempt->level = attempt->event->type == EVENT_WITHDRAW;
        attempt->kind = attempt->level ? 'W' : 'P';
        attempt->lease->document = strdup(attempt->event->document);
        attempt->event_id = "00000000000000000000000000";
        if (!attempt->region || !attempt->lease->document)
                return attempt->region ? -ENOMEM : -EINVAL;
        r = delivery_fill(attempt);
        if (r == 0) {
                attempt->delivery.attempt = 1;
                attempt->delivery.accepted_ms = attempt->delivery.now_ms;
                r = follow(daemon, &attempt->delivery);
        }
        return r;
}

int preview_run(struct channeld *daemon) {
        struct lease *lease = calloc(1, sizeof(*lease));
        struct attempt *attempt = calloc(1, sizeof(*attempt));
        struct findings errors = { 0 };
        int r = lease && attempt ? 0 : -ENOMEM;

        if (r == 0) {
                attempt->daemon = daemon;
                attempt->lease = lease;
                attempt->bytes = read_all(&attempt->n_bytes);
                r = attempt->bytes ? preview(daemon, attempt, &errors) : -ENOMEM;
        }
        if (r == -EINVAL && errors.n > 0)
                say_line(MESSAGE_PREVIEW_NOT_AN_EVENT, NULL, errors.list[0].message, NULL, NULL);
        else if (r < 0)
                say_line(MESSAGE_PREVIEW_NOT_AN_EVENT, NULL, strerror(-r), NULL, NULL);
        else
                say_line(MESSAGE_PREVIEW_NOTHING_SENT, NULL, NULL, NULL, NULL);
        findings_done(&errors);
        if (attempt)
                attempt_free(attempt);
        else
                free(lease);
        return r;
}
