/* Many HTTP transfers on one sd-event loop: libcurl's multi interface with its sockets and its timer.
 * What a transfer is and what its end means is the caller's. */
#ifndef CORE_TRANSFER_H
#define CORE_TRANSFER_H

#include <curl/curl.h>
#include <systemd/sd-event.h>

struct transfers;

/* The transfer has ended, and left the multi handle; `userdata` is its CURLOPT_PRIVATE. From the
 * loop, never from within transfers_add(). It may add and remove others, and clean `easy` up. */
typedef void transfer_ended_fn(CURL *easy, CURLcode result, void *userdata);

/* Negative errno. curl_global_init() is called here, and given back by transfers_free(). */
int transfers_new(sd_event *event, transfer_ended_fn *on_ended, struct transfers **ret);
struct transfers *transfers_free(struct transfers *transfers); /* remove all before */
/* `easy` stays the caller's. -ENOMEM. */
int transfers_add(struct transfers *transfers, CURL *easy);
/* Ends it without a word; not from within one of libcurl's callbacks. */
void transfers_remove(struct transfers *transfers, CURL *easy);

#endif
