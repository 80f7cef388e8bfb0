/* An HTTP server on an event loop: libmicrohttpd without threads, its epoll is one source of the loop. What
 * comes in is bounded by connections and their time here, by sizes where it is read. */
#ifndef CORE_HTTPD_H
#define CORE_HTTPD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

struct httpd { /* zeroed: closed */
        struct MHD_Daemon *mhd;
        sd_event_source *io, *timer;
};

struct httpd_rules {
        MHD_AccessHandlerCallback on_request;
        MHD_RequestCompletedCallback on_completed;
        void *userdata; /* of both */
        unsigned connections, timeout_s;
        bool shared; /* other processes of this machine may listen there too */
};

/* `address` as listen_address() reads it. A negative errno, and httpd_close() is still to be called. */
int httpd_open(struct httpd *httpd, sd_event *event, const char *address, const struct httpd_rules *rules);
/* After MHD_resume_connection(): what may go on does. */
void httpd_run(struct httpd *httpd);
/* No connection may be suspended. */
void httpd_close(struct httpd *httpd);

#endif
