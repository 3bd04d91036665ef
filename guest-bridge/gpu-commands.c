#include "gpu-commands.h"

#include "edid.h"
#include "resources-blobs.h"

static struct device_state_gpu *gpu_state(struct gpu_commands *commands) {
	return &commands->store->work->state.gpu;
}

static const void *resolve(void *data, uint64_t address, uint64_t *length) {
	const struct gpu_commands *commands = data;
	return dma_resolve_some(commands->dma, address, length, DMA_READ);
}

static int locate(void *data, uint64_t address, uint64_t *length, uint64_t *ret_offset) {
	const struct gpu_commands *commands = data;
	return dma_locate(commands->dma, address, length, DMA_READ, ret_offset);
}

struct guest_memory gpu_commands_memory(struct gpu_commands *commands) {
	return (struct guest_memory){.resolve = resolve, .locate = locate, .data = commands};
}

static void fill_display_info(
	struct gpu_commands *commands, struct virtio_gpu_resp_display_info *info) {
	uint32_t x = 0;
	for (unsigned i = 0; i < commands->heads; i++) {
		const struct device_state_display *display = &gpu_state(commands)->displays[i];
		info->pmodes[i].r.x = x;
		info->pmodes[i].r.width = display->width;
		info->pmodes[i].r.height = display->height;
		info->pmodes[i].enabled = (gpu_state(commands)->unplugged >> i & 1) == 0;
		x += display->width;
	}
}

static uint32_t fill_edid(
	struct gpu_commands *commands, uint32_t scanout, struct virtio_gpu_resp_edid *edid) {
	if (scanout >= commands->heads) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	const struct device_state_display *display = &gpu_state(commands)->displays[scanout];
	_Static_assert(EDID_SIZE <= sizeof(edid->edid), "an EDID fits");
	const struct edid_monitor monitor = {
		.width = display->width,
		.height = display->height,
		.refresh = display->refresh,
		.scale = display->scale,
		.serial = scanout + 1,
		.name = commands->name,
	};
	edid_generate(edid->edid, &monitor);
	edid->size = EDID_SIZE;
	return VIRTIO_GPU_RESP_OK_EDID;
}

/* The entries that follow the first `from` bytes of a command. */
static bool read_entries(const struct virtqueue_chain *chain, size_t from, uint32_t entries,
	struct virtio_gpu_mem_entry *ret) {
	size_t size = entries * sizeof(*ret);
	return virtqueue_read(chain, from, ret, size) == size;
}

static uint32_t attach_backing(struct gpu_commands *commands, const struct gpu_command *command,
	const struct virtqueue_chain *chain) {
	struct virtio_gpu_mem_entry *untrusted;
	uint32_t id = command->attach.resource, entries = command->attach.entries;
	uint32_t answer = resources_reserve(commands->resources, id, entries, &untrusted);
	if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
		return answer;
	}
	return read_entries(
		       chain, sizeof(struct virtio_gpu_resource_attach_backing), entries, untrusted)
		? resources_attach(commands->resources, id)
		: VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

static uint32_t create_blob(struct gpu_commands *commands, const struct gpu_command *command,
	const struct virtqueue_chain *chain) {
	struct virtio_gpu_mem_entry *untrusted;
	uint32_t id = command->create_blob.resource, entries = command->create_blob.entries;
	uint32_t answer = resources_reserve_blob(commands->resources, id, entries, &untrusted);
	if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
		return answer;
	}
	return read_entries(
		       chain, sizeof(struct virtio_gpu_resource_create_blob), entries, untrusted)
		? resources_create_blob(commands->resources, id, command->create_blob.size)
		: VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

/* A picture in storage stays; one in the guest's memory, which is there, goes. */
static uint32_t detach(struct gpu_commands *commands, uint32_t id) {
	if (resources_is_mapped(commands->resources, id)) {
		virtio_scanouts_forget(commands->scanouts, id);
	}
	return resources_detach(commands->resources, id);
}

static uint32_t set_scanout_blob(struct gpu_commands *commands, const struct gpu_command *command) {
	uint32_t scanout = command->set_scanout_blob.scanout;
	uint32_t resource = command->set_scanout_blob.resource;
	const struct gpu_rect *rect = &command->set_scanout_blob.rect;
	return resource == 0 ? virtio_scanouts_set(commands->scanouts, scanout, 0, rect)
			     : virtio_scanouts_set_blob(commands->scanouts, scanout, resource,
				       &command->set_scanout_blob.layout, rect);
}

static bool is_of_blobs(const struct gpu_command *command) {
	return command->type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB ||
		command->type == VIRTIO_GPU_CMD_SET_SCANOUT_BLOB;
}

static uint32_t unref(struct gpu_commands *commands, uint32_t id) {
	if (id != 0) {
		virtio_scanouts_forget(commands->scanouts, id);
	}
	return resources_unref(commands->resources, id);
}

void gpu_commands_show_cursor(struct gpu_commands *commands) {
	const struct device_state_cursor *cursor = &gpu_state(commands)->cursor;
	const uint32_t *pixels = cursor->resource != 0 ? commands->store->file->store.cursor : NULL;
	commands->set_cursor(commands->data, pixels, cursor->hot_x, cursor->hot_y);
}

static uint32_t update_cursor(struct gpu_commands *commands, const struct gpu_command *command) {
	struct device_state_store *store = &commands->store->file->store;
	struct device_state_cursor *cursor = &gpu_state(commands)->cursor;
	uint32_t id = command->cursor.resource;
	if (command->cursor.scanout >= commands->heads) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	// A pointer that leaves a head is hidden there after it was shown on another.
	if (id == 0 && cursor->resource != 0 && cursor->scanout != command->cursor.scanout) {
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	uint32_t answer = id != 0 ? resources_cursor(commands->resources, id, store->cursor)
				  : VIRTIO_GPU_RESP_OK_NODATA;
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		*cursor = (struct device_state_cursor){
			.resource = id,
			.scanout = command->cursor.scanout,
			.x = command->cursor.x,
			.y = command->cursor.y,
			.hot_x = command->cursor.hot_x,
			.hot_y = command->cursor.hot_y,
		};
		gpu_state(commands)->cursor_set = 1;
		gpu_commands_show_cursor(commands);
	}
	return answer;
}

/* The user's pointer is where it is; the guest follows it, not the other way round. */
static uint32_t move_cursor(struct gpu_commands *commands, const struct gpu_command *command) {
	if (command->cursor.scanout >= commands->heads) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	gpu_state(commands)->cursor.x = command->cursor.x;
	gpu_state(commands)->cursor.y = command->cursor.y;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t control(struct gpu_commands *commands, const struct gpu_command *command,
	const struct virtqueue_chain *chain, union gpu_answer *ret, uint32_t *ret_flushed) {
	const struct guest_memory memory = gpu_commands_memory(commands);
	if (is_of_blobs(command) && !commands->blobs) {
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	switch (command->type) {
	case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
		fill_display_info(commands, &ret->display_info);
		return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
	case VIRTIO_GPU_CMD_GET_EDID:
		return fill_edid(commands, command->edid.scanout, &ret->edid);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		return resources_create_2d(commands->resources, command->create_2d.resource,
			command->create_2d.format, command->create_2d.width,
			command->create_2d.height);
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		return unref(commands, command->resource.resource);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return attach_backing(commands, command, chain);
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return detach(commands, command->resource.resource);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return create_blob(commands, command, chain);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return set_scanout_blob(commands, command);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return virtio_scanouts_set(commands->scanouts, command->set_scanout.scanout,
			command->set_scanout.resource, &command->set_scanout.rect);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return resources_transfer(commands->resources, command->transfer.resource,
			&command->transfer.rect, command->transfer.offset, &memory);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return virtio_scanouts_flush(commands->scanouts, command->flush.resource,
			&command->flush.rect, ret_flushed);
	default:
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
}

static uint32_t cursor(struct gpu_commands *commands, const struct gpu_command *command) {
	switch (command->type) {
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
		return update_cursor(commands, command);
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		return move_cursor(commands, command);
	default:
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
}

static enum trap_class classify(const struct gpu_command *command, uint32_t answer) {
	if (answer >= VIRTIO_GPU_RESP_ERR_UNSPEC) {
		return TRAP_COMMAND_REFUSED;
	}
	switch (command->type) {
	case VIRTIO_GPU_CMD_SET_SCANOUT:
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return TRAP_COMMAND_MODE_SET;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return TRAP_COMMAND_DRAW;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		return TRAP_COMMAND_CURSOR;
	default:
		return gpu_command_privileged(command->type) ? TRAP_COMMAND_MEMORY
							     : TRAP_COMMAND_QUERY;
	}
}

static const char *error_text(uint32_t answer) {
	switch (answer) {
	case VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY:
		return "out of memory";
	case VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID:
		return "no such scanout";
	case VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID:
		return "no such resource, or one that exists";
	case VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID:
		return "no such context";
	case VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER:
		return "a parameter is out of range";
	default:
		return "it is not supported";
	}
}

static void log_refused(
	struct gpu_commands *commands, const struct gpu_command *command, uint32_t answer) {
	const char *name = gpu_command_name(command->type);
	if (command->type == VIRTIO_GPU_CMD_RESOURCE_CREATE_2D &&
		answer == VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY) {
		uint32_t count;
		uint64_t bytes;
		resources_usage(commands->resources, &count, &bytes);
		log_limited(&commands->refused, LOG_LEVEL_WARNING,
			"a resource of %ux%u is refused: %u resources take %llu of the %llu KiB "
			"of the heap",
			command->create_2d.width, command->create_2d.height, count,
			(unsigned long long)bytes / 1024,
			(unsigned long long)(commands->slice->limit - commands->slice->aperture) /
				1024);
		return;
	}
	log_limited(&commands->refused, LOG_LEVEL_WARNING, "command %s (%#x) is refused: %s",
		name != NULL ? name : "unknown", command->type, error_text(answer));
}

/* Counts a command by its class, and logs one that is refused. */
static void count(
	struct gpu_commands *commands, const struct gpu_command *command, uint32_t answer) {
	struct device_state_gpu *state = gpu_state(commands);
	commands->store->work->state.traps[classify(command, answer)]++;
	if (answer >= VIRTIO_GPU_RESP_ERR_UNSPEC) {
		log_refused(commands, command, answer);
	} else if (gpu_command_privileged(command->type)) {
		resources_usage(commands->resources, &state->resources, &state->heap_used);
	}
}

static uint32_t decode(const struct virtqueue_chain *chain, struct gpu_command *ret) {
	uint8_t untrusted[GPU_COMMAND_SIZE_MAX];
	size_t size = virtqueue_read(chain, 0, untrusted, sizeof(untrusted));
	return gpu_command_decode(untrusted, size, chain->readable_size, ret);
}

bool gpu_commands_lack_memory(struct gpu_commands *commands, const struct virtqueue_chain *chain) {
	struct gpu_command command = {0};
	const struct guest_memory memory = gpu_commands_memory(commands);
	if (decode(chain, &command) != VIRTIO_GPU_RESP_OK_NODATA) {
		return false;
	}
	switch (command.type) {
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return !resources_in_memory(
			commands->resources, command.transfer.resource, &memory);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH: // brings a blob up to date
		return commands->blobs &&
			!resources_in_memory(commands->resources, command.flush.resource, &memory);
	default:
		return false;
	}
}

uint32_t gpu_commands_do(struct gpu_commands *commands, bool cursor_queue,
	const struct virtqueue_chain *chain, struct gpu_command *ret_command, union gpu_answer *ret,
	uint32_t *ret_flushed) {
	*ret_command = (struct gpu_command){0};
	*ret_flushed = 0;
	uint32_t answer = decode(chain, ret_command);
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		answer = cursor_queue ? cursor(commands, ret_command)
				      : control(commands, ret_command, chain, ret, ret_flushed);
	}
	count(commands, ret_command, answer);
	return answer;
}
