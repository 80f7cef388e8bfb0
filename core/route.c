#include <stdbool.h>
#include <string.h>

#include "core/config.h"

#define WISHES_MAX 64 /* carriers wished for by one event that are looked up */

/* Where one document goes, for one call. */
struct routing {
        const struct configuration *configuration;
        const char *region;
        void (*unknown)(const char *name, void *userdata);
        void *userdata;
};

static bool is_ready(const struct routing *routing, const struct channel_config *channel) {
        return channel->enabled && channel_serves(channel, routing->region);
}

static void not_known(const struct routing *routing, const char *name) {
        if (routing->unknown)
                routing->unknown(name, routing->userdata);
}

/* A channel that is named, but switched off or of another region, cannot show the document either:
 * the emitter hears of it as of an unknown one. */
static bool is_wished(const struct routing *routing, const struct channel_config *channel,
                      const json_t *wished) {
        const json_t *entry;
        size_t i;

        json_array_foreach(wished, i, entry)
                if (json_is_string(entry) && strcmp(json_string_value(entry), channel->name) == 0)
                        return true;
        return false;
}

static void name_unknown_channels(const struct routing *routing, const json_t *wished) {
        const json_t *entry;
        size_t i;

        json_array_foreach(wished, i, entry) {
                const char *name = json_string_value(entry);
                const struct channel_config *channel =
                        name ? configuration_channel(routing->configuration, name) : NULL;

                if (name && (!channel || !is_ready(routing, channel)))
                        not_known(routing, name);
        }
}

static bool is_served(const struct routing *routing, uint64_t served) {
        for (size_t i = 0; i < routing->configuration->n_channels; i++) {
                const struct channel_config *channel = routing->configuration->channels + i;

                if (is_ready(routing, channel) && (channel->carrier_bits & served))
                        return true;
        }
        return false;
}

/* The carriers wished for by name, as a set of what may serve them. */
static uint64_t wished_set(const struct routing *routing, const json_t *wished) {
        const json_t *entry;
        uint64_t set = 0;
        size_t i;

        json_array_foreach(wished, i, entry) {
                const char *name = json_string_value(entry);
                int carrier = name && i < WISHES_MAX ? carrier_find(name) : -1;
                uint64_t served =
                        carrier >= 0 ? carriers_served(UINT64_C(1) << carrier) : 0;

                if (name && !is_served(routing, served))
                        not_known(routing, name);
                set |= served;
        }
        return set;
}

size_t route(const struct configuration *configuration, const char *region, uint64_t carriers_set,
             const json_t *wished_channels, const json_t *wished_carriers,
             void (*unknown)(const char *name, void *userdata), void *userdata, size_t *ret) {
        const struct routing routing = { configuration, region, unknown, userdata };
        uint64_t served = carriers_served(carriers_set) | wished_set(&routing, wished_carriers);
        size_t n = 0;

        name_unknown_channels(&routing, wished_channels);
        for (size_t i = 0; i < configuration->n_channels; i++) {
                const struct channel_config *channel = configuration->channels + i;

                if (is_ready(&routing, channel) &&
                    ((channel->carrier_bits & served) ||
                     is_wished(&routing, channel, wished_channels)))
                        ret[n++] = i;
        }
        return n;
}
