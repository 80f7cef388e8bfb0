/* Points in time as people and events write them. Inside, a moment is milliseconds since 1970 UTC
 * in int64_t; days and text without zone are those of Asia/Shanghai, UTC+8 without summer time
 * (the zone has had none since 1991). */
#ifndef CORE_MOMENT_H
#define CORE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#define MOMENT_TEXT 40 /* bytes enough for any text written here, NUL included */

/* RFC 3339 date-time ("2026-11-23T22:00:00+08:00", "...Z", fraction up to 9 digits; leap second 60
 * is taken as 59). Without offset it is +08:00 and *ret_assumed_zone (may be NULL) becomes true.
 * Years 1900 to 9999. -EINVAL otherwise. */
int moment_parse(const char *text, int64_t *ret_ms, bool *ret_assumed_zone);
/* "2026-11-23" -> the first millisecond of that day in Asia/Shanghai. -EINVAL when no such day. */
int moment_parse_date(const char *text, int64_t *ret_ms);
/* "2026-11-23T22:00:00+08:00"; milliseconds only where not zero. Returns `text`. */
const char *moment_write(int64_t ms, char text[static MOMENT_TEXT]);
const char *moment_write_date(int64_t ms, char text[static MOMENT_TEXT]);   /* 2026-11-23 */
const char *moment_write_minute(int64_t ms, char text[static MOMENT_TEXT]); /* 2026-11-23 22:00 */
const char *moment_write_utc(int64_t ms, char text[static MOMENT_TEXT]);    /* 2026-11-23T14:00:00Z */

#endif
