#include "animate.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../guests/moving.h"
#include "clock.h"
#include "fd.h"
#include "memfd.h"

#define BUFFERS 4
#define REGISTERS_EVERY 16 // frames
#define MEMORY_EVERY 24    // frames
#define MODE_EVERY 64      // frames; a multiple of BUFFERS, as a mode set shows buffer 0

#define MEMORY_ADDRESS 0x100000
#define MEMORY_SIZE 0x10000

#define PCI_ID 0x00
#define PCI_BAR0 0x10
#define PCI_BAR2 0x18
#define PCI_ID_BOCHS 0x11111234u

struct state {
	const struct animate *animate;
	struct bochs_guest *guest; // the same as animate's
	int memory, interrupt;     // owned
	uint32_t frame;
	char *complaint; // owned; NULL while all is well
};

__attribute__((format(printf, 2, 3))) static bool complain(
	struct state *state, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	if (state->complaint == NULL && vasprintf(&state->complaint, format, arguments) < 0) {
		state->complaint = strdup("out of memory");
	}
	va_end(arguments);
	return false;
}

static bool call(struct state *state, const char *what, int error) {
	if (error < 0) {
		const char *complaint = state->guest->vmm->complaint;
		return complain(state, "frame %u: %s: %s%s%s", state->frame, what, strerror(-error),
			complaint != NULL ? ": " : "", complaint != NULL ? complaint : "");
	}
	return true;
}

static bool expect(struct state *state, const char *what, uint32_t is, uint32_t ought) {
	state->animate->status->checks++;
	if (is != ought) {
		const char *complaint = state->guest->vmm->complaint;
		return complain(state, "frame %u: %s is 0x%x, not 0x%x%s%s", state->frame, what, is,
			ought, complaint != NULL ? ": " : "", complaint != NULL ? complaint : "");
	}
	return true;
}

static uint32_t *row_of(const struct state *state, uint32_t frame, uint32_t y) {
	uint64_t row = (uint64_t)(frame % BUFFERS) * state->guest->height + y;
	return (uint32_t *)(state->guest->vram.map + row * state->guest->stride);
}

static void draw(const struct state *state) {
	for (uint32_t y = 0; y < state->guest->height; y++) {
		uint32_t *row = row_of(state, state->frame, y);
		for (uint32_t x = 0; x < state->guest->width; x++) {
			row[x] = moving_pixel(x, y, state->animate->number, state->frame);
		}
	}
}

/* What it drew before is still there: nobody else has its slice. */
static bool check_pixels(struct state *state, uint32_t frame) {
	for (uint32_t y = 0; y < state->guest->height; y++) {
		const uint32_t *row = row_of(state, frame, y);
		for (uint32_t x = 0; x < state->guest->width; x++) {
			if (row[x] != moving_pixel(x, y, state->animate->number, frame)) {
				return expect(state, "a pixel in VRAM", row[x],
					moving_pixel(x, y, state->animate->number, frame));
			}
		}
	}
	state->animate->status->checks++;
	return true;
}

static bool check_registers(struct state *state, uint32_t top) {
	struct bochs_guest *guest = state->guest;
	const struct {
		const char *name;
		enum bochs_register index;
		uint32_t value;
	} registers[] = {
		{"XRES", BOCHS_XRES, guest->width},
		{"YRES", BOCHS_YRES, guest->height},
		{"BPP", BOCHS_BPP, 32},
		{"ENABLE", BOCHS_ENABLE, BOCHS_ENABLED | BOCHS_LFB | BOCHS_NOCLEARMEM},
		{"VIRT_WIDTH", BOCHS_VIRT_WIDTH, guest->width},
		{"X_OFFSET", BOCHS_X_OFFSET, 0},
		{"Y_OFFSET", BOCHS_Y_OFFSET, top},
	};
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		if (!expect(state, registers[i].name, bochs_read(guest, registers[i].index),
			    registers[i].value)) {
			return false;
		}
	}
	struct vmm *vmm = guest->vmm;
	return expect(state, "the PCI identification", vmm_read32(vmm, VFU_REGION_CONFIG, PCI_ID),
		       PCI_ID_BOCHS) &&
		expect(state, "BAR0", vmm_read32(vmm, VFU_REGION_CONFIG, PCI_BAR0) & ~0xfu,
			BOCHS_BAR0_ADDRESS) &&
		expect(state, "BAR2", vmm_read32(vmm, VFU_REGION_CONFIG, PCI_BAR2) & ~0xfu,
			BOCHS_BAR2_ADDRESS);
}

/* Memory that comes and goes; one part of it stays mapped from the start. */
static bool exercise_memory(struct state *state) {
	struct vmm *vmm = state->guest->vmm;
	const uint32_t flags = VFU_DMA_READABLE | VFU_DMA_WRITABLE;
	return call(state, "DMA_MAP",
		       vmm_dma_map(vmm, MEMORY_ADDRESS + MEMORY_SIZE, MEMORY_SIZE, flags,
			       state->memory, MEMORY_SIZE)) &&
		call(state, "DMA_UNMAP",
			vmm_dma_unmap(vmm, MEMORY_ADDRESS + MEMORY_SIZE, MEMORY_SIZE));
}

/* The device still has the eventfd. A device that dies in between may raise it twice. */
static bool exercise_interrupt(struct state *state) {
	uint64_t raised = 0;
	int error = vmm_set_irqs(state->guest->vmm, VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_TRIGGER,
		VFU_IRQ_ERR, 0, 1, NULL, 0);
	return call(state, "an interrupt", error) &&
		expect(state, "the eventfd's answer",
			(uint32_t)read(state->interrupt, &raised, sizeof(raised)), sizeof(raised));
}

static bool flip(struct state *state) {
	struct bochs_guest *guest = state->guest;
	uint32_t top = state->frame % BUFFERS * guest->height;
	if (state->frame % MODE_EVERY == 0) {
		state->animate->status->mode_sets++;
		return call(state, "a mode set",
			bochs_set_mode(guest, guest->width, guest->height, guest->bpp));
	}
	return call(state, "a flip", bochs_write(guest, BOCHS_Y_OFFSET, (uint16_t)top)) &&
		expect(state, "Y_OFFSET", bochs_read(guest, BOCHS_Y_OFFSET), top);
}

static bool draw_frame(struct state *state) {
	uint32_t top = state->frame % BUFFERS * state->guest->height;
	draw(state);
	if (!flip(state)) {
		return false;
	}
	if (state->frame % MEMORY_EVERY == 0 &&
		!(exercise_memory(state) && exercise_interrupt(state))) {
		return false;
	}
	return state->frame % REGISTERS_EVERY != 0 ||
		(check_registers(state, top) && check_pixels(state, state->frame - 1));
}

static void note_frame(struct state *state) {
	struct animate_status *status = state->animate->status;
	uint64_t now = clock_usec(), last = status->frame_usec;
	if (last != 0 && now - last > status->longest_usec) {
		status->longest_usec = now - last;
	}
	status->frame_usec = now;
	__atomic_store_n(&status->frames, state->frame, __ATOMIC_RELEASE);
}

/* Accesses one after the other: each write is read back, none changes the picture. */
static bool stay_busy(struct state *state, uint64_t until) {
	const uint32_t bank = state->frame & 0xff;
	while (clock_usec() < until) {
		if (!call(state, "a write",
			    bochs_write(state->guest, BOCHS_BANK, (uint16_t)bank)) ||
			!check_registers(state, state->frame % BUFFERS * state->guest->height) ||
			!exercise_memory(state) || !exercise_interrupt(state)) {
			return false;
		}
	}
	return true;
}

static void sleep_until(uint64_t usec) {
	struct timespec time = {
		.tv_sec = (time_t)(usec / USEC_PER_SEC),
		.tv_nsec = (long)(usec % USEC_PER_SEC * 1000),
	};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* Frames that were missed are not made up for. */
static void run(struct state *state) {
	uint64_t period = USEC_PER_SEC / state->animate->rate, next = clock_usec();
	while (draw_frame(state)) {
		note_frame(state);
		uint64_t now = clock_usec();
		next = next + period > now ? next + period : now;
		if (state->animate->status->busy != 0 && !stay_busy(state, next)) {
			return;
		}
		sleep_until(next);
		state->frame++;
	}
}

static bool attach(struct state *state) {
	struct vmm *vmm = state->guest->vmm;
	const uint32_t eventfd = VFU_IRQ_DATA_EVENTFD | VFU_IRQ_ACTION_TRIGGER;
	return call(state, "DMA_MAP",
		       vmm_dma_map(vmm, MEMORY_ADDRESS, MEMORY_SIZE,
			       VFU_DMA_READABLE | VFU_DMA_WRITABLE, state->memory, 0)) &&
		call(state, "SET_IRQS",
			vmm_set_irqs(vmm, eventfd, VFU_IRQ_ERR, 0, 1, &state->interrupt, 1));
}

char *animate(const struct animate *animate) {
	struct state state = {.animate = animate, .guest = animate->guest};
	uint64_t needed = (uint64_t)BUFFERS * state.guest->height * state.guest->stride;
	if (needed > state.guest->vram.size) {
		complain(&state, "the buffers do not fit into VRAM");
		return state.complaint;
	}
	state.memory = memfd_create_sealed("mock-guest-memory", 2 * MEMORY_SIZE);
	state.interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	// A frame 0, so that frame 1 has one before it.
	draw(&state);
	state.frame = 1;
	if (attach(&state)) {
		run(&state);
	}
	fd_close(state.memory);
	fd_close(state.interrupt);
	return state.complaint;
}
