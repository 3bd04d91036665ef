#ifndef VMM_HOOKS_IRQ_H
#define VMM_HOOKS_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "device-state.h"
#include "keep.h"
#include "vfio-user.h"

/*
 * A function's interrupts: eventfds that the VMM hands over (vfio-user
 * "DEVICE_SET_IRQS"), written when the device interrupts. The VMM keeps the MSI-X table
 * and its masks; the device only writes. Which there are lies in the device's state, and
 * the descriptors are kept, so that a later process goes on.
 */

#define IRQ_VECTORS_MAX 8

struct irq {
	sd_event *event;                // borrowed; NULL: no unmasking by eventfd
	struct device_state_irq *state; // borrowed
	uint32_t counts[5];             // interrupts of each VFIO_PCI_*_IRQ_INDEX
	struct keep *keep;              // borrowed: the eventfds
	sd_event_source *unmask_source; // owned
};

/*
 * Goes on from the state, with the eventfds that keep has for it. intx: whether there is a
 * pin; vectors: MSI-X vectors, at most IRQ_VECTORS_MAX.
 */
void irq_init(struct irq *irq, sd_event *event, struct device_state_irq *state, struct keep *keep,
	bool intx, uint32_t vectors);

/* Leaves state and eventfds as they are. */
void irq_finish(struct irq *irq);

/* Lets go of all eventfds, as at power-on. */
void irq_reset(struct irq *irq);

/* Interrupts of an index and its VFIO_IRQ_INFO_*; false where there is no such index. */
bool irq_describe(const struct irq *irq, uint32_t index, uint32_t *ret_count, uint32_t *ret_flags);

/*
 * Does what a checked request says. Descriptors that are kept become -1 in fds; the rest
 * stay the caller's. Returns 0, or -EINVAL where the range, the action or a descriptor does
 * not fit; then nothing has changed.
 */
int irq_set(struct irq *irq, const struct vfio_user_interrupts *request, int *fds, size_t n);

/* Raises MSI-X vector; a vector without an eventfd is dropped. Never blocks. */
void irq_raise(struct irq *irq, uint32_t vector);

/* Holds INTx up or lets it go. Never blocks. */
void irq_set_level(struct irq *irq, bool level);

#endif
