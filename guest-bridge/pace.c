#include "pace.h"

#define PERIOD_DEFAULT UINT64_C(16667)
#define PERIOD_MIN UINT64_C(1000)
#define PERIOD_MAX UINT64_C(250000)

#define LEAD_START UINT64_C(3000)
#define LEAD_MIN UINT64_C(1000)
#define LEAD_MAX UINT64_C(6000)
#define LEAD_STEP_DOWN UINT64_C(250)
#define LEAD_STEP_UP UINT64_C(1000)
#define PATIENCE_MIN 30
#define PATIENCE_MAX 4000
#define MISSES_SKIP 2
#define MISSES_MAX 8
#define SKIP_EVERY_MIN 120 // commits
#define SKIP_EVERY_MAX 8000

/* Looks without a hint after which a guest no longer counts as one that gives them. */
#define HINTING 8

/* An older refresh tells nothing about the next one. */
#define PHASE_MAX UINT64_C(1000000)

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

void pace_init(struct pace *pace, uint64_t hidden_usec) {
	*pace = (struct pace){
		.hidden_usec = hidden_usec,
		.period = PERIOD_DEFAULT,
		.lead = LEAD_START,
		.interval = PERIOD_DEFAULT,
		.patience = PATIENCE_MIN,
		.skip_every = SKIP_EVERY_MIN,
		.at_once = true,
	};
}

/* The first refresh after a time. */
static uint64_t refresh_after(const struct pace *pace, uint64_t when) {
	if (when < pace->refresh) {
		return pace->refresh;
	}
	return when + pace->period - (when - pace->refresh) % pace->period;
}

static bool phase_known(const struct pace *pace, uint64_t now) {
	return pace->refresh != 0 && now < pace->refresh + PHASE_MAX;
}

static uint64_t lead(const struct pace *pace) {
	return min_u64(pace->lead, pace->period / 2);
}

uint64_t pace_next(const struct pace *pace) {
	if (pace->at_once) {
		return 0;
	}
	if (pace->hidden) {
		return pace->last_look + pace->hidden_usec;
	}
	if (pace->waiting) {
		return PACE_NEVER;
	}
	// A look between two hints would find a frame half drawn, and the hint would have to wait.
	bool wait = pace->hinting > 0 && !pace->hinted;
	uint64_t interval = max_u64(pace->interval, wait ? 2 * pace->period : pace->period);
	uint64_t target = pace->looked_for + interval + (pace->skip ? pace->period : 0);
	if (pace->refresh == 0) {
		return target;
	}
	return refresh_after(pace, target - pace->period / 2) - lead(pace);
}

/* The refresh that a look taken now is for: a planned one stays for the refresh before which
 * it was planned, if it comes a little late. */
static uint64_t looked_for(const struct pace *pace, uint64_t now) {
	if (pace->refresh == 0) {
		return now;
	}
	uint64_t planned = pace->hidden || pace->waiting ? now : pace_next(pace);
	uint64_t late = now - pace->period / 2;
	return refresh_after(pace, pace->at_once ? now : max_u64(planned, late));
}

void pace_looked(struct pace *pace, uint64_t now, bool changed) {
	pace->looked_for = looked_for(pace, now);
	pace->last_look = now;
	pace->at_once = false;
	pace->skip = false;
	pace->hinting = pace->hinted ? HINTING : pace->hinting > 0 ? pace->hinting - 1 : 0;
	pace->hinted = false;
	if (changed) {
		pace_wake(pace);
	} else if (++pace->empty > PACE_PATIENCE) {
		pace->interval = min_u64(2 * pace->interval, PACE_IDLE);
	}
}

uint64_t pace_committed(struct pace *pace, uint64_t now) {
	pace->waiting = !pace->hidden;
	pace->commits++;
	return phase_known(pace, now) && !pace->hidden ? refresh_after(pace, now) : 0;
}

void pace_frame(struct pace *pace) {
	pace->waiting = false;
}

/*
 * Many compositors draw at once what comes while the output rests, but at the next refresh
 * what comes while a picture waits for it, to be shown one refresh later still. Whoever
 * commits in every frame stays in the second case once it is there, until it leaves one
 * frame out. That is tried ever more rarely where it does not help.
 */
static bool skip_frame(struct pace *pace) {
	if (pace->misses < MISSES_SKIP || pace->commits < pace->skip_next) {
		return false;
	}
	pace->skip_next = pace->commits + pace->skip_every;
	pace->skip_every = min_u64(2 * pace->skip_every, SKIP_EVERY_MAX);
	pace->skip = true;
	pace->judged = pace->refresh; // what is under way is late too
	pace->misses = 0;
	return true;
}

/* Too late costs a whole frame, so the lead grows fast and shrinks with ever more patience.
 * Where a longer lead does not help, the compositor draws at a time of its own, and the
 * longer lead would be only latency. */
static void adapt_lead(struct pace *pace, bool missed) {
	if (!missed) {
		pace->misses = 0;
		if (++pace->hits >= pace->patience && pace->lead > LEAD_MIN) {
			pace->lead -= LEAD_STEP_DOWN;
			pace->hits = 0;
		}
		return;
	}
	pace->hits = 0;
	pace->misses++;
	if (skip_frame(pace)) {
		return;
	}
	if (pace->misses >= MISSES_MAX) {
		pace->lead = LEAD_START;
		return;
	}
	pace->lead = min_u64(pace->lead + LEAD_STEP_UP, LEAD_MAX);
	pace->patience = (unsigned)min_u64(2 * pace->patience, PATIENCE_MAX);
}

void pace_presented(struct pace *pace, uint64_t when, uint32_t refresh_nsec, uint64_t aim) {
	uint64_t period = refresh_nsec / 1000;
	if (period >= PERIOD_MIN && period <= PERIOD_MAX) {
		if (pace->interval == pace->period) {
			pace->interval = period;
		}
		pace->period = period;
	}
	pace->refresh = when;
	// Outputs without a clock of their own refresh whenever they are drawn.
	if (aim == pace->looked_for) {
		pace->looked_for = when;
	}
	if (aim > pace->judged) {
		adapt_lead(pace, when > aim + pace->period / 2);
	}
}

/* Where the frame has had its look, an early one in the next frame would be shown no sooner
 * than a late one. */
void pace_hint(struct pace *pace, uint64_t now) {
	uint64_t free = pace->refresh == 0
		? pace->last_look + pace->period
		: max_u64(pace->looked_for, pace->last_look + pace->period / 4);
	if (!pace->hidden && !pace->waiting && !pace->skip && now >= free) {
		pace->at_once = true;
	}
	pace->hinted = true;
	pace_wake(pace);
}

void pace_wake(struct pace *pace) {
	pace->interval = pace->period;
	pace->empty = 0;
}

void pace_visible(struct pace *pace, bool visible) {
	pace->hidden = !visible;
	pace->waiting = false;
	if (visible) {
		pace->at_once = true;
		pace_wake(pace);
	}
}

bool pace_waiting(const struct pace *pace) {
	return pace->waiting;
}

bool pace_hidden(const struct pace *pace) {
	return pace->hidden;
}

bool pace_uncertain(const struct pace *pace, uint64_t now) {
	return pace->refresh == 0 || now >= pace->refresh + PHASE_MAX / 2;
}

uint64_t pace_refresh_after(const struct pace *pace, uint64_t when) {
	return phase_known(pace, when) ? refresh_after(pace, when) : when + pace->period;
}
