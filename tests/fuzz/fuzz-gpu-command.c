#include "fuzz.h"

#include "engine-model.h"

/*
 * A guest's commands: decoded, and carried out by the real engine and by the plainest one,
 * with guest memory that changes, has holes, and devices that die. Whatever comes, both agree
 * on every answer and every byte, and no picture lies on another or outside the heap.
 */

#define STEPS_MAX 200
#define ENTRIES_MAX 64 // that an input may have of one backing

static const uint32_t types[] = {
	VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
	VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
	VIRTIO_GPU_CMD_RESOURCE_FLUSH,
	VIRTIO_GPU_CMD_SET_SCANOUT,
	VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
	VIRTIO_GPU_CMD_RESOURCE_UNREF,
	VIRTIO_GPU_CMD_UPDATE_CURSOR,
	VIRTIO_GPU_CMD_MOVE_CURSOR,
	VIRTIO_GPU_CMD_GET_EDID,
	VIRTIO_GPU_CMD_GET_CAPSET_INFO,
	VIRTIO_GPU_CMD_GET_CAPSET,
	VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
	VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
};

/* Where a command of this kind has its body, the numbers are small more often than not. */
static size_t take_command(struct fuzz_input *input, uint8_t *ret) {
	uint8_t what = fuzz_u8(input), how = fuzz_u8(input);
	struct virtio_gpu_ctrl_hdr header = {
		.type = what < 250 ? types[what % 15] : fuzz_u32(input),
		.flags = how & VIRTIO_GPU_FLAG_FENCE,
		.fence_id = how,
		.ctx_id = what,
	};
	memcpy(ret, &header, sizeof(header));
	size_t whole = header.type == VIRTIO_GPU_CMD_SET_SCANOUT_BLOB ? 96 : 64;
	size_t size = how < 240 ? whole : 8 + (size_t)fuzz_u8(input) % 100;
	for (size_t at = sizeof(header); at + 4 <= size; at += 4) {
		uint32_t word = how & 2 ? fuzz_u32(input) : fuzz_u8(input);
		memcpy(ret + at, &word, sizeof(word));
	}
	if (header.type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB && (how & 4) == 0) {
		struct virtio_gpu_resource_create_blob *blob = (void *)ret;
		blob->blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST;
		blob->blob_flags &= VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE;
		blob->size &= UINT16_MAX;
	}
	return size;
}

static void check_rect(const struct gpu_rect *rect) {
	FUZZ_CHECK(rect->x <= UINT32_MAX - rect->width && rect->y <= UINT32_MAX - rect->height);
}

/* What protocols/gpu-command.h promises of a command that was decoded. */
static void check_command(const struct gpu_command *command, size_t total) {
	FUZZ_CHECK(gpu_command_name(command->type) != NULL);
	switch (command->type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		FUZZ_CHECK(command->create_2d.resource != 0);
		FUZZ_CHECK(command->create_2d.width - 1 < GPU_RESOURCE_SIZE_MAX);
		FUZZ_CHECK(command->create_2d.height - 1 < GPU_RESOURCE_SIZE_MAX);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		FUZZ_CHECK(command->attach.resource != 0);
		FUZZ_CHECK(command->attach.entries - 1 < GPU_BACKING_ENTRIES_MAX);
		FUZZ_CHECK(total == 32 + (size_t)command->attach.entries * 16);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		FUZZ_CHECK(command->create_blob.resource != 0);
		FUZZ_CHECK(command->create_blob.size - 1 < GPU_BLOB_SIZE_MAX);
		FUZZ_CHECK(command->create_blob.entries - 1 < GPU_BACKING_ENTRIES_MAX);
		FUZZ_CHECK(total == 56 + (size_t)command->create_blob.entries * 16);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		FUZZ_CHECK(command->set_scanout_blob.scanout < VIRTIO_GPU_MAX_SCANOUTS);
		if (command->set_scanout_blob.resource != 0) {
			const struct gpu_layout *layout = &command->set_scanout_blob.layout;
			const struct gpu_rect *rect = &command->set_scanout_blob.rect;
			FUZZ_CHECK(layout->width - 1 < GPU_RESOURCE_SIZE_MAX);
			FUZZ_CHECK(layout->height - 1 < GPU_RESOURCE_SIZE_MAX);
			FUZZ_CHECK(layout->stride >= layout->width * 4);
			FUZZ_CHECK(gpu_layout_end(layout) <= GPU_BLOB_SIZE_MAX);
			FUZZ_CHECK(rect->width > 0 && rect->x + rect->width <= layout->width);
			FUZZ_CHECK(rect->height > 0 && rect->y + rect->height <= layout->height);
		}
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		FUZZ_CHECK(command->set_scanout.scanout < VIRTIO_GPU_MAX_SCANOUTS);
		check_rect(&command->set_scanout.rect);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		check_rect(&command->flush.rect);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		check_rect(&command->transfer.rect);
		break;
	case VIRTIO_GPU_CMD_GET_EDID:
		FUZZ_CHECK(command->edid.scanout < VIRTIO_GPU_MAX_SCANOUTS);
		break;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		FUZZ_CHECK(command->cursor.scanout < VIRTIO_GPU_MAX_SCANOUTS);
		FUZZ_CHECK(command->cursor.hot_x < 64 && command->cursor.hot_y < 64);
		break;
	default:
		break;
	}
}

static void check_answer(const struct gpu_command *command, uint32_t answer) {
	struct virtio_gpu_ctrl_hdr header = gpu_response(command, answer);
	FUZZ_CHECK(header.type == answer);
	FUZZ_CHECK((header.flags == VIRTIO_GPU_FLAG_FENCE) == command->fenced);
	FUZZ_CHECK(header.fence_id == (command->fenced ? command->fence_id : 0));
	FUZZ_CHECK(gpu_response_size(answer) >= sizeof(header));
}

/* Where in guest memory, and how much; now and then anything. */
static void take_entries(
	struct fuzz_input *input, struct virtio_gpu_mem_entry *entries, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		uint8_t how = fuzz_u8(input);
		if (how >= 250) {
			fuzz_take(input, &entries[i], sizeof(entries[i]));
			continue;
		}
		entries[i] = (struct virtio_gpu_mem_entry){
			.addr = RIG_GUEST_BASE + how % 66 * RIG_PAGE,
			.length = (1 + how % 5) * RIG_PAGE,
		};
		if (how >= 200) {
			entries[i].addr += fuzz_u16(input);
			entries[i].length = fuzz_u16(input);
		}
	}
}

static void run_command(struct engine_model *model, struct fuzz_input *input) {
	uint8_t bytes[GPU_COMMAND_SIZE_MAX] = {0};
	struct virtio_gpu_mem_entry entries[ENTRIES_MAX];
	size_t size = take_command(input, bytes), total = size;
	struct virtio_gpu_resource_attach_backing attach;
	memcpy(&attach, bytes, sizeof(attach));
	if (attach.hdr.type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING &&
		attach.nr_entries <= ENTRIES_MAX) {
		size = sizeof(attach);
		total = size + attach.nr_entries * sizeof(entries[0]);
		take_entries(input, entries, attach.nr_entries);
	}
	struct virtio_gpu_resource_create_blob blob;
	memcpy(&blob, bytes, sizeof(blob));
	if (blob.hdr.type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB &&
		blob.nr_entries <= ENTRIES_MAX) {
		size = sizeof(blob);
		total = size + blob.nr_entries * sizeof(entries[0]);
		take_entries(input, entries, blob.nr_entries);
	}
	uint8_t *untrusted = fuzz_copy(bytes, size);
	struct gpu_command command;
	uint32_t answer = gpu_command_decode(untrusted, size, total, &command);
	free(untrusted);
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		check_command(&command, total);
		answer = engine_model_run(model, &command, entries, fuzz_u8(input) >= 250);
	}
	check_answer(&command, answer);
}

static void step(struct engine_model *model, struct fuzz_input *input) {
	uint8_t what = fuzz_u8(input);
	if (what < 200) {
		run_command(model, input);
	} else if (what < 230) { // the guest draws
		uint64_t at = fuzz_u16(input) * 4;
		uint64_t room = model->rig->guest_size - at % model->rig->guest_size;
		uint64_t length = fuzz_u16(input);
		memset(model->rig->guest + at % model->rig->guest_size, what,
			length < room ? length : room);
	} else if (what < 240) { // its VMM unmaps a page
		model->rig->hole = what < 235 ? RIG_GUEST_BASE + fuzz_u8(input) % 64 * RIG_PAGE : 0;
	} else if (what < 248) {
		engine_model_clear(model, what < 244);
	} else {
		engine_model_restart(model);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct engine_rig rig;
	struct engine_model model;
	engine_rig_init(&rig, MODEL_APERTURE, MODEL_HEAP, MODEL_GUEST);
	engine_model_init(&model, &rig);
	for (size_t i = 0; i < rig.guest_size; i += 64) {
		memset(rig.guest + i, (int)(i / 64 * 31), 64);
	}
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&model, &input);
		engine_model_check(&model);
	}
	engine_model_finish(&model);
	engine_rig_finish(&rig);
	return 0;
}
