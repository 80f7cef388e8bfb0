#include "channels/sightings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"

enum { NAMES_MOST = 20, ASK_LEAST_MS = 5000, ASK_MOST_MS = 600000, DIGEST_DIGITS = 64, REGION_DIGITS = 6 };

static const char *text_of(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *key) {
        return json_integer_value(json_object_get(object, key));
}

/* -- heartbeats -- */

bool sighting_name_is_sound(const char *name) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
        size_t n = strlen(name);

        return n > 0 && n <= SIGHTING_NAME && strspn(name, allowed) == n;
}

static bool is_region(const char *text, size_t n) {
        return n == REGION_DIGITS && strspn(text, "0123456789") >= n;
}

/* Of what a player holds and may draw, but has not: driver.h, `sight`. */
static const char HELD[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* Where the playlist names no region, documents are REGION/DOCUMENT. */
static json_t *draw_of(const json_t *one, const char *region, bool held) {
        const char *document = text_of(one, "document"), *digest = held ? HELD : text_of(one, "digest");
        const char *slash = strchr(document, '/');
        int64_t revision = number_of(one, "revision");

        if (!*document || revision < 1 || strlen(digest) != DIGEST_DIGITS ||
            strspn(digest, "0123456789abcdef") != DIGEST_DIGITS)
                return NULL;
        if (region)
                return json_pack("{s:s, s:s, s:I, s:s}", "region", region, "document", document,
                                 "revision", (json_int_t) revision, "digest", digest);
        if (!slash || !is_region(document, (size_t) (slash - document)) || !slash[1])
                return NULL;
        return json_pack("{s:s%, s:s, s:I, s:s}", "region", document, (size_t) REGION_DIGITS,
                         "document", slash + 1, "revision", (json_int_t) revision, "digest", digest);
}

static int refuse(char **ret_why, enum message message, size_t number) {
        char text[24];

        (void) snprintf(text, sizeof(text), "%zu", number);
        *ret_why = message == MESSAGE_SIGHT_BAD_ENTRY ? say(message, "number", text, NULL)
                                                      : say(message, NULL);
        return *ret_why ? -EINVAL : -ENOMEM;
}

/* What a player shows and holds, one after the other. */
struct reading {
        const char *region;
        json_t *draws, *seen;
        char **why;
};

static int read_list(const struct reading *reading, const json_t *list, bool held) {
        const json_t *one;
        size_t i;

        json_array_foreach(list, i, one) {
                const char *document = text_of(one, "document");
                json_t *draw = json_object_get(reading->seen, document)
                                       ? NULL
                                       : draw_of(one, reading->region, held);

                if (!draw)
                        return refuse(reading->why, MESSAGE_SIGHT_BAD_ENTRY, i + 1);
                if (json_array_append_new(reading->draws, draw) < 0 ||
                    json_object_set_new(reading->seen, document, json_true()) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static bool needs_region(const json_t *list) {
        return json_array_size(list) > 0 && !strchr(text_of(json_array_get(list, 0), "document"), '/');
}

int sighting_read(const char *player, const json_t *beat, json_t **ret, char **ret_why) {
        const json_t *showing = json_object_get(beat, "showing"), *holding = json_object_get(beat, "holding");
        const json_t *region = json_object_get(beat, "region");
        json_t *draws freed_by(json_decrefp) = json_array(), *seen freed_by(json_decrefp) = json_object();
        const struct reading reading = { json_string_value(region), draws, seen, ret_why };
        int r = draws && seen ? 0 : -ENOMEM;

        if (!json_is_array(showing) || (holding && !json_is_array(holding)) ||
            json_array_size(showing) + json_array_size(holding) > SIGHTING_ENTRIES)
                return refuse(ret_why, MESSAGE_SIGHT_BAD_JSON, 0);
        if (region ? !json_is_string(region) ||
                             !is_region(json_string_value(region), json_string_length(region))
                   : needs_region(showing) || needs_region(holding))
                return refuse(ret_why, MESSAGE_SIGHT_BAD_REGION, 0);
        r = r < 0 ? r : read_list(&reading, showing, false);
        r = r < 0 ? r : read_list(&reading, holding, true);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:O}", "player", player, "draws", draws);
        return *ret ? 0 : -ENOMEM;
}

/* -- the memo -- */

static const json_t *note_of(const struct delivery *delivery) {
        return json_object_get(delivery->memo, "sight");
}

static int remember(const struct delivery *delivery, json_t *note, struct step *ret) {
        if (!ret->memo)
                ret->memo = delivery->memo ? json_copy((json_t *) delivery->memo) : json_object();
        return note && ret->memo && json_object_set(ret->memo, "sight", note) == 0 ? 0 : -ENOMEM;
}

int sighting_begin(const struct delivery *delivery, const json_t *item, struct step *ret) {
        json_t *note freed_by(json_decrefp) =
                json_pack("{s:s, s:s}", "key", delivery->key, "digest", item ? text_of(item, "digest") : "");

        return remember(delivery, note, ret);
}

bool sighting_is_awaited(const struct delivery *delivery) {
        return strcmp(text_of(note_of(delivery), "key"), delivery->key) == 0 &&
               number_of(note_of(delivery), "since") > 0;
}

const char *sighting_digest(const struct delivery *delivery) {
        return text_of(note_of(delivery), "digest");
}

int sighting_place(const struct delivery *delivery, const json_t *names, struct step *ret) {
        json_t *note freed_by(json_decrefp) = json_copy((json_t *) note_of(delivery));

        if (!note || json_object_set(note, "on", (json_t *) names) < 0)
                return -ENOMEM;
        return remember(delivery, note, ret);
}

static int nowhere(const struct delivery *delivery, struct step *ret) {
        if (delivery->ended) /* and nobody is to see it any more */
                return step_done_verdict(ret, NULL, NULL);
        return step_verdict(ret, VERDICT_DONE, "done", 0, MESSAGE_SIGHT_NOWHERE, NULL);
}

int sighting_ask(const struct delivery *delivery, const json_t *names, struct step *ret) {
        json_t *note freed_by(json_decrefp) = json_copy((json_t *) note_of(delivery));
        json_int_t now = delivery->now_ms;
        int r = note ? 0 : -ENOMEM;

        *ret = (struct step) { .kind = STEP_BOOK, .book = { .screens = true } };
        if (r == 0 && names)
                r |= json_object_set(note, "on", (json_t *) names);
        if (r == 0 && delivery->kind == DELIVER_PUBLISH && json_array_size(json_object_get(note, "on")) == 0)
                return nowhere(delivery, ret);
        if (r == 0 && !sighting_is_awaited(delivery))
                r |= json_object_set_new(note, "since", json_integer(now));
        if (r == 0 && (names || !sighting_is_awaited(delivery)))
                r |= json_object_set_new(note, "looked", json_integer(now));
        return r < 0 ? -ENOMEM : remember(delivery, note, ret);
}

/* -- the judgement -- */

struct names {
        struct buf text;
        unsigned n;
};

static void names_done(struct names *names) {
        buf_done(&names->text);
}

/* "hall（最后一次心跳 2026-11-29 14:05）、tv（…）" */
static int names_add(struct names *names, const char *name, const json_t *player) {
        const char *comma = messages_language() == ENGLISH ? ", " : "、";
        char *heard freed_by(freep) = NULL;
        char at[MOMENT_TEXT];

        if (++names->n > NAMES_MOST)
                return 0;
        heard = say(MESSAGE_SIGHT_HEARD, "name", name, "at",
                    moment_write_minute(number_of(player, "seen_ms"), at), NULL);
        if (!heard)
                return -ENOMEM;
        buf_fmt(&names->text, "%s%s", names->n > 1 ? comma : "", heard);
        return names->text.error;
}

static int names_end(struct names *names) {
        const char *comma = messages_language() == ENGLISH ? ", " : "、";
        char *others freed_by(freep) = NULL;
        char count[12];

        if (names->n <= NAMES_MOST)
                return 0;
        (void) snprintf(count, sizeof(count), "%u", names->n - NAMES_MOST);
        others = say(MESSAGE_SIGHT_OTHERS, "count", count, NULL);
        if (!others)
                return -ENOMEM;
        buf_fmt(&names->text, "%s%s", comma, others);
        return names->text.error;
}

/* "hall/left" is a player of "hall". */
static bool is_on(const json_t *screens, const char *player) {
        size_t n = strcspn(player, "/"), i;
        const json_t *screen;

        json_array_foreach(screens, i, screen)
                if (json_string_length(screen) == n && memcmp(json_string_value(screen), player, n) == 0)
                        return true;
        return false;
}

/* What was heard that concerns the delivery. */
struct survey {
        bool drawn;
        struct names different, online, silent, still;
};

static void survey_done(struct survey *survey) {
        names_done(&survey->different);
        names_done(&survey->online);
        names_done(&survey->silent);
        names_done(&survey->still);
}

static int survey_add(struct survey *survey, const struct delivery *delivery, int64_t now_ms,
                      const char *name, const json_t *player) {
        int64_t revision = number_of(player, "revision");
        bool same = revision == delivery->revision;

        if (delivery->kind != DELIVER_PUBLISH)
                return revision > 0 && revision <= delivery->revision
                               ? names_add(&survey->still, name, player)
                               : 0;
        if (same && strcmp(text_of(player, "digest"), sighting_digest(delivery)) == 0)
                survey->drawn = true;
        else if (same && strcmp(text_of(player, "digest"), HELD) != 0)
                return names_add(&survey->different, name, player);
        else if (is_on(json_object_get(note_of(delivery), "on"), name))
                return names_add(number_of(player, "seen_ms") > now_ms - SIGHTING_ONLINE_MS
                                         ? &survey->online
                                         : &survey->silent,
                                 name, player);
        return 0;
}

static int survey_make(struct survey *survey, const struct delivery *delivery,
                       const struct book_reply *reply) {
        int64_t now_ms = reply->now_ms ? reply->now_ms : delivery->now_ms;
        const char *name;
        json_t *player;
        int r = 0;

        json_object_foreach((json_t *) reply->screens, name, player)
                if (r == 0)
                        r = survey_add(survey, delivery, now_ms, name, player);
        r = r < 0 ? r : names_end(&survey->different);
        r = r < 0 ? r : names_end(&survey->online);
        r = r < 0 ? r : names_end(&survey->silent);
        return r < 0 ? r : names_end(&survey->still);
}

static int64_t again_ms(const struct delivery *delivery) {
        int64_t wait = delivery->now_ms - number_of(note_of(delivery), "since");

        wait = wait < ASK_LEAST_MS ? ASK_LEAST_MS : wait > ASK_MOST_MS ? ASK_MOST_MS : wait;
        return delivery->now_ms + wait;
}

static int ask_again(const struct delivery *delivery, const char *code, enum message message,
                     const char *key, const char *value, struct step *ret) {
        return step_verdict(ret, VERDICT_ASK, code, again_ms(delivery), message, key, value, NULL);
}

static int say_none(const struct delivery *delivery, struct step *ret) {
        const json_t *screens = json_object_get(note_of(delivery), "on"), *screen;
        struct buf names freed_by(buf_done) = { 0 };
        size_t i;

        json_array_foreach(screens, i, screen)
                buf_fmt(&names, "%s%s", i ? " " : "", json_string_value(screen));
        return ask_again(delivery, "screens/none", MESSAGE_SIGHT_NONE, "screens", buf_text(&names), ret);
}

static int say_why(const struct delivery *delivery, struct survey *survey, struct step *ret) {
        int r;

        if (survey->different.n > 0)
                return ask_again(delivery, "screens/different", MESSAGE_SIGHT_DIFFERENT, "names",
                                 buf_text(&survey->different.text), ret);
        if (survey->online.n > 0)
                return ask_again(delivery, "screens/not-yet", MESSAGE_SIGHT_NOT_YET, "names",
                                 buf_text(&survey->online.text), ret);
        if (survey->silent.n > 0)
                return ask_again(delivery, "screens/silent", MESSAGE_SIGHT_SILENT, "names",
                                 buf_text(&survey->silent.text), ret);
        if (survey->still.n == 0)
                return say_none(delivery, ret);
        r = ask_again(delivery, "screens/still", MESSAGE_SIGHT_STILL, "names",
                      buf_text(&survey->still.text), ret);
        if (r == 0)
                ret->verdict.still = buf_take(&survey->still.text);
        return r < 0 || ret->verdict.still ? r : -ENOMEM;
}

enum sighting sighting_judge(const struct delivery *delivery, const struct book_reply *reply,
                             struct step *ret, int *ret_error) {
        struct survey survey freed_by(survey_done) = { 0 };
        bool shows = delivery->kind == DELIVER_PUBLISH;

        *ret_error = 0;
        if (reply->error) {
                *ret_error = ask_again(delivery, "screens/book", MESSAGE_SIGHT_BOOK, "reason",
                                       reply->error, ret);
                return SIGHTING_FILLED;
        }
        *ret_error = survey_make(&survey, delivery, reply);
        if (*ret_error < 0)
                return SIGHTING_FILLED;
        if (shows ? survey.drawn : survey.still.n == 0)
                return SIGHTING_DONE;
        if (shows && delivery->now_ms - number_of(note_of(delivery), "looked") >= SIGHTING_LOOK_MS)
                return SIGHTING_LOOK;
        *ret_error = say_why(delivery, &survey, ret);
        return SIGHTING_FILLED;
}
