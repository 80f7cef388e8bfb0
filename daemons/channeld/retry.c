#include "daemons/channeld/channeld.h"

int64_t retry_wait_ms(const struct channel_config *channel, unsigned attempt, uint32_t random) {
        size_t step = attempt > 0 ? attempt - 1 : 0;
        int64_t wait = channel->retry_ms[step < channel->n_retry ? step : channel->n_retry - 1];

        return wait + (int64_t) ((uint64_t) wait / 10 * (random % 1024) / 1024);
}
