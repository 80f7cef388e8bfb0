#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/emit.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

static void emitter_freep(struct gongkai_emitter **emitter) {
        gongkai_emitter_free(*emitter);
}

/* A question may have a random id: asking twice does no harm. */
static char *write_query(const struct emit_options *options, int64_t receipts_after) {
        struct buf source freed_by(buf_done) = { 0 };
        char id[ULID_TEXT], time[MOMENT_TEXT], *text;
        int64_t now_ms = clock_now_ms();
        json_t *data, *query;

        ulid_new(now_ms, id);
        if (options->source)
                buf_str(&source, options->source);
        else
                buf_fmt(&source, "urn:gongkai:%s:emit", options->region);
        data = options->status_of
                       ? json_pack("{s:s}", "document", options->status_of)
                       : json_pack("{s:I}", "after", (json_int_t) receipts_after);
        query = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "specversion", "1.0", "id", id,
                          "source", buf_text(&source), "type",
                          options->status_of ? "cn.gongkai.query.document.v1"
                                             : "cn.gongkai.query.receipts.v1",
                          "time", moment_write(now_ms, time), "datacontenttype", "application/json",
                          "data", data);
        text = query ? json_dumps(query, JSON_COMPACT) : NULL;
        json_decref(query);
        return text;
}

struct asked {
        struct emit_report *report;
        bool receipts;
        int64_t next;
        bool more;
};

/* A page of receipts becomes a line for each. */
static void print_receipts(struct asked *asked, const json_t *page) {
        const json_t *list = json_object_get(page, "receipts");
        size_t i;
        const json_t *receipt;

        json_array_foreach(list, i, receipt) {
                char *line freed_by(freep) = json_dumps(receipt, JSON_COMPACT);

                (void) fprintf(asked->report->replies, "%s\n", line ? line : "");
        }
        asked->next = json_integer_value(json_object_get(page, "next"));
        asked->more = json_array_size(list) > 0;
        if (!asked->more)
                asked->report->n_taken++;
}

static void on_answer(void *userdata, const struct gongkai_answer *answer) {
        struct asked *asked = userdata;
        json_t *page = NULL;

        if (!answer->reply) {
                asked->report->n_unanswered++;
                return;
        }
        if (asked->receipts)
                page = json_loads(answer->reply, 0, NULL);
        if (json_object_get(page, "receipts"))
                print_receipts(asked, page);
        else
                report_reply(asked->report, answer->reply);
        json_decref(page);
}

static int ask(const struct emit_options *options, struct gongkai_emitter *emitter, struct asked *asked) {
        char *query freed_by(freep) = write_query(options, asked->next);
        int r;

        if (!query)
                return -EILSEQ;
        asked->more = false;
        r = gongkai_emit(emitter, query, strlen(query), NULL, 0, on_answer, asked);
        while (r == 0 && gongkai_emitter_pending(emitter) > 0) {
                r = gongkai_emitter_run(emitter, -1);
                if (r == -EINTR)
                        r = 0;
        }
        return r;
}

int emit_query(const struct emit_options *options) {
        struct emit_report report = { .replies = stdout, .words = isatty(STDERR_FILENO) };
        struct gongkai_emitter *emitter freed_by(emitter_freep) = NULL;
        struct asked asked = { &report, options->asks_receipts, options->receipts_after, true };
        int r = emitter_from(options, &emitter);

        if (r != 0)
                return r;
        while (r == 0 && asked.more)
                r = ask(options, emitter, &asked);
        if (r == -EILSEQ) { /* jansson takes no text that is not UTF-8 */
                tell(MESSAGE_EMIT_ARGUMENT_NOT_UTF8, NULL);
                return EMIT_USAGE;
        }
        if (r < 0)
                return emitter_failed(options, r);
        if (report.n_unanswered > 0)
                tell_no_answer(options, emitter);
        else if (report.n_busy > 0)
                tell(MESSAGE_EMIT_DOOR_BUSY, NULL);
        return report_exit(&report);
}
