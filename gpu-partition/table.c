#include "table.h"

#include <stddef.h>

#define PCI_INTERRUPT_LINE 0x3c
#define PCI_INTERRUPT_PIN 0x3d
#define MSIX_VECTORS_MAX 2048
#define NO_LINE 0xff // an interrupt line that is not connected

/* The aperture, which BAR0 shows; every other BAR traps. */
#define APERTURE_BAR 0

static bool bar_possible(const struct device_state_bar *bar) {
	return bar->size != 0 && bar->size <= INT64_MAX && (bar->size & (bar->size - 1)) == 0 &&
		bar->address <= (uint64_t)INT64_MAX - bar->size;
}

static void fill_interrupt(struct table_row *row, const struct device_state *untrusted_state) {
	const struct device_state_irq *irq = &untrusted_state->irq;
	if (irq->msix_enabled > 0 && irq->msix_enabled <= MSIX_VECTORS_MAX) {
		row->interrupt = TABLE_INTERRUPT_MSIX;
		row->vector = irq->msix_enabled;
	} else if (irq->intx_enabled == 1 && untrusted_state->pci_config[PCI_INTERRUPT_PIN] != 0 &&
		untrusted_state->pci_config[PCI_INTERRUPT_LINE] != NO_LINE) {
		row->interrupt = TABLE_INTERRUPT_INTX;
		row->vector = untrusted_state->pci_config[PCI_INTERRUPT_LINE];
	}
}

void table_row_fill(struct table_row *row, const struct device_state *untrusted_state) {
	*row = (struct table_row){0};
	for (unsigned i = 0; i < TABLE_BARS; i++) {
		const struct device_state_bar *bar = &untrusted_state->bars[i];
		if (bar_possible(bar)) {
			row->segments[row->segments_len++] = (struct table_segment){
				.bar = i,
				.guest_address = bar->address,
				.size = bar->size,
				.mapped = i == APERTURE_BAR,
			};
		}
	}
	fill_interrupt(row, untrusted_state);
}

const char *table_interrupt_name(enum table_interrupt interrupt) {
	static const char *const names[] = {
		[TABLE_INTERRUPT_NONE] = "none",
		[TABLE_INTERRUPT_INTX] = "intx",
		[TABLE_INTERRUPT_MSIX] = "msix",
	};
	return names[interrupt];
}
