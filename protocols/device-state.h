#ifndef PROTOCOLS_DEVICE_STATE_H
#define PROTOCOLS_DEVICE_STATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * All of a device's state that must outlive its process, in one sealed memfd that
 * mulliond makes (zeroed) and keeps. The device writes it, and a later device process
 * goes on from it; mulliond maps it read-only and reads counters and BARs for
 * `mullionctl`: to mulliond every number in it is untrusted.
 * Fixed-width fields only, naturally aligned, no pointers.
 *
 * The device works on a copy of its own and commits it after every message: into the slot
 * that is not in force, and then one store makes it the one that is. So a device can die
 * between any two instructions and leaves the state as of one message or of the next.
 */

#define DEVICE_STATE_MAGIC UINT64_C(0x3174736e6c6c756d) // "mullnst1"
#define DEVICE_STATE_VERSION 2
#define DEVICE_STATE_SIZE (384 * 1024) // bytes; the memfd's size
#define DEVICE_STATE_MAPS_MAX 4096     // maps of guest memory
#define DEVICE_STATE_NO_FILE UINT32_MAX

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
	uint32_t level;        // what the device holds INTx at
	uint64_t bound[5];     // of each VFIO_PCI_*_IRQ_INDEX: bit n, vector n has an eventfd
	uint32_t unmask_bound; // an eventfd unmasks INTx
	uint32_t reserved;
};

/* What the VMM said in its hello; valid while vmm_connected. */
struct device_state_client {
	uint64_t max_data_xfer_size;
	uint32_t write_multiple;
	uint32_t reserved;
};

/* The message that was handled last. */
struct device_state_last {
	uint64_t sequence;  // messages handled since the state was made
	uint64_t header[2]; // its header as it came; 0: nothing that could still be queued
};

struct device_state {
	uint32_t generation;    // device processes that have used this state
	uint32_t vmm_connected; // its hello is done
	uint64_t vmm_sessions;  // connections accepted since the state was made
	uint8_t pci_config[256];
	struct device_state_bar bars[6];
	struct device_state_irq irq;
	struct device_state_dispi dispi;
	uint64_t traps[TRAP_CLASS_COUNT];
	uint64_t dma_maps; // maps in force
	uint64_t resets;
	struct device_state_client client;
	struct device_state_last last;
};

/* A map of guest memory, as in force. */
struct device_state_map {
	uint64_t address, size; // guest-physical bytes
	uint64_t offset;        // into the file
	uint32_t access;        // VFIO_DMA_MAP_FLAG_*
	uint32_t file;          // number of the kept file, or DEVICE_STATE_NO_FILE
};

struct device_state_dma {
	uint64_t changes; // not equal in two tables that differ; 0: not valid
	uint32_t count;
	uint32_t reserved;
	struct device_state_map maps[DEVICE_STATE_MAPS_MAX]; // count of them, by address
};

struct device_state_slot {
	struct device_state state;
	struct device_state_dma dma;
};

/*
 * What is no part of a commit. Marks are sequence numbers of messages, set before the step
 * that they tell of; a sequence number one above the committed one belongs to a message
 * that was never committed.
 */
struct device_state_live {
	uint64_t replying; // the message whose reply is in the pipe
	uint64_t partial;  // the message that is taken from the socket in pieces
	uint64_t consumed; // the last message that is no longer in the socket
	uint64_t looks;    // times the aperture was compared
	uint64_t commits;  // frames given to the compositor
};

/* The memfd. */
struct device_state_file {
	uint64_t magic;
	uint32_t version;
	uint32_t size;   // sizeof(struct device_state_file) of the writer
	uint64_t commit; // number of commits: slots[commit % 2] is in force
	struct device_state_live live;
	struct device_state_slot slots[2];
};

_Static_assert(sizeof(struct device_state_file) <= DEVICE_STATE_SIZE, "the state fits its memfd");

/* What a reader sees. */
struct device_state_view {
	struct device_state state;
	uint64_t looks, commits;
};

/* True where the head is that of a state that this build has made. */
bool device_state_valid(const struct device_state_file *file);

/*
 * One consistent copy of the state in force, while a device may write it. Returns false
 * where no device has made the state yet. What is in it is untrusted.
 */
bool device_state_read(const struct device_state_file *file, struct device_state_view *ret);

/* The lower-case name of a trap class ("mode-set"), or NULL. */
const char *trap_class_name(enum trap_class trap);

/* True for privileged operations: those the graphics VMM must see. */
int trap_class_privileged(enum trap_class trap);

#endif
