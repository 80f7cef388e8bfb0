#include "channels/correction.h"

#include <string.h>

#include "core/memory.h"

static bool skip(const char **at, const char *word) {
        size_t n = strlen(word);

        if (strncmp(*at, word, n) != 0)
                return false;
        *at += n;
        return true;
}

const char *correction_note(const json_t *data) {
        static const char *const words[] = { "更正说明", "更正" };
        static const char *const signs[] = { "：", ":", "，", "," };
        const char *note = json_string_value(
                json_object_get(json_object_get(data, "correction"), "note"));

        if (!note)
                return "";
        for (size_t i = 0; i < ELEMENTS(words); i++)
                for (size_t k = 0; k < ELEMENTS(signs); k++) {
                        const char *at = note;

                        if (skip(&at, words[i]) && skip(&at, signs[k]) &&
                            at[strspn(at, " \t\r\n")] != '\0')
                                return at + strspn(at, " \t\r\n");
                }
        return note;
}

bool correction_is_said(const char *text) {
        const char *at = text;

        return skip(&at, "更正") || skip(&at, "【更正");
}
