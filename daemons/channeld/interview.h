/* Questions to a clerk about a new channel, and what a wrong word may have meant. */
#ifndef DAEMONS_CHANNELD_INTERVIEW_H
#define DAEMONS_CHANNELD_INTERVIEW_H

#include "channels/driver.h"

/* The nearest name within two or three slips of the hand, or NULL. */
const char *driver_near(const char *name);
char *near_sentence_of(const char *name); /* "" for NULL; to be freed */

#endif
