/* One value of a setting: from its text to its place in the target, and back to text for people.
 * For core/settings*.c only. */
#ifndef CORE_SETTINGS_VALUE_H
#define CORE_SETTINGS_VALUE_H

#include "core/settings.h"

/* One value on its way from the text to its place. */
struct setting_value {
        const struct setting *setting;
        const char *text;
        const char *file;
        unsigned line;
        struct problems *problems;
        void *place;
};

/* 0: stored; 1: wrong, a problem was added and the place is as before; -ENOMEM. */
int setting_store(const struct setting_value *value);

/* All to be freed; NULL when memory is short. */
char *setting_quantity_text(const struct setting *setting, int64_t value);
char *setting_choices_text(const struct setting *setting, const char *separator);

/* The help in the process' language. */
const char *setting_meaning(const struct setting *setting);

#endif
