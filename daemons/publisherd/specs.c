/* What gk1_accept is told of a document's channels, and of the end of its display. */
#include "daemons/publisherd/publisherd.h"

#include <string.h>

#include "core/moment.h"

/* "weibo<portal:600000!remove": waits for portal ten minutes at most, is taken down at the end. */
void specs_channel(const struct channel_config *channel, struct buf *ret) {
        buf_str(ret, channel->name);
        if (channel->after)
                buf_fmt(ret, "<%s", channel->after);
        if (channel->after && channel->after_timeout_ms > 0)
                buf_fmt(ret, ":%lld", (long long) channel->after_timeout_ms);
        if (strcmp(channel->on_end, "keep") != 0)
                buf_fmt(ret, "!%s", channel->on_end);
}

/* `show_until`: a moment in ms, or so many days ("d7") or working days ("w7") after the day on which
 * the first channel shows it; "" where the display has no end. */
void specs_end(const struct event *event, struct buf *ret) {
        const json_t *until = json_object_get(event->data, "show_until");
        const char *unit = json_string_value(json_object_get(until, "unit"));
        long long days = json_integer_value(json_object_get(until, "days"));
        int64_t ms;

        if (event->type != EVENT_PUBLISH)
                return;
        if (json_is_string(until) && moment_parse(json_string_value(until), &ms, NULL) == 0 && ms > 0)
                buf_fmt(ret, "%lld", (long long) ms);
        else if (days > 0 && days <= 3650)
                buf_fmt(ret, "%c%lld", unit && strcmp(unit, "working") == 0 ? 'w' : 'd', days);
}
