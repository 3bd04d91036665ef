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
#define MISSES_MAX 8

/* An older refresh tells nothing about the next one. */
#define PHASE_MAX UINT64_C(1000000)

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

void pace_init(struct pace *pace) {
	*pace = (struct pace){
		.period = PERIOD_DEFAULT,
		.lead = LEAD_START,
		.interval = PERIOD_DEFAULT,
		.patience = PATIENCE_MIN,
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

/* The last look was in the frame that ends here. Outputs without a clock of their own refresh
 * whenever they are drawn: their frames end anywhere. */
static uint64_t frame_end(const struct pace *pace) {
	return pace->refresh == 0 ? pace->last_look + pace->period
				  : refresh_after(pace, pace->last_look);
}

static uint64_t lead(const struct pace *pace) {
	return min_u64(pace->lead, pace->period / 2);
}

uint64_t pace_next(const struct pace *pace) {
	if (pace->at_once) {
		return 0;
	}
	if (pace->hidden) {
		return pace->last_look + PACE_HIDDEN;
	}
	if (pace->waiting) {
		return PACE_NEVER;
	}
	if (pace->hinted) {
		return max_u64(frame_end(pace), pace->last_look + pace->period / 4);
	}
	if (pace->refresh == 0) {
		return pace->last_look + pace->interval;
	}
	uint64_t earliest = pace->last_look + pace->interval - pace->period / 2;
	return refresh_after(pace, earliest + lead(pace)) - lead(pace);
}

void pace_looked(struct pace *pace, uint64_t now, bool changed) {
	pace->last_look = now;
	pace->at_once = false;
	pace->hinted = false;
	if (changed) {
		pace_wake(pace);
	} else if (++pace->empty > PACE_PATIENCE) {
		pace->interval = min_u64(2 * pace->interval, PACE_IDLE);
	}
}

uint64_t pace_committed(struct pace *pace, uint64_t now) {
	pace->waiting = !pace->hidden;
	bool known = pace->refresh != 0 && now < pace->refresh + PHASE_MAX;
	return known && !pace->hidden ? refresh_after(pace, now) : 0;
}

void pace_frame(struct pace *pace) {
	pace->waiting = false;
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
	if (++pace->misses >= MISSES_MAX) {
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
	if (aim != 0) {
		adapt_lead(pace, when > aim + pace->period / 2);
	}
}

void pace_hint(struct pace *pace) {
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
