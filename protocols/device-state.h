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
#define DEVICE_STATE_VERSION 5
#define DEVICE_STATE_SIZE (1600 * 1024) // bytes; the memfd's size
#define DEVICE_STATE_MAPS_MAX 4096      // maps of guest memory
#define DEVICE_STATE_NO_FILE UINT32_MAX
#define DEVICE_STATE_QUEUES                                                                        \
	2 // of virtio-gpu: control and cursor; of virtio-input: events and status
#define DEVICE_STATE_HEADS 16
#define DEVICE_STATE_HELD_MAX 64 // answers that are written and not given back yet
#define DEVICE_STATE_RESOURCES_MAX 2048
#define DEVICE_STATE_BACKING_MAX (64 * 1024) // entries of all resources
#define DEVICE_STATE_CURSOR_SIZE 64          // pixels in a direction
#define DEVICE_STATE_INPUT_CODES 0x300       // KEY_* and BTN_*
#define DEVICE_STATE_CONTACTS 10             // fingers on a touch screen

/* What a guest's trapped access was for. */
enum trap_class {
	TRAP_CONFIG_READ,  // PCI configuration space
	TRAP_CONFIG_WRITE, // privileged: BARs, command register
	TRAP_MODE_SET,     // privileged: a dispi write that changes the mode
	TRAP_FLIP,         // a dispi write that moves the scanout's start, or repeats it
	TRAP_DISPI_READ,
	TRAP_DISPI_WRITE, // any other dispi write
	TRAP_EDID_READ,
	TRAP_PALETTE,          // VGA ports: palette and the rest of 0x400..0x41f
	TRAP_QEXT,             // QEMU's extended registers, 0x600..0x607
	TRAP_VRAM,             // an access to BAR0 that came as a message: should be 0
	TRAP_OTHER,            // nothing lives there
	TRAP_VIRTIO_CONFIG,    // privileged: virtio's structures, but for the next two
	TRAP_VIRTIO_NOTIFY,    // a queue was notified
	TRAP_VIRTIO_ISR,       // the interrupt's status was read
	TRAP_COMMAND_MODE_SET, // privileged: SET_SCANOUT
	TRAP_COMMAND_MEMORY,   // privileged: resources made and unmade, backing given and taken
	TRAP_COMMAND_QUERY,    // display info, EDID, capsets
	TRAP_COMMAND_DRAW,     // transfers and flushes
	TRAP_COMMAND_CURSOR,
	TRAP_COMMAND_REFUSED, // any that was answered with an error
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

/* A virtqueue, as the driver has set it up (virtio 1.3, 4.1.4.3) and as far as it is used. */
struct device_state_queue {
	uint64_t desc, driver, device; // guest addresses of its three parts
	uint16_t size, vector;
	uint16_t enabled;
	uint16_t available; // the next to be taken from the available ring
	uint16_t used;      // the next of the used ring; all before it are to be seen by the guest
	uint16_t signalled; // used at the last interrupt
	uint32_t reserved;
};

/* The registers of virtio's structures, with the names of virtio 1.3, 4.1.4.3. */
struct device_state_virtio {
	uint64_t driver_feature;
	uint32_t device_feature_select, driver_feature_select;
	uint16_t config_msix_vector, queue_select;
	uint8_t device_status, config_generation, isr, reserved;
	struct device_state_queue queues[DEVICE_STATE_QUEUES];
};

/* What a head scans out, as SET_SCANOUT or SET_SCANOUT_BLOB said; resource 0: nothing. */
struct device_state_scanout {
	uint32_t resource;
	uint32_t x, y, width, height;
	// The picture in a blob; all zero where resource is none.
	uint32_t format, picture_width, picture_height, stride, offset;
};

/* What a head's display wants to be. */
struct device_state_display {
	uint32_t width, height; // pixels
	uint32_t refresh;       // mHz
	uint32_t scale;         // 120ths
};

struct device_state_cursor {
	uint32_t resource; // 0: none is shown; the pixels are in the file
	uint32_t scanout;
	uint32_t x, y, hot_x, hot_y;
};

/* An answer that waits for the frame in which its flush is shown. */
struct device_state_held {
	uint16_t head; // of its chain
	uint8_t scanout;
	uint8_t fenced;
	uint32_t written; // bytes of the answer
};

struct device_state_gpu {
	uint32_t epoch;     // resources with another one are gone
	uint32_t took_over; // since the last reset the driver has set a scanout: dispi is not shown
	uint32_t events;    // VIRTIO_GPU_EVENT_*, until the driver clears them
	uint32_t held_count; // in the order of their flushes
	struct device_state_held held[DEVICE_STATE_HELD_MAX];
	struct device_state_scanout scanouts[DEVICE_STATE_HEADS];
	struct device_state_display displays[DEVICE_STATE_HEADS];
	struct device_state_cursor cursor;
	uint32_t cursor_set; // the driver has said what the pointer looks like
	uint32_t resources;  // resources in force; for `mullionctl status`
	uint64_t heap_used;  // bytes of the slice's heap that they take
	uint32_t unplugged;  // heads whose monitor is said to be gone, see replug.h
	uint32_t blobs;      // 1: blobs in guest memory are offered, and stay so
};

/* A finger on a touch screen. */
struct device_state_contact {
	uint32_t id;  // its ABS_MT_TRACKING_ID; 0: none
	int32_t x, y; // 0 to LINK_INPUT_ABS_LIMIT
};

/* What is pressed, and where the pointer is. */
struct device_state_pressed {
	uint64_t held[DEVICE_STATE_INPUT_CODES / 64]; // KEY_* and BTN_*
	int32_t x, y;                                 // 0 to LINK_INPUT_ABS_LIMIT
	struct device_state_contact contacts[DEVICE_STATE_CONTACTS];
};

/* A function of virtio-input (virtio 1.3, 5.8). */
struct device_state_input {
	uint8_t select, subsel; // of its configuration
	uint16_t slot;          // the contact that the driver was told of last
	uint32_t reserved;
	struct device_state_pressed told; // since its driver runs
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
	struct device_state_virtio virtio;
	struct device_state_gpu gpu;
	struct device_state_input input;
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
 * A resource. In force where epoch is that of struct device_state_gpu and id is not 0. One that
 * is 2D has its picture in the storage. So has a blob that is copied, of which the pixels from
 * offset on are that picture; any other blob has no format and no size.
 */
struct device_state_resource {
	uint32_t epoch, id;
	uint32_t format, width, height; // VIRTIO_GPU_FORMAT_*, pixels
	uint32_t backing_count;         // entries; 0: no backing
	uint32_t backing_first;         // in the file's table
	uint32_t copied, offset;        // 1 or 0; bytes
	uint64_t storage;               // bytes from the slice's start
	uint64_t blob;                  // bytes; 0: it is 2D
};

/*
 * The resources are not copied at each commit: a command changes one in place. What that was
 * before is in force again if the number of commits is still this one.
 */
struct device_state_undo {
	uint64_t commit; // number of commits when it was written; 0: nothing
	uint32_t index, reserved;
	struct device_state_resource resource;
};

/* A range of guest memory, laid out as struct virtio_gpu_mem_entry. */
struct device_state_backing {
	uint64_t address;
	uint32_t length, reserved;
};

struct device_state_store {
	struct device_state_undo undo;
	struct device_state_resource resources[DEVICE_STATE_RESOURCES_MAX];
	struct device_state_backing backing[DEVICE_STATE_BACKING_MAX];
	/* Of the cursor that was set last, ARGB8888; may be newer than the committed state. */
	uint32_t cursor[DEVICE_STATE_CURSOR_SIZE * DEVICE_STATE_CURSOR_SIZE];
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
	struct device_state_store store;
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
