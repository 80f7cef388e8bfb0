#include "daemons/channeld/channeld.h"

int64_t retry_wait_ms(const struct channel_config *channel, unsigned attempt, uint32_t random) {
        int64_t wait;

        if (attempt == 0 || attempt > channel->n_retry)
                return -1;
        wait = channel->retry_ms[attempt - 1];
        return wait + (int64_t) ((uint64_t) wait / 10 * (random % 1024) / 1024);
}
