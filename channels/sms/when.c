/* Hours and days of Asia/Shanghai: UTC+8, no summer time. */
#include "channels/sms/sms.h"

#include <stdio.h>
#include <string.h>

#include "core/moment.h"

enum { MINUTE_MS = 60000, HOUR_MS = 3600000 };
#define DAY_MS INT64_C(86400000)
#define ZONE_MS INT64_C(28800000)

static bool minutes_of(const char *text, int64_t *ret_ms) {
        for (int i = 0; i < 5; i++)
                if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
                        return false;
        *ret_ms = (((text[0] - '0') * 10 + text[1] - '0') * 60 + (text[3] - '0') * 10 + text[4] - '0') *
                  (int64_t) MINUTE_MS;
        return text[3] < '6' && *ret_ms <= DAY_MS;
}

bool sms_hours_read(const char *hours, int64_t *ret_from_ms, int64_t *ret_to_ms) {
        return strlen(hours) == 11 && hours[5] == '-' && minutes_of(hours, ret_from_ms) &&
               minutes_of(hours + 6, ret_to_ms) && *ret_from_ms < *ret_to_ms;
}

static int64_t day_of(int64_t ms) {
        return (ms + ZONE_MS) / DAY_MS * DAY_MS - ZONE_MS;
}

int64_t sms_opens_ms(const char *hours, int64_t now_ms) {
        int64_t from, to, day = day_of(now_ms);

        if (!sms_hours_read(hours, &from, &to) || (now_ms >= day + from && now_ms < day + to))
                return 0;
        return now_ms < day + from ? day + from : day + DAY_MS + from;
}

int64_t sms_next_minute(int64_t now_ms) {
        return now_ms / MINUTE_MS * MINUTE_MS + MINUTE_MS;
}

int64_t sms_next_hour(int64_t now_ms) {
        return now_ms / HOUR_MS * HOUR_MS + HOUR_MS;
}

int64_t sms_next_day(int64_t now_ms) {
        return day_of(now_ms) + DAY_MS;
}

int64_t sms_next_month(int64_t now_ms) {
        char today[MOMENT_TEXT], day[MOMENT_TEXT];
        int64_t at = day_of(now_ms);

        (void) moment_write_date(at, today);
        do {
                at += DAY_MS;
                (void) moment_write_date(at, day);
        } while (strncmp(today, day, 7) == 0);
        return at;
}

void sms_day(int64_t ms, char ret[static 9]) {
        char text[MOMENT_TEXT];

        (void) moment_write_date(ms, text);
        memcpy(ret, text, 4);
        memcpy(ret + 4, text + 5, 2);
        memcpy(ret + 6, text + 8, 2);
        ret[8] = '\0';
}
