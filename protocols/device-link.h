#ifndef PROTOCOLS_DEVICE_LINK_H
#define PROTOCOLS_DEVICE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The link between mulliond and one guest's mullion-device: a SOCK_SEQPACKET
 * socketpair, one message a packet, host byte order (both ends are one build).
 * mulliond trusts nothing that comes up: link_decode() checks a packet once, and only
 * its result is used.
 */

/* The device's end of the link in the device process. */
#define LINK_DEVICE_FD 3

#define LINK_VERSION 4
#define LINK_NAME_MAX 64
#define LINK_INPUT_MAX 32

/*
 * The course of a link. mulliond starts a device and sends LINK_SETUP; then, where the
 * device replaces one that died, LINK_STORED for every descriptor that was kept; then
 * LINK_GO. The device sends LINK_STORE before it lets go of the message that brought the
 * descriptor, and the socket's buffer outlives its sender: a mulliond that reads the link
 * to its end misses none.
 *
 * A device whose mulliond is gone goes on. A new mulliond connects to the device's link
 * listener, and there everything runs the other way: LINK_ADOPT, LINK_STORE for every
 * descriptor, LINK_GO; from then on that connection is the link.
 */
enum link_type {
	/* mulliond -> device. struct link_setup; first and once. Descriptors: enum link_fd, and
	 * enum link_port_fd for each function. */
	LINK_SETUP = 1,
	/* mulliond -> device. No body; one descriptor: a connected Wayland socket on which the
	 * device is to show itself. A new one replaces the last one. */
	LINK_DISPLAY = 2,
	/* device -> mulliond. struct link_input: what the focused user typed and pointed at. */
	LINK_INPUT = 3,
	/* device -> mulliond. struct link_vmm: a VMM has connected to the GPU, or is gone. */
	LINK_VMM = 4,
	/* mulliond -> device. struct link_key and its descriptor: what an earlier device stored. */
	LINK_STORED = 5,
	/* No body: all that was stored has been sent. */
	LINK_GO = 6,
	/* device -> mulliond. struct link_key and a descriptor to keep; it replaces what the key
	 * had before. */
	LINK_STORE = 7,
	/* device -> mulliond. struct link_key: that descriptor is of no more use. */
	LINK_DROP = 8,
	/* mulliond -> device. struct link_beat: answer with LINK_PONG and the same cookie. */
	LINK_PING = 9,
	LINK_PONG = 10,
	/* device -> mulliond, on a connection of its listener: struct link_setup and descriptors
	 * as in LINK_SETUP. */
	LINK_ADOPT = 11,
	/* device -> mulliond. struct link_sandbox: how it is shut in, or why it cannot be. */
	LINK_SANDBOX = 12,
};

/* The PCI functions of a device: the first, or all. Each has a vfio-user connection of its own. */
enum link_function {
	LINK_FUNCTION_GPU,
	LINK_FUNCTION_KEYBOARD,
	LINK_FUNCTION_TABLET,
	LINK_FUNCTION_MOUSE,
	LINK_FUNCTION_TOUCH,
	LINK_FUNCTIONS,
};

/* A name for sockets and messages ("keyboard"), or NULL. */
const char *link_function_name(enum link_function function);

/* The descriptors of LINK_SETUP and LINK_ADOPT, in this order; then those of each function. */
enum link_fd {
	LINK_FD_SLICE, // sealed memfd
	LINK_FD_LINKS, // SOCK_SEQPACKET, where a later mulliond connects
	LINK_FDS_SHARED,
};

enum link_port_fd {
	LINK_PORT_LISTENER,      // of vfio-user, where the VMM connects
	LINK_PORT_STATE,         // sealed memfd, struct device_state_file
	LINK_PORT_REPLIES_READ,  // pipe of the replies to the VMM, both ends non-blocking
	LINK_PORT_REPLIES_WRITE, //
	LINK_PORT_FDS,
};

/* The place of a function's descriptor (enum link_port_fd), and how many n functions make. */
#define LINK_FD_OF(function, port_fd) (LINK_FDS_SHARED + (function) * LINK_PORT_FDS + (port_fd))
#define LINK_FDS_OF(functions) LINK_FD_OF(functions, 0)
#define LINK_FDS_MAX LINK_FDS_OF(LINK_FUNCTIONS)

/*
 * All descriptors that a device ever holds (tests/e2e/test-session.py compares): /dev/null
 * on 0; mulliond's standard error on 1 and 2; the link on 3; those of LINK_SETUP; for each
 * function the VMM's connection and what it sends along, of which enum link_kind has the list;
 * the display's Wayland socket; /dev/udmabuf where there is one, and a dma-buf for each blob that
 * was shown; and of its own making an epoll, a signalfd, one timerfd a
 * clock, and a sealed memfd while a picture's format is converted.
 */

#define LINK_REPLIES_SIZE 65536 // bytes that the pipe holds

/* What a kept descriptor is for. */
enum link_kind {
	LINK_KIND_CONNECTION = 1, // the VMM's; index and number 0
	LINK_KIND_MEMORY = 2,     // a file of guest memory; number: 0 to LINK_MEMORY_MAX - 1
	LINK_KIND_IRQ = 3,        // eventfd; index: VFIO_PCI_*_IRQ_INDEX, number: vector
	LINK_KIND_UNMASK = 4,     // eventfd that unmasks an interrupt; index as above, number 0
};

#define LINK_MEMORY_MAX 32
#define LINK_IRQ_INDEX_MAX 5  // indices
#define LINK_IRQ_VECTOR_MAX 8 // vectors of one index
/* All keys of a function, and all there are: every one has a slot of its own, function by
 * function, so nobody can store more. */
#define LINK_FUNCTION_SLOTS                                                                        \
	(1 + LINK_MEMORY_MAX + LINK_IRQ_INDEX_MAX * LINK_IRQ_VECTOR_MAX + LINK_IRQ_INDEX_MAX)
#define LINK_SLOTS (LINK_FUNCTIONS * LINK_FUNCTION_SLOTS)

enum link_personality {
	LINK_PERSONALITY_BOCHS = 1,
	LINK_PERSONALITY_VIRTIO_VGA = 2,
	LINK_PERSONALITY_VIRTIO_GPU = 3,
};

/* Its name in a guest's file ("virtio-vga"), or NULL. */
const char *link_personality_name(enum link_personality personality);

struct link_setup {
	uint32_t version;                     // LINK_VERSION
	uint32_t personality;                 // enum link_personality
	uint32_t guest;                       // number in the resource table, from 1
	uint32_t prefer_width, prefer_height; // pixels: the EDID's preferred mode
	uint32_t refresh;                     // mHz, of that mode
	uint32_t heads;                       // 1 to DEVICE_STATE_HEADS; 1 for bochs
	uint32_t follow;                      // 1: a head's display has the size of its window
	uint32_t hidden_refresh;              // mHz, of a head that cannot be seen; not 0
	uint32_t functions;                   // 1: the GPU alone; or LINK_FUNCTIONS
	uint64_t slice_size;                  // bytes
	uint64_t aperture_size;   // bytes at the slice's start that BAR0 shows; a power of two
	uint64_t slice_base;      // address in mulliond's VRAM map; for messages only
	char name[LINK_NAME_MAX]; // NUL-terminated
};

enum link_input_type {
	LINK_INPUT_KEY = 1,    // code: Linux input-event-codes KEY_*; value: 1 pressed, 0 released
	LINK_INPUT_BUTTON = 2, // code: BTN_*; value as above
	LINK_INPUT_ABS_X = 3,  // value: 0 to 32767 across the scanout
	LINK_INPUT_ABS_Y = 4,  // likewise, down the scanout
	LINK_INPUT_WHEEL = 5,  // value: clicks, positive is down (towards the user)
	LINK_INPUT_HWHEEL = 6, // value: clicks, positive is right
	LINK_INPUT_REL_X = 7,  // value: a mouse's units, positive is right; while it is locked
	LINK_INPUT_REL_Y = 8,  // likewise, positive is down

	/* Fingers. They never cross the link, which refuses them: the device gives them to a
	 * touch screen of the guest's, or makes an absolute pointer of them. All three have a
	 * finger's slot as code, below LINK_INPUT_SLOTS. The place of a finger that goes down
	 * follows in the same message. */
	LINK_INPUT_TOUCH = 9,    // value: 1 down, 0 up
	LINK_INPUT_TOUCH_X = 10, // value: as LINK_INPUT_ABS_X
	LINK_INPUT_TOUCH_Y = 11, // likewise
};

#define LINK_INPUT_SLOTS 10
#define LINK_INPUT_ABS_LIMIT 32767
#define LINK_INPUT_REL_LIMIT 32767 // either way

struct link_input_event {
	uint32_t type; // enum link_input_type
	uint32_t code;
	int32_t value;
};

struct link_input {
	uint32_t count; // 1 to LINK_INPUT_MAX: what a wl_pointer, wl_keyboard or wl_touch groups
	struct link_input_event events[LINK_INPUT_MAX];
};

struct link_vmm {
	uint32_t connected; // 0 or 1
	uint32_t reserved;  // 0
};

struct link_key {
	uint32_t kind; // enum link_kind
	uint32_t index;
	uint32_t number;
	uint32_t function; // enum link_function
};

struct link_beat {
	uint64_t cookie;
};

/* What cannot be seen from outside. Layers are those of enum sandbox_layer. */
struct link_sandbox {
	uint32_t layers;   // bits: those that the device has asked the kernel about
	uint32_t failed;   // which could not be applied, where there is an error
	uint32_t error;    // errno, or 0
	uint32_t reserved; // 0
};

#define LINK_SANDBOX_LAYERS_MAX 32
#define LINK_SANDBOX_ERROR_MAX 4095

/* A checked message. Descriptors travel beside it. */
struct link_message {
	enum link_type type;
	union {
		struct link_setup setup; // LINK_SETUP, LINK_ADOPT
		struct link_input input;
		struct link_vmm vmm;
		struct link_key key; // LINK_STORED, LINK_STORE, LINK_DROP
		struct link_beat beat;
		struct link_sandbox sandbox;
	};
};

/* The largest packet: a uint32_t type, a uint32_t of zero, the largest body. */
#define LINK_PACKET_MAX (8 + sizeof(struct link_input))

/*
 * Turns a packet into a message. Checks type, exact length, count of descriptors,
 * every enumeration and every reserved field. Returns true, or false and then leaves
 * *ret as it was.
 */
bool link_decode(const void *packet, size_t size, size_t fds, struct link_message *ret);

/* A valid key's slot, below LINK_SLOTS, and the key of a slot. */
unsigned link_key_slot(const struct link_key *key);
struct link_key link_slot_key(unsigned slot);

/*
 * Sends a message with its descriptors, which stay the caller's. Returns 0 or -errno;
 * -EAGAIN where the peer does not read (never blocks).
 */
int link_send(int socket, const struct link_message *message, const int *fds, size_t n);

/*
 * Receives and decodes the next message; ret_fds has room for FD_MAX. Returns 1,
 * 0 at the end of the stream, -EAGAIN where there is none, -EPROTO for one that does
 * not decode (its descriptors are closed), or another -errno.
 */
int link_receive(int socket, struct link_message *ret, int *ret_fds, size_t *ret_n);

#endif
