#ifndef GUEST_BRIDGE_FLUSHES_H
#define GUEST_BRIDGE_FLUSHES_H

#include <stdbool.h>
#include <stdint.h>

#include "damage-boxes.h"
#include "pace.h"

/*
 * What a guest has flushed and the screen does not show yet, when that is to be committed,
 * and when the guest is to hear that it was. Pure, as pace is, and with its times.
 *
 * A flush is committed at once, unless the last commit still waits for its frame callback:
 * then everything flushed meanwhile is committed when that comes. The callback answers what
 * its commit showed. A flush that changes nothing is answered at the next refresh. Of a head
 * that is hidden there is one commit in hidden_usec, and that is how long its answers take;
 * so long they take at most, too, where a compositor does not answer.
 */

struct flushes {
	// All private, but for boxes and all.
	uint64_t hidden_usec;
	struct damage_boxes boxes; // what is to be committed
	bool all;                  // that is everything
	bool changed;              // something is to be committed
	bool taken;                // flushes that were committed wait for their answer
	bool asked;                // others do
	bool later;                // one of the others is to be committed
	uint64_t asked_at;         // when the first of them all came
	uint64_t committed_at;     // 0: never
	uint64_t not_before;       // the next commit
};

void flushes_init(struct flushes *flushes, uint64_t hidden_usec);

/* The guest has flushed boxes, perhaps none. */
void flushes_add(struct flushes *flushes, const struct damage_boxes *boxes, uint64_t now);

/* All is to be shown anew; a flush that comes before that time is committed with it. */
void flushes_change_all(struct flushes *flushes, uint64_t not_before);

/* Another buffer is to be shown, in which boxes (perhaps none) differ; as above. */
void flushes_flip(struct flushes *flushes, const struct damage_boxes *boxes, uint64_t not_before);

/* When to commit. PACE_NEVER: there is nothing, or an event will come first. */
uint64_t flushes_commit_at(const struct flushes *flushes, const struct pace *pace);

/* What there was has been committed, or was found not to be shown. */
void flushes_committed(struct flushes *flushes, uint64_t now);
void flushes_dropped(struct flushes *flushes);

/* When to answer. able: a commit is possible, and nothing hinders it. */
uint64_t flushes_answer_at(const struct flushes *flushes, const struct pace *pace, bool able);

/* The frame callback has come. True where there is somebody to be told. */
bool flushes_frame(struct flushes *flushes, uint64_t now);

/* Whoever waits is told without one. True where there is somebody. */
bool flushes_give_up(struct flushes *flushes);

#endif
