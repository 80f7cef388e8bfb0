#include "core/catalogue.h"

#include <errno.h>
#include <string.h>

#include "core/buf.h"
#include "core/catalogue_file.h"
#include "core/memory.h"
#include "core/textfile.h"

#define NEAR_MAX 3
#define NEAR_FAR 64 /* further than any two codes that are compared */
#define NEAR_CODE_MAX 32 /* bytes; a longer one is compared with nothing, to bound the work */

static int by_code(const void *a, const void *b) {
        const struct item *left = a, *right = b;
        int order = strcmp(left->code, right->code);

        if (!order)
                order = strcmp(left->region, right->region);
        if (!order)
                order = strcmp(left->file, right->file);
        return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* Of two rows with one code the first one stands. */
static void drop_doubled(struct catalogue *catalogue, struct problems *problems) {
        struct item *kept = NULL;
        size_t n = 0;

        for (size_t i = 0; i < catalogue->n; i++) {
                struct item *item = catalogue->items + i;
                char line[16];

                if (!kept || strcmp(item->code, kept->code) != 0 ||
                    strcmp(item->region, kept->region) != 0) {
                        kept = catalogue->items + n++;
                        *kept = *item;
                        continue;
                }
                (void) snprintf(line, sizeof(line), "%u", kept->line);
                problems_add(problems, item->file, item->line, MESSAGE_CATALOGUE_TWICE, "code",
                             item->code, "file", kept->file, "line", line, NULL);
                item_done(item);
        }
        catalogue->n = n;
}

/* "530581-plan.csv" -> "530581"; "" for a file of all regions. */
static void region_of(const char *name, char ret[static 7]) {
        ret[0] = '\0';
        if (strspn(name, "0123456789") != 6)
                return;
        memcpy(ret, name, 6);
        ret[6] = '\0';
}

int catalogue_load(const char *folder, struct problems *problems, struct catalogue **ret) {
        struct catalogue *catalogue freed_by(catalogue_freep) = calloc(1, sizeof(*catalogue));
        struct string_list names freed_by(string_list_done) = { 0 };
        size_t allocated = 0;
        int r = catalogue ? folder_list(folder, ".csv", &names) : -ENOMEM;

        if (r < 0 && r != -ENOMEM)
                problems_add(problems, folder, 0, MESSAGE_CONFIG_CANNOT_LIST, "reason",
                             strerror(-r), NULL);
        for (size_t i = 0; i < names.n && r == 0; i++) {
                char *path freed_by(freep) = NULL, region[7];

                if (asprintf(&path, "%s/%s", folder, names.items[i]) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                region_of(names.items[i], region);
                r = catalogue_read_file(catalogue, &allocated, path, region, problems);
        }
        if (r < 0)
                return r;
        if (catalogue->n)
                qsort(catalogue->items, catalogue->n, sizeof(*catalogue->items), by_code);
        drop_doubled(catalogue, problems);
        *ret = give_away(catalogue);
        return 0;
}

struct catalogue *catalogue_free(struct catalogue *catalogue) {
        if (!catalogue)
                return NULL;
        for (size_t i = 0; i < catalogue->n; i++)
                item_done(catalogue->items + i);
        free(catalogue->items);
        free(catalogue);
        return NULL;
}

void catalogue_freep(struct catalogue **catalogue) {
        *catalogue = catalogue_free(*catalogue);
}

static const struct item *find_exactly(const struct catalogue *catalogue, const char *code,
                                       const char *region) {
        size_t low = 0, high = catalogue->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const struct item *item = catalogue->items + middle;
                int order = strcmp(code, item->code);

                if (!order)
                        order = strcmp(region, item->region);
                if (!order)
                        return item;
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

const struct item *catalogue_find(const struct catalogue *catalogue, const char *code,
                                  const char *region) {
        const struct item *item = find_exactly(catalogue, code, region);

        return item ? item : find_exactly(catalogue, code, "");
}

struct near {
        const char *code;
        size_t distance;
};

/* Keeps the nearest ones, in order; of equally near ones the first in the catalogue. */
static void keep_near(struct near near[static NEAR_MAX], const char *code, size_t distance) {
        size_t i = NEAR_MAX;

        if (near[NEAR_MAX - 1].code && near[NEAR_MAX - 1].distance <= distance)
                return;
        while (i > 0 && (!near[i - 1].code || near[i - 1].distance > distance)) {
                if (i < NEAR_MAX)
                        near[i] = near[i - 1];
                i--;
        }
        near[i] = (struct near) { code, distance };
}

char *catalogue_near(const struct catalogue *catalogue, const char *code, const char *region) {
        struct near near[NEAR_MAX] = { 0 };
        size_t n_code = strlen(code);
        struct buf buf = { 0 };

        for (size_t i = 0; i < catalogue->n && n_code > 0 && n_code <= NEAR_CODE_MAX; i++) {
                const struct item *item = catalogue->items + i;
                size_t limit = near[NEAR_MAX - 1].code ? near[NEAR_MAX - 1].distance :
                                                                 NEAR_FAR;
                size_t distance;

                if (item->region[0] && strcmp(item->region, region) != 0)
                        continue;
                if (i > 0 && strcmp(item->code, item[-1].code) == 0 &&
                    (!item[-1].region[0] || strcmp(item[-1].region, region) == 0))
                        continue; /* the common row of this code was looked at */
                distance = text_distance(code, item->code, limit);
                if (distance <= limit)
                        keep_near(near, item->code, distance);
        }
        for (size_t i = 0; i < NEAR_MAX && near[i].code; i++)
                buf_fmt(&buf, "%s%s", i ? "、" : "", near[i].code);
        return buf_take(&buf);
}
