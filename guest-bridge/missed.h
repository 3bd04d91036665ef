#ifndef GUEST_BRIDGE_MISSED_H
#define GUEST_BRIDGE_MISSED_H

#include <stdbool.h>

#include "input.h"

/*
 * Keys and buttons that were released while nobody could tell the guest: it must hear of
 * that later, or it would hold them for ever. All other input is simply lost.
 */
struct missed {
	uint64_t keys[INPUT_CODES / 64], buttons[INPUT_CODES / 64];
};

/* Notes what was released in input that goes nowhere. */
void missed_note(struct missed *missed, const struct link_input *input);

/* Takes the next releases out into *ret. False where there are none left. */
bool missed_take(struct missed *missed, struct link_input *ret);

#endif
