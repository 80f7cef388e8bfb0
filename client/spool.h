/* What only the tests of the spool need to see. */
#ifndef CLIENT_SPOOL_H
#define CLIENT_SPOOL_H

/* Called after each step that a crash may follow, by its name; NULL outside tests. */
extern void (*spool_after_step)(const char *step);

#endif
