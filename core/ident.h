/* Numbers that people and organs bear, and places. Sources: GB 11643-1999 (resident number),
 * GB 32100-2015 (unified social credit code), GB/T 2260 (regions). */
#ifndef CORE_IDENT_H
#define CORE_IDENT_H

#include <stdbool.h>
#include <stddef.h>

/* The 18 characters at `text` are a valid resident ID number: region's first two digits exist,
 * the date of birth is a day from 1900 on and not after `today` ("2026-11-23"), the check digit is
 * right, and it is not also a valid social credit code. */
bool ident_is_resident_number(const char text[static 18], const char *today);
/* The 15 digits are a number of before 1999: a region that exists, a day of birth in 19YY. It has no
 * check digit. */
bool ident_is_old_resident_number(const char text[static 15]);
/* A mark of secrecy as official papers carry it (绝密★, 机密★, 秘密★, also "密级：机密", 内部资料 is
 * not one): returns the words found (a literal), or NULL. "保密" or "秘密" in running text is none. */
const char *ident_text_has_secrecy_mark(const char *text, size_t n_bytes);
/* 18 characters with the right check character. */
bool ident_is_credit_code(const char *text);

/* The name of a region as the project knows it (the pilot's counties, prefectures and the
 * province), or NULL. The configuration may name more. */
const char *ident_region_name(const char *code);

#endif
