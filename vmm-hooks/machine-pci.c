#include "machine-pci.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BRIDGES_MAX 8 // bridges behind bridges

static bool number_of(
	sd_json_variant *untrusted, const char *key, uint64_t limit, unsigned *ret_number) {
	sd_json_variant *value = sd_json_variant_by_key(untrusted, key);
	if (value == NULL || !sd_json_variant_is_unsigned(value) ||
		sd_json_variant_unsigned(value) >= limit) {
		return false;
	}
	*ret_number = (unsigned)sd_json_variant_unsigned(value);
	return true;
}

static bool is_device(sd_json_variant *untrusted_device, const char *id) {
	sd_json_variant *name = sd_json_variant_by_key(untrusted_device, "qdev_id");
	return name != NULL && sd_json_variant_is_string(name) &&
		strcmp(sd_json_variant_string(name), id) == 0;
}

static bool find_on_bus(
	sd_json_variant *untrusted_devices, const char *id, unsigned depth, char ret_address[16]) {
	if (untrusted_devices == NULL || !sd_json_variant_is_array(untrusted_devices) ||
		depth > BRIDGES_MAX) {
		return false;
	}
	for (size_t i = 0; i < sd_json_variant_elements(untrusted_devices); i++) {
		sd_json_variant *device = sd_json_variant_by_index(untrusted_devices, i);
		unsigned bus, slot, function;
		if (is_device(device, id) && number_of(device, "bus", 256, &bus) &&
			number_of(device, "slot", 32, &slot) &&
			number_of(device, "function", 8, &function)) {
			snprintf(ret_address, 16, "%02x:%02x.%x", bus & 0xff, slot & 0x1f,
				function & 7);
			return true;
		}
		sd_json_variant *bridge = sd_json_variant_by_key(device, "pci_bridge");
		if (bridge != NULL &&
			find_on_bus(sd_json_variant_by_key(bridge, "devices"), id, depth + 1,
				ret_address)) {
			return true;
		}
	}
	return false;
}

bool machine_pci_find(sd_json_variant *untrusted_buses, const char *id, char ret_address[16]) {
	if (untrusted_buses == NULL || !sd_json_variant_is_array(untrusted_buses)) {
		return false;
	}
	for (size_t i = 0; i < sd_json_variant_elements(untrusted_buses); i++) {
		sd_json_variant *bus = sd_json_variant_by_index(untrusted_buses, i);
		if (find_on_bus(sd_json_variant_by_key(bus, "devices"), id, 0, ret_address)) {
			return true;
		}
	}
	return false;
}
