/* The publisher daemon: the door, admission, group commit, fan-out.
 *
 * The way of a message: door_on_message() makes a request with one job per event; admission fills
 * each job with an answer (rejected, busy) or with the words of its commit; commit joins jobs of a
 * region into one FCALL and turns its reply into answers; when every job of a request has its
 * answer, the request is done, and the door sends what is done in the order of each peer. */
#ifndef DAEMONS_PUBLISHERD_H
#define DAEMONS_PUBLISHERD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "core/config.h"
#include "core/event.h"
#include "core/personal.h"
#include "core/store.h"
#include "core/zap.h"

struct publisherd;
struct peer;

struct request {
        struct peer *peer; /* NULL: of our own, told by on_done */
        struct request *next; /* of the same peer */
        struct publisherd *daemon;
        void (*on_done)(struct request *request, void *userdata);
        void *userdata;
        bool is_array;
        size_t n_jobs, n_waiting;
        struct job *jobs;
};

/* One event of a message on its way through admission and commit. */
struct job {
        struct request *request;
        struct job *next; /* in the queue of its region */
        char *answer;     /* JSON; NULL until known */

        /* for the answer */
        char *source, *id, *document;
        json_t *warnings, *reasons; /* arrays or NULL */
        char ulid[ULID_TEXT];
        bool dry_run, urgent;
        const char *only_channel; /* of an event of our own that one channel gets; or NULL */
        bool is_question; /* a query: nothing that would be kept */
        char *to_fetch; /* which attachments are yet to be fetched: "0.2."; or NULL */
        char *exempt;   /* what the ledger is to know of an exemption, or NULL */
        const char *not_for_all; /* the member that says so: no channel shows the event; or NULL */

        /* what came, for the list of what is rejected; borrowed, and good until the event is queued */
        const void *raw;
        size_t n_raw;
        const json_t *json;
        char emitter[33]; /* name of its file, "local"; "" where it is not known */

        /* for the commit */
        struct region *region;
        char *ev_key; /* without the region's prefix and kind */
        struct words words;      /* the fields that gk1_accept wants */
        char *bytes;             /* the event's own, as they are stored */
        size_t n_bytes;
};

/* What a region's store looks like from here. */
struct region {
        char code[7];
        char epoch[ULID_TEXT], adoption[ULID_TEXT]; /* adoption "": no operator had to say which is right */
        uint64_t n; /* greatest log number seen */
        bool ready; /* the store said hello and is the one we know */
        char *refusal; /* why not, in words, when it is not */
        char *stop; /* what `stop` says, or NULL */
        struct job *first, *last;
        size_t n_queued, n_queued_bytes;
        struct batch *in_flight;
        struct string_list extra_channels; /* of documents, no longer in the configuration */
        int64_t fetch_look_boot_ms; /* when to look for what waits for attachments; INT64_MAX = never */
        bool fetch_looking;
        size_t n_held_urgent; /* at held_ms, when what is held was last looked at; 0 = never */
        int64_t held_ms;
};

struct publisherd {
        sd_event *event;
        struct configuration *configuration;
        struct catalogue *catalogue;
        struct store *store;
        struct region *regions;
        size_t n_regions;
        char *attachments_dir;
        void *zmq;
        struct door *doors;
        size_t n_doors;
        struct zap *zap;
        struct fanout *fanout;
        struct control *control;
        struct fetch *fetch;
        struct rejected *rejected;
        struct screen_memory *screened; /* what text attachments had, lately; or NULL */
        sd_event_source *tick;

        bool stopping;
        bool library_loaded;
        bool fit;        /* Redis' settings are what durability needs */
        char *unfit;     /* which is not */
        char *remembered;  /* what the file of epochs and numbers says */
        char trouble[160]; /* of the store, as last told */
        int64_t trouble_ms;
        char *away_reason; /* of Redis */
        int64_t away_ms;   /* since when it is away, 0 = it is there */
        int64_t look_ms;   /* when alarms_tick() last asked it */
        bool knows_damage; /* an alarm of a damaged document may be open */
        char queued_error[160]; /* what a command of the transaction under way was refused with */
        size_t n_pending; /* jobs without an answer */
        uint64_t n_accepted, n_rejected, n_busy;
};

/* Limits of what waits in memory; beyond, the answer is `busy`. */
enum {
        BATCH_MAX_EVENTS = 128,
        BATCH_MAX_BYTES = 4 << 20,
        QUEUE_MAX_EVENTS = 2048,
        QUEUE_MAX_BYTES = 16 << 20,
};

/* answer.c: the JSON of replies; each becomes job->answer and job_answered() is called. */
void answer_rejected(struct job *job, const struct findings *errors);
void answer_busy(struct publisherd *daemon, struct job *job, int64_t retry_after_ms);
void answer_ok(struct job *job, json_t *data);
/* One answer line of gk1_accept. */
void answer_committed(struct job *job, const char *line);
json_t *warning(const char *path, const char *code, enum message message, ...)
        __attribute__((sentinel));
void job_warn(struct job *job, json_t *one); /* takes the reference */

/* admission.c */
struct frame {
        const void *bytes;
        size_t n_bytes;
        char sha256[DIGEST_TEXT]; /* empty until asked for */
};
/* Looks at the event of a job (json is borrowed); gives it an answer or puts it into its region's
 * queue. `raw` are the event's own bytes, NULL to write it anew. `emitter` is NULL for a local peer
 * without a file of its own. */
void admit(struct publisherd *daemon, struct job *job, json_t *json, const char *raw, size_t n_raw,
           const struct emitter_config *emitter, bool local, struct frame *frames, size_t n_frames);

/* Whether the i-th attachment is in a list of what is yet to be fetched ("0.2."; NULL: in none). */
bool to_fetch_has(const char *list, size_t i);

/* Whether a pattern of an emitter's file ("urn:gongkai:530581:*") is the source's. */
bool source_is_listed(const struct string_list *patterns, const char *source);

/* screen.c: the gate. */
struct screened {
        json_t *reasons; /* why a person must release the event; as those of an answer, or NULL */
        json_t *exempt;  /* warnings: it was not held, since the item is exempt; or NULL */
        bool exempted[N_PERSONAL_KINDS];
        bool has_begun;
        uint64_t budget; /* bytes of attachments that may yet be read */
};
/* Adds what is found in the event's own texts. */
void screen_event(struct publisherd *daemon, const struct event *event, struct screened *ret);
/* And in its i-th attachment, if that is a text; frame NULL: its bytes are in the folder. Negative
 * errno: they cannot be read. */
int screen_attachment(struct publisherd *daemon, const struct event *event, size_t i,
                      const struct frame *frame, struct screened *ret);
/* The name of the i-th attachment as a log or a sentence may say it; to be freed. */
char *screened_name(const struct event *event, size_t i);
/* Adds the reasons' codes by blanks, each once; what the ledger is to know of an exemption. */
void screened_codes(const struct screened *screened, struct buf *ret);
void screened_note(const struct screened *screened, struct buf *ret);
void screened_done(struct screened *screened);

/* commit.c */
void commit_queue(struct publisherd *daemon, struct job *job);
void commit_go(struct publisherd *daemon, struct region *region);
void commit_busy(struct publisherd *daemon, struct region *region); /* answers all that waits */
void region_learn_channel(struct region *region, const char *name);
struct region *region_find(struct publisherd *daemon, const char *code);
/* Whether events of the region can be taken now; the reason in words otherwise (borrowed). */
bool region_is_ready(const struct publisherd *daemon, const struct region *region,
                     const char **ret_reason);

/* durable.c: connect, load the library, read Redis' settings, know the store again. */
void durable_on_state(struct store *store, bool up, const char *reason, void *userdata);
void durable_tick(struct publisherd *daemon);
/* Whether the log should hear of it: what comes again each second is told once a minute. */
bool trouble_is_news(struct publisherd *daemon, const char *reason);
void durable_remember(struct publisherd *daemon); /* epoch and n of every region to disk */
int durable_adopt(struct publisherd *daemon); /* the operator says: this store is right */

/* alarms.c: what needs a person, and when it no longer does. */
void alarms_begin(struct publisherd *daemon);
void alarms_tick(struct publisherd *daemon); /* each second */
void alarms_store_up(struct publisherd *daemon);
void alarms_store_down(struct publisherd *daemon, const char *reason);
/* What Redis said to something that writes. */
void alarms_refused(int error, const char *reason);
/* A folder or file of ours, by a word for it; error 0 when it could be written. */
void alarms_unwritable(const char *what, const char *path, int error);
void alarms_damaged(struct publisherd *daemon, const struct region *region, const char *document,
                    const char *reason);
void alarms_mended(struct publisherd *daemon, const struct region *region, const char *document);
/* An urgent event was held, or one of the held decided upon. */
void alarms_look_at_held(struct publisherd *daemon, struct region *region);

/* door.c */
int doors_open(struct publisherd *daemon);
void doors_stop_reading(struct publisherd *daemon);
void doors_close(struct publisherd *daemon);
void job_answered(struct job *job);
void job_name_emitter(struct job *job, const char *name);
/* The file that says what a local peer, who has no key, may do with this source; or NULL. */
const struct emitter_config *door_emitter_by_source(const struct publisherd *daemon,
                                                    const json_t *json);
/* A request of the daemon's own (an operator's withdrawal): on_done is called when its one job has
 * its answer, and the request is freed behind it. */
struct request *request_own(struct publisherd *daemon,
                            void (*on_done)(struct request *request, void *userdata),
                            void *userdata);

/* fanout.c */
int fanout_open(struct publisherd *daemon);
/* Notes for channels (names by comma) that the event `ev_key` is committed; with its bytes, or none.
 * All of it is borrowed until fanout_send(), which the same callback calls when it has noted all. */
void fanout_add(struct publisherd *daemon, const struct region *region, const char *channels,
                size_t n_channels, const char *ev_key, const void *bytes, size_t n_bytes);
void fanout_send(struct publisherd *daemon);
/* Both, for one event whose bytes the channels are to fetch. */
void fanout_nudge(struct publisherd *daemon, const struct region *region, const char *channels,
                  size_t n_channels, const char *ev_key);
void fanout_close(struct publisherd *daemon);

/* query.c: document queries of emitters and of the control socket. */
typedef void document_json_fn(json_t *document, const char *error, void *userdata);
/* Asks the store; on_json gets a new object ({} when unknown), or NULL and why. */
int query_document(struct publisherd *daemon, const char *region, const char *document,
                   document_json_fn *on_json, void *userdata);
/* `emitter` NULL: a local peer that may speak for every source. */
void query_event(struct publisherd *daemon, struct job *job, const struct event *event,
                 const struct emitter_config *emitter);

/* fetch.c: attachments that are fetched after the ack. */
int fetch_open(struct publisherd *daemon);
void fetch_close(struct publisherd *daemon); /* after the store */
/* An event with some of them (`list`, as job->to_fetch) was accepted, or is held. */
void fetch_wanted(struct publisherd *daemon, struct region *region, const char *ulid,
                  const char *document, const char *list, const void *bytes, size_t n_bytes);
/* Something came that may have overtaken what waits for the document, but for `ulid`. */
void fetch_overtaken(struct publisherd *daemon, struct region *region, const char *document,
                     const char *ulid);
void fetch_arrived(struct publisherd *daemon, const char *sha256); /* in a frame */
void fetch_reloaded(struct publisherd *daemon);
void fetch_ready(struct publisherd *daemon, struct region *region); /* its store is */
/* What waits for the document: [{"event","name","url","state","attempts","next","error"}], a new
 * reference; NULL when nothing does. */
json_t *fetch_json(struct publisherd *daemon, const struct region *region, const char *document);

/* rejected.c: events that the door rejects are kept for `gongkaictl rejected`. */
int rejected_open(struct publisherd *daemon);
void rejected_close(struct publisherd *daemon);
void rejected_keep(struct job *job, const json_t *errors);

/* control.c: gongkaictl's socket. */
int control_open(struct publisherd *daemon);
void control_close(struct publisherd *daemon); /* nothing new; what is asked may still be answered */
void control_free(struct publisherd *daemon);

/* specs.c: words of gk1_accept; both add to *ret. */
void specs_channel(const struct channel_config *channel, struct buf *ret);
void specs_end(const struct event *event, struct buf *ret);

#endif
