#ifndef GUEST_BRIDGE_FLIP_CHAIN_H
#define GUEST_BRIDGE_FLIP_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "damage-boxes.h"
#include "resources.h"

/*
 * The resources between which a head flips. A transfer notes what it changes in a resource
 * since that was flushed last; but the screen has shown others since. So what a flush brings
 * to the screen is noted in the others of the chain, too: a resource then differs from the
 * screen at most where it has notes.
 */

#define FLIP_CHAIN_MAX 4

struct flip_chain {
	uint32_t resources[FLIP_CHAIN_MAX]; // most recently shown first
	size_t len;
};

/* Shows a resource. True where it was in the chain, so that its notes can be relied on. */
bool flip_chain_show(struct flip_chain *chain, uint32_t resource);

/* One has gone, or all have: what is shown has another size. */
void flip_chain_drop(struct flip_chain *chain, uint32_t resource);
void flip_chain_forget(struct flip_chain *chain);

/* The screen has changed there, by a flush of the first one. */
void flip_chain_note(const struct flip_chain *chain, struct resources *resources,
	const struct damage_boxes *boxes);

#endif
