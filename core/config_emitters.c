#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "core/config_parts.h"
#include "core/memory.h"
#include "core/origin.h"

#define KEY_LENGTH 40 /* of a CURVE key in Z85 (ZeroMQ RFC 32) */
#define SOURCE_PREFIX "urn:gongkai:"

static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          ".-:+=^!/*?&<>()[]{}@%$#";

static bool is_key(const char *key) {
        uint8_t bytes[KEY_LENGTH / 5 * 4];

        return strlen(key) == KEY_LENGTH && strspn(key, z85) == KEY_LENGTH &&
               zmq_z85_decode(bytes, key);
}

/* "urn:gongkai:530581:oa"; with a * at its end anything that can still become one. */
static bool is_source(const char *source) {
        bool is_pattern = source[0] && source[strlen(source) - 1] == '*';
        const char *at = source + strlen(SOURCE_PREFIX);
        size_t n;

        if (strncmp(source, SOURCE_PREFIX, strlen(SOURCE_PREFIX)) != 0)
                return false;
        n = strspn(at, "0123456789");
        if (n > 6)
                return false;
        at += n;
        if (is_pattern && strcmp(at, "*") == 0)
                return true;
        if (n != 6 || *at++ != ':')
                return false;
        n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
        at += n;
        return n <= 32 && (is_pattern ? strcmp(at, "*") == 0 : n > 0 && !*at);
}

static bool is_item(const char *item) {
        const char *star = strchr(item, '*');

        return item[0] && (!star || !star[1]);
}

static bool is_host(const char *host) {
        struct origin origin freed_by(origin_done) = { 0 };

        return origin_of_entry(host, &origin) == 0;
}

static void check_list(const struct emitter_config *emitter, const struct conf *conf,
                       const char *key, const struct string_list *list, bool (*is)(const char *),
                       enum message message, struct problems *problems) {
        for (size_t i = 0; i < list->n; i++)
                if (!is(list->items[i]))
                        problems_add(problems, emitter->path, conf_line(conf, "", key), message,
                                     "value", list->items[i], NULL);
}

static void check_key(const struct configuration *configuration,
                      const struct emitter_config *emitter, const struct conf *conf,
                      struct problems *problems) {
        unsigned line = conf_line(conf, "", "key");

        if (!emitter->key)
                return;
        if (!is_key(emitter->key)) {
                problems_add(problems, emitter->path, line, MESSAGE_CONFIG_BAD_KEY, NULL);
                return;
        }
        for (const struct emitter_config *other = configuration->emitters; other < emitter; other++)
                if (other->key && strcmp(other->key, emitter->key) == 0)
                        problems_add(problems, emitter->path, line, MESSAGE_CONFIG_KEY_TWICE,
                                     "other", other->path, NULL);
}

static int fill(struct configuration *configuration, struct emitter_config *emitter,
                const struct conf *conf, struct problems *problems) {
        struct settings_part part = { emitter_settings, n_emitter_settings, emitter };
        int r = settings_apply(&part, 1, conf, problems);

        if (r < 0)
                return r;
        check_key(configuration, emitter, conf, problems);
        check_list(emitter, conf, "sources", &emitter->sources, is_source,
                   MESSAGE_CONFIG_BAD_SOURCE, problems);
        check_list(emitter, conf, "may_revise", &emitter->may_revise, is_source,
                   MESSAGE_CONFIG_BAD_SOURCE, problems);
        check_list(emitter, conf, "items", &emitter->items, is_item, MESSAGE_CONFIG_BAD_ITEM,
                   problems);
        check_list(emitter, conf, "fetch_from", &emitter->fetch_from, is_host,
                   MESSAGE_CONFIG_BAD_HOST, problems);
        config_check_regions(configuration, conf, &emitter->regions, problems);
        return 0;
}

static int add_emitter(struct configuration *configuration, const char *name, const char *path,
                       struct conf *conf, void *userdata, struct problems *problems) {
        struct conf *owned freed_by(conf_freep) = conf;
        struct emitter_config *emitters =
                reallocarray(configuration->emitters, configuration->n_emitters + 1,
                             sizeof(*emitters));
        struct emitter_config *emitter;

        if (!emitters)
                return -ENOMEM;
        configuration->emitters = emitters;
        emitter = emitters + configuration->n_emitters++;
        *emitter = (struct emitter_config) { .name = strdup(name), .path = strdup(path) };
        if (!emitter->name || !emitter->path)
                return -ENOMEM;
        return fill(configuration, emitter, owned, problems);
}

int config_read_emitters(struct configuration *configuration, struct problems *problems) {
        return config_read_folder(configuration, "emitters.d", add_emitter, NULL, problems);
}

void emitter_config_done(struct emitter_config *emitter) {
        settings_release(emitter_settings, n_emitter_settings, emitter);
        free(emitter->name);
        free(emitter->path);
}
