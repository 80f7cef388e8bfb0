/* Atom (RFC 4287), one feed for the site and one per county. An entry's id is a tag URI (RFC 4151)
 * of the site's domain, the day of first publication and the page's path: none of them changes. */
#include "channels/site/site.h"

#include <errno.h>

#include "core/memory.h"
#include "core/moment.h"

#define FEED_ENTRIES 30

/* The latest change of what is shown; an empty feed is as new as this writing. */
static int64_t feed_updated(const struct press *press, const json_t *entries) {
        int64_t newest = 0;
        const json_t *entry;
        size_t i;

        json_array_foreach((json_t *) entries, i, entry) {
                int64_t ms = json_integer_value(json_object_get(entry, "updated_ms"));

                if (ms > newest)
                        newest = ms;
        }
        return newest ? newest : press->delivery->now_ms;
}

int feed_write(struct press *press, const char *folder, const char *title,
               const json_t *entries) {
        struct buf path freed_by(buf_done) = { 0 }, page freed_by(buf_done) = { 0 };
        json_t *context freed_by(json_decrefp) = NULL;
        json_t *newest = json_array();
        char updated[MOMENT_TEXT];
        int r;

        buf_fmt(&page, "%s%s", folder, folder[0] ? "/" : "");
        buf_fmt(&path, "%sfeed.xml", buf_text(&page));
        context = press_context(press, buf_text(&page), title);
        r = context && newest && !path.error ? 0 : -ENOMEM;
        for (size_t i = 0; i < json_array_size(entries) && i < FEED_ENTRIES; i++)
                if (json_array_append(newest, json_array_get(entries, i)) < 0)
                        r = -ENOMEM;
        r = r < 0 ? r : json_put(context, "feed_title", title);
        r = r < 0 ? r : json_put(context, "feed_path", buf_text(&path));
        r = r < 0 ? r : json_put(context, "feed_updated",
                                 moment_write(feed_updated(press, entries), updated));
        r = r < 0 ? r : json_put(context, "author", press->options->organ ? press->options->organ
                                                                          : press->options->title);
        if (json_object_set_new(context, "entries", newest) < 0)
                r = -ENOMEM;
        return r < 0 ? r : press_page(press, "feed", context, buf_text(&path));
}
