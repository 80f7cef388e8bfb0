/* What a daemon tells its operator. Under systemd (stderr is the journal) a line carries fields;
 * elsewhere it is one readable line on stderr. Libraries are silent; the room that handles a thing
 * says it once. Never a secret, never a phone number.
 *
 *         log_say(LOG_NOTICE, MESSAGE_CHANNEL_PAUSED, "channel", name, "reason", reason, NULL);
 *
 * The pairs fill the sentence, and those with a name in this list are also journal fields:
 * channel, region, document, event, revision, attempt, code, emitter, source, alarm, subject, do
 * (GONGKAI_CHANNEL=...).
 * MESSAGE_ID is derived from the message's name. Control, bidi and line-breaking characters in
 * values are made visible. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <syslog.h>

#include "core/messages.h"

#define LOG_MESSAGE_ID 33 /* 32 hex digits and NUL */

/* `program` (a literal) goes before each readable line. */
void log_open(const char *program);
/* Lines above this level (LOG_INFO by default) are dropped. */
void log_set_level(int level);
__attribute__((sentinel)) void log_say(int level, enum message message, ...);

/* The journal's MESSAGE_ID of a message: the first 128 bits of SHA-256 of "gongkai." and its name.
 * The same on every machine and in every release. Returns `ret`. */
const char *log_message_id(enum message message, char ret[static LOG_MESSAGE_ID]);

#endif
