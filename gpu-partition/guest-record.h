#ifndef GPU_PARTITION_GUEST_RECORD_H
#define GPU_PARTITION_GUEST_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "device-link.h"

/*
 * What a later mulliond must know of a guest that runs and cannot ask of the guest's device,
 * which is not trusted: guests/NAME/record in the runtime directory, a line for each value.
 */
struct guest_record {
	uint64_t base, limit, aperture; // of the slice
	ino_t slice;                    // the memfd
	ino_t states[LINK_FUNCTIONS];   // of each function of setup, the memfd of its state
	uint64_t stop_timeout;          // us
	enum config_vmm vmm;
	bool sandbox;
	struct config_colour colour;
	char *title;                   // owned
	char *sockets[LINK_FUNCTIONS]; // owned: paths, as states
	struct link_setup setup;       // as its device got it
};

/* Returns 0 or -errno; what is kept is whole, or as before. */
int guest_record_save(const char *guest, const struct guest_record *record);

/*
 * Returns 0; -ENOENT where there is none, -EBADMSG for one that is not whole or cannot be
 * true, or another -errno. *ret is then empty.
 */
int guest_record_load(const char *guest, struct guest_record *ret);

void guest_record_remove(const char *guest);

/* Safe on a zeroed one. */
void guest_record_finish(struct guest_record *record);

#endif
