#include "guest-json.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "sandbox.h"
#include "table.h"

/* Counters of a device, which may hold anything, as JSON integers. */
static uint64_t clamp(uint64_t untrusted) {
	return untrusted <= INT64_MAX ? untrusted : INT64_MAX;
}

/* Of its device while there is one: the file may say something else by now. */
static enum link_personality personality_of(const struct guest *guest) {
	return guest->gpu.limit != 0 ? guest->gpu.device.setup.personality
				     : gpu_personality(guest->config);
}

static const char *accel_name(const struct guest *guest) {
	if (guest->machine.process.pid == 0) {
		return NULL;
	}
	return guest->machine.kvm ? "kvm" : "tcg";
}

/* Makes an array, empty where nothing is appended. */
static int new_array(sd_json_variant **ret) {
	return sd_json_variant_new_array(ret, NULL, 0);
}

/* Appends the layers that are in force for a process of the guest's; of those that cannot be
 * seen from here the ones that somebody else vouches for. */
static int append_layers(sd_json_variant **array, const char *process, pid_t pid,
	sandbox_layers unseen, const char *by) {
	sandbox_layers layers = pid != 0 ? sandbox_read_layers(pid) : 0;
	layers |= layers != 0 ? unseen & SANDBOX_UNSEEN : 0;
	int error = 0;
	for (enum sandbox_layer i = 0; i < SANDBOX_LAYERS && error >= 0; i++) {
		char line[64];
		if ((layers >> i & 1) == 0) {
			continue;
		}
		snprintf(line, sizeof(line), "%s: %s%s", process, sandbox_layer_name(i),
			(SANDBOX_UNSEEN >> i & 1) != 0 ? by : "");
		error = sd_json_variant_append_arrayb(array, SD_JSON_BUILD_STRING(line));
	}
	return error;
}

static int layers_to_json(const struct guest *guest, sd_json_variant **ret) {
	sd_json_variant *array = NULL;
	const struct gpu_device *device = &guest->gpu.device;
	int error = new_array(&array);
	if (error >= 0) {
		error = append_layers(&array, "gpu", device->process.pid,
			device->untrusted_sandbox.layers, " (reported by the device)");
	}
	// Without it QEMU would not have been executed.
	if (error >= 0) {
		error = append_layers(&array, "vmm", guest->machine.process.pid,
			guest->config->sandbox ? 1u << SANDBOX_LANDLOCK : 0, " (asked for)");
	}
	if (error < 0) {
		sd_json_variant_unref(array);
		return error;
	}
	*ret = array;
	return 0;
}

/* Adds what the guest's pictures take, where there is a heap. */
static int add_heap(const struct guest *guest, sd_json_variant **object) {
	const struct gpu *gpu = &guest->gpu;
	struct device_state_view untrusted;
	if (gpu->limit == 0 || gpu->device.setup.personality == LINK_PERSONALITY_BOCHS ||
		!gpu_read_state(gpu, &untrusted)) {
		return 0;
	}
	const struct device_state_gpu *untrusted_gpu = &untrusted.state.gpu;
	return sd_json_variant_merge_objectbo(object,
		SD_JSON_BUILD_PAIR_UNSIGNED("heapSize", gpu->limit - gpu->aperture),
		SD_JSON_BUILD_PAIR_UNSIGNED("heapUsed", clamp(untrusted_gpu->heap_used)),
		SD_JSON_BUILD_PAIR_UNSIGNED("resources", untrusted_gpu->resources));
}

int guest_status_to_json(const struct guest *guest, sd_json_variant **ret) {
	sd_json_variant *layers = NULL;
	int error = layers_to_json(guest, &layers);
	if (error >= 0) {
		error = guest_to_json(guest, ret);
	}
	if (error >= 0) {
		error = sd_json_variant_set_field(ret, "layers", layers);
	}
	if (error >= 0) {
		error = add_heap(guest, ret);
	}
	sd_json_variant_unref(layers);
	return error;
}

int guest_to_json(const struct guest *guest, sd_json_variant **ret) {
	const struct config_guest *config = guest->config;
	const struct gpu *gpu = &guest->gpu;
	bool qemu = config->vmm == CONFIG_VMM_QEMU, slice = gpu->limit != 0;
	const char *accel = accel_name(guest);
	uint32_t heads = slice ? gpu->device.setup.heads : config->heads;
	char colour[8];
	snprintf(colour, sizeof(colour), "#%02x%02x%02x", config->colour.red, config->colour.green,
		config->colour.blue);
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("name", config->name),
		SD_JSON_BUILD_PAIR_UNSIGNED("number", config->number),
		SD_JSON_BUILD_PAIR_STRING("title", config->title),
		SD_JSON_BUILD_PAIR_STRING("colour", colour),
		SD_JSON_BUILD_PAIR_STRING("state", guest_state_name(guest->state)),
		SD_JSON_BUILD_PAIR_CONDITION(
			guest->reason != NULL, "reason", SD_JSON_BUILD_STRING(guest->reason)),
		SD_JSON_BUILD_PAIR_BOOLEAN("connected", gpu->device.connected),
		SD_JSON_BUILD_PAIR_STRING("vmm", qemu ? "qemu" : "external"),
		SD_JSON_BUILD_PAIR_CONDITION(
			gpu->sockets[0] != NULL, "socket", SD_JSON_BUILD_STRING(gpu->sockets[0])),
		SD_JSON_BUILD_PAIR_STRING(
			"personality", link_personality_name(personality_of(guest))),
		SD_JSON_BUILD_PAIR_UNSIGNED("heads", heads),
		SD_JSON_BUILD_PAIR_CONDITION(accel != NULL, "accel", SD_JSON_BUILD_STRING(accel)),
		SD_JSON_BUILD_PAIR_CONDITION(gpu->device.process.pid != 0, "devicePid",
			SD_JSON_BUILD_INTEGER(gpu->device.process.pid)),
		SD_JSON_BUILD_PAIR_CONDITION(
			slice, "deviceRestarts", SD_JSON_BUILD_UNSIGNED(gpu->device.restarts)),
		SD_JSON_BUILD_PAIR_CONDITION(guest->machine.process.pid != 0, "vmmPid",
			SD_JSON_BUILD_INTEGER(guest->machine.process.pid)),
		SD_JSON_BUILD_PAIR_CONDITION(
			qemu, "memory", SD_JSON_BUILD_UNSIGNED(config->memory)),
		SD_JSON_BUILD_PAIR_CONDITION(slice, "sliceBase", SD_JSON_BUILD_UNSIGNED(gpu->base)),
		SD_JSON_BUILD_PAIR_CONDITION(
			slice, "sliceLimit", SD_JSON_BUILD_UNSIGNED(gpu->limit)),
		SD_JSON_BUILD_PAIR_BOOLEAN("shown", gpu_shown(gpu)),
		SD_JSON_BUILD_PAIR_BOOLEAN("sandbox", config->sandbox));
}

/* Appends and drops the element; error is that of its making. */
static int append(sd_json_variant **array, sd_json_variant *element, int error) {
	if (error >= 0) {
		error = sd_json_variant_append_array(array, element);
	}
	sd_json_variant_unref(element);
	return error;
}

/* Hands the array over, or drops it after an error. */
static int finish_array(sd_json_variant *array, int error, sd_json_variant **ret) {
	if (error < 0) {
		sd_json_variant_unref(array);
		return error;
	}
	*ret = array;
	return 0;
}

int guests_to_json(const struct guests *guests, sd_json_variant **ret) {
	sd_json_variant *array = NULL;
	int error = new_array(&array);
	for (size_t i = 0; i < guests->len && error >= 0; i++) {
		sd_json_variant *element = NULL;
		error = guest_to_json(guests->list[i], &element);
		error = append(&array, element, error);
	}
	return finish_array(array, error, ret);
}

static int segments_to_json(
	const struct table_row *row, const struct gpu *gpu, sd_json_variant **ret) {
	sd_json_variant *array = NULL;
	int error = new_array(&array);
	for (unsigned i = 0; i < row->segments_len && error >= 0; i++) {
		const struct table_segment *segment = &row->segments[i];
		error = sd_json_variant_append_arraybo(&array,
			SD_JSON_BUILD_PAIR_CONDITION(segment->guest_address != 0, "guestAddress",
				SD_JSON_BUILD_UNSIGNED(segment->guest_address)),
			SD_JSON_BUILD_PAIR_UNSIGNED("bar", segment->bar),
			SD_JSON_BUILD_PAIR_UNSIGNED("size", segment->size),
			SD_JSON_BUILD_PAIR_CONDITION(segment->mapped, "machineAddress",
				SD_JSON_BUILD_UNSIGNED(gpu->base)));
	}
	return finish_array(array, error, ret);
}

static int row_to_json(const struct guest *guest, sd_json_variant **ret) {
	struct table_row row = {0};
	struct device_state_view untrusted;
	sd_json_variant *segments = NULL;
	const char *pci = guest->machine.pci_address;
	if (gpu_read_state(&guest->gpu, &untrusted)) {
		table_row_fill(&row, &untrusted.state);
	}
	bool interrupt = row.interrupt != TABLE_INTERRUPT_NONE;
	int error = segments_to_json(&row, &guest->gpu, &segments);
	if (error >= 0) {
		error = sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("guest", guest->config->name),
			SD_JSON_BUILD_PAIR_UNSIGNED("number", guest->config->number),
			SD_JSON_BUILD_PAIR_CONDITION(
				pci[0] != '\0', "pciAddress", SD_JSON_BUILD_STRING(pci)),
			SD_JSON_BUILD_PAIR_VARIANT("segments", segments),
			SD_JSON_BUILD_PAIR_STRING(
				"guestInterrupt", table_interrupt_name(row.interrupt)),
			SD_JSON_BUILD_PAIR_CONDITION(
				interrupt, "guestVector", SD_JSON_BUILD_UNSIGNED(row.vector)),
			SD_JSON_BUILD_PAIR_UNSIGNED("machineBase", guest->gpu.base),
			SD_JSON_BUILD_PAIR_UNSIGNED("machineLimit", guest->gpu.limit),
			SD_JSON_BUILD_PAIR_CONDITION(
				interrupt, "machineInterrupt", SD_JSON_BUILD_STRING("eventfd")));
	}
	sd_json_variant_unref(segments);
	return error;
}

int guests_table_to_json(const struct guests *guests, sd_json_variant **ret) {
	sd_json_variant *array = NULL;
	int error = new_array(&array);
	for (size_t i = 0; i < guests->len && error >= 0; i++) {
		sd_json_variant *row = NULL;
		if (guests->list[i]->gpu.limit != 0) {
			error = row_to_json(guests->list[i], &row);
			error = append(&array, row, error);
		}
	}
	return finish_array(array, error, ret);
}

int guests_vram_to_json(const struct guests *guests, sd_json_variant **ret) {
	const struct vram *vram = &guests->vram;
	sd_json_variant *slices = NULL;
	int error = new_array(&slices);
	for (size_t i = 0; i < vram->len && error >= 0; i++) {
		const struct vram_slice *slice = &vram->slices[i];
		error = sd_json_variant_append_arraybo(&slices,
			SD_JSON_BUILD_PAIR_STRING("guest", slice->name),
			SD_JSON_BUILD_PAIR_UNSIGNED("base", slice->base),
			SD_JSON_BUILD_PAIR_UNSIGNED("limit", slice->limit),
			SD_JSON_BUILD_PAIR_UNSIGNED("aperture", slice->aperture));
	}
	if (error >= 0) {
		error = sd_json_buildo(ret, SD_JSON_BUILD_PAIR_UNSIGNED("size", vram->size),
			SD_JSON_BUILD_PAIR_UNSIGNED("free", vram_free_bytes(vram)),
			SD_JSON_BUILD_PAIR_VARIANT("slices", slices));
	}
	sd_json_variant_unref(slices);
	return error;
}

static int counts_to_json(
	const uint64_t untrusted_counts[TRAP_CLASS_COUNT], sd_json_variant **ret) {
	int error = new_array(ret);
	for (enum trap_class trap = 0; trap < TRAP_CLASS_COUNT && error >= 0; trap++) {
		error = sd_json_variant_append_arraybo(ret,
			SD_JSON_BUILD_PAIR_STRING("trap", trap_class_name(trap)),
			SD_JSON_BUILD_PAIR_BOOLEAN("privileged", trap_class_privileged(trap)),
			SD_JSON_BUILD_PAIR_UNSIGNED("count", clamp(untrusted_counts[trap])));
	}
	return error;
}

int guest_traps_to_json(const struct guest *guest, sd_json_variant **ret) {
	struct device_state_view untrusted;
	uint64_t untrusted_input[TRAP_CLASS_COUNT];
	sd_json_variant *traps = NULL, *input = NULL;
	if (!gpu_read_state(&guest->gpu, &untrusted)) {
		return -ENODATA;
	}
	int error = counts_to_json(untrusted.state.traps, &traps);
	if (error >= 0 && gpu_count_input_traps(&guest->gpu, untrusted_input)) {
		error = counts_to_json(untrusted_input, &input);
	}
	if (error >= 0) {
		error = sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("traps", traps),
			SD_JSON_BUILD_PAIR_CONDITION(
				input != NULL, "inputTraps", SD_JSON_BUILD_VARIANT(input)),
			SD_JSON_BUILD_PAIR_UNSIGNED("time", clock_usec()),
			SD_JSON_BUILD_PAIR_UNSIGNED("looks", clamp(untrusted.looks)),
			SD_JSON_BUILD_PAIR_UNSIGNED("commits", clamp(untrusted.commits)),
			SD_JSON_BUILD_PAIR_UNSIGNED("resets", clamp(untrusted.state.resets)));
	}
	sd_json_variant_unref(traps);
	sd_json_variant_unref(input);
	return error;
}
