#include "daemons/channeld/channeld.h"

int64_t retry_wait_ms(const struct channel_config *channel, unsigned attempt, uint32_t random) {
        size_t step = attempt > 0 ? attempt - 1 : 0;
        int64_t wait;

        if (step >= channel->n_retry)
                return -1;
        wait = channel->retry_ms[step];
        return wait + (int64_t) ((uint64_t) wait * (random % 1024) / 10240);
}
