#include <string.h>

#include "core/config_parts.h"
#include "core/personal.h"

/* The next word of an entry, which has no NUL behind it; NULL at the end. */
static const char *next_word(const char **at, size_t *ret_n) {
        const char *word = *at + strspn(*at, " ");

        *ret_n = strcspn(word, " ");
        *at = word + *ret_n;
        return *ret_n ? word : NULL;
}

static bool is_word(const char *word, size_t n, const char *text) {
        return strlen(text) == n && memcmp(word, text, n) == 0;
}

static bool is_kind(const char *word, size_t n) {
        for (size_t i = 0; i < N_PERSONAL_KINDS; i++)
                if (is_word(word, n, personal_codes[i]))
                        return true;
        return false;
}

bool config_exempts(const struct config *config, const char *item, const char *kind) {
        for (size_t i = 0; item && i < config->gate_exempt.n; i++) {
                const char *at = config->gate_exempt.items[i];
                size_t n;
                const char *word = next_word(&at, &n);

                if (!word || (word[n - 1] == '*' ? strncmp(word, item, n - 1) != 0
                                                 : !is_word(word, n, item)))
                        continue;
                while ((word = next_word(&at, &n)))
                        if (is_word(word, n, kind))
                                return true;
        }
        return false;
}

void config_check_gate(const struct config *config, const struct conf *conf,
                       struct problems *problems) {
        for (size_t i = 0; i < config->gate_exempt.n; i++) {
                const char *entry = config->gate_exempt.items[i], *at = entry, *word;
                size_t n = 0, n_kinds = 0;
                const char *item = next_word(&at, &n);
                const char *star = item ? memchr(item, '*', n) : NULL;
                bool well = item && (!star || star == item + n - 1);

                for (; (word = next_word(&at, &n)); n_kinds++)
                        well = well && is_kind(word, n);
                if (!well || n_kinds == 0)
                        problems_add(problems, config->path, conf_line(conf, "gate", "exempt"),
                                     MESSAGE_CONFIG_GATE_EXEMPT, "value", entry, NULL);
        }
}
