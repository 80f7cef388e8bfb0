/* Every sentence that a person may read stands in messages.def, in Chinese and in English.
 *
 * A sentence has named holes, {name}, which are filled from pairs at the end of the call:
 *
 *         char *text = say(MESSAGE_UNKNOWN_ITEM, "item", item, "near", near, NULL);
 *
 * Values are put in as they stand (the log and the pages escape for themselves). A hole without a
 * value is left visible, so that a test or a reader notices. */
#ifndef CORE_MESSAGES_H
#define CORE_MESSAGES_H

#include "core/buf.h"

enum message {
#define MESSAGE(name, chinese, english) MESSAGE_##name,
#include "core/messages.def"
#undef MESSAGE
        N_MESSAGES,
};

enum language { CHINESE, ENGLISH };

/* The language of this process; Chinese until set. LANG=en_* means English for commands. */
void messages_set_language(enum language language);
void messages_set_language_from_environment(void);
enum language messages_language(void);

const char *message_template(enum message message, enum language language);
const char *message_name(enum message message); /* "UNKNOWN_ITEM" */

/* The sentence, to be freed; NULL when memory is short. */
__attribute__((sentinel)) char *say(enum message message, ...);
__attribute__((sentinel)) void say_to(struct buf *buf, enum message message, ...);
void say_list(struct buf *buf, enum message message, va_list pairs);

#endif
