#ifndef GPU_PARTITION_BACKOFF_H
#define GPU_PARTITION_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How long to wait before something that died is started again: not at all at first; after
 * more than 5 deaths in 10 seconds 100 ms, and twice as long each time up to 5 s; and no more
 * at all after more than 20 in a minute. What lives for 10 seconds is forgiven the wait.
 */

#define BACKOFF_DEATHS_MAX 20

/* Zero-initialise. */
struct backoff {
	uint64_t deaths[BACKOFF_DEATHS_MAX]; // us, the last ones, in a ring
	unsigned count;                      // all there were
	uint64_t wait;                       // us
};

/*
 * Counts a death at this time (us, of a clock that never goes back; not 0). Returns true
 * and how long to wait, in us; or false: give up.
 */
bool backoff_died(struct backoff *backoff, uint64_t now, uint64_t *ret_wait);

#endif
