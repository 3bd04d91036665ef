#include "backoff.h"

#include "clock.h"

#define FREE_DEATHS 5
#define SHORT_SPAN (10 * USEC_PER_SEC)
#define LONG_SPAN (60 * USEC_PER_SEC)
#define WAIT_MIN (100 * USEC_PER_MSEC)
#define WAIT_MAX (5 * USEC_PER_SEC)

static unsigned deaths_since(const struct backoff *backoff, uint64_t time) {
	unsigned n = 0;
	for (unsigned i = 0; i < BACKOFF_DEATHS_MAX; i++) {
		n += backoff->deaths[i] > time;
	}
	return n;
}

static uint64_t before(uint64_t now, uint64_t span) {
	return now > span ? now - span : 0;
}

static uint64_t next_wait(const struct backoff *backoff, unsigned recent) {
	if (backoff->wait == 0) {
		return recent > FREE_DEATHS ? WAIT_MIN : 0;
	}
	return backoff->wait * 2 < WAIT_MAX ? backoff->wait * 2 : WAIT_MAX;
}

bool backoff_died(struct backoff *backoff, uint64_t now, uint64_t *ret_wait) {
	if (deaths_since(backoff, before(now, LONG_SPAN)) == BACKOFF_DEATHS_MAX) {
		return false;
	}
	if (deaths_since(backoff, before(now, SHORT_SPAN + backoff->wait)) == 0) {
		backoff->wait = 0;
	}
	backoff->deaths[backoff->count++ % BACKOFF_DEATHS_MAX] = now;
	backoff->wait = next_wait(backoff, deaths_since(backoff, before(now, SHORT_SPAN)));
	*ret_wait = backoff->wait;
	return true;
}
