#ifndef GUEST_BRIDGE_BOCHS_H
#define GUEST_BRIDGE_BOCHS_H

#include <stdbool.h>
#include <stdint.h>

#include "device-link.h"
#include "device-state.h"
#include "dispi.h"
#include "edid.h"
#include "log.h"
#include "pci.h"
#include "scanout.h"

/*
 * The personality "bochs": PCI 1234:1111 as QEMU's bochs-display has it. BAR0 is the
 * slice's aperture, which the guest maps; BAR2 is a page of registers (QEMU's
 * docs/specs/standard-vga.rst), where every access traps, is classified and counted:
 *   0x000 EDID   0x400 VGA ports from 0x3c0   0x500 dispi   0x600 QEMU's extended registers
 */

#define BOCHS_REGISTERS_SIZE 4096 // bytes of BAR2

struct bochs_ops {
	/* What is scanned out may have changed altogether. */
	void (*mode_changed)(void *data);
	/* The guest says that it has drawn. */
	void (*drawn)(void *data);
};

struct bochs {
	struct device_state *state; // borrowed
	const struct slice *slice;  // borrowed
	const struct bochs_ops *ops;
	void *data;
	struct pci_description description;
	uint8_t edid[EDID_SIZE];
	struct log_limit refused;
};

/* Continues from the registers in state. mode gives the preferred mode. */
void bochs_init(struct bochs *bochs, struct device_state *state, const struct slice *slice,
	const struct link_setup *mode, const struct bochs_ops *ops, void *data);

/* Registers as at power-on; VRAM stays. */
void bochs_reset(struct bochs *bochs);

/* A snapshot: what the registers say now, inside the slice whatever they say. */
void bochs_get_scanout(struct bochs *bochs, struct scanout *ret);

#endif
