/* Numbers of private persons in a text that is to be published: mobile numbers, bank cards, resident
 * numbers. It undoes what hides them, by accident or not: compatibility forms (full width, ①, ², 𝟏 and
 * their kin, as NFKC has them), what nobody sees, blanks, hyphens, a line's end in the middle.
 *
 * It has to be right in both ways. A number is found only where whole runs of digits make it: one that
 * is a part of a longer run, of an amount, of a file's name or a code with letters is something else.
 * What it costs: linear time, no memory; a text without digits is passed over by sixteens of bytes.
 *
 * The rules, which docs/operations.md tells in words:
 *  mobile    11 digits whose first three were given out (MIIT's numbering plan as of 2020-05), in one run,
 *            or 3-4-4 and its like with one kind of separator; 86, +86, 0086 and 0 may stand before.
 *  card      ISO/IEC 7812-1's check digit (Luhn), and a length and first digits that cards have.
 *  resident  18 digits by all their parts (core/ident.h), whatever gaps; the old 15 in one run or 6-6-3. */
#ifndef CORE_PERSONAL_H
#define CORE_PERSONAL_H

#include <stdbool.h>
#include <stddef.h>

enum personal_kind { PERSONAL_RESIDENT, PERSONAL_MOBILE, PERSONAL_CARD, N_PERSONAL_KINDS };
/* "resident_number" "mobile_number" "bank_card": the stable codes; NULL-terminated. */
extern const char *const personal_codes[N_PERSONAL_KINDS + 1];

enum { PERSONAL_KEPT = 3, PERSONAL_MASKED = 24 };

struct personal_find {
        char masked[PERSONAL_MASKED]; /* "138****8000": all that may be told of it */
        size_t line;                  /* of the text, from 1 */
};

struct personal {
        struct {
                size_t n; /* all of them */
                struct personal_find first[PERSONAL_KEPT];
        } of[N_PERSONAL_KINDS];
};

/* Adds what stands in a text of valid UTF-8 (NUL may occur). `today` is "2026-11-23". */
void personal_look(struct personal *personal, const char *text, size_t n_bytes, const char *today);
bool personal_is_empty(const struct personal *personal);
/* Of two ways to look at one text, per kind the one that found more. */
void personal_merge(struct personal *personal, const struct personal *other);

/* The numbers themselves: ASCII digits, `n` of them. */
bool personal_is_mobile(const char *digits);
bool personal_is_card(const char *digits, size_t n);

#endif
