/* What the drivers of displays share: which displays there are and what concerns them, until when a
 * notice is shown, what an index keeps of it, and playlist.json (display/README.md tells its
 * format). Everything here is a pure function of its arguments. */
#ifndef CHANNELS_PLAYLIST_H
#define CHANNELS_PLAYLIST_H

#include "channels/driver.h"

/* -- screens.c: which displays there are, and what concerns them -- */

enum { SCREENS_MAX = 64 };

struct screen {
        char name[33];
        char area[13]; /* 6, 9 or 12 digits; "" = everything */
};

struct screens {
        struct screen list[SCREENS_MAX];
        size_t n;
        bool any_area;
};

/* Items are "hall" or "hall@530581103"; none: one display, named as the channel. -EINVAL and
 * *ret_bad (borrowed) for an item that is none, or is there twice; -E2BIG. */
int screens_read(const struct string_list *items, const char *channel, struct screens *ret,
                 const char **ret_bad);
bool area_is_sound(const char *area); /* 6, 9 or 12 digits */
/* Two codes of GB/T 2260 and GB/T 10114: the same place, or one lies in the other. 530500 is the
 * prefecture, with all its counties. */
bool areas_meet(const char *one, const char *other);
/* Does an entry concern a display? An entry without areas concerns its whole region. */
bool screen_wants(const struct screen *screen, const json_t *entry);

/* -- ends.c: until when an entry is shown; data is the event's -- */

int64_t end_of(const struct delivery *delivery, const json_t *data, int64_t show_days);

/* -- entry.c: what the index keeps of a document -- */

/* *ret_until: the first moment at which it is not shown any more. Without `pictures` those within
 * the text are left out, and their words stay. -ENOMEM. */
int screen_entry(const struct delivery *delivery, int64_t show_days, bool pictures, json_t **ret,
                 int64_t *ret_until);
json_t *screen_entry_gone(const struct delivery *delivery); /* not a word of it; NULL: memory */
/* The leading organ's name, and those of the others: "水务局、财政局". NULL: memory. */
json_t *screen_publisher(const json_t *data);

/* -- playlist.c -- */

enum {
        PLAYLIST_BYTES = 2500000, /* a browser keeps five million characters; see display/README.md */
        LOOK_BACK = 2000,         /* entries that are looked through for a display with an area */
};

struct playlist {
        const char *heading, *county; /* NULL: made from the region's name */
        const char *language;         /* zh | en; NULL: that of the process */
        const char *player;           /* the version of the player's files; NULL: none go with it */
        const char *beat;             /* where heartbeats go, from the playlist's own address; NULL: nowhere */
        int64_t most;                 /* entries */
};

/* Asks for the views that playlist_write() reads: the urgent ones, and all. A display with an area
 * looks further back for what concerns it. */
void playlist_views(const struct screens *screens, int64_t most, struct tree_open *open);
/* The entries of a display, as JSON by comma: urgent ones first, else newest first, as many as fit.
 * The pictures of what is shown are added to `pictures` (NULL: nobody asks): {file, sha256, size}. */
int playlist_entries(const struct delivery *delivery, const struct playlist *playlist,
                     const struct screen *screen, const json_t *views, struct buf *ret,
                     json_t *pictures);
/* The whole file around these. */
int playlist_write(const struct delivery *delivery, const struct playlist *playlist,
                   const struct screen *screen, const struct buf *entries, struct buf *ret);
/* One entry as a playlist has it: what a player gets of it, with the `digest` of what it is to draw. NULL:
 * it is none, or memory. */
json_t *playlist_item(const struct delivery *delivery, const json_t *entry);

/* -- the rows that the drivers of displays share; AT(member) is a member's place in their options -- */

extern const char *const playlist_languages[]; /* zh en */

#define PLAYLIST_ROW_OF_NAMES(member, chinese_names, chinese_one, english_names)                              \
        { "", #member, SETTING_LIST, AT(member),                                                              \
          .chinese = "有哪些" chinese_names "，写成 名称 或 名称@区划代码（6、9 或 12 位），例如 hall,"       \
                     " wuhe@530581103；带代码的只放与那里有关的。不写就是" chinese_one "，与渠道同名",        \
          .english = "the " english_names ": NAME, or NAME@AREA (6, 9 or 12 digits) for one that shows what"  \
                     " concerns that place; else one, named as the channel" }
#define PLAYLIST_ROWS                                                                                         \
        { "", "heading", SETTING_STRING, AT(heading),                                                         \
          .chinese = "屏幕顶端的标题，不写就是“某某市政务公开”",                                              \
          .english = "what stands at the top; else the region's name and 政务公开" },                         \
        { "", "county", SETTING_STRING, AT(county),                                                           \
          .chinese = "没有内容可放时显示的地名，不写就是区划名称",                                            \
          .english = "the name shown when there is nothing to show; else the region's" },                     \
        { "", "show_days", SETTING_NUMBER, AT(show_days), .fallback = "14", .least = 1, .most = 3650,         \
          .chinese = "文件没有写明放到几时的，放多少天",                                                      \
          .english = "days for which a document is shown that does not say how long" },                       \
        { "", "most", SETTING_NUMBER, AT(most), .fallback = "60", .least = 1, .most = 1000,                   \
          .chinese = "一份播放单最多多少份，紧急的在前，其余新的在前",                                        \
          .english = "the most documents in one playlist, urgent ones first, then the newest" },              \
        { "", "language", SETTING_STRING, AT(language), .choices = playlist_languages,                        \
          .chinese = "屏幕上程序自己的文字用哪种语言，不写就同 gongkai.conf",                                 \
          .english = "the language of the page's own words; else that of gongkai.conf" }

#endif
