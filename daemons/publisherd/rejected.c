/* What is kept of rejected events, on its way from the door to the file: a queue that is written
 * when the loop has nothing better to do, and shares for each emitter, so that a mad one slows
 * nobody and pushes nobody's mistakes out of sight. */
#include "daemons/publisherd/rejected_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/crash.h"
#include "core/log.h"
#include "core/memory.h"

enum {
        QUEUE_ENTRIES = 512,
        QUEUE_BYTES = 16 << 20,
        /* of one emitter in a minute; what is beyond is only counted */
        SHARE_ENTRIES = 300,
        SHARE_BYTES = 16 << 20,
        WRITE_ENTRIES = 64, /* in one transaction */
        WRITE_BYTES = 2 << 20,
        FLUSH_MS = 50,
        TIDY_MS = 60000,
};

struct queued {
        struct queued *next;
        struct rejected_entry entry;
};

struct share {
        struct share *next;
        char *emitter;
        int64_t minute, n, n_bytes;
        int64_t n_left_out; /* not yet in the file */
};

struct rejected {
        struct publisherd *daemon;
        struct rejected_file *file; /* NULL: cannot be written now */
        sd_event_source *timer;
        struct queued *first, **last;
        size_t n, n_bytes;
        struct share *shares;
        int64_t tidied_boot_ms, opened_boot_ms;
};

void rejected_entry_done(struct rejected_entry *entry) {
        free(entry->emitter);
        free(entry->source);
        free(entry->id);
        free(entry->document);
        free(entry->bytes);
        free(entry->errors);
        *entry = (struct rejected_entry) { 0 };
}

/* -- the file ------------------------------------------------------------------------------------------- */

static void file_failed(struct rejected *rejected, int error) {
        char *path freed_by(freep) = NULL;

        if (asprintf(&path, "%s/rejected.db", rejected->daemon->configuration->main.state_dir) < 0)
                path = NULL;
        alarms_unwritable("rejected", path ? path : "rejected.db", error);
        rejected->file = rejected_file_close(rejected->file); /* opened anew with the next flush */
}

static struct rejected_file *file_of(struct rejected *rejected) {
        int64_t now = clock_boot_ms();
        int r;

        if (rejected->file)
                return rejected->file;
        if (rejected->opened_boot_ms && now - rejected->opened_boot_ms < 5000)
                return NULL;
        rejected->opened_boot_ms = now;
        r = rejected_file_open(rejected->daemon->configuration->main.state_dir, &rejected->file);
        if (r < 0)
                file_failed(rejected, r);
        return rejected->file;
}

static int write_left_out(struct rejected *rejected) {
        int64_t now = clock_now_ms();
        int r = 0;

        for (struct share *share = rejected->shares; share && r == 0; share = share->next) {
                if (share->n_left_out == 0)
                        continue;
                r = rejected_file_count(rejected->file, share->emitter, now, share->n_left_out);
        }
        return r;
}

/* One transaction; what is queued stays queued when it fails. */
static int write_some(struct rejected *rejected) {
        struct rejected_file *file = file_of(rejected);
        size_t n = 0, n_bytes = 0;
        struct queued *at;
        int r;

        if (!file)
                return -EIO;
        r = rejected_file_begin(file);
        for (at = rejected->first; at && r == 0 && n < WRITE_ENTRIES && n_bytes < WRITE_BYTES;
             at = at->next) {
                r = rejected_file_put(file, &at->entry);
                n_bytes += at->entry.n_bytes;
                n++;
        }
        if (r == 0)
                r = write_left_out(rejected);
        if (r == 0 && clock_boot_ms() - rejected->tidied_boot_ms >= TIDY_MS) {
                rejected->tidied_boot_ms = clock_boot_ms();
                r = rejected_file_tidy(file, clock_now_ms());
        }
        if (r == 0)
                r = rejected_file_fit(file, rejected->daemon->configuration->main.rejected_size);
        crash_point("publisherd/rejected-written");
        if (r == 0)
                r = rejected_file_commit(file);
        if (r < 0) {
                file_failed(rejected, r);
                return r;
        }
        alarms_unwritable("rejected", "", 0); /* that it can be opened would not yet say so */
        for (struct share *share = rejected->shares; share; share = share->next)
                share->n_left_out = 0;
        while (n-- > 0) {
                at = rejected->first;
                rejected->first = at->next;
                if (!rejected->first)
                        rejected->last = &rejected->first;
                rejected->n--;
                rejected->n_bytes -= at->entry.n_bytes;
                rejected_entry_done(&at->entry);
                free(at);
        }
        return 0;
}

static void flush_later(struct rejected *rejected, int64_t ms) {
        int enabled = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(rejected->timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(rejected->timer, (uint64_t) ms * 1000);
        (void) sd_event_source_set_enabled(rejected->timer, SD_EVENT_ONESHOT);
}

static int on_flush(sd_event_source *source, uint64_t usec, void *userdata) {
        struct rejected *rejected = userdata;
        int r;

        (void) source;
        (void) usec;
        (void) sd_event_source_set_enabled(rejected->timer, SD_EVENT_OFF);
        r = write_some(rejected);
        if (r < 0)
                flush_later(rejected, 5000);
        else if (rejected->first)
                flush_later(rejected, FLUSH_MS);
        return 0;
}

/* Before it is read: what was rejected a moment ago belongs to the list. */
static struct rejected_file *flushed(struct publisherd *daemon) {
        struct rejected *rejected = daemon->rejected;

        while (rejected->first && write_some(rejected) == 0)
                ;
        return file_of(rejected);
}

/* -- from the door ------------------------------------------------------------------------------------------ */

static struct share *share_of(struct rejected *rejected, const char *emitter) {
        struct share *share = rejected->shares;

        while (share && strcmp(share->emitter, emitter) != 0)
                share = share->next;
        if (share)
                return share;
        share = calloc(1, sizeof(*share));
        if (!share)
                return NULL;
        share->emitter = strdup(emitter); /* names of files: as many as there are */
        if (!share->emitter) {
                free(share);
                return NULL;
        }
        share->next = rejected->shares;
        rejected->shares = share;
        return share;
}

static bool has_share(struct rejected *rejected, struct share *share, size_t n_bytes) {
        if (share->n >= SHARE_ENTRIES || share->n_bytes + (int64_t) n_bytes > SHARE_BYTES ||
            rejected->n >= QUEUE_ENTRIES || rejected->n_bytes + n_bytes > QUEUE_BYTES)
                return false;
        share->n++;
        share->n_bytes += (int64_t) n_bytes;
        return true;
}

static char *copy_or_null(const char *text) {
        return text ? strdup(text) : NULL;
}

static struct queued *queued_new(const struct job *job, const char *emitter, const void *bytes,
                                 size_t n_bytes, uint64_t n_all, const json_t *errors) {
        struct queued *queued = calloc(1, sizeof(*queued));

        if (!queued)
                return NULL;
        queued->entry = (struct rejected_entry) {
                .at_ms = clock_now_ms(),
                .times = 1,
                .emitter = strdup(emitter),
                .source = copy_or_null(job->source),
                .id = copy_or_null(job->id),
                .document = copy_or_null(job->document),
                .bytes = malloc(n_bytes + 1),
                .n_bytes = n_bytes,
                .n_all = n_all,
                .errors = json_dumps(errors, JSON_COMPACT),
        };
        if (!queued->entry.emitter || !queued->entry.bytes || !queued->entry.errors) {
                rejected_entry_done(&queued->entry);
                free(queued);
                return NULL;
        }
        if (n_bytes > 0)
                memcpy(queued->entry.bytes, bytes, n_bytes);
        queued->entry.bytes[n_bytes] = '\0';
        return queued;
}

/* Questions and trials are no events that somebody would miss. */
static bool is_worth_keeping(const struct job *job) {
        const char *type = json_string_value(json_object_get(job->json, "type"));

        return job->request->peer && !job->is_question && !job->dry_run &&
               !json_is_true(json_object_get(job->json, "gkdryrun")) &&
               (!type || strncmp(type, "cn.gongkai.query.", strlen("cn.gongkai.query.")) != 0);
}

void rejected_keep(struct job *job, const json_t *errors) {
        struct rejected *rejected = job->request->daemon->rejected;
        const char *emitter = job->emitter[0] ? job->emitter : "?";
        const void *bytes = job->bytes ? job->bytes : job->raw;
        uint64_t n_all = job->bytes ? job->n_bytes : job->n_raw;
        struct buf written freed_by(buf_done) = { 0 };
        struct queued *queued = NULL;
        struct share *share;

        if (!rejected || !is_worth_keeping(job))
                return;
        share = share_of(rejected, emitter);
        if (!share)
                return;
        if (share->minute != clock_boot_ms() / 60000) {
                share->minute = clock_boot_ms() / 60000;
                share->n = share->n_bytes = 0;
        }
        if (!bytes && job->json && share->n < SHARE_ENTRIES) { /* one of an array */
                event_write(job->json, &written);
                bytes = written.error ? NULL : written.data;
                n_all = written.len;
        }
        if (!bytes)
                n_all = 0;
        if (has_share(rejected, share, n_all < EVENT_MAX_BYTES ? n_all : EVENT_MAX_BYTES))
                queued = queued_new(job, emitter, bytes,
                                    n_all < EVENT_MAX_BYTES ? n_all : EVENT_MAX_BYTES, n_all, errors);
        if (queued) {
                *rejected->last = queued;
                rejected->last = &queued->next;
                rejected->n++;
                rejected->n_bytes += queued->entry.n_bytes;
        } else
                share->n_left_out++;
        flush_later(rejected, FLUSH_MS);
}

/* -- for people --------------------------------------------------------------------------------------------- */

json_t *rejected_list(struct publisherd *daemon, size_t most) {
        struct rejected_file *file = flushed(daemon);

        return file ? rejected_file_list(file, most) : NULL;
}

json_t *rejected_left_out(struct publisherd *daemon) {
        struct rejected *rejected = daemon->rejected;

        return rejected->file && write_some(rejected) == 0 ? rejected_file_left_out(rejected->file)
                                                           : NULL;
}

int rejected_find(struct publisherd *daemon, int64_t number, struct rejected_entry *ret) {
        struct rejected_file *file = flushed(daemon);

        return file ? rejected_file_find(file, number, ret) : -EIO;
}

void rejected_remove(struct publisherd *daemon, int64_t number) {
        struct rejected_file *file = flushed(daemon);
        int r = file ? rejected_file_remove(file, number) : 0;

        if (r < 0)
                file_failed(daemon->rejected, r);
}

void rejected_set_errors(struct publisherd *daemon, int64_t number, const char *errors) {
        struct rejected_file *file = flushed(daemon);
        int r = file ? rejected_file_set_errors(file, number, clock_now_ms(), errors) : 0;

        if (r < 0)
                file_failed(daemon->rejected, r);
}

int rejected_open(struct publisherd *daemon) {
        struct rejected *rejected = calloc(1, sizeof(*rejected));
        int r;

        if (!rejected)
                return -ENOMEM;
        daemon->rejected = rejected;
        rejected->daemon = daemon;
        rejected->last = &rejected->first;
        r = sd_event_add_time(daemon->event, &rejected->timer, CLOCK_BOOTTIME, UINT64_MAX, 10000,
                              on_flush, rejected);
        if (r >= 0)
                r = sd_event_source_set_priority(rejected->timer, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(rejected->timer, SD_EVENT_OFF);
        if (r >= 0)
                (void) file_of(rejected); /* the door opens without, too */
        return r < 0 ? r : 0;
}

void rejected_close(struct publisherd *daemon) {
        struct rejected *rejected = daemon->rejected;

        if (!rejected)
                return;
        (void) flushed(daemon);
        while (rejected->first) {
                struct queued *queued = rejected->first;

                rejected->first = queued->next;
                rejected_entry_done(&queued->entry);
                free(queued);
        }
        while (rejected->shares) {
                struct share *share = rejected->shares;

                rejected->shares = share->next;
                free(share->emitter);
                free(share);
        }
        rejected->file = rejected_file_close(rejected->file);
        (void) sd_event_source_disable_unref(rejected->timer);
        free(rejected);
        daemon->rejected = NULL;
}
