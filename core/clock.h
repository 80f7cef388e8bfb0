/* The two clocks. A test may move them: where the environment names a file in
 * GONGKAI_TEST_CLOCK, its first 8 bytes (int64_t, milliseconds, mapped shared) are added to the
 * wall clock at each call. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);  /* CLOCK_REALTIME: for what people read */
int64_t clock_boot_ms(void); /* CLOCK_BOOTTIME: for waiting and deadlines; never set */

#endif
