/* What the ledger's records of displays prove. */
#ifndef CORE_LEDGER_SCREENS_H
#define CORE_LEDGER_SCREENS_H

#include <jansson.h>
#include <stdint.h>

/* Of a document's records (objects of texts: at state region document revision channel code
 * reference extra; the oldest first), by region, channel and display: what it showed from when to when, and on
 * which day for how long. A new reference: [{"region", "channel", "player", "revision", "digest", "from", "to" (null:
 * still), "days": [{"day", "ms"}]}]. */
json_t *screen_spans(const json_t *rows);
/* Of each revision that was shown and has to stand for `days` days: whether a display showed it on each of them.
 * `ends`: {"REGION REVISION": {"days", "unit"}}. [{"region", "channel", "revision", "first", "days", "unit",
 * "last", "seen", "lacking": [day that is over], "over", "proven"}]. */
json_t *screen_judgements(const json_t *spans, const json_t *ends, int64_t now_ms);

#endif
