/* The address of a host's name, without keeping the loop waiting: libcurl's resolver looks it up. */
#ifndef CORE_RESOLVE_H
#define CORE_RESOLVE_H

#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

struct resolver;
struct query;

/* The first address, or NULL and a sentence in English as libcurl has it. From the loop, once. */
typedef void resolved_fn(const struct sockaddr *address, socklen_t n_address, const char *error,
                         void *userdata);

int resolver_new(sd_event *event, struct resolver **ret);
struct resolver *resolver_free(struct resolver *resolver); /* ends what is asked, without a word */
/* `host` is a name or an address (an IPv6 one without brackets). *ret is good until on_resolved is
 * called. -ENOMEM. */
int resolver_ask(struct resolver *resolver, const char *host, uint16_t port, int64_t timeout_ms,
                 resolved_fn *on_resolved, void *userdata, struct query **ret);
void resolver_cancel(struct query *query); /* takes NULL */

#endif
