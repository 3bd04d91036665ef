#ifndef GPU_PARTITION_TABLE_H
#define GPU_PARTITION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "device-state.h"

/*
 * A row of the resource table: which of a guest's resources stands for which of the
 * machine. From a device's state, whose numbers are untrusted: what cannot be true is
 * left out.
 */

#define TABLE_BARS 6

struct table_segment {
	unsigned bar;
	uint64_t guest_address; // as the guest programmed the BAR; 0 while it has not
	uint64_t size;          // bytes
	bool mapped;            // onto the slice; otherwise accesses trap
};

enum table_interrupt {
	TABLE_INTERRUPT_NONE, // not set up by the guest
	TABLE_INTERRUPT_INTX,
	TABLE_INTERRUPT_MSIX,
};

struct table_row {
	struct table_segment segments[TABLE_BARS];
	unsigned segments_len;
	enum table_interrupt interrupt;
	unsigned vector; // INTx line, or MSI-X vectors in use
};

void table_row_fill(struct table_row *row, const struct device_state *untrusted_state);

/* "none", "intx", "msix" */
const char *table_interrupt_name(enum table_interrupt interrupt);

#endif
