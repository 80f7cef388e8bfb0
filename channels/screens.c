#include "channels/playlist.h"

#include <errno.h>
#include <string.h>

bool area_is_sound(const char *area) {
        size_t n = strlen(area);

        return (n == 6 || n == 9 || n == 12) && strspn(area, "0123456789") == n;
}

static int screen_read(const char *item, struct screen *ret) {
        const char *area = strchr(item, '@');
        size_t n = area ? (size_t) (area - item) : strlen(item);

        *ret = (struct screen) { 0 };
        if (n >= sizeof(ret->name))
                return -EINVAL;
        memcpy(ret->name, item, n);
        if (!conf_name_is_valid(ret->name) || (area && !area_is_sound(area + 1)))
                return -EINVAL;
        if (area)
                memcpy(ret->area, area + 1, strlen(area + 1));
        return 0;
}

int screens_read(const struct string_list *items, const char *channel, struct screens *ret,
                 const char **ret_bad) {
        struct screens screens = { 0 };

        if (items->n == 0) {
                (void) strncpy(screens.list[0].name, channel, sizeof(screens.list[0].name) - 1);
                screens.n = 1;
        }
        for (size_t i = 0; i < items->n; i++) {
                struct screen *screen = &screens.list[screens.n];

                *ret_bad = items->items[i];
                if (screens.n == SCREENS_MAX)
                        return -E2BIG;
                if (screen_read(*ret_bad, screen) < 0)
                        return -EINVAL;
                for (size_t k = 0; k < screens.n; k++)
                        if (strcmp(screens.list[k].name, screen->name) == 0)
                                return -EINVAL;
                screens.any_area |= screen->area[0] != '\0';
                screens.n++;
        }
        *ret = screens;
        return 0;
}

/* How many digits of a code tell its place: province 2, prefecture 4, county 6, then township and
 * village, three each. What is zero stands for "all of it". */
static size_t significant(const char *code) {
        size_t n = strlen(code);

        while (n > 6 && strncmp(code + n - 3, "000", 3) == 0)
                n -= 3;
        while (n <= 6 && n > 2 && strncmp(code + n - 2, "00", 2) == 0)
                n -= 2;
        return n;
}

bool areas_meet(const char *one, const char *other) {
        size_t n_one = significant(one), n_other = significant(other);

        return strncmp(one, other, n_one < n_other ? n_one : n_other) == 0;
}

bool screen_wants(const struct screen *screen, const json_t *entry) {
        const json_t *areas = json_object_get(entry, "areas"), *area;
        const char *region = json_string_value(json_object_get(entry, "region"));
        size_t i;

        if (!screen->area[0])
                return true;
        if (json_array_size(areas) == 0)
                return region && areas_meet(screen->area, region);
        json_array_foreach(areas, i, area)
                if (json_is_string(area) && areas_meet(screen->area, json_string_value(area)))
                        return true;
        return false;
}
