/* The web server: libmicrohttpd on the loop. It answers only who asks it by a name of this machine
 * (or one of [console] hosts), so that no page elsewhere can have a browser read it under a name of
 * its own. */
#ifndef DAEMONS_CONSOLED_SERVER_H
#define DAEMONS_CONSOLED_SERVER_H

#include "daemons/consoled/page.h"

int server_open(struct consoled *daemon);
void server_close(struct consoled *daemon);
/* A page that waited is made: it goes out. */
void server_resume(struct request *request);

/* Whether a request's Host names this machine; NULL: the request had none. */
bool server_knows_host(const struct config *config, const char *host);

#endif
