/* Alarms by way of a channel, and their acknowledgement. An alarm that goes to a channel is a document
 * of our own (source urn:gongkai:REGION:gongkai): its opening, each repetition and its end are
 * revisions of it, and no other channel gets it. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"
#include "core/unicode.h"

enum { TITLE_CHARACTERS = 180 };

static void on_alarm_admitted(struct request *request, void *userdata) {
        json_t *answer = json_loads(request->jobs[0].answer ? request->jobs[0].answer : "{}", 0,
                                    NULL);
        const char *status = json_string_value(json_object_get(answer, "status"));
        /* A duplicate: it was asked for before, and the answer was lost. */
        bool ok = status && (strcmp(status, "accepted") == 0 || strcmp(status, "duplicate") == 0);

        if (!answer)
                answer = json_object();
        (void) json_object_set_new(answer, "ok", json_boolean(ok));
        if (!ok && status)
                (void) json_object_set_new(answer, "error", json_string(status));
        control_reply(userdata, answer);
}

/* Title and text of what people read. */
static json_t *alarm_document(const json_t *alarm, const char *document, const char *publisher) {
        bool closed = strcmp(control_text(alarm, "state"), "closed") == 0;
        struct buf title = { 0 }, text = { 0 };
        char count[24], formed[MOMENT_TEXT];
        json_t *data;
        size_t n;

        (void) snprintf(count, sizeof(count), "%lld",
                        (long long) json_integer_value(json_object_get(alarm, "count")));
        say_to(&title, closed ? MESSAGE_ALARM_TITLE_CLOSED : MESSAGE_ALARM_TITLE, "sentence",
               control_text(alarm, "sentence"), NULL);
        n = unicode_cut(buf_text(&title), title.len, TITLE_CHARACTERS);
        say_to(&text, closed ? MESSAGE_ALARM_TEXT_CLOSED : MESSAGE_ALARM_TEXT, "sentence",
               control_text(alarm, "sentence"), "do", control_text(alarm, "what_to_do"), "first",
               control_text(alarm, "first"), "last", control_text(alarm, "last"), "count", count,
               "code", control_text(alarm, "code"), "subject", control_text(alarm, "subject"), NULL);
        data = json_pack("{s:s, s:s, s:s, s:s%, s:{s:s, s:s}, s:{s:s}, s:{s:s}, s:b}", "document",
                         document, "item", "gongkai.alarm", "kind", "warning", "title",
                         buf_text(&title), n, "body", "format", "text", "content", buf_text(&text),
                         "publisher", "name", publisher, "dates", "formed",
                         moment_write_date(clock_now_ms(), formed), "urgent", 1);
        buf_done(&title);
        buf_done(&text);
        return data;
}

/* The same for every time that this piece of news is brought, another for each piece. */
static void alarm_names(const json_t *alarm, char document[static 96], char id[static 160]) {
        char digest[DIGEST_TEXT];
        struct buf occurrence = { 0 };

        buf_fmt(&occurrence, "%s\n%s\n%s", control_text(alarm, "code"), control_text(alarm, "subject"),
                control_text(alarm, "first"));
        digest_bytes(occurrence.data, occurrence.len, digest);
        buf_done(&occurrence);
        (void) snprintf(document, 96, "alarm-%.40s-%.16s", control_text(alarm, "code"), digest);
        (void) snprintf(id, 160, "%s-%.16s-%lld", document, control_text(alarm, "state"),
                        (long long) json_integer_value(json_object_get(alarm, "previous")));
}

void control_alarm_publish(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *region = control_text(question, "region");
        const struct channel_config *channel =
                configuration_channel(daemon->configuration, control_text(question, "channel"));
        const json_t *alarm = json_object_get(question, "alarm");
        char document[96], id[160], source[48], time[MOMENT_TEXT];
        struct request *request;
        json_t *event;

        if (!region_find(daemon, region)) {
                control_fail(client, MESSAGE_CONTROL_NAME_REGION, "region", region, NULL);
                return;
        }
        if (!channel || !channel_serves(channel, region)) {
                control_fail(client, MESSAGE_CONTROL_NO_CHANNEL, "channel",
                             control_text(question, "channel"), NULL);
                return;
        }
        alarm_names(alarm, document, id);
        (void) snprintf(source, sizeof(source), "urn:gongkai:%.6s:gongkai", region);
        event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "specversion", "1.0", "type",
                          "cn.gongkai.disclosure.publish.v1", "source", source, "id", id, "time",
                          moment_write(clock_now_ms(), time), "datacontenttype", "application/json",
                          "data",
                          alarm_document(alarm, document,
                                         configuration_region_name(daemon->configuration, region)));
        request = event ? request_own(daemon, on_alarm_admitted, client) : NULL;
        if (!request) {
                json_decref(event);
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        request->jobs[0].only_channel = channel->name;
        admit(daemon, &request->jobs[0], event, NULL, 0, &control_rights, false, NULL, 0);
        json_decref(event);
        commit_go(daemon, region_find(daemon, region));
}

void control_alarm_ack(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *code = control_text(question, "code"), *subject = control_text(question, "subject");
        struct buf what = { 0 };
        int r = alarm_by_code(code) == N_ALARMS
                        ? -ENOENT
                        : alarm_acknowledge(daemon->configuration->main.state_dir, code, subject,
                                            control_who(client), control_text(question, "reason"));

        if (r == -ENOENT) {
                control_fail(client, MESSAGE_CONTROL_NO_ALARM, "alarm", code, "subject", subject, NULL);
                return;
        }
        if (r < 0) {
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(-r), NULL);
                return;
        }
        buf_fmt(&what, "alarm ack %s %s", code, subject);
        control_audit(client, buf_text(&what));
        buf_done(&what);
        control_reply(client, json_pack("{s:b, s:s, s:s}", "ok", 1, "code", code, "subject", subject));
}
