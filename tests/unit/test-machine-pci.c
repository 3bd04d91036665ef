#include "machine-pci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool find(const char *text, char address[16]) {
	sd_json_variant *json = NULL;
	assert_return_code(sd_json_parse(text, 0, &json, NULL, NULL), 0);
	bool found = machine_pci_find(json, "gpu", address);
	sd_json_variant_unref(json);
	return found;
}

static void a_device_on_the_root_bus_is_found(void **state) {
	char address[16];
	assert_true(find("[{\"bus\":0,\"devices\":[{\"bus\":0,\"slot\":31,\"function\":2,"
			 "\"qdev_id\":\"\"},{\"bus\":0,\"slot\":2,\"function\":0,"
			 "\"qdev_id\":\"gpu\"}]}]",
		address));
	assert_string_equal(address, "00:02.0");
}

static void a_device_behind_a_bridge_is_found(void **state) {
	char address[16];
	assert_true(find("[{\"devices\":[{\"qdev_id\":\"x\",\"pci_bridge\":{\"devices\":["
			 "{\"bus\":255,\"slot\":31,\"function\":7,\"qdev_id\":\"gpu\"}]}}]}]",
		address));
	assert_string_equal(address, "ff:1f.7");
}

static void what_is_not_there_or_cannot_be_is_not_found(void **state) {
	static const char *const texts[] = {
		"[]",
		"{}",
		"5",
		"null",
		"[5, [], {}]",
		"[{\"devices\": 5}]",
		"[{\"devices\": [5, [], null, {}]}]",
		"[{\"devices\": [{\"qdev_id\": 7, \"bus\": 0, \"slot\": 0, \"function\": 0}]}]",
		"[{\"devices\": [{\"qdev_id\": \"gpu\"}]}]",
		"[{\"devices\": [{\"qdev_id\": \"gpu\", \"bus\": 256, \"slot\": 0, \"function\": 0}]}]",
		"[{\"devices\": [{\"qdev_id\": \"gpu\", \"bus\": 0, \"slot\": -1, \"function\": 0}]}]",
		"[{\"devices\": [{\"qdev_id\": \"gpu\", \"bus\": 0, \"slot\": 32, \"function\": 0}]}]",
		"[{\"devices\": [{\"qdev_id\": \"gpu\", \"bus\": 0, \"slot\": 0, \"function\": \"0\"}]}]",
		"[{\"devices\": [{\"pci_bridge\": 5}]}]",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char address[16] = "untouched";
		assert_false(find(texts[i], address));
		assert_string_equal(address, "untouched");
	}
}

static void bridges_behind_bridges_are_bounded(void **state) {
	char text[4096], address[16];
	size_t length = 0;
#define ADD(string) length += (size_t)snprintf(text + length, sizeof(text) - length, string)
	ADD("[{\"devices\":[");
	for (unsigned i = 0; i < 14; i++) {
		ADD("{\"pci_bridge\":{\"devices\":[");
	}
	ADD("{\"bus\":0,\"slot\":0,\"function\":0,\"qdev_id\":\"gpu\"}");
	for (unsigned i = 0; i < 14; i++) {
		ADD("]}}");
	}
	ADD("]}]");
#undef ADD
	assert_false(find(text, address));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_on_the_root_bus_is_found),
		cmocka_unit_test(a_device_behind_a_bridge_is_found),
		cmocka_unit_test(what_is_not_there_or_cannot_be_is_not_found),
		cmocka_unit_test(bridges_behind_bridges_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
