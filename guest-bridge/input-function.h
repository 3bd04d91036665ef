#ifndef GUEST_BRIDGE_INPUT_FUNCTION_H
#define GUEST_BRIDGE_INPUT_FUNCTION_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "device-link.h"
#include "device-store.h"
#include "dma.h"
#include "input-backlog.h"
#include "irq.h"
#include "keep.h"
#include "log.h"
#include "pci.h"
#include "virtio-pci.h"
#include "virtqueue.h"

/*
 * A keyboard, tablet, mouse or touch screen as a PCI function of virtio-input (virtio 1.3, 5.8):
 * 1af4:1052, BAR0 virtio's registers, BAR4 MSI-X. What the driver was told is committed
 * with the events that told it, so that another process goes on from there.
 */

#define INPUT_FUNCTION_REGISTERS_SIZE 0x4000 // bytes of BAR0
#define INPUT_FUNCTION_MSIX_SIZE 4096        // bytes of BAR4
#define INPUT_FUNCTION_PENDING 0x800         // in it
#define INPUT_FUNCTION_VECTORS 3             // the configuration and two queues
#define INPUT_FUNCTION_QUEUES 2

/*
 * Presses come at most that often, but for a few that may come at once: no keyboard is faster, and
 * a guest's programs have room for 64 events (Linux' evdev), beyond which they lose all.
 */
#define INPUT_FUNCTION_PRESS_USEC 4000
#define INPUT_FUNCTION_PRESSES 8 // at once

struct input_function_setup {
	sd_event *event;
	enum link_function function; // any but the GPU
	struct device_store *store;
	struct keep *keep;
	const char *name; // of the guest; outlives the function
	/* True while a message of the VMM is handled and not committed: nothing may be
	 * committed. input_function_resume() follows. */
	bool (*busy)(void *data);
	void *data;
};

struct input_function {
	struct input_function_setup setup;
	struct pci_function pci;
	struct irq irq;
	struct pci_description description;
	struct virtio_pci virtio;
	struct virtqueue queues[INPUT_FUNCTION_QUEUES];
	struct input_backlog backlog;
	const struct dma *dma;        // borrowed; NULL until the start
	sd_event_source *work;        // owned: runs once the queues are to be looked at
	sd_event_source *retry;       // owned: a queue waits for memory, or a press for its time
	uint64_t press_usec;          // INPUT_FUNCTION_PRESS_USEC, unless it is changed
	uint64_t pressed;             // us: presses have used the time up to then
	bool listens;                 // the driver has been seen to want interrupts
	bool publish;                 // an earlier process may not have
	struct virtqueue_chain chain; // the one in work
	struct log_limit broken;
};

/* Goes on from the state. setup is copied. Returns 0 or -errno, and needs input_function_finish()
 * in either case. */
int input_function_init(struct input_function *function, const struct input_function_setup *setup);

/* Safe on a zeroed one. Leaves the state. */
void input_function_finish(struct input_function *function);

/* The guest's memory, which outlives the function, is there. */
void input_function_start(struct input_function *function, const struct dma *dma);

/* All but PCI and interrupts as at power-on. */
void input_function_reset(struct input_function *function);

/* busy() is over. */
void input_function_resume(struct input_function *function);

/* The guest's driver runs: it gets what is sent. One that has polled since it began does not
 * count: firmware's (EDK II) looks 20 times a second, and then knows the last key only. */
bool input_function_runs(struct input_function *function);

/* Tells the driver, at once or as soon as it has room. What the device has no events for is left
 * out; without a driver all of it. */
void input_function_send(struct input_function *function, const struct link_input *input);

#endif
