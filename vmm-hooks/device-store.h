#ifndef VMM_HOOKS_DEVICE_STORE_H
#define VMM_HOOKS_DEVICE_STORE_H

#include <stdbool.h>

#include "device-state.h"

/*
 * The device's side of its state memfd: a copy to work on, and the transaction that makes
 * it the state from which a later device goes on.
 */
struct device_store {
	struct device_state_file *file; // owned mapping
	struct device_state_slot *work; // owned; valid until device_store_close()
};

/*
 * Maps the memfd, which stays the caller's, and continues from the state in it, or begins
 * one that is all zero. ret_new says which. Returns 0 or -errno; -EPROTO for one that
 * another build has made.
 */
int device_store_open(struct device_store *store, int fd, bool *ret_new);

/* Makes the working copy the state in force. */
void device_store_commit(struct device_store *store);

/* Sets a mark of struct device_state_live, in order with the steps around it. */
void device_store_mark(uint64_t *mark, uint64_t value);

/* Safe on a zeroed one, and on one that could not be opened. */
void device_store_close(struct device_store *store);

#endif
