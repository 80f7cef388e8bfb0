/* Attachments that an event names by address: fetched after the ack, by the accepted events' list
 * {R}:fetch of the store. fetch.c keeps the list and says when; download.c gets one of them. */
#ifndef DAEMONS_PUBLISHERD_FETCH_H
#define DAEMONS_PUBLISHERD_FETCH_H

#include "core/transfer.h"
#include "daemons/publisherd/publisherd.h"

/* How an attempt ended. */
enum download_end {
        DOWNLOAD_DONE,   /* it is in its place, synced */
        DOWNLOAD_AWAY,   /* the host did not answer, or is not well: it may be so for others too */
        DOWNLOAD_FAILED, /* it answered, but not with this: may be better soon */
        DOWNLOAD_WRONG,  /* not what the event promised, or not allowed: a person has to look */
};

struct download;
/* `sentence` (borrowed) says why it is not done. From the loop. */
typedef void download_ended_fn(struct download *download, enum download_end end,
                               const char *sentence, void *userdata);

struct download_request {
        const char *url, *media_type, *sha256, *host; /* copied */
        uint64_t size;
        bool host_is_named_address; /* whoever allowed the host knew what it is */
};
/* Negative errno; -ENOSPC when the disk has no room for it. */
int download_start(struct publisherd *daemon, struct transfers *transfers,
                   const struct download_request *request, download_ended_fn *on_ended,
                   void *userdata, struct download **ret);
struct download *download_free(struct download *download);
/* The transfers' callback. */
transfer_ended_fn download_on_ended;

#endif
