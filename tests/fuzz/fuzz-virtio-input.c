#include "fuzz.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "input-rig.h"
#include "vfio-user-regions.h"

/*
 * A function of virtio-input: a user's input, a driver that keeps to the rules or not, with
 * registers, rings and buffers written at random, deaths and resets in between. At the end a good
 * driver takes over, and must come to hold exactly what is pressed.
 */

#define STEPS_MAX 512
#define TURNS_MAX 64
#define MEMORY (2 * 0x4000) // that the rig's queues take

struct driven {
	struct input_rig rig;
	struct fuzz_input *input;
};

static void send(struct driven *driven) {
	struct link_input frame = {.count = fuzz_u8(driven->input) % 4 + 1};
	for (uint32_t i = 0; i < frame.count; i++) {
		uint8_t type = fuzz_u8(driven->input);
		frame.events[i] = (struct link_input_event){
			.type = type % 13,
			.code = fuzz_u16(driven->input) % (type < 128 ? 12 : 0x310),
			.value = (int16_t)fuzz_u16(driven->input),
		};
	}
	input_function_send(&driven->rig.function, &frame);
}

/* Many, so that they do not all find room. */
static void type(struct driven *driven) {
	uint8_t code = fuzz_u8(driven->input);
	for (unsigned i = 0; i < 600; i++) {
		input_rig_key(&driven->rig, code, i % 2 == 0);
	}
}

static void offer(struct driven *driven, unsigned index) {
	struct input_rig *rig = &driven->rig;
	struct input_rig_queue *queue = &rig->queues[index];
	if (queue->desc != NULL) {
		uint8_t how = fuzz_u8(driven->input);
		queue->seen = queue->used->idx;
		rig->buffer_size = how >= 0xf0 ? how & 15 : 8;
		rig->readable = how == 0xef;
		input_rig_offer(rig, index, how % 64);
	}
}

static void access_region(struct driven *driven, uint32_t region, uint64_t offset) {
	static const uint32_t counts[] = {1, 2, 4, 8};
	uint8_t how = fuzz_u8(driven->input), bytes[8];
	struct vfio_user_access access = {
		.region = region, .offset = offset, .count = counts[how % 4]};
	if ((how & 8) != 0) {
		fuzz_take(driven->input, bytes, access.count);
		access.data = bytes;
		region_access(&driven->rig.function.pci, &access, NULL);
	} else {
		region_access(&driven->rig.function.pci, &access, bytes);
	}
}

static void step(struct driven *driven) {
	struct input_rig *rig = &driven->rig;
	uint8_t what = fuzz_u8(driven->input);
	switch (what % 12) {
	case 0:
		input_rig_drive(rig, UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX, 64 >> (what >> 5) % 6);
		break;
	case 1:
		input_rig_drive(rig, 0, 64);
		break;
	case 2:
	case 3:
		offer(driven, 0);
		break;
	case 4:
		offer(driven, 1);
		break;
	case 5:
		rig->ram[fuzz_u16(driven->input) % MEMORY] = fuzz_u8(driven->input);
		break;
	case 6:
		rig->busy = what >= 128;
		input_function_resume(&rig->function);
		break;
	case 7:
		access_region(driven, 0, fuzz_u16(driven->input) % INPUT_FUNCTION_REGISTERS_SIZE);
		break;
	case 8:
		if (what >= 192) {
			input_rig_replace(rig);
		} else if (what >= 128) {
			pci_reset(&rig->function.pci);
			input_function_reset(&rig->function);
		} else if (what >= 64) {
			access_region(driven, VFIO_PCI_CONFIG_REGION_INDEX, fuzz_u8(driven->input));
		} else {
			type(driven);
		}
		break;
	default:
		send(driven);
		break;
	}
	// The retries of a queue that waits are not waited for.
	for (unsigned turn = 0; turn < 4 && sd_event_run(rig->event, 0) > 0; turn++) {
	}
	const struct input_backlog *backlog = &rig->function.backlog;
	FUZZ_CHECK(backlog->len <= INPUT_BACKLOG_MAX && backlog->first < INPUT_BACKLOG_MAX);
	FUZZ_CHECK(!input_function_runs(&rig->function) ||
		(rig->store.work->state.virtio.device_status & 4) != 0);
}

static void end_well(struct driven *driven) {
	struct input_rig *rig = &driven->rig;
	const struct device_state_pressed *now = &rig->function.backlog.now;
	const struct device_state_pressed *told = &rig->store.work->state.input.told;
	rig->busy = false;
	rig->buffer_size = sizeof(struct virtio_input_event);
	rig->readable = false;
	input_rig_drive(rig, UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX, 64);
	for (unsigned i = 0; i < 2; i++) {
		type(driven);
		send(driven);
	}
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		input_rig_fill(rig);
		input_rig_spin(rig);
	}
	FUZZ_CHECK(rig->function.backlog.len == 0);
	FUZZ_CHECK(memcmp(now->held, told->held, sizeof(now->held)) == 0);
	for (unsigned i = 0; i < DEVICE_STATE_CONTACTS; i++) {
		FUZZ_CHECK(now->contacts[i].id == told->contacts[i].id);
	}
	for (uint32_t code = 0; code < DEVICE_STATE_INPUT_CODES; code++) {
		FUZZ_CHECK(input_rig_sees_held(rig, code) ==
			((told->held[code / 64] >> code % 64 & 1) != 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct driven *driven = calloc(1, sizeof(*driven));
	FUZZ_CHECK(driven != NULL);
	log_init("fuzz", NULL, LOG_LEVEL_ERROR);
	driven->input = &input;
	input_rig_init(&driven->rig, LINK_FUNCTION_KEYBOARD + fuzz_u8(&input) % 4);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(driven);
	}
	end_well(driven);
	input_rig_finish(&driven->rig);
	free(driven);
	return 0;
}
