/* Dead letters are counted here, where all of them are known: one alarm per channel, which closes with
 * the last. What a channel has said of one document closes here too when the document's trouble is
 * over without the channel's doing: dropped, say, or withdrawn. */
#include "daemons/ledgerd/ledgerd.h"

#include <stdio.h>
#include <string.h>

#include "core/alarm.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/moment.h"

enum { LOOK_MS = 5000, DOCUMENTS_MS = 30000, SETTLED_MS = 60000 };

static int on_count(const struct ledger_row *latest, int64_t count, void *userdata) {
        struct string_list *now = userdata;
        char number[24];

        (void) snprintf(number, sizeof(number), "%lld", (long long) count);
        alarm_raise(ALARM_DEAD_LETTERS, latest->channel, "channel", latest->channel, "region",
                    latest->region, "count", number, "document", latest->document, "reason",
                    latest->sentence, NULL);
        return string_list_add(now, latest->channel, strlen(latest->channel));
}

/* Alarms of a run before are open too: they are taken from the files. */
static void recall(struct ledgerd *daemon) {
        json_t *open = alarm_list(daemon->configuration->main.state_dir, NULL), *alarm;
        size_t i;

        json_array_foreach(open, i, alarm) {
                const char *code = json_string_value(json_object_get(alarm, "code"));
                const char *subject = json_string_value(json_object_get(alarm, "subject"));

                if (code && subject && strcmp(code, alarm_code(ALARM_DEAD_LETTERS)) == 0)
                        (void) string_list_add(&daemon->dead_channels, subject, strlen(subject));
        }
        json_decref(open);
}

static void count_dead(struct ledgerd *daemon, struct ledger_reader *reader) {
        struct string_list now = { 0 };

        if (ledger_count_trouble(reader, "dead", on_count, &now) < 0) {
                string_list_done(&now);
                return;
        }
        for (size_t i = 0; i < daemon->dead_channels.n; i++)
                if (!string_list_has(&now, daemon->dead_channels.items[i]))
                        alarm_clear(ALARM_DEAD_LETTERS, daemon->dead_channels.items[i]);
        string_list_done(&daemon->dead_channels);
        daemon->dead_channels = now;
}

static bool is_behind(const struct ledgerd *daemon) {
        for (size_t i = 0; i < daemon->n_regions; i++)
                if (daemon->regions[i].n_store > daemon->regions[i].position.n)
                        return true;
        return false;
}

static void close_documents(const struct ledgerd *daemon, struct ledger_reader *reader) {
        static const enum alarm of_documents[] = { ALARM_POISON, ALARM_DEADLINE_MISSED };
        json_t *open = alarm_list(daemon->configuration->main.state_dir, NULL), *alarm;
        size_t i;

        json_array_foreach(open, i, alarm) {
                const json_t *fields = json_object_get(alarm, "fields");
                const char *code = json_string_value(json_object_get(alarm, "code"));
                const char *subject = json_string_value(json_object_get(alarm, "subject"));
                const char *last = json_string_value(json_object_get(alarm, "last"));
                const char *document = json_string_value(json_object_get(fields, "document"));
                const char *channel = json_string_value(json_object_get(fields, "channel"));
                int64_t last_ms;

                /* Its records may be on their way here: what was said a moment ago stays. */
                if (!code || !subject || !last || !document || !channel ||
                    moment_parse(last, &last_ms, NULL) < 0 || clock_now_ms() - last_ms < SETTLED_MS)
                        continue;
                for (size_t k = 0; k < ELEMENTS(of_documents); k++)
                        if (strcmp(code, alarm_code(of_documents[k])) == 0 &&
                            ledger_has_trouble(reader, document, channel) == 0)
                                alarm_clear(of_documents[k], subject);
        }
        json_decref(open);
}

void dead_tick(struct ledgerd *daemon) {
        struct ledger_reader *reader freed_by(ledger_reader_freep) = NULL;
        int64_t seq = ledger_head(daemon->ledger).seq, now = clock_boot_ms();
        bool count = !daemon->dead_known || (seq != daemon->dead_seq && now - daemon->dead_ms >= LOOK_MS);
        bool documents = now - daemon->documents_ms >= DOCUMENTS_MS;

        if ((!count && !documents) || ledger_reader_open(daemon->path, &reader) < 0)
                return;
        if (!daemon->dead_known)
                recall(daemon);
        daemon->dead_known = true;
        if (count) {
                daemon->dead_seq = seq;
                daemon->dead_ms = now;
                count_dead(daemon, reader);
        }
        if (documents) {
                daemon->documents_ms = now;
                if (!is_behind(daemon))
                        close_documents(daemon, reader);
        }
}

void dead_close(struct ledgerd *daemon) {
        string_list_done(&daemon->dead_channels);
}
