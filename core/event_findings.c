#include <stdlib.h>
#include <string.h>

#include "core/event_check.h"

void findings_add_list(struct findings *findings, char *path, const char *code,
                       enum message message, va_list pairs) {
        struct buf text = { 0 };
        struct finding *list;

        if (!path || findings->n >= FINDINGS_MAX) {
                free(path);
                return;
        }
        if ((findings->n & (findings->n - 1)) == 0) { /* full at each power of two */
                size_t room = findings->n ? findings->n * 2 : 1;

                list = reallocarray(findings->list, room, sizeof(*list));
                if (!list) {
                        free(path);
                        return;
                }
                findings->list = list;
        }

        say_list(&text, message, pairs);
        list = findings->list + findings->n;
        *list = (struct finding){ path, code, buf_take(&text) };
        if (!list->message) {
                free(path);
                return;
        }
        findings->n++;
}

void findings_add(struct findings *findings, const char *path, const char *code,
                  enum message message, ...) {
        va_list pairs;

        va_start(pairs, message);
        findings_add_list(findings, strdup(path), code, message, pairs);
        va_end(pairs);
}

bool findings_have(const struct findings *findings, const char *code) {
        for (size_t i = 0; i < findings->n; i++)
                if (strcmp(findings->list[i].code, code) == 0)
                        return true;
        return false;
}

json_t *findings_json(const struct findings *findings) {
        json_t *array = json_array();

        if (!array)
                return NULL;
        for (size_t i = 0; i < findings->n; i++) {
                const struct finding *finding = findings->list + i;
                json_t *entry = json_pack("{s:s, s:s, s:s}", "path", finding->path, "code",
                                          finding->code, "message", finding->message);

                if (json_array_append_new(array, entry) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

void findings_done(struct findings *findings) {
        for (size_t i = 0; i < findings->n; i++) {
                free(findings->list[i].path);
                free(findings->list[i].message);
        }
        free(findings->list);
        *findings = (struct findings){ 0 };
}
