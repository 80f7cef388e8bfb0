#include "channels/mqtt/mqtt.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "channels/relay.h"
#include "channels/sightings.h"
#include "core/memory.h"

/* -- the index -- */

static int read_groups(const struct delivery *delivery, struct screens *ret) {
        const struct mqtt_options *options = delivery->options;
        const char *bad;

        return screens_read(&options->groups, delivery->channel, ret, &bad);
}

/* Only then are the screens asked. What ends by itself each of them ends by itself. */
static bool is_confirmed(const struct delivery *delivery) {
        const struct mqtt_options *options = delivery->options;

        return options->heartbeats &&
               (delivery->kind == DELIVER_PUBLISH || delivery->kind == DELIVER_WITHDRAW);
}

/* What is waited for, once it has been sent. */
static int begin_sighting(const struct delivery *delivery, struct step *ret) {
        json_t *item freed_by(json_decrefp) = NULL;

        if (!is_confirmed(delivery))
                return 0;
        if (delivery->kind == DELIVER_PUBLISH && !(item = playlist_item(delivery, ret->tree_open.data)))
                return -ENOMEM;
        return sighting_begin(delivery, item, ret);
}

/* The groups that this delivery has to do with stay in the memo. */
static int open_entry(const struct delivery *delivery, const struct screens *groups,
                      const json_t *before, struct step *ret) {
        int r = mqtt_open_entry(delivery, groups, before, ret);

        if (r == 0)
                r = relay_begin(ret);
        if (r == 0 && json_object_set(ret->memo, "on", json_object_get(ret->tree_open.data, "on")) < 0)
                r = -ENOMEM;
        return r < 0 ? r : begin_sighting(delivery, ret);
}

static int look_again(const struct delivery *delivery, struct step *ret) {
        struct screens groups;
        int r = read_groups(delivery, &groups);

        if (r == 0)
                (void) relay_again(delivery, ret, &r);
        if (r == 0)
                mqtt_add_views(delivery, &groups, &ret->tree_open);
        return r;
}

/* -- what is sent -- */

static json_t *all_groups(const struct screens *groups) {
        json_t *names = json_array();

        for (size_t i = 0; i < groups->n; i++)
                (void) json_array_append_new(names, json_string(groups->list[i].name));
        return names;
}

static int show(const struct delivery *delivery, const struct screens *groups,
                const struct tree_reply *tree, struct step *ret) {
        bool all = delivery->kind == DELIVER_SETUP;
        json_t *names freed_by(json_decrefp) =
                all ? all_groups(groups)
                    : json_incref(json_object_get(delivery->memo, "on"));
        char sum[RELAY_SUM] = "";
        int r = names ? mqtt_messages(delivery, groups, names, tree->views, ret, sum) : -EINVAL;

        if (r < 0)
                return r;
        if (ret->mqtt.n == 0 || relay_is_sent(delivery, sum)) {
                json_t *listed freed_by(json_decrefp) =
                        mqtt_listed(delivery, &ret->mqtt, sighting_digest(delivery));

                step_done(ret);
                return !listed                  ? -ENOMEM
                       : is_confirmed(delivery) ? sighting_ask(delivery, listed, ret)
                                                : step_done_verdict(ret, NULL, NULL);
        }
        return relay_send(delivery, sum, ret);
}

/* -- replies -- */

static int verdict(const struct delivery *delivery, enum verdict_kind kind, const char *code,
                   enum message message, const char *reason, struct step *ret) {
        const struct mqtt_options *options = delivery->options;

        return step_verdict(ret, kind, code, 0, message, "host", options->host, "reason",
                            reason ? reason : "", NULL);
}

static int tell_players(const struct delivery *delivery, const json_t *seen, struct step *ret) {
        const struct mqtt_options *options = delivery->options;
        struct buf names freed_by(buf_done) = { 0 };
        unsigned online, offline;
        char on[12], off[12];

        mqtt_players(options, seen, &online, &offline, &names);
        (void) snprintf(on, sizeof(on), "%u", online);
        (void) snprintf(off, sizeof(off), "%u", offline);
        return step_verdict(ret, VERDICT_DONE, "done", 0, MESSAGE_MQTT_ANSWERS, "host",
                            options->host, "online", on, "offline", off, "names",
                            buf_text(&names), NULL);
}

static int judge(const struct delivery *delivery, const struct mqtt_reply *reply,
                 struct step *ret) {
        if (reply->refused)
                return verdict(delivery, VERDICT_BLOCKED, "mqtt/refused", MESSAGE_MQTT_REFUSED,
                               reply->error, ret);
        if (!reply->whole && !reply->sent)
                return verdict(delivery, VERDICT_LATER, "mqtt/unreachable",
                               MESSAGE_MQTT_UNREACHABLE, reply->error, ret);
        if (!reply->whole)
                return verdict(delivery, VERDICT_UNCERTAIN, "mqtt/unclear", MESSAGE_MQTT_UNCLEAR,
                               reply->error, ret);
        if (delivery->kind == DELIVER_TEST)
                return tell_players(delivery, reply->seen, ret);
        return look_again(delivery, ret);
}

/* -- the driver -- */

static int mqtt_begin(const struct delivery *delivery, struct step *ret) {
        struct screens groups;
        int r;

        switch (delivery->kind) {
        case DELIVER_SETUP:
                return look_again(delivery, ret);
        case DELIVER_TEST:
                *ret = (struct step) { .kind = STEP_MQTT };
                return 0;
        case DELIVER_PUBLISH:
        case DELIVER_WITHDRAW:
        case DELIVER_EXPIRE:
                break;
        }
        if (is_confirmed(delivery) && sighting_is_awaited(delivery))
                return sighting_ask(delivery, NULL, ret);
        r = read_groups(delivery, &groups);
        return r < 0 ? r : open_entry(delivery, &groups, NULL, ret);
}

static int judge_sighting(const struct delivery *delivery, const struct book_reply *reply,
                          struct step *ret) {
        int r;

        switch (sighting_judge(delivery, reply, ret, &r)) {
        case SIGHTING_DONE:
                return step_done_verdict(ret, NULL, NULL);
        case SIGHTING_LOOK:
                return look_again(delivery, ret);
        case SIGHTING_FILLED:
                break;
        }
        return r;
}

/* What the index had before says where else the document is: then it is put again, with these. */
static bool is_to_be_put_again(const struct delivery *delivery, const struct reply *reply) {
        const json_t *memo = delivery->memo;
        const char *at = json_string_value(json_object_get(memo, "at"));

        return reply->kind == STEP_TREE_OPEN && reply->tree.status == TREE_OK && at &&
               strcmp(at, "put") == 0 && !json_object_get(memo, "merged") &&
               mqtt_is_elsewhere(memo, reply->tree.previous);
}

static int mqtt_next(const struct delivery *delivery, const struct reply *reply,
                     struct step *ret) {
        struct screens groups;
        int r = read_groups(delivery, &groups);

        if (r < 0)
                return r;
        if (reply->kind == STEP_MQTT)
                return judge(delivery, &reply->mqtt, ret);
        if (reply->kind == STEP_BOOK)
                return judge_sighting(delivery, &reply->book, ret);
        if (is_to_be_put_again(delivery, reply)) {
                r = open_entry(delivery, &groups, reply->tree.previous, ret);
                return r < 0 || json_object_set_new(ret->memo, "merged", json_true()) < 0 ? -ENOMEM
                                                                                         : 0;
        }
        switch (relay_next(delivery, reply, ret, &r)) {
        case RELAY_FILLED:
                return r;
        case RELAY_LOOK:
                mqtt_add_views(delivery, &groups, &ret->tree_open);
                return r;
        case RELAY_SHOW:
                return show(delivery, &groups, &reply->tree, ret);
        case RELAY_BUSY:
                return step_verdict(ret, VERDICT_LATER, "mqtt/index-busy", 0,
                                    MESSAGE_MQTT_BUSY_INDEX, NULL);
        case RELAY_BROKEN:
                return step_verdict(ret, VERDICT_LATER, "mqtt/index", 0,
                                    MESSAGE_MQTT_INDEX_FAILED, "reason", reply->tree.error, NULL);
        }
        return -EINVAL;
}

/* In doubt it sends the same again, which is better than to ask; and once more when nothing that
 * left earlier can arrive any more. */
static bool mqtt_looks(const void *options) {
        (void) options;
        return true;
}

static void mqtt_link(const void *pointer, const char *secret, struct mqtt_link *ret) {
        const struct mqtt_options *options = pointer;

        *ret = (struct mqtt_link) {
                .host = options->host, .port = (unsigned) options->port,
                .old = options->version == MQTT_VERSION_3, .user = options->user,
                .password = options->user ? secret : NULL, .tls = options->tls,
                .ca = options->tls_ca, .cert = options->tls_cert, .key = options->tls_key,
                .prefix = options->prefix, .watch = "+/players/+/state",
        };
}

/* -- options -- */

static bool prefix_is_sound(const char *prefix) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                      "._-/";
        size_t n = strlen(prefix);

        return n > 0 && n <= 200 && strspn(prefix, allowed) == n && prefix[0] != '/' &&
               prefix[n - 1] != '/' && !strstr(prefix, "//");
}

static void mqtt_check(const void *pointer, const char *path, struct problems *problems) {
        const struct mqtt_options *options = pointer;
        struct screens groups;
        const char *bad = "";

        if (options->host && (strpbrk(options->host, "/ @[]") || strlen(options->host) > 253))
                problems_add(problems, path, 0, MESSAGE_MQTT_HOST, "value", options->host, NULL);
        if (options->prefix && !prefix_is_sound(options->prefix))
                problems_add(problems, path, 0, MESSAGE_MQTT_PREFIX, "value", options->prefix, NULL);
        if (!options->tls_cert != !options->tls_key)
                problems_add(problems, path, 0, MESSAGE_MQTT_TLS_PAIR, NULL);
        if (!options->tls && (options->tls_ca || options->tls_cert))
                problems_add(problems, path, 0, MESSAGE_MQTT_TLS_OFF, NULL);
        switch (screens_read(&options->groups, "", &groups, &bad)) {
        case -EINVAL:
                problems_add(problems, path, 0, MESSAGE_MQTT_GROUP, "value", bad, NULL);
                break;
        case -E2BIG:
                problems_add(problems, path, 0, MESSAGE_MQTT_TOO_MANY, NULL);
                break;
        }
}

static void mqtt_address(const void *pointer, struct buf *ret) {
        const struct mqtt_options *options = pointer;
        bool bare = options->host && strchr(options->host, ':'); /* IPv6 */

        if (options->host)
                buf_fmt(ret, "%s://%s%s%s:%u", options->tls ? "mqtts" : "mqtt", bare ? "[" : "",
                        options->host, bare ? "]" : "", (unsigned) options->port);
}

static const char *const versions[] = { "5", "3.1.1", NULL };

#define AT(member) offsetof(struct mqtt_options, member)
static const struct setting mqtt_settings[] = {
        { "", "host", SETTING_STRING, AT(host), .required = true,
          .chinese = "MQTT 服务器的 IP 地址或域名", .english = "the broker's address or name" },
        { "", "port", SETTING_NUMBER, AT(port), .fallback = "1883", .least = 1, .most = 65535,
          .chinese = "端口，用 TLS 的一般是 8883", .english = "its port; with TLS mostly 8883" },
        { "", "version", SETTING_CHOICE, AT(version), .choices = versions, .fallback = "5",
          .chinese = "MQTT 版本；老的服务器只懂 3.1.1，那样就不知道对方为什么不收",
          .english = "of MQTT; old brokers know 3.1.1 only, which has no reasons for a refusal" },
        { "", "user", SETTING_STRING, AT(user),
          .chinese = "用户名，口令放在 secret_file 里",
          .english = "the user; its password is in secret_file" },
        { "", "tls", SETTING_BOOL, AT(tls), .fallback = "no",
          .chinese = "用 TLS 加密，并核对服务器的证书",
          .english = "encrypt, and check the broker's certificate" },
        { "", "tls_ca", SETTING_STRING, AT(tls_ca),
          .chinese = "签发服务器证书的 CA（PEM 文件）；不写就用系统里的",
          .english = "the CA of the broker's certificate (PEM); else the system's" },
        { "", "tls_cert", SETTING_STRING, AT(tls_cert),
          .chinese = "自己的证书（PEM 文件），服务器要求时才写",
          .english = "our own certificate (PEM), where the broker asks for one" },
        { "", "tls_key", SETTING_STRING, AT(tls_key),
          .chinese = "自己证书的私钥（PEM 文件）", .english = "its key (PEM)" },
        { "", "prefix", SETTING_STRING, AT(prefix), .fallback = "gongkai",
          .chinese = "主题的前缀", .english = "what all topics begin with" },
        PLAYLIST_ROW_OF_NAMES(groups, "组", "一组", "groups of displays"),
        { "", "heartbeats", SETTING_BOOL, AT(heartbeats), .fallback = "no",
          .chinese = "播放盒是不是每 15 秒报一次在放什么（格式见 channels/mqtt/README.md）；是的，说显示了才算发布、说撤下了才算撤回",
          .english = "whether the boxes say every 15 s what they show (channels/mqtt/README.md): shown, and"
                     " withdrawn, is then what they say" },
        PLAYLIST_ROWS,
};
#undef AT

extern const struct driver mqtt_driver;
const struct driver mqtt_driver = {
        .name = "mqtt",
        .title_chinese = "电子屏（MQTT）",
        .title_english = "displays by MQTT",
        .about_chinese = "把公告发到 MQTT 服务器（EMQX、mosquitto 等），各处的播放盒、安卓屏自己来取；适合服务器连不到屏、"
                         "屏连得到服务器的情形。\n"
                         "先要有一台 MQTT 服务器：地址、端口、用户名和口令，打开持久化和权限设置（否则谁都能改屏上的内容）；"
                         "主题和格式见 channels/mqtt/README.md，交给播放盒的开发者。\n"
                         "口令用 gongkaictl channel secret 输入（整个密钥文件就是口令），"
                         "再用 gongkaictl channel test 看连不连得上、有几个播放器在线。",
        .about_english = "Sends notices to an MQTT broker (EMQX, mosquitto), from where boxes and screens fetch them:"
                         " for screens that this server cannot reach, but that can reach the broker.\n"
                         "First have a broker: its address, port, user and password, with persistence and access"
                         " rules (else anybody may change the screens); topics and format are in"
                         " channels/mqtt/README.md, for the boxes' developer.\n"
                         "Type the password by gongkaictl channel secret (the whole file is the password), then see"
                         " by gongkaictl channel test whether the broker lets us in and how many players are on"
                         " line.",
        .settings = mqtt_settings,
        .n_settings = ELEMENTS(mqtt_settings),
        .options_size = sizeof(struct mqtt_options),
        .index = true,
        .looks = mqtt_looks,
        .check = mqtt_check,
        .address = mqtt_address,
        .mqtt = mqtt_link,
        .call = mqtt_call,
        .begin = mqtt_begin,
        .next = mqtt_next,
};
