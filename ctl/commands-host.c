/* The commands that talk to mulliond. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "client.h"
#include "config-keys.h"
#include "table.h"
#include "varlink-interfaces.h"

static int call_with_name(
	const struct invocation *invocation, const char *method, print_func print) {
	sd_json_variant *parameters = NULL;
	int built =
		sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", invocation->argv[0]));
	return call_built(invocation, HOST_INTERFACE, method, built, parameters, print);
}

static void print_list(sd_json_variant *reply) {
	struct table table;
	table_init(&table, "NAME|>NUMBER|STATE|VMM|ACCEL|>MEMORY|VRAM|SANDBOX|TITLE");
	for (size_t i = 0; i < json_length(reply, "guests"); i++) {
		sd_json_variant *guest = json_item(reply, "guests", i);
		table_add(&table, json_text(guest, "name"));
		table_addf(&table, "%" PRIu64, json_number(guest, "number"));
		table_add(&table, json_text(guest, "state"));
		table_add(&table, json_text(guest, "vmm"));
		table_add(&table, json_text(guest, "accel"));
		table_add_size(&table, json_number(guest, "memory"));
		table_add_range(
			&table, json_number(guest, "sliceBase"), json_number(guest, "sliceLimit"));
		table_add(&table, json_bool(guest, "sandbox") ? "on" : "OFF");
		table_add(&table, json_text(guest, "title"));
	}
	table_print(&table);
	table_finish(&table);
}

static void print_number(
	struct table *table, const char *label, sd_json_variant *guest, const char *key) {
	if (json_has(guest, key)) {
		table_add(table, label);
		table_addf(table, "%" PRIu64, json_number(guest, key));
	}
}

static void print_text(struct table *table, const char *label, const char *text) {
	if (text[0] != '\0') {
		table_add(table, label);
		table_add(table, text);
	}
}

/* The layers of one process, all in one line. */
static void print_layers(
	struct table *table, const char *label, sd_json_variant *guest, const char *process) {
	char line[512] = "";
	size_t used = 0, length = strlen(process);
	for (size_t i = 0; i < json_length(guest, "layers"); i++) {
		sd_json_variant *item = json_item(guest, "layers", i);
		const char *layer =
			sd_json_variant_is_string(item) ? sd_json_variant_string(item) : "";
		if (strncmp(layer, process, length) == 0 && used < sizeof(line)) {
			used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s",
				used > 0 ? ", " : "", layer + length);
		}
	}
	print_text(table, label, line);
}

/* Only where it happened: it is nothing that anybody expects. */
static void print_restarts(struct table *table, sd_json_variant *guest) {
	if (json_has(guest, "deviceRestarts") && json_number(guest, "deviceRestarts") > 0) {
		table_add(table, "GPU restarts:");
		table_addf(table, "%" PRIu64, json_number(guest, "deviceRestarts"));
	}
}

/* Where the guest's pictures lie, if its GPU has such a place. */
static void print_heap(struct table *table, sd_json_variant *guest) {
	if (!json_has(guest, "heapSize")) {
		return;
	}
	char size[24], used[24];
	config_format_size(json_number(guest, "heapSize"), size, sizeof(size));
	config_format_size(json_number(guest, "heapUsed"), used, sizeof(used));
	table_add(table, "VRAM heap:");
	table_addf(table, "%s of %s, by %" PRIu64 " resources", used, size,
		json_number(guest, "resources"));
}

static void print_status(sd_json_variant *reply) {
	sd_json_variant *guest = NULL;
	struct table table = {.columns = 2};
	if (json_has(reply, "guest")) {
		guest = sd_json_variant_by_key(reply, "guest");
	}
	print_text(&table, "Name:", json_text(guest, "name"));
	print_text(&table, "Title:", json_text(guest, "title"));
	print_number(&table, "Number:", guest, "number");
	print_text(&table, "Colour:", json_text(guest, "colour"));
	print_text(&table, "State:", json_text(guest, "state"));
	print_text(&table, "Reason:", json_text(guest, "reason"));
	print_text(&table, "VMM:", json_text(guest, "vmm"));
	print_number(&table, "VMM's process:", guest, "vmmPid");
	print_text(&table, "Accelerator:", json_text(guest, "accel"));
	if (json_has(guest, "memory")) {
		table_add(&table, "Memory:");
		table_add_size(&table, json_number(guest, "memory"));
	}
	print_text(&table, "GPU:", json_text(guest, "personality"));
	print_number(&table, "GPU's heads:", guest, "heads");
	print_number(&table, "GPU's process:", guest, "devicePid");
	print_restarts(&table, guest);
	print_text(&table, "GPU's socket:", json_text(guest, "socket"));
	print_text(&table, "VMM connected:", json_bool(guest, "connected") ? "yes" : "no");
	if (json_has(guest, "sliceLimit")) {
		table_add(&table, "VRAM slice:");
		table_add_range(
			&table, json_number(guest, "sliceBase"), json_number(guest, "sliceLimit"));
		table_add(&table, "VRAM size:");
		table_add_size(&table, json_number(guest, "sliceLimit"));
	}
	print_heap(&table, guest);
	print_text(&table, "Shown:", json_bool(guest, "shown") ? "yes" : "no");
	print_text(&table, "Sandbox:", json_bool(guest, "sandbox") ? "on" : "OFF");
	print_layers(&table, "GPU's layers:", guest, "gpu: ");
	print_layers(&table, "VMM's layers:", guest, "vmm: ");
	table_print(&table);
	table_finish(&table);
}

static void add_interrupts(struct table *table, sd_json_variant *row) {
	const char *kind = json_text(row, "guestInterrupt");
	if (json_has(row, "guestVector")) {
		table_addf(table, "%s %" PRIu64, kind, json_number(row, "guestVector"));
	} else {
		table_add(table, kind);
	}
	table_add(table, json_text(row, "machineInterrupt"));
}

static void add_row(struct table *table, sd_json_variant *row, sd_json_variant *segment) {
	uint64_t size = json_number(segment, "size");
	table_add(table, json_text(row, "guest"));
	table_addf(table, "%" PRIu64, json_number(row, "number"));
	table_add(table, json_text(row, "pciAddress"));
	if (segment == NULL) {
		for (int i = 0; i < 3; i++) {
			table_add(table, NULL);
		}
		table_add_range(
			table, json_number(row, "machineBase"), json_number(row, "machineLimit"));
	} else {
		table_addf(table, "%" PRIu64, json_number(segment, "bar"));
		table_add_size(table, size);
		table_add_range(table, json_number(segment, "guestAddress"),
			json_has(segment, "guestAddress") ? size : 0);
		if (json_has(segment, "machineAddress")) {
			table_add_range(table, json_number(segment, "machineAddress"), size);
		} else {
			table_add(table, "traps");
		}
	}
	add_interrupts(table, row);
}

static void print_table(sd_json_variant *reply) {
	struct table table;
	table_init(&table,
		"GUEST|>NUMBER|PCI|>BAR|>SIZE|GUEST SEGMENT|MACHINE SEGMENT|GUEST INTERRUPT|MACHINE INTERRUPT");
	for (size_t i = 0; i < json_length(reply, "rows"); i++) {
		sd_json_variant *row = json_item(reply, "rows", i);
		size_t segments = json_length(row, "segments");
		for (size_t j = 0; j < segments; j++) {
			add_row(&table, row, json_item(row, "segments", j));
		}
		if (segments == 0) {
			add_row(&table, row, NULL);
		}
	}
	table_print(&table);
	table_finish(&table);
}

static int compare_bases(const void *a, const void *b) {
	uint64_t left = json_number(*(sd_json_variant *const *)a, "base");
	uint64_t right = json_number(*(sd_json_variant *const *)b, "base");
	return (left > right) - (left < right);
}

static void add_gap(struct table *table, uint64_t from, uint64_t to) {
	if (to > from) {
		table_add(table, "(free)");
		table_add_range(table, from, to - from);
		table_add_size(table, to - from);
		table_add(table, NULL);
	}
}

/* The map from bottom to top, with what is free between. */
static void print_vram(sd_json_variant *reply) {
	size_t n = json_length(reply, "slices");
	sd_json_variant **slices = calloc(n + 1, sizeof(slices[0]));
	struct table table;
	table_init(&table, "GUEST|ADDRESSES|>SIZE|>APERTURE");
	for (size_t i = 0; slices != NULL && i < n; i++) {
		slices[i] = json_item(reply, "slices", i);
	}
	if (slices != NULL) {
		qsort(slices, n, sizeof(slices[0]), compare_bases);
	}
	uint64_t end = 0;
	for (size_t i = 0; slices != NULL && i < n; i++) {
		uint64_t base = json_number(slices[i], "base"),
			 limit = json_number(slices[i], "limit");
		add_gap(&table, end, base);
		table_add(&table, json_text(slices[i], "guest"));
		table_add_range(&table, base, limit);
		table_add_size(&table, limit);
		table_add_size(&table, json_number(slices[i], "aperture"));
		end = base + limit;
	}
	add_gap(&table, end, json_number(reply, "size"));
	table_print(&table);
	table_finish(&table);
	free(slices);
	char size[32], available[32];
	config_format_size(json_number(reply, "size"), size, sizeof(size));
	config_format_size(json_number(reply, "free"), available, sizeof(available));
	printf("\npool %s, free %s\n", size, available);
}

int command_list(const struct invocation *invocation) {
	return call_and_print(invocation, HOST_INTERFACE, "List", NULL, print_list);
}

int command_status(const struct invocation *invocation) {
	return call_with_name(invocation, "Status", print_status);
}

int command_start(const struct invocation *invocation) {
	return call_with_name(invocation, "Start", NULL);
}

int command_stop(const struct invocation *invocation) {
	return call_with_name(invocation, "Stop", NULL);
}

int command_kill(const struct invocation *invocation) {
	return call_with_name(invocation, "Kill", NULL);
}

int command_table(const struct invocation *invocation) {
	return call_and_print(invocation, HOST_INTERFACE, "Table", NULL, print_table);
}

int command_vram(const struct invocation *invocation) {
	return call_and_print(invocation, HOST_INTERFACE, "Vram", NULL, print_vram);
}

int command_shutdown(const struct invocation *invocation) {
	return call_and_print(invocation, HOST_INTERFACE, "Shutdown", NULL, NULL);
}
