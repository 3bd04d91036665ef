#ifndef PROTOCOLS_DEVICE_STATE_H
#define PROTOCOLS_DEVICE_STATE_H

#include <stdint.h>

/*
 * All of a device's state that must outlive its process, in one sealed memfd that
 * mulliond makes (zeroed) and keeps. The device writes it, and a later device process
 * goes on from it; mulliond maps it read-only and reads counters and BARs for
 * `mullionctl`: to mulliond every number in it is untrusted.
 * Fixed-width fields only, naturally aligned, no pointers.
 */

#define DEVICE_STATE_MAGIC UINT64_C(0x3174736e6c6c756d) // "mullnst1"
#define DEVICE_STATE_VERSION 1
#define DEVICE_STATE_SIZE 65536 // bytes; the memfd's size

/* What a guest's trapped access was for. */
enum trap_class {
	TRAP_CONFIG_READ,  // PCI configuration space
	TRAP_CONFIG_WRITE, // privileged: BARs, command register
	TRAP_MODE_SET,     // privileged: a dispi write that changes the mode
	TRAP_FLIP,         // a dispi write that moves the scanout's start, or repeats it
	TRAP_DISPI_READ,
	TRAP_DISPI_WRITE, // any other dispi write
	TRAP_EDID_READ,
	TRAP_PALETTE, // VGA ports: palette and the rest of 0x400..0x41f
	TRAP_QEXT,    // QEMU's extended registers, 0x600..0x607
	TRAP_VRAM,    // an access to BAR0 that came as a message: should be 0
	TRAP_OTHER,   // nothing lives there
	TRAP_CLASS_COUNT,
};

struct device_state_bar {
	uint64_t address; // guest-physical, as the guest programmed it; 0 while unset
	uint64_t size;    // bytes; 0 where there is no such BAR
};

struct device_state_dispi {
	uint16_t regs[16];       // VBE_DISPI_INDEX_*, as the guest last wrote them
	uint8_t palette[256][3]; // red, green, blue
	uint8_t palette_index, palette_component;
	uint8_t blanked;    // VGA attribute controller: display off
	uint8_t big_endian; // QEXT; always 0: only little-endian pixels are shown
	uint8_t palette_read_index;
	uint8_t palette_mask;
	uint8_t attribute_data; // the next byte at 0x3c0 is data, not an index
	uint8_t status;         // VGA input status 1, which drivers poll for a retrace
};

struct device_state_irq {
	uint32_t intx_enabled, intx_masked;
	uint32_t msix_enabled; // vectors with an eventfd
	uint32_t reserved;
};

struct device_state {
	uint64_t magic;
	uint32_t version;
	uint32_t size;       // sizeof(struct device_state) of the writer
	uint32_t generation; // device processes that have used this state
	uint32_t vmm_connected;
	uint64_t vmm_sessions; // connections accepted since the state was made
	uint8_t pci_config[256];
	struct device_state_bar bars[6];
	struct device_state_irq irq;
	struct device_state_dispi dispi;
	uint64_t traps[TRAP_CLASS_COUNT];
	uint64_t dma_maps; // maps in force
	uint64_t resets;
	uint64_t looks;   // times the aperture was compared
	uint64_t commits; // frames given to the compositor
};

_Static_assert(sizeof(struct device_state) <= DEVICE_STATE_SIZE, "the state fits its memfd");

/* The lower-case name of a trap class ("mode-set"), or NULL. */
const char *trap_class_name(enum trap_class trap);

/* True for privileged operations: those the graphics VMM must see. */
int trap_class_privileged(enum trap_class trap);

#endif
