/* The options of a channel that say how hard it tries: retry, rate, quota, breaker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_parts.h"
#include "core/memory.h"

#define RETRY_MAX 1000 /* waits in one list, repetitions counted */
#define RETRY_LEAST_MS INT64_C(10)
#define RETRY_MOST_MS (INT64_C(30) * 24 * 3600 * 1000)
#define COUNT_MOST 1000000

/* Digits only, 1 to most; their number of characters, or 0. */
static size_t read_count(const char *text, int64_t most, int64_t *ret) {
        size_t n = strspn(text, "0123456789");
        int64_t number = 0;

        if (n == 0 || n > 7)
                return 0;
        for (size_t i = 0; i < n; i++)
                number = 10 * number + (text[i] - '0');
        if (number < 1 || number > most)
                return 0;
        *ret = number;
        return n;
}

/* "5s", or "100ms*50" for fifty of them. */
static bool read_wait(const char *text, int64_t *ret_ms, int64_t *ret_times) {
        const char *star = strchr(text, '*');
        char wait[32];
        size_t n = star ? (size_t) (star - text) : strlen(text);

        *ret_times = 1;
        if (star) {
                const char *times = star + 1 + strspn(star + 1, " ");
                size_t n_digits = read_count(times, RETRY_MAX, ret_times);

                if (n_digits == 0 || times[n_digits])
                        return false;
        }
        while (n > 0 && text[n - 1] == ' ')
                n--;
        if (n >= sizeof(wait))
                return false;
        memcpy(wait, text, n);
        wait[n] = '\0';
        return duration_parse(wait, ret_ms) == 0 && *ret_ms >= RETRY_LEAST_MS &&
               *ret_ms <= RETRY_MOST_MS;
}

static bool is_nothing(const char *text) {
        int64_t ms;

        return strcmp(text, "0") == 0 || (duration_parse(text, &ms) == 0 && ms == 0);
}

/* A leading 0 stands for the first try, which is made at once with or without it; every other is
 * the wait before the next one. */
static int parse_retry(struct channel_config *channel, struct problems *problems) {
        const struct string_list *texts = &channel->retry_text;
        unsigned line = conf_line(channel->conf, "", "retry");

        channel->retry_ms = calloc(RETRY_MAX, sizeof(*channel->retry_ms));
        if (!channel->retry_ms)
                return -ENOMEM;
        for (size_t i = 0; i < texts->n; i++) {
                int64_t ms = 0, times = 1;

                if (i == 0 && is_nothing(texts->items[i]))
                        continue;
                if (!read_wait(texts->items[i], &ms, &times)) {
                        problems_add(problems, channel->path, line, MESSAGE_CONFIG_BAD_RETRY,
                                     "value", texts->items[i], NULL);
                        continue;
                }
                for (int64_t k = 0; k < times && channel->n_retry < RETRY_MAX; k++)
                        channel->retry_ms[channel->n_retry++] = ms;
        }
        if (texts->n == 0 || channel->n_retry == RETRY_MAX)
                problems_add(problems, channel->path, line, MESSAGE_CONFIG_RETRY_LENGTH, NULL);
        return 0;
}

struct pace {
        const char *unit;
        int64_t *count;
};

/* "10/s", into the row whose unit it names; each unit once. */
static bool read_pace(const char *text, const struct pace *paces, size_t n_paces) {
        int64_t count;
        size_t n = read_count(text, COUNT_MOST, &count);

        n += strspn(text + n, " ");
        if (n == 0 || text[n] != '/')
                return false;
        n += 1 + strspn(text + n + 1, " ");
        for (size_t i = 0; i < n_paces; i++) {
                if (strcmp(text + n, paces[i].unit) != 0 || *paces[i].count > 0)
                        continue;
                *paces[i].count = count;
                return true;
        }
        return false;
}

static void parse_pace(struct channel_config *channel, struct problems *problems) {
        const struct pace rates[] = { { "s", &channel->per_second }, { "min", &channel->per_minute } };
        const struct pace days[] = { { "day", &channel->per_day }, { "d", &channel->per_day } };

        for (size_t i = 0; i < channel->rate_text.n; i++)
                if (!read_pace(channel->rate_text.items[i], rates, ELEMENTS(rates)))
                        problems_add(problems, channel->path, conf_line(channel->conf, "", "rate"),
                                     MESSAGE_CONFIG_BAD_RATE, "value", channel->rate_text.items[i],
                                     NULL);
        if (channel->quota_text && !read_pace(channel->quota_text, days, ELEMENTS(days)))
                problems_add(problems, channel->path, conf_line(channel->conf, "", "quota"),
                             MESSAGE_CONFIG_BAD_QUOTA, "value", channel->quota_text, NULL);
        else if (channel->quota_reserve > 0 && channel->quota_reserve >= channel->per_day)
                problems_add(problems, channel->path,
                             conf_line(channel->conf, "", "quota_reserve"),
                             MESSAGE_CONFIG_BAD_RESERVE, NULL);
}

static void parse_breaker(struct channel_config *channel, struct problems *problems) {
        const char *share = channel->breaker_share_text;
        size_t n = read_count(share, 100, &channel->breaker_share);

        if (n == 0 || strcmp(share + n, "%") != 0)
                problems_add(problems, channel->path,
                             conf_line(channel->conf, "", "breaker_share"),
                             MESSAGE_CONFIG_BAD_SHARE, "value", share, NULL);
        if (channel->breaker_probe_most_ms < channel->breaker_probe_ms)
                channel->breaker_probe_most_ms = channel->breaker_probe_ms;
}

static bool reaches_persons(const char *driver) {
        static const char *const drivers[] = { "mas", "aliyun", "kannel" };

        for (size_t i = 0; i < ELEMENTS(drivers); i++)
                if (strcmp(driver, drivers[i]) == 0)
                        return true;
        return false;
}

/* What becomes of a notice at the end of its display, unless the channel's file says: the record
 * carriers mark it, those of the moment take it down. */
static void default_on_end(struct channel_config *channel) {
        static const struct {
                const char *driver, *on_end;
        } rows[] = { { "site", "mark" }, { "display", "remove" }, { "onbon", "remove" }, { "mqtt", "remove" } };

        for (size_t i = 0; i < ELEMENTS(rows) && !channel->on_end; i++)
                if (strcmp(channel->driver, rows[i].driver) == 0)
                        channel->on_end = strdup(rows[i].on_end);
        if (!channel->on_end)
                channel->on_end = strdup("keep");
}

int config_read_delivery(struct channel_config *channel, struct problems *problems) {
        int r = parse_retry(channel, problems);

        if (r < 0)
                return r;
        parse_pace(channel, problems);
        parse_breaker(channel, problems);
        if (channel->late_effect_ms == 0)
                channel->late_effect_ms = channel->timeout_ms;
        if (!channel->driver) /* which is a problem already */
                return 0;
        channel->to_persons = reaches_persons(channel->driver);
        /* A card has one line: a second connection waits, or is refused. */
        if (channel->concurrency == 0 && strcmp(channel->driver, "onbon") == 0)
                channel->concurrency = 1;
        default_on_end(channel);
        return channel->on_end ? 0 : -ENOMEM;
}
