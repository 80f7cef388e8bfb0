/* The rows of gongkai.conf, channels.d/NAME.conf and emitters.d/NAME.conf. An option stands here
 * only once it takes effect. */
#include "core/config.h"
#include "core/config_parts.h"
#include "core/memory.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const char *const languages[] = { "zh", "en", NULL };
static const char *const ends[] = { "remove", "mark", "keep", NULL };

#define AT(member) offsetof(struct config, member)
const struct setting config_settings[] = {
        { "county", "regions", SETTING_LIST, AT(regions), .required = true,
          .chinese = "本机承担发布的区划：6 位代码（GB/T 2260），空一格可写名称，例如 530581 腾冲市",
          .english = "the regions served here: GB/T 2260 codes, a name may follow: 530581 腾冲市" },
        { "county", "language", SETTING_STRING, AT(language), .fallback = "zh",
          .choices = languages, .chinese = "给人看的文字用哪种语言：zh 中文，en 英文",
          .english = "the language of sentences for people: zh Chinese, en English" },

        { "paths", "catalogue", SETTING_STRING, AT(catalogue_dir), .fallback = "catalogue",
          .chinese = "公开事项标准目录（*.csv）所在目录；相对路径从 gongkai.conf 所在目录算起",
          .english = "folder of the catalogue (*.csv); relative to the folder of gongkai.conf" },
        { "paths", "templates", SETTING_STRING, AT(templates_dir), .fallback = "templates",
          .chinese = "本地模板所在目录，没有的模板用自带的",
          .english = "folder of local templates; what is not there comes with the program" },
        { "paths", "state", SETTING_STRING, AT(state_dir), .fallback = "/var/lib/gongkai",
          .chinese = "数据目录：附件、台账、网站文件", .english = "data: attachments, ledger, site" },
        { "paths", "run", SETTING_STRING, AT(run_dir), .fallback = RUN_DIR,
          .chinese = "套接字目录；下面各项没有写明时，套接字都放在这里",
          .english = "folder of the sockets that are not named below" },

        { "redis", "socket", SETTING_STRING, AT(redis_socket), .fallback = RUN_DIR "/redis.sock",
          .chinese = "Redis 的 unix 套接字", .english = "the unix socket of Redis" },
        { "redis", "timeout", SETTING_DURATION, AT(redis_timeout_ms), .fallback = "5s",
          .least = 100, .most = MINUTE, .chinese = "等 Redis 答复的最长时间，超过就当作没有答复",
          .english = "the longest wait for an answer of Redis" },
        { "redis", "durability", SETTING_BOOL, AT(redis_durability), .fallback = "yes",
          .chinese = "要求 Redis 每次写入都落盘（appendfsync always），做不到就不收文；只有试验时才写 no",
          .english = "demand that Redis syncs every write (appendfsync always), refuse events when"
                     " it does not; no is for experiments only" },

        { "publisherd", "listen", SETTING_LIST, AT(listen),
          .fallback = "ipc://" RUN_DIR "/publish, tcp://127.0.0.1:5590",
          .chinese = "收文的 ZeroMQ 地址；本机以外的 TCP 地址必须配置 [curve]",
          .english = "ZeroMQ endpoints of the door; TCP beyond this machine needs [curve]" },
        { "publisherd", "events", SETTING_STRING, AT(events),
          .fallback = "ipc://" RUN_DIR "/events", .chinese = "通知各渠道进程的 ZeroMQ 地址",
          .english = "ZeroMQ endpoint that nudges the channels" },
        { "publisherd", "control", SETTING_STRING, AT(control), .fallback = RUN_DIR "/control",
          .chinese = "gongkaictl 连接的 unix 套接字", .english = "the unix socket of gongkaictl" },
        { "publisherd", "control_group", SETTING_STRING, AT(control_group), .fallback = "gongkai",
          .chinese = "哪个用户组的人可以用 gongkaictl", .english = "the group that may use gongkaictl" },
        { "publisherd", "max_message", SETTING_SIZE, AT(max_message), .fallback = "128MiB",
          .least = KIB, .most = 128 * MIB, .chinese = "一条消息（含附件）最大多少",
          .english = "the largest message, attachments included" },
        { "publisherd", "dedup_window", SETTING_DURATION, AT(dedup_window_ms), .fallback = "35d",
          .least = HOUR, .most = 400 * DAY,
          .chinese = "多长时间内重复收到的同一事件不再发布；也是发文系统补发的期限",
          .english = "how long an event's identity is remembered" },
        { "publisherd", "drain", SETTING_DURATION, AT(drain_ms), .fallback = "10s", .least = 0,
          .most = 10 * MINUTE, .chinese = "停止前最多等多久，让收到的消息落盘并答复",
          .english = "the longest wait of a clean stop" },
        { "publisherd", "hold_same_content", SETTING_BOOL, AT(hold_same_content), .fallback = "no",
          .chinese = "内容相同、文件标识不同的公开信息，先扣下等人放行",
          .english = "hold what has the same content as another document" },
        { "publisherd", "rejected_size", SETTING_SIZE, AT(rejected_size), .fallback = "256MiB",
          .least = MIB, .most = 16 * 1024 * MIB,
          .chinese = "退回的事件留 35 天备查，一共最多占多少磁盘，满了先删最早的",
          .english = "disk space of the rejected events, which are kept for 35 days; the oldest go"
                     " first" },

        { "fetch", "networks", SETTING_LIST, AT(fetch_networks),
          .chinese = "按网址取附件时，除互联网以外还可以连哪些网段，例如政务外网的 10.0.0.0/8",
          .english = "networks besides the internet from which attachments may be fetched, as"
                     " 10.0.0.0/8 of an intranet" },
        { "fetch", "timeout", SETTING_DURATION, AT(fetch_timeout_ms), .fallback = "10min",
          .least = SECOND, .most = 6 * HOUR, .chinese = "取一个附件最多用多长时间",
          .english = "the longest time that one attachment may take" },
        { "fetch", "retry", SETTING_LIST, AT(fetch_retry), .fallback = "5s, 30s, 5min, 30min, 1h",
          .chinese = "没有取到，隔多久再取，依次用，最后一个一直重复",
          .english = "waits between attempts to fetch; the last one repeats" },

        { "gate", "exempt", SETTING_LIST, AT(gate_exempt),
          .chinese = "哪些事项依法应当公开个人号码，不扣下：事项编码（可以用 * 结尾），空一格写种类"
                     " mobile_number、bank_card、resident_number，例如 ssgl.0401 resident_number",
          .english = "items whose law orders numbers of persons published, which are not held: a code (* at"
                     " its end matches all that begin so), then kinds out of mobile_number, bank_card,"
                     " resident_number, as in ssgl.0401 resident_number" },

        { "ledgerd", "receipts", SETTING_LIST, AT(receipts),
          .fallback = "ipc://" RUN_DIR "/receipts, tcp://127.0.0.1:5591",
          .chinese = "发布回执的 ZeroMQ 地址；本机以外的 TCP 地址必须配置 [curve]",
          .english = "ZeroMQ endpoints of the receipts; TCP beyond this machine needs [curve]" },

        { "alarms", "command", SETTING_STRING, AT(alarm_command),
          .chinese = "报警时执行的程序和参数（用空格隔开，不经过 shell）：警报以 JSON 从标准输入给它，"
                     "也在 GONGKAI_ALARM_* 环境变量里",
          .english = "program and arguments (by blanks, no shell) that is run for an alarm, which is"
                     " on its standard input as JSON, and in GONGKAI_ALARM_*" },
        { "alarms", "channel", SETTING_STRING, AT(alarm_channel),
          .chinese = "报警时发到哪个渠道（每个区划一份内部文件，不会出现在别的渠道）",
          .english = "channel that shows alarms, and no other does" },
        { "alarms", "repeat", SETTING_DURATION, AT(alarm_repeat_ms), .fallback = "6h",
          .least = SECOND, .most = 30 * DAY,
          .chinese = "没有解除、也没有人确认（gongkaictl alarm ack）的警报隔多久再报一次",
          .english = "how often an open alarm that nobody has acknowledged (gongkaictl alarm ack) is"
                     " sent again" },
        { "alarms", "log_records", SETTING_NUMBER, AT(alarm_log_records), .fallback = "500000",
          .least = 1, .most = INT64_C(1000000000),
          .chinese = "一个区划在 Redis 里的日志超过多少条就报警（台账服务会把它腾空）",
          .english = "a region's log in Redis that is longer is an alarm (the ledger shortens it)" },

        { "console", "listen", SETTING_STRING, AT(console_listen), .fallback = "127.0.0.1:5580",
          .chinese = "网页和指标（/metrics）在本机的哪个地址和端口；只能是本机地址，要从别的机器看，用带登录的反向代理",
          .english = "address and port of the console and of /metrics; of this machine only: for others put a"
                     " reverse proxy with a login in front of it" },
        { "console", "hosts", SETTING_LIST, AT(console_hosts),
          .chinese = "反向代理对外用的主机名，例如 gongkai.tengchong.local；别的主机名一律不答",
          .english = "host names by which a reverse proxy is reached; a request for any other is refused" },

        { "curve", "secret_file", SETTING_STRING, AT(curve_secret_file),
          .chinese = "服务器密钥对的文件（或 systemd 凭据名）；写了才能从别的机器收文",
          .english = "file (or systemd credential) with the server's CURVE key pair" },
};
const size_t n_config_settings = ELEMENTS(config_settings);
#undef AT

#define AT(member) offsetof(struct channel_config, member)
const struct setting channel_settings[] = {
        { "", "driver", SETTING_STRING, AT(driver), .required = true,
          .chinese = "驱动程序的名字，gongkaictl channel help 列出全部",
          .english = "the driver; gongkaictl channel help lists them" },
        { "", "title", SETTING_STRING, AT(title), .chinese = "给人看的渠道名称，不写就用文件名",
          .english = "the channel's name for people; else the file's name" },
        { "", "carrier", SETTING_LIST, AT(carriers),
          .chinese = "承担目录里的哪些公开渠道和载体，例如 政府网站；不写的渠道只收点名发来的信息",
          .english = "the catalogue's carriers that it serves, as 政府网站; a channel without one shows"
                     " only what names it" },
        { "", "regions", SETTING_LIST, AT(regions), .chinese = "服务哪些区划，不写就是全部",
          .english = "the regions that it serves; else all" },
        { "", "after", SETTING_STRING, AT(after),
          .chinese = "等哪个渠道发布成功之后再发，这样可以带上那边的网址",
          .english = "shows a document after that channel has, so that it can link to it" },
        { "", "after_timeout", SETTING_DURATION, AT(after_timeout_ms), .fallback = "0s", .least = 0,
          .most = 30 * DAY, .chinese = "等 after 的渠道最多等多久，过后不带网址先发；0s 就是一直等",
          .english = "the longest wait for the channel of `after`, then it goes without its address;"
                     " 0s waits as long as it takes" },
        { "", "timeout", SETTING_DURATION, AT(timeout_ms), .fallback = "15s", .least = 100,
          .most = 10 * MINUTE, .chinese = "一次发送最多等多久",
          .english = "the longest time of one attempt's request" },
        { "", "late_effect", SETTING_DURATION, AT(late_effect_ms), .fallback = "0s", .least = 0,
          .most = DAY,
          .chinese = "没有答复的请求，发出后多久对方还可能生效；过了才相信“查无此件”；0s 就是同 timeout",
          .english = "so long after sending, a request without an answer can still take effect;"
                     " only then \"not there\" is believed; 0s is timeout" },
        { "", "lease", SETTING_DURATION, AT(lease_ms), .fallback = "8s", .least = SECOND, .most = HOUR,
          .chinese = "一个进程占住一份任务多久，发送期间自动续；进程死了，过这么久别的进程接手",
          .english = "how long a worker keeps a document; renewed while it works; when it dies,"
                     " others take over after so long" },
        { "", "retry", SETTING_LIST, AT(retry_text),
          .fallback = "0, 5s, 30s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h",
          .chinese = "开头的 0 是马上发第一次，后面是每次失败后隔多久再发，30s*5 表示五次 30s；用完就不再发，转入待处理",
          .english = "the leading 0 is the first try at once, then the wait before each next one,"
                     " 30s*5 stands for five of 30s; behind the last it is a dead letter" },
        { "", "concurrency", SETTING_NUMBER, AT(concurrency), .fallback = "0", .least = 0,
          .most = 64, .chinese = "同时最多发几份，全部进程合计；0 就是不合计，每个进程最多 32 份",
          .english = "documents under way at once, all workers together; 0 counts them not, and each"
                     " worker has 32 at most" },
        { "", "rate", SETTING_LIST, AT(rate_text),
          .chinese = "最多发多快，例如 10/s, 300/min，全部进程合计；加急和撤回不受限制",
          .english = "the pace of all workers together, as 10/s, 300/min; urgent ones and"
                     " withdrawals skip it" },
        { "", "quota", SETTING_STRING, AT(quota_text),
          .chinese = "一天最多发几份，例如 100/day，用完等到第二天",
          .english = "the most of a day, as 100/day; the rest waits for the next day" },
        { "", "quota_reserve", SETTING_NUMBER, AT(quota_reserve), .fallback = "0", .least = 0,
          .most = 1000000, .chinese = "quota 里给撤回和加急留几份",
          .english = "so many of the quota are kept for withdrawals and urgent ones" },
        { "", "breaker", SETTING_NUMBER, AT(breaker), .fallback = "5", .least = 0, .most = 1000,
          .chinese = "对方连续几次没有反应就先停发，隔一阵试一份；0 就是不停",
          .english = "after so many failures of the endpoint in a row nothing is sent but a probe"
                     " now and then; 0 never" },
        { "", "breaker_share", SETTING_STRING, AT(breaker_share_text), .fallback = "50%",
          .chinese = "最近几次里没有反应的占到几成，也先停发",
          .english = "the share of failures among the last outcomes that does the same" },
        { "", "breaker_probe", SETTING_DURATION, AT(breaker_probe_ms), .fallback = "5s",
          .least = 100, .most = DAY, .chinese = "停发后隔多久试一份，每次没有反应就加倍",
          .english = "the wait before the first probe; doubled after each that fails" },
        { "", "breaker_probe_most", SETTING_DURATION, AT(breaker_probe_most_ms),
          .fallback = "5min", .least = 100, .most = DAY, .chinese = "试发最多隔多久",
          .english = "the longest wait between probes" },
        { "", "on_end", SETTING_STRING, AT(on_end), .choices = ends,
          .chinese = "公示期（show_until）满了怎么办：remove 撤下，mark 标明公示已结束，keep 不动；不写时网站 mark，公示屏 remove，其他 keep",
          .english = "at the end of display (show_until): remove, mark or keep; else mark for a"
                     " site, remove for a display, keep for others" },
        { "", "listen", SETTING_STRING, AT(listen),
          .chinese = "在本机哪个地址和端口收对方的结果通知（回调），例如 127.0.0.1:5601；外面由 nginx 等转到这里。只有部分驱动会用到",
          .english = "local address and port where the carrier tells of results, as 127.0.0.1:5601,"
                     " behind a reverse proxy; only some drivers take it" },
        { "", "screen_silent", SETTING_DURATION, AT(screen_silent_ms), .fallback = "72h",
          .least = 0, .most = 30 * DAY,
          .chinese = "报心跳的公示屏多久没有心跳就报警（大厅周末关屏，所以默认 72 小时）；0 就是不报",
          .english = "a display that sends heartbeats is an alarm when it has sent none for so long"
                     " (halls are dark over weekends); 0 never" },
        { "", "secret_file", SETTING_STRING, AT(secret_file),
          .chinese = "口令或密钥的文件（或 systemd 凭据名），不要直接写在这里",
          .english = "file (or systemd credential) with the channel's secret" },
        { "", "enabled", SETTING_BOOL, AT(enabled), .fallback = "yes",
          .chinese = "是否启用", .english = "whether the channel is used" },
        { "", "language", SETTING_STRING, AT(language), .choices = languages,
          .chinese = "这个渠道的页面用哪种语言，不写就同 gongkai.conf",
          .english = "the language of what the channel shows; else that of gongkai.conf" },
};
const size_t n_channel_settings = ELEMENTS(channel_settings);
#undef AT

#define AT(member) offsetof(struct emitter_config, member)
const struct setting emitter_settings[] = {
        { "", "key", SETTING_STRING, AT(key),
          .chinese = "发文系统的 CURVE 公钥，40 个字符；只在本机发文的不用写",
          .english = "the emitter's CURVE public key, 40 characters; none for a local one" },
        { "", "sources", SETTING_LIST, AT(sources), .required = true,
          .chinese = "可以用的 source，例如 urn:gongkai:530581:oa，末尾可以用 * 代替其余部分",
          .english = "sources it may use, as urn:gongkai:530581:oa; a * at the end stands for the"
                     " rest" },
        { "", "regions", SETTING_LIST, AT(regions), .chinese = "可以向哪些区划发文，不写就是全部",
          .english = "regions it may publish in; else all" },
        { "", "items", SETTING_LIST, AT(items),
          .chinese = "可以发的目录事项代码，末尾可以用 *；不写就是全部",
          .english = "codes of the items it may publish, a * at the end stands for the rest; else"
                     " all" },
        { "", "may_revise", SETTING_LIST, AT(may_revise),
          .chinese = "还可以修订、撤下哪些 source 首发的文件",
          .english = "sources whose documents it may revise and withdraw besides its own" },
        { "", "may_urgent", SETTING_BOOL, AT(may_urgent), .fallback = "no",
          .chinese = "是否可以加急", .english = "whether it may mark events urgent" },
        { "", "may_backfill", SETTING_BOOL, AT(may_backfill), .fallback = "no",
          .chinese = "是否可以补发去重期限以前的旧信息",
          .english = "whether it may send events older than the dedup window" },
        { "", "fetch_from", SETTING_LIST, AT(fetch_from),
          .chinese = "附件可以从哪些主机取，例如 oa.tengchong.gov.cn 或 10.0.0.5:8443；只走 https，"
                     "要走 http 就写明 http://10.0.0.5:8080",
          .english = "hosts from which attachments may be fetched, by https; by http only where it"
                     " is written http://10.0.0.5:8080" },
        { "", "enabled", SETTING_BOOL, AT(enabled), .fallback = "yes", .chinese = "是否启用",
          .english = "whether it may send" },
};
const size_t n_emitter_settings = ELEMENTS(emitter_settings);
