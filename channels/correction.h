/* The note of a correction, for carriers that put a word of their own before it. */
#ifndef CHANNELS_CORRECTION_H
#define CHANNELS_CORRECTION_H

#include <jansson.h>
#include <stdbool.h>

/* data.correction.note without a "更正：" or "更正说明：" at its beginning; "" where there is none. */
const char *correction_note(const json_t *data);
/* Whether a title or a text says by its first word that it is a correction. */
bool correction_is_said(const char *text);

#endif
