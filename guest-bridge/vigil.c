#include "vigil.h"

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

void vigil_sleep(struct vigil *vigil, uint64_t now) {
	vigil->asleep = now;
}

void vigil_notified(struct vigil *vigil, uint64_t now) {
	if (vigil->asleep == 0) {
		return;
	}
	vigil->near = now - vigil->asleep <= VIGIL_NEAR ? vigil->near + 1 : 0;
	vigil->asleep = 0;
}

static void count(struct vigil *vigil, uint64_t now) {
	uint64_t more = (now - vigil->counted) / VIGIL_SHARE;
	if (vigil->counted == 0 || vigil->allowance + more >= VIGIL_SAVED) {
		vigil->allowance = VIGIL_SAVED;
		vigil->counted = now;
	} else {
		vigil->allowance += more;
		vigil->counted += more * VIGIL_SHARE;
	}
}

bool vigil_begin(struct vigil *vigil, uint64_t now) {
	if (vigil->began != 0) {
		return true;
	}
	if (vigil->near < VIGIL_TRIES || vigil->near < vigil->tries) {
		return false;
	}
	count(vigil, now);
	if (vigil->allowance < VIGIL_USEC) {
		return false;
	}
	vigil->began = now;
	vigil->asleep = 0;
	return true;
}

static unsigned next_tries(unsigned tries) {
	tries = tries < VIGIL_TRIES ? VIGIL_TRIES : tries;
	return 2 * tries < VIGIL_TRIES_MAX ? 2 * tries : VIGIL_TRIES_MAX;
}

static void end(struct vigil *vigil, uint64_t price) {
	vigil->allowance -= min_u64(vigil->allowance, price);
	vigil->began = 0;
}

bool vigil_goes_on(struct vigil *vigil, uint64_t now) {
	if (vigil->began == 0) {
		return false;
	}
	uint64_t taken = now - vigil->began;
	if (taken < VIGIL_USEC) {
		return true;
	}
	end(vigil, taken);
	vigil->near = 0;
	vigil->tries = next_tries(vigil->tries);
	return false;
}

void vigil_paid(struct vigil *vigil, uint64_t now) {
	uint64_t taken = now - vigil->began;
	end(vigil, taken - min_u64(taken, VIGIL_WAKE_UP));
	vigil->tries = VIGIL_TRIES;
}

void vigil_stop(struct vigil *vigil) {
	vigil->began = 0;
}
