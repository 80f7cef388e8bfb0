/* An operator's withdrawal is an event of our own (source urn:gongkai:REGION:gongkai), and goes
 * through the same admission and commit as any other. */
#include "daemons/publisherd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

static void on_withdrawn(struct request *request, void *userdata) {
        json_t *answer = json_loads(request->jobs[0].answer ? request->jobs[0].answer : "{}", 0,
                                    NULL);
        const char *status = json_string_value(json_object_get(answer, "status"));
        bool ok = status && strcmp(status, "accepted") == 0;

        if (!answer)
                answer = json_object();
        (void) json_object_set_new(answer, "ok", json_boolean(ok));
        control_reply(userdata, answer);
}

static char every_source[] = "urn:gongkai:*", every_owner[] = "*", own_name[] = "gongkaictl";
static char *sources[] = { every_source }, *owners[] = { every_owner };
const struct emitter_config control_rights = {
        .name = own_name, .sources = { sources, 1 }, .may_revise = { owners, 1 },
        .may_urgent = true, .may_backfill = true, .enabled = true,
};

void control_withdraw(struct publisherd *daemon, struct client *client, json_t *question) {
        const char *region = json_string_value(json_object_get(question, "region"));
        const char *document = json_string_value(json_object_get(question, "document"));
        const char *reason = json_string_value(json_object_get(question, "reason"));
        const char *code = json_string_value(json_object_get(question, "reason_code"));
        bool erase = json_is_true(json_object_get(question, "erase"));
        char source[48], id[ULID_TEXT], time[MOMENT_TEXT];
        struct buf what = { 0 };
        struct request *request;
        json_t *event;

        if (!region && daemon->n_regions == 1)
                region = daemon->regions[0].code;
        if (!region || !region_find(daemon, region)) {
                control_fail(client, MESSAGE_CONTROL_NAME_REGION, "region", region ? region : "",
                             NULL);
                return;
        }
        if (!document || !*document) {
                control_fail(client, MESSAGE_CONTROL_NO_DOCUMENT, NULL);
                return;
        }
        if (!reason || !*reason) {
                control_fail(client, MESSAGE_CONTROL_NAME_REASON, NULL);
                return;
        }
        (void) snprintf(source, sizeof(source), "urn:gongkai:%.6s:gongkai", region);
        ulid_new(clock_now_ms(), id);
        event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "specversion", "1.0",
                          "type", "cn.gongkai.disclosure.withdraw.v1", "source", source, "id", id,
                          "time", moment_write(clock_now_ms(), time), "datacontenttype",
                          "application/json", "data", "document", document, "reason", reason,
                          "mode", erase ? "erase" : "mark");
        if (event && erase)
                (void) json_object_set_new(json_object_get(event, "data"), "reason_code",
                                           json_string(code ? code : "other"));
        request = event ? request_own(daemon, on_withdrawn, client) : NULL;
        if (!request) {
                json_decref(event);
                control_fail(client, MESSAGE_CONTROL_STORE_FAILED, "reason", strerror(ENOMEM), NULL);
                return;
        }
        buf_fmt(&what, "document withdraw%s %s %s", erase ? " --erase" : "", region, document);
        control_audit(client, buf_text(&what));
        buf_done(&what);
        admit(daemon, &request->jobs[0], event, NULL, 0, &control_rights, false, NULL, 0);
        json_decref(event);
        commit_go(daemon, region_find(daemon, region));
}
