#include "core/config.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "core/config_parts.h"
#include "core/ident.h"
#include "core/memory.h"
#include "core/network.h"
#include "core/textfile.h"

#define FETCH_RETRY_MAX 64 /* waits in the list */
#define FETCH_RETRY_LEAST_MS INT64_C(10)
#define FETCH_RETRY_MOST_MS (INT64_C(30) * 24 * 3600 * 1000)
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1)

char *config_path(const char *folder, const char *path) {
        char *joined = NULL;

        if (path[0] == '/')
                return strdup(path);
        return asprintf(&joined, "%s/%s", folder, path) < 0 ? NULL : joined;
}

static char *folder_of(const char *path) {
        const char *slash = strrchr(path, '/');

        if (!slash)
                return strdup(".");
        return slash == path ? strdup("/") : strndup(path, (size_t) (slash - path));
}

int config_read_folder(struct configuration *configuration, const char *sub, config_file_fn *each,
                       void *userdata, struct problems *problems) {
        char *folder freed_by(freep) = config_path(configuration->main.folder, sub);
        struct string_list names freed_by(string_list_done) = { 0 };
        int r = folder ? folder_list(folder, ".conf", &names) : -ENOMEM;

        if (r == -ENOENT)
                return 0;
        if (r < 0 && r != -ENOMEM)
                problems_add(problems, folder, 0, MESSAGE_CONFIG_CANNOT_LIST, "reason",
                             strerror(-r), NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        for (size_t i = 0; i < names.n; i++) {
                char *path freed_by(freep) = config_path(folder, names.items[i]);
                char *name = names.items[i];
                struct conf *conf = NULL;

                if (!path)
                        return -ENOMEM;
                name[strlen(name) - strlen(".conf")] = '\0';
                if (!conf_name_is_valid(name)) {
                        problems_add(problems, path, 0, MESSAGE_CONF_BAD_NAME, "name", name, NULL);
                        continue;
                }
                r = conf_read(path, problems, &conf);
                if (r == 0)
                        r = each(configuration, name, path, conf, userdata, problems);
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

/* -- regions -- */

static bool is_blank_or_end(const char *text) {
        return !*text || *text == ' ' || *text == '\t' || strncmp(text, "　", strlen("　")) == 0;
}

bool config_region_is_valid(const char *text) {
        return strspn(text, "0123456789") == 6 && is_blank_or_end(text + 6);
}

static const char *region_named(const char *text) {
        const char *at = text + 6;

        while (*at && is_blank_or_end(at))
                at += *at == ' ' || *at == '\t' ? 1 : strlen("　");
        return *at ? at : NULL;
}

static const char *find_region(const struct config *config, const char *code) {
        for (size_t i = 0; i < config->regions.n; i++)
                if (config_region_is_valid(config->regions.items[i]) &&
                    strncmp(config->regions.items[i], code, 6) == 0 && strlen(code) == 6)
                        return config->regions.items[i];
        return NULL;
}

static void check_own_regions(const struct config *config, const struct conf *conf,
                              struct problems *problems) {
        unsigned line = conf_line(conf, "county", "regions");

        for (size_t i = 0; i < config->regions.n; i++) {
                const char *region = config->regions.items[i];

                if (!config_region_is_valid(region)) {
                        problems_add(problems, config->path, line, MESSAGE_CONFIG_BAD_REGION,
                                     "value", region, NULL);
                        continue;
                }
                for (size_t j = 0; j < i; j++)
                        if (strncmp(config->regions.items[j], region, 6) == 0)
                                problems_add(problems, config->path, line,
                                             MESSAGE_CONFIG_REGION_TWICE, "value", region, NULL);
        }
}

void config_check_regions(const struct configuration *configuration, const struct conf *conf,
                          struct string_list *regions, struct problems *problems) {
        unsigned line = conf_line(conf, "", "regions");

        for (size_t i = 0; i < regions->n; i++) {
                char *region = regions->items[i];

                if (!config_region_is_valid(region)) {
                        problems_add(problems, conf->path, line, MESSAGE_CONFIG_BAD_REGION, "value",
                                     region, NULL);
                        continue;
                }
                region[6] = '\0';
                if (!find_region(&configuration->main, region))
                        problems_add(problems, conf->path, line, MESSAGE_CONFIG_UNKNOWN_REGION,
                                     "value", region, NULL);
        }
}

bool configuration_has_region(const struct configuration *configuration, const char *code) {
        return find_region(&configuration->main, code) != NULL;
}

const char *configuration_region_name(const struct configuration *configuration,
                                      const char *code) {
        const char *region = find_region(&configuration->main, code);
        const char *name = region ? region_named(region) : NULL;

        if (!name)
                name = ident_region_name(code);
        return name ? name : code;
}

bool channel_serves(const struct channel_config *channel, const char *region) {
        return channel->regions.n == 0 || string_list_has(&channel->regions, region);
}

/* -- sockets -- */

bool endpoint_is_open(const char *endpoint) {
        static const char *const loopback[] = { "127.", "[::1]:", "localhost:" };
        const char *host = endpoint + strlen("tcp://");

        if (strncmp(endpoint, "tcp://", strlen("tcp://")) != 0)
                return false;
        for (size_t i = 0; i < ELEMENTS(loopback); i++) {
                if (strncmp(host, loopback[i], strlen(loopback[i])) != 0)
                        continue;
                /* "127.evil.example" begins like an address, but is a name */
                return i == 0 && host[strspn(host, "0123456789.")] != ':';
        }
        return true;
}

static bool is_endpoint(const char *endpoint) {
        const char *colon = strrchr(endpoint, ':');

        if (strncmp(endpoint, "ipc://", strlen("ipc://")) == 0)
                return endpoint[strlen("ipc://")] == '/';
        if (strncmp(endpoint, "tcp://", strlen("tcp://")) != 0 ||
            colon <= endpoint + strlen("tcp://"))
                return false;
        return strlen(colon + 1) <= 5 && colon[1] >= '1' && colon[1] <= '9' &&
               strspn(colon + 1, "0123456789") == strlen(colon + 1) && atol(colon + 1) <= 65535;
}

static void check_socket(const struct config *config, const struct conf *conf, const char *section,
                         const char *key, const char *path, struct problems *problems) {
        if (strlen(path) > SOCKET_PATH_MAX)
                problems_add(problems, config->path, conf_line(conf, section, key),
                             MESSAGE_CONFIG_SOCKET_LONG, "path", path, NULL);
}

static void check_endpoint(const struct config *config, const struct conf *conf, const char *section,
                           const char *key, const char *endpoint, struct problems *problems) {
        unsigned line = conf_line(conf, section, key);

        if (!is_endpoint(endpoint))
                problems_add(problems, config->path, line, MESSAGE_CONFIG_BAD_ENDPOINT, "key", key,
                             "value", endpoint, NULL);
        else if (endpoint[0] == 'i')
                check_socket(config, conf, section, key, endpoint + strlen("ipc://"), problems);
        else if (endpoint_is_open(endpoint) && !config->curve_secret_file)
                problems_add(problems, config->path, line, MESSAGE_CONFIG_NEEDS_CURVE, "value",
                             endpoint, NULL);
}

/* Without a word in the file a socket follows `run`: its default stands in RUN_DIR. */
static int follow_run(const struct config *config, char **value) {
        char *at = strstr(*value, RUN_DIR "/"), *moved = NULL;

        if (!at)
                return 0;
        if (asprintf(&moved, "%.*s%s%s", (int) (at - *value), *value, config->run_dir,
                     at + strlen(RUN_DIR)) < 0)
                return -ENOMEM;
        free(*value);
        *value = moved;
        return 0;
}

static int place_sockets(struct config *config, const struct conf *conf) {
        const struct {
                const char *section, *key;
                char **value;
        } singles[] = { { "redis", "socket", &config->redis_socket },
                        { "publisherd", "events", &config->events },
                        { "publisherd", "control", &config->control } };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(singles) && r == 0; i++)
                if (!conf_find(conf, singles[i].section, singles[i].key))
                        r = follow_run(config, singles[i].value);
        if (!conf_find(conf, "publisherd", "listen"))
                for (size_t i = 0; i < config->listen.n && r == 0; i++)
                        r = follow_run(config, config->listen.items + i);
        if (!conf_find(conf, "ledgerd", "receipts"))
                for (size_t i = 0; i < config->receipts.n && r == 0; i++)
                        r = follow_run(config, config->receipts.items + i);
        return r;
}

/* -- gongkai.conf -- */

static int place_paths(struct config *config) {
        char **const paths[] = { &config->catalogue_dir, &config->templates_dir,
                                 &config->state_dir,     &config->run_dir,
                                 &config->redis_socket,  &config->control };

        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                char *path = config_path(config->folder, *paths[i]);

                if (!path)
                        return -ENOMEM;
                free(*paths[i]);
                *paths[i] = path;
        }
        return config_secret_path(config->folder, &config->curve_secret_file);
}

static void check_fetch(const struct config *config, const struct conf *conf,
                        struct problems *problems) {
        const struct string_list *retry = &config->fetch_retry;
        unsigned line = conf_line(conf, "fetch", "networks");

        for (size_t i = 0; i < config->fetch_networks.n; i++) {
                struct network network;

                if (network_parse(config->fetch_networks.items[i], &network) < 0)
                        problems_add(problems, config->path, line, MESSAGE_CONFIG_BAD_NETWORK,
                                     "value", config->fetch_networks.items[i], NULL);
        }
        line = conf_line(conf, "fetch", "retry");
        for (size_t i = 0; i < retry->n; i++) {
                int64_t ms;

                if (duration_parse(retry->items[i], &ms) < 0 || ms < FETCH_RETRY_LEAST_MS ||
                    ms > FETCH_RETRY_MOST_MS || i >= FETCH_RETRY_MAX)
                        problems_add(problems, config->path, line, MESSAGE_CONFIG_BAD_FETCH_RETRY,
                                     "value", retry->items[i], NULL);
        }
}

/* It knows no login: who can reach it sees it. */
static void check_console(const struct config *config, const struct conf *conf,
                          struct problems *problems) {
        struct sockaddr_storage address = { 0 };
        const struct sockaddr_in *four = (const struct sockaddr_in *) &address;
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *) &address;
        socklen_t n;
        bool good = listen_address(config->console_listen, &address, &n) == 0;

        if (good && address.ss_family == AF_INET)
                good = ntohl(four->sin_addr.s_addr) >> 24 == 127;
        else if (good)
                good = address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
        if (!good)
                problems_add(problems, config->path, conf_line(conf, "console", "listen"),
                             MESSAGE_CONFIG_CONSOLE_LISTEN, "value", config->console_listen, NULL);
}

static int read_main(struct config *config, const struct conf *conf, struct problems *problems) {
        struct settings_part part = { config_settings, n_config_settings, config };
        const struct conf_entry *language = conf_find(conf, "county", "language");
        int r;

        if (language && strcmp(language->value, "en") == 0)
                messages_set_language(ENGLISH);
        r = settings_apply(&part, 1, conf, problems);
        if (r == 0)
                r = place_paths(config);
        if (r == 0)
                r = place_sockets(config, conf);
        if (r < 0)
                return r;
        check_own_regions(config, conf, problems);
        for (size_t i = 0; i < config->listen.n; i++)
                check_endpoint(config, conf, "publisherd", "listen", config->listen.items[i], problems);
        check_endpoint(config, conf, "publisherd", "events", config->events, problems);
        for (size_t i = 0; i < config->receipts.n; i++)
                check_endpoint(config, conf, "ledgerd", "receipts", config->receipts.items[i], problems);
        check_socket(config, conf, "publisherd", "control", config->control, problems);
        check_socket(config, conf, "redis", "socket", config->redis_socket, problems);
        check_fetch(config, conf, problems);
        check_console(config, conf, problems);
        config_check_gate(config, conf, problems);
        return 0;
}

static void check_alarms(const struct configuration *configuration, const struct conf *conf,
                         struct problems *problems) {
        const struct config *config = &configuration->main;

        /* Whether the program is there is found out when it is wanted: no daemon should stay away
         * because of it. */
        if (config->alarm_command && config->alarm_command[0] != '/')
                problems_add(problems, config->path, conf_line(conf, "alarms", "command"),
                             MESSAGE_CONFIG_ALARM_COMMAND, "value", config->alarm_command, NULL);
        if (config->alarm_channel && !configuration_channel(configuration, config->alarm_channel))
                problems_add(problems, config->path, conf_line(conf, "alarms", "channel"),
                             MESSAGE_CONFIG_ALARM_CHANNEL, "channel", config->alarm_channel, NULL);
}

int configuration_load(const char *path, driver_settings_fn *driver_settings,
                       struct problems *problems, struct configuration **ret) {
        struct configuration *configuration freed_by(configuration_freep) =
                calloc(1, sizeof(*configuration));
        struct conf *conf freed_by(conf_freep) = NULL;
        int r;

        if (!configuration)
                return -ENOMEM;
        configuration->main.path = strdup(path);
        configuration->main.folder = folder_of(path);
        if (!configuration->main.path || !configuration->main.folder)
                return -ENOMEM;
        r = conf_read(path, problems, &conf);
        if (r == 0)
                r = read_main(&configuration->main, conf, problems);
        if (r == 0)
                r = config_read_channels(configuration, driver_settings, problems);
        if (r == 0)
                r = config_read_emitters(configuration, problems);
        if (r == 0)
                check_alarms(configuration, conf, problems);
        if (r < 0)
                return r;
        *ret = give_away(configuration);
        return 0;
}

struct configuration *configuration_free(struct configuration *configuration) {
        if (!configuration)
                return NULL;
        for (size_t i = 0; i < configuration->n_channels; i++)
                channel_config_done(configuration->channels + i);
        for (size_t i = 0; i < configuration->n_emitters; i++)
                emitter_config_done(configuration->emitters + i);
        free(configuration->channels);
        free(configuration->emitters);
        settings_release(config_settings, n_config_settings, &configuration->main);
        free(configuration->main.path);
        free(configuration->main.folder);
        free(configuration);
        return NULL;
}

void configuration_freep(struct configuration **configuration) {
        *configuration = configuration_free(*configuration);
}

const struct channel_config *configuration_channel(const struct configuration *configuration,
                                                   const char *name) {
        for (size_t i = 0; i < configuration->n_channels; i++)
                if (strcmp(configuration->channels[i].name, name) == 0)
                        return configuration->channels + i;
        return NULL;
}
