#include "core/moment.h"

#include <errno.h>
#include <stddef.h>

#define MINUTE ((int64_t) 60 * 1000)
#define DAY (24 * 60 * MINUTE)
#define SHANGHAI (8 * 60 * MINUTE)

/* 1900-01-01 and 10000-01-01, midnight in Asia/Shanghai. */
#define LEAST (-(int64_t) 25567 * DAY - SHANGHAI)
#define PAST_MOST ((int64_t) 2932897 * DAY - SHANGHAI)

/* Days since 1970-01-01 of the proleptic Gregorian calendar. The year is taken from March on, so
 * that the leap day comes last and the months before it follow one rule: 153 days per 5 months. */
static int64_t days_of(int year, int month, int day) {
        int64_t y = year - (month <= 2), m = (month + 9) % 12;

        return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day) {
        int64_t n = days + 719468; /* since 0000-03-01; never negative here */
        int64_t era = n / 146097, in_era = n % 146097;
        int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
        int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
        int64_t m = (5 * in_year + 2) / 153;

        *ret_day = (int) (in_year - (153 * m + 2) / 5 + 1);
        *ret_month = (int) (m < 10 ? m + 3 : m - 9);
        *ret_year = (int) (era * 400 + year + (*ret_month <= 2));
}

/* Exactly n digits; -1 when one is none. Stops at a NUL. */
static int number(const char **at, size_t n) {
        int value = 0;

        for (; n > 0; n--, ++*at) {
                if (**at < '0' || **at > '9')
                        return -1;
                value = value * 10 + (**at - '0');
        }
        return value;
}

static int days_in(int year, int month) {
        static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

        if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
                return 29;
        return days[month - 1];
}

/* "2026-11-23" -> days since 1970. */
static int read_date(const char **at, int64_t *ret_days) {
        int year, month, day;

        year = number(at, 4);
        if (year < 1900 || *(*at)++ != '-')
                return -EINVAL;
        month = number(at, 2);
        if (month < 1 || month > 12 || *(*at)++ != '-')
                return -EINVAL;
        day = number(at, 2);
        if (day < 1 || day > days_in(year, month))
                return -EINVAL;
        *ret_days = days_of(year, month, day);
        return 0;
}

/* "22:00:00.123" -> milliseconds of the day. */
static int read_time(const char **at, int64_t *ret_ms) {
        int hour, minute, second, fraction = 0, digits = 0;

        hour = number(at, 2);
        if (hour < 0 || hour > 23 || *(*at)++ != ':')
                return -EINVAL;
        minute = number(at, 2);
        if (minute < 0 || minute > 59 || *(*at)++ != ':')
                return -EINVAL;
        second = number(at, 2);
        if (second < 0 || second > 60)
                return -EINVAL;
        if (**at == '.') {
                for (++*at; **at >= '0' && **at <= '9'; ++*at, digits++)
                        if (digits < 3)
                                fraction = fraction * 10 + (**at - '0');
                if (digits < 1 || digits > 9)
                        return -EINVAL;
                for (; digits < 3; digits++)
                        fraction *= 10;
        }
        if (second == 60)
                second = 59;
        *ret_ms = hour * 60 * MINUTE + minute * MINUTE + second * 1000 + fraction;
        return 0;
}

/* "Z", "+08:00", or nothing at all. */
static int read_offset(const char **at, int64_t *ret_ms, bool *ret_assumed) {
        int hour, minute, sign = **at == '-' ? -1 : 1;

        *ret_assumed = **at == '\0';
        if (**at == '\0') {
                *ret_ms = SHANGHAI;
                return 0;
        }
        if (**at == 'Z' || **at == 'z') {
                ++*at;
                *ret_ms = 0;
                return 0;
        }
        if (**at != '+' && **at != '-')
                return -EINVAL;
        ++*at;
        hour = number(at, 2);
        if (hour < 0 || hour > 23 || *(*at)++ != ':')
                return -EINVAL;
        minute = number(at, 2);
        if (minute < 0 || minute > 59)
                return -EINVAL;
        *ret_ms = sign * (hour * 60 + minute) * MINUTE;
        return 0;
}

int moment_parse(const char *text, int64_t *ret_ms, bool *ret_assumed_zone) {
        int64_t days, in_day, offset, ms;
        bool assumed;

        if (read_date(&text, &days) < 0)
                return -EINVAL;
        if (*text != 'T' && *text != 't' && *text != ' ') /* RFC 3339, 5.6, knows all three */
                return -EINVAL;
        text++;
        if (read_time(&text, &in_day) < 0 || read_offset(&text, &offset, &assumed) < 0 || *text)
                return -EINVAL;

        ms = days * DAY + in_day - offset;
        if (ms < LEAST || ms >= PAST_MOST) /* could not be written again */
                return -EINVAL;

        *ret_ms = ms;
        if (ret_assumed_zone)
                *ret_assumed_zone = assumed;
        return 0;
}

int moment_parse_date(const char *text, int64_t *ret_ms) {
        int64_t days;

        if (read_date(&text, &days) < 0 || *text)
                return -EINVAL;
        *ret_ms = days * DAY - SHANGHAI;
        return 0;
}

static char *put(char *at, int value, int n_digits) {
        for (int i = n_digits - 1; i >= 0; i--, value /= 10)
                at[i] = (char) ('0' + value % 10);
        return at + n_digits;
}

/* The parts of a moment that is within the years 1900 to 9999; others are moved there. */
static char *put_date(char *at, int64_t ms, int64_t zone, int64_t *ret_in_day) {
        int64_t local = (ms < LEAST ? LEAST : ms >= PAST_MOST ? PAST_MOST - 1 : ms) + zone;
        int64_t days = local / DAY;
        int year, month, day;

        if (local % DAY < 0)
                days--;
        *ret_in_day = local - days * DAY;
        date_of(days, &year, &month, &day);
        at = put(at, year, 4);
        *at++ = '-';
        at = put(at, month, 2);
        *at++ = '-';
        return put(at, day, 2);
}

static char *put_minute(char *at, int64_t in_day) {
        at = put(at, (int) (in_day / (60 * MINUTE)), 2);
        *at++ = ':';
        return put(at, (int) (in_day / MINUTE % 60), 2);
}

static char *put_moment(char *at, int64_t ms, int64_t zone) {
        int64_t in_day;

        at = put_date(at, ms, zone, &in_day);
        *at++ = 'T';
        at = put_minute(at, in_day);
        *at++ = ':';
        at = put(at, (int) (in_day / 1000 % 60), 2);
        if (in_day % 1000) {
                *at++ = '.';
                at = put(at, (int) (in_day % 1000), 3);
        }
        return at;
}

const char *moment_write(int64_t ms, char text[static MOMENT_TEXT]) {
        char *at = put_moment(text, ms, SHANGHAI);

        for (const char *zone = "+08:00"; *zone; zone++)
                *at++ = *zone;
        *at = '\0';
        return text;
}

const char *moment_write_date(int64_t ms, char text[static MOMENT_TEXT]) {
        int64_t in_day;

        *put_date(text, ms, SHANGHAI, &in_day) = '\0';
        return text;
}

const char *moment_write_minute(int64_t ms, char text[static MOMENT_TEXT]) {
        int64_t in_day;
        char *at = put_date(text, ms, SHANGHAI, &in_day);

        *at++ = ' ';
        *put_minute(at, in_day) = '\0';
        return text;
}

const char *moment_write_utc(int64_t ms, char text[static MOMENT_TEXT]) {
        char *at = put_moment(text, ms, 0);

        *at++ = 'Z';
        *at = '\0';
        return text;
}
