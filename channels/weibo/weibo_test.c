/* Whole deliveries, as conversations: what the driver asks, and what Weibo says. */
#include "channels/weibo/fixture.h"
#include "core/moment.h"

#define WORDS "【停水通告】明日停水。 " URL
#define SHORT "【停水通告】明日停水。 http://t.cn/AiYOc4M5"
#define EVENT "{'title':'停水通告','summary':'明日停水。'}"
#define AT_NOON "Sun Nov 22 12:00:00 +0800 2026"
#define POST(id, text, at)                                                                         \
        "{'idstr':'" id "','text':'" text "','created_at':'" at "','user':{'idstr':'1'}}"
#define PAGE(statuses) "{'statuses':[" statuses "]}"
#define MEMO(more)                                                                                 \
        "{'key':'530581/oa-1/7/weibo','text':'" WORDS "','at':1795320000000,'old':[]" more "}"
#define MEMO6(more)                                                                                \
        "{'key':'530581/oa-1/6/weibo','text':'【旧】 " URL "','at':1795320000000,'old':[]" more "}"
#define NOTE(text, more) "{'text':'" text " " URL "','at':1795320000000" more "}"
#define ERROR(code) "{'error_code':" code ",'error':'no'}"
#define NOTHING "-" /* no answer, though it was sent */

struct talk {
        const char *asks; /* "share", "look 1", "destroy 5"; "*" behind: with a checkpoint */
        const char *says;
};

struct row {
        const char *story;
        enum delivery_kind kind;
        const char *memo, *note, *reference, *surplus;
        enum { CLEAR, DOUBT, SHOWN, SHOWN_DOUBT, REPAIR, OVER, KEEP, SETTLING } how;
        int64_t later_ms; /* after noon; the doubt is of noon */
        struct talk talk[8];
        enum verdict_kind verdict;
        const char *ends;  /* DONE: the reference, "" = none; else the code */
        int64_t at_ms;     /* after noon */
};

static const struct row rows[] = {
        { "a publication", DELIVER_PUBLISH, .talk = { { "share*", POST("9", "x", AT_NOON) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "a revision: the old one goes when the new one is there", DELIVER_PUBLISH,
          .reference = "5",
          .talk = { { "share*", POST("9", "x", AT_NOON) }, { "destroy 5*", "{'idstr':'5'}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "and what stale attempts left", DELIVER_PUBLISH, .reference = "5", .surplus = "6 7",
          .talk = { { "share*", POST("9", "x", AT_NOON) },
                    { "destroy 5*", "{}" },
                    { "destroy 6*", ERROR("20101") },
                    { "destroy 7*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "a revision that is kept", DELIVER_PUBLISH, .reference = "5", .how = KEEP,
          .verdict = VERDICT_DONE, .ends = "5" },
        { "kept, and surplus goes", DELIVER_PUBLISH, .reference = "5", .surplus = "6", .how = KEEP,
          .talk = { { "destroy 6*", "{}" } }, .verdict = VERDICT_DONE, .ends = "5" },
        { "nothing to keep", DELIVER_PUBLISH, .how = KEEP,
          .talk = { { "share*", POST("9", "x", AT_NOON) } }, .verdict = VERDICT_DONE, .ends = "9" },
        { "the display is over: posted anew with the mark", DELIVER_PUBLISH, .reference = "5",
          .how = OVER, .talk = { { "share*", POST("9", "x", AT_NOON) }, { "destroy 5*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "to be put back", DELIVER_PUBLISH, .reference = "5", .how = REPAIR,
          .talk = { { "share*", POST("9", "x", AT_NOON) }, { "destroy 5*", ERROR("20101") } },
          .verdict = VERDICT_DONE, .ends = "9" },

        /* no clear answer */
        { "no answer", DELIVER_PUBLISH, .talk = { { "share*", NOTHING } },
          .verdict = VERDICT_UNCERTAIN, .ends = "weibo/unclear" },
        { "an answer without an id", DELIVER_PUBLISH, .talk = { { "share*", "{}" } },
          .verdict = VERDICT_UNCERTAIN, .ends = "weibo/unclear" },
        { "in doubt, and it is there", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .talk = { { "look 1", PAGE(POST("9", SHORT, AT_NOON)) } }, .verdict = VERDICT_DONE,
          .ends = "9" },
        { "in doubt, and it is there twice", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .talk = { { "look 1", PAGE(POST("9", SHORT, AT_NOON) "," POST("8", WORDS, AT_NOON)) },
                    { "destroy 8*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "the old one goes then", DELIVER_PUBLISH, .memo = MEMO(""), .reference = "5",
          .how = DOUBT,
          .talk = { { "look 1", PAGE(POST("9", SHORT, AT_NOON)) }, { "destroy 5*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "in doubt, not there, and it can still come", DELIVER_PUBLISH, .memo = MEMO(""),
          .how = DOUBT, .later_ms = MINUTE, .talk = { { "look 1", PAGE("") } },
          .verdict = VERDICT_ASK, .ends = "weibo/not-yet", .at_ms = 2 * MINUTE },
        { "in doubt, and it comes no more", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE(POST("4", "别的", AT_NOON)) },
                    { "look 2", PAGE("") },
                    { "share*", POST("9", "x", AT_NOON) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "older posts end the search", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE(POST("4", SHORT, "Sat Nov 21 12:00:00 +0800 2026")) },
                    { "share*", POST("9", "x", AT_NOON) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "the search fails", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT, .later_ms = HOUR,
          .talk = { { "look 1", "oops" } }, .verdict = VERDICT_LATER, .ends = "weibo/odd" },
        { "the search finds something odd", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .later_ms = HOUR, .talk = { { "look 1", "{}" } }, .verdict = VERDICT_LATER,
          .ends = "weibo/odd" },
        { "the search is over a limit", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .later_ms = HOUR, .talk = { { "look 1", ERROR("10024") } }, .verdict = VERDICT_WAIT,
          .ends = "weibo/limit", .at_ms = 2 * HOUR },
        { "20019 right after: the first went through", DELIVER_PUBLISH, .memo = MEMO(""),
          .how = DOUBT, .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE("") },
                    { "share*", ERROR("20019") },
                    { "look 1", PAGE(POST("9", SHORT, AT_NOON)) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "20111 too", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT, .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE("") },
                    { "share*", ERROR("'20111'") },
                    { "look 1", PAGE(POST("9", SHORT, AT_NOON)) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "20019, and it is not to be seen yet", DELIVER_PUBLISH, .memo = MEMO(""), .how = DOUBT,
          .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE("") }, { "share*", ERROR("20019") }, { "look 1", PAGE("") } },
          .verdict = VERDICT_ASK, .ends = "weibo/late", .at_ms = 4 * MINUTE },
        { "it never is", DELIVER_PUBLISH, .memo = MEMO(",'late':true"), .how = DOUBT,
          .later_ms = HOUR,
          .talk = { { "look 1", PAGE("") }, { "share*", ERROR("20019") }, { "look 1", PAGE("") } },
          .verdict = VERDICT_REFUSED, .ends = "weibo/same" },
        { "20019, and it is nowhere", DELIVER_PUBLISH,
          .talk = { { "share*", ERROR("20019") }, { "look 1", PAGE("") } },
          .verdict = VERDICT_REFUSED, .ends = "weibo/same" },
        { "20019: a revision with the same words is what stands", DELIVER_PUBLISH, .reference = "5",
          .talk = { { "share*", ERROR("20019") },
                    { "look 1", PAGE(POST("5", SHORT, "Sat Nov 21 12:00:00 +0800 2026")) } },
          .verdict = VERDICT_DONE, .ends = "5" },
        { "20019: another's with the same words is none of ours", DELIVER_PUBLISH,
          .talk = { { "share*", ERROR("20019") },
                    { "look 1", PAGE(POST("3", SHORT, "Sat Nov 21 12:00:00 +0800 2026")) } },
          .verdict = VERDICT_REFUSED, .ends = "weibo/same" },
        { "20017: wait ten minutes", DELIVER_PUBLISH,
          .talk = { { "share*", ERROR("20017") }, { "look 1", PAGE("") } }, .verdict = VERDICT_WAIT,
          .ends = "weibo/similar", .at_ms = 10 * MINUTE },
        { "once", DELIVER_PUBLISH, .memo = MEMO(",'similar':true"), .later_ms = 10 * MINUTE,
          .talk = { { "share*", ERROR("20017") }, { "look 1", PAGE("") } },
          .verdict = VERDICT_REFUSED, .ends = "weibo/same" },
        { "20032: look in two minutes", DELIVER_PUBLISH, .talk = { { "share*", ERROR("20032") } },
          .verdict = VERDICT_ASK, .ends = "weibo/late", .at_ms = 2 * MINUTE },
        { "then it is there", DELIVER_PUBLISH, .memo = MEMO(",'late':true"), .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE(POST("9", SHORT, AT_NOON)) } }, .verdict = VERDICT_DONE,
          .ends = "9" },
        { "or not yet", DELIVER_PUBLISH, .memo = MEMO(",'late':true"), .later_ms = 4 * MINUTE,
          .talk = { { "look 1", PAGE("") } }, .verdict = VERDICT_ASK, .ends = "weibo/late",
          .at_ms = 6 * MINUTE },
        { "after an hour it is posted again", DELIVER_PUBLISH, .memo = MEMO(",'late':true"),
          .later_ms = HOUR,
          .talk = { { "look 1", PAGE("") }, { "share*", POST("9", "x", AT_NOON) } },
          .verdict = VERDICT_DONE, .ends = "9" },

        /* the process died in between, or another took over */
        { "posted, and the old one is left", DELIVER_PUBLISH,
          .memo = MEMO(",'id':'9','url':'u','old':['5']"), .reference = "5", .how = DOUBT,
          .talk = { { "destroy 5*", "{}" } }, .verdict = VERDICT_DONE, .ends = "9" },
        { "no answer to the destroy", DELIVER_PUBLISH, .memo = MEMO(",'id':'9','old':['5']"),
          .talk = { { "destroy 5*", NOTHING } }, .verdict = VERDICT_LATER,
          .ends = "weibo/unreachable" },
        { "not ours to destroy", DELIVER_PUBLISH, .memo = MEMO(",'id':'9','old':['5']"),
          .talk = { { "destroy 5*", ERROR("20102") } }, .verdict = VERDICT_BLOCKED,
          .ends = "weibo/person" },
        { "an older revision's post was known, its old one too", DELIVER_PUBLISH,
          .memo = MEMO6(",'id':'6'"), .reference = "5",
          .talk = { { "share*", POST("9", "x", AT_NOON) },
                    { "destroy 6*", "{}" },
                    { "destroy 5*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "an older revision's post is found", DELIVER_PUBLISH, .memo = MEMO6(""), .how = DOUBT,
          .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE(POST("6", "【旧】 http://t.cn/x", AT_NOON)) },
                    { "look 2", PAGE("") },
                    { "share*", POST("9", "x", AT_NOON) },
                    { "destroy 6*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "the book knows what an older revision may have posted", DELIVER_PUBLISH,
          .note = NOTE("【旧】", ""), .how = DOUBT, .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE(POST("6", "【旧】 http://t.cn/x", AT_NOON)) },
                    { "look 2", PAGE("") },
                    { "share*", POST("9", "x", AT_NOON) },
                    { "destroy 6*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "what it has an id of is not looked for", DELIVER_PUBLISH, .note = NOTE("【旧】", ",'id':'6'"),
          .reference = "5",
          .talk = { { "share*", POST("9", "x", AT_NOON) },
                    { "destroy 5*", "{}" },
                    { "destroy 6*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "what else is to go stands there too", DELIVER_PUBLISH, .note = NOTE("【旧】", ",'id':'6','old':['7']"),
          .reference = "5",
          .talk = { { "share*", POST("9", "x", AT_NOON) },
                    { "destroy 5*", "{}" },
                    { "destroy 7*", "{}" },
                    { "destroy 6*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "without one it is, doubt or not", DELIVER_PUBLISH, .note = NOTE("【旧】", ""),
          .later_ms = 2 * MINUTE,
          .talk = { { "look 1", PAGE("") }, { "share*", POST("9", "x", AT_NOON) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "Weibo had taken an older revision, and shows it late", DELIVER_PUBLISH,
          .note = NOTE("【旧】", ",'late':true"), .later_ms = MINUTE,
          .talk = { { "look 1", PAGE("") } }, .verdict = VERDICT_ASK, .ends = "weibo/late",
          .at_ms = 3 * MINUTE },
        { "for an hour", DELIVER_PUBLISH, .note = NOTE("【旧】", ",'late':true"), .later_ms = HOUR,
          .talk = { { "look 1", PAGE("") }, { "share*", POST("9", "x", AT_NOON) } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "the second look knows since when", DELIVER_PUBLISH,
          .note = NOTE("【停水通告】明日停水。", ""), .reference = "9", .how = SHOWN_DOUBT,
          .talk = { { "look 1", PAGE(POST("9", SHORT, AT_NOON)) }, { "look 2", PAGE("") } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "an older revision can still come", DELIVER_PUBLISH, .how = SETTLING,
          .verdict = VERDICT_ASK, .ends = "weibo/older", .at_ms = MINUTE },
        { "the second look finds it once", DELIVER_PUBLISH, .reference = "9", .how = SHOWN_DOUBT,
          .talk = { { "look 1", PAGE(POST("9", SHORT, AT_NOON)) }, { "look 2", PAGE("") } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "the second look finds it twice", DELIVER_PUBLISH, .reference = "9", .how = SHOWN_DOUBT,
          .talk = { { "look 1", PAGE(POST("10", SHORT, AT_NOON) "," POST("9", SHORT, AT_NOON)) },
                    { "look 2", PAGE("") },
                    { "destroy 10*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "9" },
        { "it stands, and that is all", DELIVER_PUBLISH, .reference = "9", .how = SHOWN,
          .verdict = VERDICT_DONE, .ends = "9" },

        /* taking down */
        { "a withdrawal", DELIVER_WITHDRAW, .reference = "5", .talk = { { "destroy 5*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "" },
        { "an expiry", DELIVER_EXPIRE, .reference = "5", .talk = { { "destroy 5*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "" },
        { "it is gone already", DELIVER_WITHDRAW, .reference = "5",
          .talk = { { "destroy 5*", ERROR("20101") } }, .verdict = VERDICT_DONE, .ends = "" },
        { "never posted", DELIVER_WITHDRAW, .verdict = VERDICT_DONE, .ends = "" },
        { "refused, and so it is looked for in vain", DELIVER_WITHDRAW, .memo = MEMO(""),
          .later_ms = 2 * MINUTE, .talk = { { "look 1", PAGE("") } }, .verdict = VERDICT_DONE,
          .ends = "" },
        { "in doubt: the book knows the words", DELIVER_WITHDRAW,
          .note = NOTE("【停水通告】明日停水。", ""), .reference = "5", .how = DOUBT,
          .talk = { { "destroy 5*", "{}" },
                    { "look 1", PAGE(POST("9", SHORT, AT_NOON)) },
                    { "destroy 9*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "" },
        { "shown late, and already to go", DELIVER_WITHDRAW,
          .note = NOTE("【停水通告】明日停水。", ",'late':true"), .later_ms = MINUTE,
          .talk = { { "look 1", PAGE("") } }, .verdict = VERDICT_ASK, .ends = "weibo/not-yet",
          .at_ms = 3 * MINUTE },
        { "posted, and not told yet", DELIVER_WITHDRAW, .memo = MEMO(",'id':'9'"), .reference = "5",
          .talk = { { "destroy 9*", "{}" }, { "destroy 5*", "{}" } }, .verdict = VERDICT_DONE,
          .ends = "" },
        { "in doubt: what is known goes, then it is looked for", DELIVER_WITHDRAW, .memo = MEMO(""),
          .reference = "5", .how = DOUBT,
          .talk = { { "destroy 5*", "{}" },
                    { "look 1", PAGE(POST("9", SHORT, AT_NOON)) },
                    { "destroy 9*", "{}" } },
          .verdict = VERDICT_DONE, .ends = "" },
        { "in doubt, and it can still come", DELIVER_WITHDRAW, .memo = MEMO(""), .how = DOUBT,
          .talk = { { "look 1", PAGE("") } }, .verdict = VERDICT_ASK, .ends = "weibo/not-yet",
          .at_ms = 2 * MINUTE },
        { "in doubt, and it comes no more", DELIVER_WITHDRAW, .memo = MEMO(""), .how = DOUBT,
          .later_ms = 2 * MINUTE, .talk = { { "look 1", PAGE("") } }, .verdict = VERDICT_DONE,
          .ends = "" },
        { "a limit holds for it, too", DELIVER_WITHDRAW, .reference = "5",
          .talk = { { "destroy 5*", ERROR("10023") } }, .verdict = VERDICT_WAIT,
          .ends = "weibo/limit", .at_ms = HOUR },
        { "the grant has run out", DELIVER_WITHDRAW, .reference = "5",
          .talk = { { "destroy 5*", ERROR("21327") } }, .verdict = VERDICT_BLOCKED,
          .ends = "weibo/login" },
        { "a reference that is no id goes nowhere", DELIVER_WITHDRAW, .reference = "5&x=1",
          .verdict = VERDICT_DONE, .ends = "" },
};

/* "share", "look 2" ...; what it carries is right. */
static void name_request(const struct step *step, char ret[static 64]) {
        const struct http_request *http = &step->http;
        char *id = field(step, "id"), *token = field(step, "access_token"),
             *rip = field(step, "rip");
        const char *page = strstr(http->url, "&page=");

        (void) snprintf(ret, 64, "?");
        if (strcmp(http->url, "https://api.weibo.com/2/statuses/share.json") == 0) {
                assert_string_equal(rip, "203.0.113.7");
                (void) snprintf(ret, 64, "share");
        } else if (strcmp(http->url, "https://api.weibo.com/2/statuses/destroy.json") == 0)
                (void) snprintf(ret, 64, "destroy %s", id);
        else if (page && strstr(http->url,
                                "/2/statuses/user_timeline.json?access_token=" TOKEN "&count=50"))
                (void) snprintf(ret, 64, "look %d", (int) strtol(page + 6, NULL, 10));
        assert_string_equal(http->method, strncmp(ret, "look", 4) == 0 ? "GET" : "POST");
        if (strcmp(http->method, "POST") == 0) {
                assert_string_equal(token, TOKEN);
                assert_string_equal(http->headers[0],
                                    "Content-Type: application/x-www-form-urlencoded");
        }
        /* libcurl must never repeat what posts. */
        assert_int_equal(http->repeatable, strcmp(http->method, "GET") == 0);
        if (step->checkpoint)
                (void) strncat(ret, "*", 2);
        free(id);
        free(token);
        free(rip);
}

static int answer(const struct delivery *delivery, const char *says, struct step *ret) {
        struct reply reply = { .kind = STEP_HTTP };
        char *body = strdup(says);
        int r;

        for (char *at = body; *at; at++)
                *at = *at == '\'' ? '"' : *at;
        reply.http.sent = true;
        if (strcmp(says, NOTHING) != 0) {
                reply.http.status = strstr(says, "error_code")  ? 400
                                    : strcmp(says, "oops") == 0 ? 500
                                                                : 200;
                reply.http.body = body;
                reply.http.n_body = strlen(body);
        } else
                reply.http.error = "Operation timed out";
        r = weibo_driver.next(delivery, &reply, ret);
        free(body);
        return r;
}

static struct delivery row_delivery(const struct row *row, const json_t *event,
                                    const json_t *memo) {
        static struct weibo_options keep;
        struct delivery delivery = delivery_of(row->kind, event);

        delivery.memo = memo;
        delivery.reference = row->reference;
        delivery.surplus = row->surplus;
        delivery.url = row->reference ? "https://weibo.com/1/old" : NULL;
        delivery.first_shown_ms = row->reference ? NOON - 24 * HOUR : 0;
        delivery.now_ms = NOON + row->later_ms;
        delivery.doubt = row->how == DOUBT || row->how == SHOWN_DOUBT;
        delivery.doubt_since_ms = delivery.doubt ? NOON : 0;
        delivery.late_effect_ms = 15000;
        delivery.shown = row->how == SHOWN || row->how == SHOWN_DOUBT || row->how == REPAIR ||
                         row->how == OVER;
        delivery.ended = row->how == OVER;
        delivery.settled_ms = row->how == SETTLING ? NOON + MINUTE : 0;
        if (row->how == REPAIR)
                delivery.revision_part = "7r2";
        keep = weibo_options;
        keep.on_revise = row->how == KEEP ? WEIBO_KEEP : WEIBO_REPOST;
        delivery.options = &keep;
        return delivery;
}

static void take_memo(json_t **memo, struct step *step, struct delivery *delivery);

/* What is to go must be known to whoever comes next, by the store's reference or by the note. */
static void assert_old_is_kept(const struct row *row, const json_t *memo, const char *value) {
        json_t *note = json_loads(value, 0, NULL), *kept = json_object_get(note, "old");
        const json_t *old;
        size_t i, n = 0;

        json_array_foreach (json_object_get(memo, "old"), i, old) {
                const char *id = json_string_value(old);

                if ((row->reference && strstr(row->reference, id)) || (row->surplus && strstr(row->surplus, id)))
                        continue;
                assert_string_equal(json_string_value(json_array_get(kept, n++)), id);
        }
        assert_int_equal(json_array_size(kept), n);
        json_decref(note);
}

/* What was last sent is in the book before it leaves; what was sent before comes out of it. */
static void book(const struct row *row, const struct step *step, struct book_reply *ret,
                 json_t **values) {
        const json_t *put = step->book.put, *note, *memo = step->memo;
        const char *name;

        *values = json_object();
        *ret = (struct book_reply) { .values = *values, .spent = true };
        if (json_array_size(step->book.get) > 0 && row->note) {
                json_t *copy = data_of(row->note);
                char *text = json_dumps(copy, 0);

                (void) json_object_set_new(*values,
                                           json_string_value(json_array_get(step->book.get, 0)),
                                           json_string(text));
                free(text);
                json_decref(copy);
        }
        json_object_foreach ((json_t *) put, name, note) {
                if (json_is_null(note)) { /* forgotten when all is gone */
                        assert_int_not_equal(row->kind, DELIVER_PUBLISH);
                        continue;
                }
                const char *value = json_string_value(json_object_get(note, "value"));

                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789:"), 69);
                assert_true(json_integer_value(json_object_get(note, "ms")) > 0);
                assert_non_null(strstr(value, json_string_value(json_object_get(memo, "text"))));
                assert_old_is_kept(row, memo, value);
        }
}

/* Whether it was in the book. */
static bool through_the_book(const struct row *row, json_t **memo, struct delivery *delivery,
                             struct step *step) {
        bool noted = false;

        while (step->kind == STEP_BOOK) {
                struct reply reply = { .kind = STEP_BOOK };
                struct step next = { 0 };
                json_t *values;

                noted = noted || step->book.put;
                take_memo(memo, step, delivery);
                book(row, step, &reply.book, &values);
                assert_int_equal(weibo_driver.next(delivery, &reply, &next), 0);
                json_decref(values);
                step_done(step);
                *step = next;
        }
        return noted;
}

static void take_memo(json_t **memo, struct step *step, struct delivery *delivery) {
        if (!step->memo)
                return;
        json_decref(*memo);
        *memo = json_incref(step->memo);
        delivery->memo = *memo;
}

static void every_delivery_asks_what_it_must_and_ends_as_it_should(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const struct row *row = &rows[i];
                json_t *event = event_of(EVENT), *memo = row->memo ? data_of(row->memo) : NULL;
                struct delivery delivery = row_delivery(row, event, memo);
                struct step step = { 0 };
                char asked[64];

                print_message("%s\n", row->story);
                assert_int_equal(weibo_driver.begin(&delivery, &step), 0);
                for (const struct talk *talk = row->talk; talk->asks; talk++) {
                        bool noted = through_the_book(row, &memo, &delivery, &step);
                        struct step next = { 0 };

                        assert_int_equal(step.kind, STEP_HTTP);
                        name_request(&step, asked);
                        assert_string_equal(asked, talk->asks);
                        assert_true(noted || strncmp(asked, "share", 5) != 0);
                        take_memo(&memo, &step, &delivery);
                        assert_int_equal(answer(&delivery, talk->says, &next), 0);
                        step_done(&step);
                        step = next;
                }
                (void) through_the_book(row, &memo, &delivery, &step);
                assert_int_equal(step.kind, STEP_VERDICT);
                assert_int_equal(step.verdict.kind, row->verdict);
                if (row->verdict == VERDICT_DONE)
                        assert_string_equal(step.verdict.reference ? step.verdict.reference : "",
                                            row->ends);
                else
                        assert_string_equal(step.verdict.code, row->ends);
                if (row->at_ms)
                        assert_int_equal(step.verdict.at_ms, NOON + row->at_ms);
                if (row->verdict != VERDICT_DONE)
                        assert_false(has_hole(step.verdict.sentence));
                step_done(&step);
                json_decref(memo);
                json_decref(event);
        }
}

/* -- what stands in the way -- */

static void what_is_at_the_begin_the_book_is_asked_for(void **state) {
        json_t *event = event_of(EVENT);
        struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
        struct reply reply = { .kind = STEP_BOOK, .book = { .error = "Connection refused" } };
        struct step step = { 0 }, next = { 0 }, again = { 0 };

        (void) state;
        assert_int_equal(weibo_driver.begin(&delivery, &step), 0);
        assert_int_equal(step.kind, STEP_BOOK);
        delivery.memo = step.memo;
        assert_int_equal(weibo_driver.next(&delivery, &reply, &next), 0);
        assert_int_equal(next.verdict.kind, VERDICT_LATER);
        assert_string_equal(next.verdict.code, "weibo/book");
        /* and again, when it did not answer */
        delivery.memo = next.memo;
        assert_int_equal(weibo_driver.begin(&delivery, &again), 0);
        assert_int_equal(again.kind, STEP_BOOK);
        step_done(&step);
        step_done(&next);
        step_done(&again);
        json_decref(event);
}

static void without_an_address_under_the_safe_domain_nothing_is_posted(void **state) {
        static const struct {
                const char *url, *secret, *code;
                enum verdict_kind kind;
        } table[] = {
                { NULL, SECRET, "weibo/no-address", VERDICT_REFUSED },
                { "", SECRET, "weibo/no-address", VERDICT_REFUSED },
                { "https://www.example.gov.cn/一", SECRET, "weibo/no-address", VERDICT_REFUSED },
                { "https://other.example.cn/1", SECRET, "weibo/domain", VERDICT_BLOCKED },
                { URL, NULL, "weibo/login", VERDICT_BLOCKED },
                { URL, "app_secret = x\n", "weibo/login", VERDICT_BLOCKED },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                json_t *event = event_of(EVENT);
                struct delivery delivery = delivery_of(DELIVER_PUBLISH, event);
                struct step step = { 0 };
                json_t *memo;

                print_message("%s\n", table[i].url ? table[i].url : "none");
                delivery.after_url = table[i].url;
                delivery.secret = table[i].secret;
                first_step(&delivery, &memo, &step);
                assert_int_equal(step.kind, STEP_VERDICT);
                assert_int_equal(step.verdict.kind, table[i].kind);
                assert_string_equal(step.verdict.code, table[i].code);
                assert_false(has_hole(step.verdict.sentence));
                step_done(&step);
                json_decref(memo);
                json_decref(event);
        }
}

static void wrong_settings_are_told(void **state) {
        static const struct {
                const char *story;
                struct weibo_options options;
                unsigned n;
        } table[] = {
                { "as they should be",
                  { .address = (char *) "https://api.weibo.com",
                    .app_key = (char *) "12",
                    .redirect_uri = (char *) "https://a.cn/b",
                    .safe_domain = (char *) "www.a.cn",
                    .rip = (char *) "2001:db8::1" },
                  0 },
                { "a slash too many", { .address = (char *) "https://api.weibo.com/" }, 1 },
                { "no address", { .redirect_uri = (char *) "www.a.cn" }, 1 },
                { "a key with letters", { .app_key = (char *) "12a" }, 1 },
                { "a domain with a scheme", { .safe_domain = (char *) "https://www.a.cn" }, 1 },
                { "a domain without a dot", { .safe_domain = (char *) "localhost" }, 1 },
                { "no IP address", { .rip = (char *) "203.0.113" }, 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                struct problems problems = { 0 };

                print_message("%s\n", table[i].story);
                weibo_driver.check(&table[i].options, "weibo.conf", &problems);
                assert_int_equal(problems.n, table[i].n);
                problems_done(&problems);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_delivery_asks_what_it_must_and_ends_as_it_should),
                cmocka_unit_test(what_is_at_the_begin_the_book_is_asked_for),
                cmocka_unit_test(without_an_address_under_the_safe_domain_nothing_is_posted),
                cmocka_unit_test(wrong_settings_are_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
