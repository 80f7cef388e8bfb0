/* A secret file with several parts: lines of "name = value", blanks around both ignored, empty lines
 * and lines that begin with '#' too. A file of one line without '=' is the part `only`. */
#ifndef CHANNELS_SECRET_H
#define CHANNELS_SECRET_H

#include <stddef.h>

/* The value of `name`, to be freed (explicit_bzero first), or NULL: there is none, it is empty,
 * `secret` is NULL, or memory is short. `only`: whether a file of one bare line stands for it. */
char *secret_part(const char *secret, const char *name, int only);
/* Overwrites and frees; takes NULL. */
void secret_part_free(char *part);
void secret_part_freep(char **part);

#endif
