#include "core/httpd.h"

#include <errno.h>
#include <sys/epoll.h>

#include "core/config.h"

void httpd_run(struct httpd *httpd) {
        MHD_UNSIGNED_LONG_LONG wait_ms;

        (void) MHD_run(httpd->mhd);
        if (MHD_get_timeout(httpd->mhd, &wait_ms) != MHD_YES) {
                (void) sd_event_source_set_enabled(httpd->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(httpd->timer, (uint64_t) wait_ms * 1000);
        (void) sd_event_source_set_enabled(httpd->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void) source;
        (void) fd;
        (void) revents;
        httpd_run(userdata);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        httpd_run(userdata);
        return 0;
}

int httpd_open(struct httpd *httpd, sd_event *event, const char *address, const struct httpd_rules *rules) {
        struct sockaddr_storage where;
        const union MHD_DaemonInfo *info;
        socklen_t n;
        unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
        int r = listen_address(address, &where, &n);

        if (r < 0)
                return r;
        if (where.ss_family == AF_INET6)
                flags |= MHD_USE_IPv6;
        errno = 0;
        httpd->mhd = MHD_start_daemon(flags, 0, NULL, NULL, rules->on_request, rules->userdata,
                                      MHD_OPTION_SOCK_ADDR, &where, MHD_OPTION_NOTIFY_COMPLETED,
                                      rules->on_completed, rules->userdata, MHD_OPTION_CONNECTION_LIMIT,
                                      rules->connections, MHD_OPTION_CONNECTION_TIMEOUT, rules->timeout_s,
                                      rules->shared ? MHD_OPTION_LISTENING_ADDRESS_REUSE : MHD_OPTION_END, 1u,
                                      MHD_OPTION_END);
        if (!httpd->mhd)
                return errno ? -errno : -EADDRINUSE;
        info = MHD_get_daemon_info(httpd->mhd, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -EIO;
        r = sd_event_add_io(event, &httpd->io, info->epoll_fd, EPOLLIN, on_io, httpd);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(httpd->io, true);
        if (r >= 0)
                r = sd_event_add_time(event, &httpd->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000, on_timer, httpd);
        return r < 0 ? r : 0;
}

void httpd_close(struct httpd *httpd) {
        if (httpd->mhd)
                MHD_stop_daemon(httpd->mhd);
        (void) sd_event_source_disable_unref(httpd->io);
        (void) sd_event_source_disable_unref(httpd->timer);
        *httpd = (struct httpd) { 0 };
}
