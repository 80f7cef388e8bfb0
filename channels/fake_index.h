/* For the tests of drivers that use the tree's index: the engine's, in short and in memory. */
#ifndef CHANNELS_FAKE_INDEX_H
#define CHANNELS_FAKE_INDEX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "channels/driver.h"
#include "core/memory.h"

/* "REGION/DOCUMENT" -> {rank, live, date, until, tags, data}; `next`: as a transaction has it. */
struct fake_index {
        json_t *entries, *next, *previous;
        json_t *views; /* of the last reply */
        enum tree_status status; /* what every step is answered with */
        bool files; /* the caller keeps them; else there are none */
};

static inline void fake_index_init(struct fake_index *index) {
        *index = (struct fake_index) { .entries = json_object() };
}

static inline void fake_index_rollback(struct fake_index *index) {
        json_decref(index->next);
        index->next = NULL;
}

static inline void fake_index_done(struct fake_index *index) {
        fake_index_rollback(index);
        json_decref(index->entries);
        json_decref(index->previous);
        json_decref(index->views);
}

static inline json_int_t fake_number(const json_t *entry, const char *key) {
        return json_integer_value(json_object_get(entry, key));
}

static inline bool fake_is_in(const json_t *entry, const struct tree_view *view, int64_t now_ms) {
        const json_t *tag;
        bool tagged = !view->tag;
        size_t i;

        json_array_foreach(json_object_get(entry, "tags"), i, tag)
                tagged = tagged || strcmp(json_string_value(tag), view->tag) == 0;
        return tagged && json_is_true(json_object_get(entry, "live")) &&
               (fake_number(entry, "until") == 0 || fake_number(entry, "until") > now_ms);
}

static inline json_t *fake_view(const struct fake_index *index, const struct tree_view *view,
                                int64_t now_ms) {
        json_t *rows = json_array(), *found = json_array(), *entry;
        const char *key;

        json_object_foreach(index->next, key, entry) {
                size_t at = 0;

                if (!fake_is_in(entry, view, now_ms))
                        continue;
                while (at < json_array_size(found) &&
                       fake_number(json_array_get(found, at), "date") > fake_number(entry, "date"))
                        at++;
                json_array_insert(found, at, entry);
        }
        for (size_t i = 0; i < json_array_size(found) && i < view->limit; i++)
                json_array_append(rows, json_object_get(json_array_get(found, i), "data"));
        json_decref(found);
        return rows;
}

static inline void fake_open(struct fake_index *index, const struct delivery *delivery,
                             const struct tree_open *open, struct tree_reply *ret) {
        char key[256];
        json_t *found;

        (void) snprintf(key, sizeof(key), "%s/%s", delivery->region, delivery->document);
        if (!index->next) {
                index->next = json_deep_copy(index->entries);
                json_decref(index->previous);
                index->previous = json_incref(json_object_get(
                        json_object_get(index->entries, key), "data"));
        }
        found = json_object_get(index->next, key);
        if (open->has_entry && found &&
            fake_number(found, "rank") > open->revision * 100 + open->level) {
                ret->status = TREE_NEWER;
                return;
        }
        ret->previous = index->previous;
        if (open->has_entry)
                json_object_set_new(index->next, key,
                                    json_pack("{s:I, s:b, s:I, s:I, s:O, s:O}", "rank",
                                              (json_int_t) open->revision * 100 + open->level,
                                              "live", (int) open->live, "date",
                                              (json_int_t) open->date_ms, "until",
                                              (json_int_t) open->until_ms, "tags", open->tags,
                                              "data", open->data));
        json_decref(index->views);
        index->views = json_array();
        for (size_t i = 0; i < open->n_views; i++)
                json_array_append_new(index->views,
                                      fake_view(index, &open->views[i], delivery->now_ms));
        ret->views = index->views;
}

/* Answers a step of the tree; true where it was one. Any other step rolls back. */
static inline bool fake_index_answers(struct fake_index *index, const struct delivery *delivery,
                                      const struct step *step, struct reply *ret) {
        *ret = (struct reply) { .kind = step->kind };
        if (step->kind != STEP_TREE_OPEN && step->kind != STEP_TREE_COMMIT) {
                fake_index_rollback(index);
                return false;
        }
        ret->tree.status = index->status;
        ret->tree.error = "No space left on device";
        if (index->status != TREE_OK)
                fake_index_rollback(index);
        else if (step->kind == STEP_TREE_OPEN)
                fake_open(index, delivery, &step->tree_open, &ret->tree);
        else {
                assert_non_null(index->next);
                assert_true(index->files || step->tree_commit.n_files == 0);
                json_decref(index->entries);
                index->entries = give_away(index->next);
        }
        return true;
}

#endif
