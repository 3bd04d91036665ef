#ifndef GUEST_BRIDGE_VIGIL_H
#define GUEST_BRIDGE_VIGIL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether to stay awake for a moment when a queue has been emptied, and to look at it, instead
 * of having its driver send a notification that wakes this process: that takes longer than most
 * commands. Pure: told what happened and when, all in microseconds of CLOCK_MONOTONIC.
 *
 * A vigil is kept only where the last notifications came so soon that one would have seen what
 * they told of, and none after one that saw nothing, until that is so for longer. What it takes
 * beyond the price of a wake-up is at most an eighth of the time, over all. A guest that is
 * idle, or that draws at the rate of a screen, causes none.
 */

#define VIGIL_USEC 50       // one takes at most
#define VIGIL_NEAR 100      // a notification that comes so soon, and with a wake-up on its way
#define VIGIL_TRIES 3       // such notifications in a row, and then one is kept
#define VIGIL_TRIES_MAX 384 // after many in vain
#define VIGIL_WAKE_UP 20    // saved by one that pays
#define VIGIL_SHARE 8       // a part of the time
#define VIGIL_SAVED 1000u   // of it, at most, for later

/* Zero-initialise. */
struct vigil {
	// All private.
	uint64_t asleep;  // since when nobody looks; 0: unknown
	uint64_t began;   // the one that is kept; 0: none
	uint64_t counted; // until when allowance is
	uint64_t allowance;
	unsigned near, tries;
};

/* The queue is empty, and its driver is asked to notify. */
void vigil_sleep(struct vigil *vigil, uint64_t now);

/* It has notified. */
void vigil_notified(struct vigil *vigil, uint64_t now);

/* The queue is empty. True: a vigil is kept, and ended by the next two. */
bool vigil_begin(struct vigil *vigil, uint64_t now);

/* True as long as it is kept; it ends by itself, unseen. */
bool vigil_goes_on(struct vigil *vigil, uint64_t now);

/* There is something in the queue. */
void vigil_paid(struct vigil *vigil, uint64_t now);

/* Nothing came of it, and nobody is to blame. */
void vigil_stop(struct vigil *vigil);

#endif
