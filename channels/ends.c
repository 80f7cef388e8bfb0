#include "channels/playlist.h"

#include <stdlib.h>
#include <string.h>

#include "core/moment.h"

#define DAY INT64_C(86400000)
#define SHANGHAI (INT64_C(8) * 3600 * 1000)

static int64_t earlier(int64_t one, int64_t other) {
        return one == 0 || (other != 0 && other < one) ? other : one;
}

static int64_t moment_of(const json_t *value) {
        int64_t ms;

        return json_is_string(value) && moment_parse(json_string_value(value), &ms, NULL) == 0 ? ms
                                                                                             : 0;
}

static bool is_weekend(int64_t day_ms) {
        int64_t weekday = ((day_ms + SHANGHAI) / DAY + 4) % 7; /* 1970-01-01 was a Thursday */

        return weekday == 0 || weekday == 6;
}

/* The end of the n-th day after the one that `from_ms` lies in. Working days are Monday to Friday:
 * holidays, and the weekends worked for them, are not known here. */
static int64_t days_after(int64_t from_ms, int64_t n, bool working) {
        int64_t day_ms = (from_ms + SHANGHAI) / DAY * DAY - SHANGHAI;

        while (n > 0) {
                day_ms += DAY;
                n -= !working || !is_weekend(day_ms);
        }
        return day_ms + DAY;
}

/* `show_until`, counted from the day after the first showing; `expires` where that is sooner, or
 * stands alone; else the channel's own patience. */
int64_t end_of(const struct delivery *delivery, const json_t *data, int64_t show_days) {
        const json_t *until = json_object_get(data, "show_until");
        int64_t expires_ms = moment_of(json_object_get(data, "expires"));
        int64_t days = json_integer_value(json_object_get(until, "days"));
        const char *unit = json_string_value(json_object_get(until, "unit"));
        int64_t first_ms = delivery->first_shown_ms ? delivery->first_shown_ms : delivery->now_ms;
        int64_t own_ms = moment_of(until);

        if (days > 0 && days <= 3650)
                own_ms = days_after(first_ms, days, unit && strcmp(unit, "working") == 0);
        own_ms = earlier(own_ms, expires_ms);
        return own_ms ? own_ms : days_after(delivery->now_ms, show_days, false);
}
