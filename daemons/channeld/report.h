/* What `--test` found, step by step: a line each as it comes, or all as JSON at the end. */
#ifndef DAEMONS_CHANNELD_REPORT_H
#define DAEMONS_CHANNELD_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "core/messages.h"

enum diagnosis { DIAGNOSIS_WELL, DIAGNOSIS_WARNING, DIAGNOSIS_FAILED, DIAGNOSIS_SKIPPED };

struct report {
        bool json;
        json_t *steps;
        char *failure; /* the sentence of the first step that failed, or NULL */
};

/* `step` is its stable name, `name` the same for people. Takes the reference of `details`, an object
 * with what a program may want (NULL: nothing). The pairs fill the sentence. */
__attribute__((sentinel)) void report_step(struct report *report, const char *step,
                                           enum message name, enum diagnosis state, json_t *details,
                                           enum message message, ...);
void report_done(struct report *report);

/* way.c: to one address ("https://host/...", "host:port"): DNS, TCP, TLS, and ours on the way out.
 * True: all the way. Blocks, at most the time per step. */
bool way_walk(struct report *report, const char *address, int64_t wait_ms);

/* certificate.c: TLS over a connected, non-blocking socket; sends nothing. True: it can be trusted. */
bool certificate_look(struct report *report, int fd, const char *host, int64_t wait_ms);

#endif
