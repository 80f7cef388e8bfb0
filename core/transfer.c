#include "core/transfer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/memory.h"

enum { KEPT_CONNECTIONS = 64 };

struct transfers {
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer;
        transfer_ended_fn *on_ended;
        bool closing, global;
};

static void collect(struct transfers *transfers) {
        CURLMsg *message;
        int n;

        while ((message = curl_multi_info_read(transfers->multi, &n)) != NULL) {
                CURL *easy = message->easy_handle;
                CURLcode result = message->data.result;
                void *userdata = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &userdata);
                (void) curl_multi_remove_handle(transfers->multi, easy);
                transfers->on_ended(easy, result, userdata);
        }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct transfers *transfers = userdata;
        int running;

        (void) source;
        (void) usec;
        (void) curl_multi_socket_action(transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        collect(transfers);
        return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct transfers *transfers = userdata;
        int what = 0, running;

        (void) source;
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                what |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                what |= CURL_CSELECT_ERR;
        (void) curl_multi_socket_action(transfers->multi, fd, what, &running);
        collect(transfers);
        return 0;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp) {
        struct transfers *transfers = userdata;
        sd_event_source *io = socketp;
        uint32_t events = 0;

        (void) easy;
        if (what == CURL_POLL_REMOVE || transfers->closing) {
                (void) sd_event_source_disable_unref(io);
                (void) curl_multi_assign(transfers->multi, fd, NULL);
                return 0;
        }
        if (what & CURL_POLL_IN)
                events |= EPOLLIN;
        if (what & CURL_POLL_OUT)
                events |= EPOLLOUT;
        if (io)
                return sd_event_source_set_io_events(io, events) < 0 ? -1 : 0;
        if (sd_event_add_io(transfers->event, &io, fd, events, on_io, transfers) < 0)
                return -1;
        (void) curl_multi_assign(transfers->multi, fd, io);
        return 0;
}

static int want_timer(CURLM *multi, long wait_ms, void *userdata) {
        struct transfers *transfers = userdata;
        uint64_t now;

        (void) multi;
        if (transfers->closing)
                return 0;
        if (wait_ms < 0)
                return sd_event_source_set_enabled(transfers->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        (void) sd_event_now(transfers->event, CLOCK_BOOTTIME, &now);
        if (sd_event_source_set_time(transfers->timer, now + (uint64_t) wait_ms * 1000) < 0 ||
            sd_event_source_set_enabled(transfers->timer, SD_EVENT_ONESHOT) < 0)
                return -1;
        return 0;
}

struct transfers *transfers_free(struct transfers *transfers) {
        if (!transfers)
                return NULL;
        transfers->closing = true;
        (void) sd_event_source_disable_unref(transfers->timer);
        if (transfers->multi)
                (void) curl_multi_cleanup(transfers->multi);
        (void) sd_event_unref(transfers->event);
        if (transfers->global)
                curl_global_cleanup();
        free(transfers);
        return NULL;
}

static void transfers_freep(struct transfers **transfers) {
        *transfers = transfers_free(*transfers);
}

int transfers_new(sd_event *event, transfer_ended_fn *on_ended, struct transfers **ret) {
        struct transfers *transfers freed_by(transfers_freep) = calloc(1, sizeof(*transfers));
        int r;

        if (!transfers)
                return -ENOMEM;
        transfers->event = sd_event_ref(event);
        transfers->on_ended = on_ended;
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        transfers->global = true;
        transfers->multi = curl_multi_init();
        if (!transfers->multi)
                return -ENOMEM;
        r = sd_event_add_time(event, &transfers->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000, on_timer,
                              transfers);
        if (r >= 0)
                r = sd_event_source_set_enabled(transfers->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, want_timer);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
        (void) curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long) KEPT_CONNECTIONS);
        *ret = give_away(transfers);
        return 0;
}

int transfers_add(struct transfers *transfers, CURL *easy) {
        return curl_multi_add_handle(transfers->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void transfers_remove(struct transfers *transfers, CURL *easy) {
        (void) curl_multi_remove_handle(transfers->multi, easy);
}
