#ifndef GUEST_BRIDGE_PACE_H
#define GUEST_BRIDGE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When to look at a guest's frame buffer. Pure: told what happened and when, it answers
 * with the time of the next look. All times are CLOCK_MONOTONIC in microseconds.
 *
 * A look is taken at most once a frame, as late before the output's refresh as is safe
 * (the lead, which adapts), so that what is shown is fresh. A hint that the guest has drawn
 * brings the look forward, unless this frame has had one; a guest that keeps hinting is
 * looked at then, and only every other frame without. Looks that find nothing become rare,
 * down to PACE_IDLE; a change, a hint or input to the guest makes them frequent again.
 * After a commit there is no look until the compositor asks for a frame: it can only be
 * shown then. A hidden guest is looked at once in hidden_usec, hints or not.
 */

#define PACE_NEVER UINT64_MAX
#define PACE_IDLE UINT64_C(250000)
#define PACE_HIDDEN UINT64_C(1000000) // what hidden_usec usually is
#define PACE_PATIENCE 8               // looks at the full rate that may find nothing

struct pace {
	// All private.
	uint64_t hidden_usec;
	uint64_t period;  // from refresh to refresh
	uint64_t refresh; // when one was; 0: not known
	uint64_t lead;    // of a look before a refresh
	uint64_t last_look;
	uint64_t looked_for; // the refresh that the last look was for
	uint64_t interval;   // between looks that find nothing
	unsigned empty;      // looks in a row that found nothing
	unsigned hits;       // commits in a row that were shown when aimed
	unsigned misses;     // likewise, that were not
	unsigned patience;   // hits after which a shorter lead is tried
	unsigned hinting;    // looks for which hints are still expected
	uint64_t commits;
	uint64_t skip_next, skip_every; // in commits: when a frame may be left out, and again
	uint64_t judged;                // commits aimed no later are not judged
	bool skip;                      // leave one frame out
	bool at_once;                   // the next look waits for nothing
	bool hinted;                    // since the last look
	bool waiting;                   // for the frame callback of a commit
	bool hidden;
};

void pace_init(struct pace *pace, uint64_t hidden_usec);

/* The time of the next look; now, or earlier, where it is due. PACE_NEVER: an event will
 * come first. */
uint64_t pace_next(const struct pace *pace);

/* A look has been taken. */
void pace_looked(struct pace *pace, uint64_t now, bool changed);

/* What it found has been committed. Returns the refresh at which it should be shown, to be
 * given to pace_presented(), or 0 where that cannot be told. */
uint64_t pace_committed(struct pace *pace, uint64_t now);

/* The compositor asks for the next frame. */
void pace_frame(struct pace *pace);

/* A commit was shown. refresh_nsec is the time between two refreshes, 0 where not known. */
void pace_presented(struct pace *pace, uint64_t when, uint32_t refresh_nsec, uint64_t aim);

/* The guest says that it has drawn, or its mode has changed. */
void pace_hint(struct pace *pace, uint64_t now);

/* The guest has been given input: it will probably draw. */
void pace_wake(struct pace *pace);

/* Also what is committed already may have to be shown again: the next look is at once. */
void pace_visible(struct pace *pace, bool visible);

/* A commit has no frame callback yet; no pixel can be seen. */
bool pace_waiting(const struct pace *pace);
bool pace_hidden(const struct pace *pace);

/* It has become uncertain when the output refreshes: pace_presented() would help. */
bool pace_uncertain(const struct pace *pace, uint64_t now);

/* The first refresh after a time; one period later where it is not known when they are. */
uint64_t pace_refresh_after(const struct pace *pace, uint64_t when);

#endif
