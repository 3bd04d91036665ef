#ifndef TESTS_FUZZ_RIG_H
#define TESTS_FUZZ_RIG_H

#include "bochs.h"
#include "fuzz.h"
#include "irq.h"
#include "pci.h"
#include "slice.h"

/*
 * A guest's GPU without its process: the personality "bochs" on a small slice, whose
 * heap, behind the aperture, nothing may touch.
 */

#define RIG_APERTURE 65536 // bytes
#define RIG_LIMIT (2 * RIG_APERTURE)
#define RIG_HEAP_BYTE 0xa5

struct rig {
	struct slice slice;         // of all inputs: borrowed
	struct device_state *state; // borrowed
	struct bochs bochs;
	struct pci_function pci;
	unsigned modes, drawn; // calls of the bochs' ops
};

/* Makes what all inputs share; rig_init() does it otherwise. */
void rig_prepare(void);

/* A black aperture; state is zero, or one that an earlier process has left. */
void rig_init(struct rig *rig, struct device_state *state);

/* Another process on the same aperture. */
void rig_take_over(struct rig *rig, struct device_state *state);

/* Also checks what must hold whatever a guest has done. */
void rig_finish(struct rig *rig);

/* Checks the current scanout against the slice, byte by byte. */
void rig_check_scanout(struct rig *rig);

#endif
