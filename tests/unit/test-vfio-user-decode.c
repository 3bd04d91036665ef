#include "vfio-user.h"

#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Room for a header and the largest body that is tried. */
static _Alignas(8) uint8_t body[8192];
static struct vfio_user_request request;

static int decode_flags(uint16_t command, size_t size, size_t fds, uint32_t flags) {
	const struct vfio_user_header header = {
		.id = 7,
		.command = command,
		.size = (uint32_t)(sizeof(header) + size),
		.flags = flags,
	};
	return vfio_user_decode(&header, body, fds, &request);
}

static int decode(uint16_t command, size_t size, size_t fds) {
	return decode_flags(command, size, fds, 0);
}

static int decode_body(uint16_t command, const void *from, size_t size, size_t fds) {
	memset(body, 0xee, sizeof(body));
	memcpy(body, from, size);
	return decode(command, size, fds);
}

static void impossible_sizes_are_seen(void **state) {
	struct vfio_user_header header = {.command = VFIO_USER_DEVICE_RESET, .size = 16};
	assert_true(vfio_user_header_valid(&header));
	const uint32_t bad[] = {0, 15, VFIO_USER_MESSAGE_MAX + 1, INT32_MAX, UINT32_MAX};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		header.size = bad[i];
		assert_false(vfio_user_header_valid(&header));
		assert_int_equal(vfio_user_decode(&header, body, 0, &request), -EINVAL);
	}
	header.size = VFIO_USER_MESSAGE_MAX;
	assert_true(vfio_user_header_valid(&header));
}

static void flags_are_checked(void **state) {
	assert_int_equal(decode(VFIO_USER_DEVICE_RESET, 0, 0), 0);
	assert_false(request.no_reply);
	assert_int_equal(request.id, 7);
	assert_int_equal(decode_flags(VFIO_USER_DEVICE_RESET, 0, 0, VFIO_USER_FLAG_NO_REPLY), 0);
	assert_true(request.no_reply);
	const uint32_t bad[] = {VFIO_USER_FLAG_REPLY, 2, 0xf, VFIO_USER_FLAG_ERROR, 0x40, 1u << 31};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode_flags(VFIO_USER_DEVICE_RESET, 0, 0, bad[i]), -EINVAL);
	}
}

static void unknown_commands_are_not_supported(void **state) {
	// GET_REGION_IO_FDS, DMA_READ, DMA_WRITE, dirty pages, and what does not exist.
	const uint16_t unknown[] = {0, 6, 11, 12, 14, 16, 17, 18, 255, UINT16_MAX};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(decode(unknown[i], 0, 0), -ENOTSUP);
	}
}

static void every_length_but_the_right_one_is_refused(void **state) {
	const struct {
		uint16_t command;
		size_t size, fds;
	} cases[] = {
		{VFIO_USER_DMA_MAP, 32, 1},
		{VFIO_USER_DMA_UNMAP, 24, 0},
		{VFIO_USER_DEVICE_GET_INFO, 16, 0},
		{VFIO_USER_DEVICE_GET_REGION_INFO, 32, 0},
		{VFIO_USER_DEVICE_GET_IRQ_INFO, 16, 0},
		{VFIO_USER_DEVICE_SET_IRQS, 20, 0},
		{VFIO_USER_REGION_READ, 16, 0},
		{VFIO_USER_REGION_WRITE, 16 + 4, 0},
		{VFIO_USER_REGION_WRITE_MULTI, 8 + 2 * 24, 0},
		{VFIO_USER_DEVICE_RESET, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(body, 0, sizeof(body));
		uint16_t command = cases[i].command;
		if (command == VFIO_USER_DMA_MAP) {
			*(struct vfio_user_dma_map *)body =
				(struct vfio_user_dma_map){.size = 4096};
		} else if (command == VFIO_USER_DMA_UNMAP) {
			*(struct vfio_user_dma_unmap *)body =
				(struct vfio_user_dma_unmap){.size = 4096};
		} else if (command == VFIO_USER_DEVICE_SET_IRQS) {
			((struct vfio_user_irq_set *)body)->flags = 0x21;
		} else if (command == VFIO_USER_REGION_READ || command == VFIO_USER_REGION_WRITE) {
			((struct vfio_user_region_access *)body)->count = 4;
		} else if (command == VFIO_USER_REGION_WRITE_MULTI) {
			struct vfio_user_multi *multi = (struct vfio_user_multi *)body;
			multi->count = 2;
			multi->writes[0].count = multi->writes[1].count = 8;
		} else {
			*(uint32_t *)body = 32; // argsz
		}
		for (size_t size = 0; size < 100; size++) {
			assert_int_equal(decode(command, size, cases[i].fds),
				size == cases[i].size ? 0 : -EINVAL);
		}
		assert_int_equal(decode(command, cases[i].size, cases[i].fds + 1), -EINVAL);
		assert_int_equal(decode(command, cases[i].size, 17), -EINVAL);
	}
}

static void a_refusal_leaves_the_request_alone(void **state) {
	memset(&request, 0x5a, sizeof(request));
	struct vfio_user_request before = request;
	assert_int_equal(decode(VFIO_USER_DMA_MAP, 31, 0), -EINVAL);
	assert_memory_equal(&before, &request, sizeof(request));
}

static void maps_are_aligned_and_do_not_wrap(void **state) {
	const struct {
		struct vfio_user_dma_map map;
		int result;
	} cases[] = {
		{{32, 3, 0, 0, 4096}, 0},
		{{32, 1, 0x80000000, UINT64_C(1) << 32, 1 << 20}, 0},
		{{32, 3, 0, UINT64_MAX - 4095, 4096}, 0},
		{{32, 3, 0, UINT64_MAX - 4095, 8192}, -EINVAL},
		{{32, 3, 0, 0, 0}, -EINVAL},
		{{32, 3, 0, 0, 4095}, -EINVAL},
		{{32, 3, 0, 1, 4096}, -EINVAL},
		{{32, 3, 1, 0, 4096}, -EINVAL},
		{{32, 3, UINT64_MAX - 4095, 0, 4096}, -EINVAL},
		{{32, 3, INT64_MAX - 4095, 0, 4096}, -EINVAL},
		{{32, 3, 0, 0, UINT64_MAX - 4095}, -EINVAL},
		{{32, 7, 0, 0, 4096}, -EINVAL},
		{{32, 1u << 31, 0, 0, 4096}, -EINVAL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			decode_body(VFIO_USER_DMA_MAP, &cases[i].map, 32, 1), cases[i].result);
		assert_int_equal(
			decode_body(VFIO_USER_DMA_MAP, &cases[i].map, 32, 0), cases[i].result);
	}
}

static void unmaps_are_exact_or_of_everything(void **state) {
	const struct {
		struct vfio_user_dma_unmap unmap;
		int result;
	} cases[] = {
		{{24, 0, 4096, 4096}, 0},
		{{24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0}, 0},
		{{24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 4096}, -EINVAL},
		{{24, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, 0, 4096}, -EINVAL},
		{{24, 0, 0, 0}, -EINVAL},
		{{24, 0, UINT64_MAX - 4095, 8192}, -EINVAL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			decode_body(VFIO_USER_DMA_UNMAP, &cases[i].unmap, 24, 0), cases[i].result);
	}
}

static void info_needs_room_for_its_reply(void **state) {
	uint32_t info[8] = {16};
	assert_int_equal(decode_body(VFIO_USER_DEVICE_GET_INFO, info, 16, 0), 0);
	assert_int_equal(decode_body(VFIO_USER_DEVICE_GET_REGION_INFO, info, 32, 0), -EINVAL);
	info[0] = 32;
	info[2] = 7;
	assert_int_equal(decode_body(VFIO_USER_DEVICE_GET_REGION_INFO, info, 32, 0), 0);
	assert_int_equal(request.region_info.index, 7);
}

static void interrupt_flags_are_one_of_each(void **state) {
	struct vfio_user_irq_set set = {.argsz = 20, .index = 2, .start = 1, .count = 3};
	for (uint32_t flags = 0; flags < 128; flags++) {
		set.flags = flags;
		uint32_t data = flags & 7, action = flags & 0x38;
		bool valid = flags < 64 && (data == 1 || data == 2 || data == 4) &&
			(action == 8 || action == 16 || action == 32);
		size_t bools = data == VFIO_IRQ_SET_DATA_BOOL ? 3 : 0;
		uint8_t bytes[23] = {0};
		memcpy(bytes, &set, sizeof(set));
		size_t fds = data == VFIO_IRQ_SET_DATA_EVENTFD ? 3 : 0;
		assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, bytes, 20 + bools, fds),
			valid ? 0 : -EINVAL);
	}
}

static void interrupt_counts_match_what_comes_with_them(void **state) {
	struct vfio_user_irq_set set = {.argsz = 20, .flags = 0x24, .index = 2, .count = 1};
	assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, &set, 20, 1), 0);
	// What QEMU sends first: one interrupt, no descriptor.
	assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, &set, 20, 0), 0);
	assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, &set, 20, 2), -EINVAL);
	set.count = 3;
	assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, &set, 20, 2), -EINVAL);
	set.start = UINT32_MAX - 1;
	assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, &set, 20, 3), -EINVAL);
	set = (struct vfio_user_irq_set){.flags = 0x22, .count = UINT32_MAX};
	assert_int_equal(decode_body(VFIO_USER_DEVICE_SET_IRQS, &set, 20, 0), -EINVAL);
}

static void accesses_are_bounded(void **state) {
	struct vfio_user_region_access access = {.offset = 8, .region = 7, .count = 4};
	assert_int_equal(decode_body(VFIO_USER_REGION_READ, &access, 16, 0), 0);
	assert_null(request.access.data);
	assert_int_equal(request.access.offset, 8);
	access.count = VFIO_USER_DATA_MAX;
	assert_int_equal(decode_body(VFIO_USER_REGION_READ, &access, 16, 0), 0);
	const struct vfio_user_region_access bad[] = {
		{.count = 0},
		{.count = VFIO_USER_DATA_MAX + 1},
		{.count = UINT32_MAX},
		{.offset = UINT64_MAX, .count = 4},
		{.offset = UINT64_MAX - 2, .count = 4},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode_body(VFIO_USER_REGION_READ, &bad[i], 16, 0), -EINVAL);
	}
}

static void a_write_carries_its_bytes(void **state) {
	const uint8_t data[] = {1, 2, 3, 4};
	const uint32_t counts[] = {4, 5, 3};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const struct vfio_user_region_access access = {
			.offset = 0x504, .region = 2, .count = counts[i]};
		uint8_t write[sizeof(access) + sizeof(data)];
		memcpy(write, &access, sizeof(access));
		memcpy(write + sizeof(access), data, sizeof(data));
		assert_int_equal(decode_body(VFIO_USER_REGION_WRITE, write, sizeof(write), 0),
			counts[i] == sizeof(data) ? 0 : -EINVAL);
	}
	assert_memory_equal(request.access.data, data, sizeof(data));
}

static void many_writes_are_each_checked(void **state) {
	struct {
		uint64_t count;
		struct vfio_user_multi_write writes[3];
	} multi = {3, {{0, 2, 8, {1}}, {8, 2, 1, {2}}, {16, 2, 4, {3}}}};
	struct vfio_user_access access;
	assert_int_equal(decode_body(VFIO_USER_REGION_WRITE_MULTI, &multi, sizeof(multi), 0), 0);
	assert_true(vfio_user_multi_access(&request, 2, &access));
	assert_int_equal(access.offset, 16);
	assert_int_equal(access.data[0], 3);
	assert_false(vfio_user_multi_access(&request, 3, &access));
	multi.writes[2].count = 9;
	assert_int_equal(
		decode_body(VFIO_USER_REGION_WRITE_MULTI, &multi, sizeof(multi), 0), -EINVAL);
	multi.writes[2].count = 4;
	const uint64_t bad[] = {0, 2, 4, 201, UINT64_MAX, UINT64_MAX / 24 + 2};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		multi.count = bad[i];
		assert_int_equal(
			decode_body(VFIO_USER_REGION_WRITE_MULTI, &multi, sizeof(multi), 0),
			-EINVAL);
	}
}

static int version(uint16_t major, const char *json, size_t size) {
	const struct vfio_user_version header = {.major = major};
	memcpy(body, &header, sizeof(header));
	memcpy(body + sizeof(header), json, size);
	return decode(VFIO_USER_VERSION, sizeof(header) + size, 0);
}

#define VERSION(json) version(0, json, sizeof(json))

static void capabilities_are_read(void **state) {
	assert_int_equal(
		VERSION("{\"capabilities\":{\"max_msg_fds\":16,"
			"\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535,\"pgsizes\":4096,"
			"\"migration\":{\"pgsize\":4096},\"write_multiple\":true}}"),
		0);
	assert_int_equal(request.version.capabilities.max_msg_fds, 16);
	assert_int_equal(request.version.capabilities.max_data_xfer_size, 1048576);
	assert_true(request.version.capabilities.write_multiple);
}

static void missing_capabilities_get_defaults(void **state) {
	assert_int_equal(version(0, "", 0), 0);
	assert_int_equal(VERSION("{}"), 0);
	assert_int_equal(VERSION("{\"capabilities\":{}}"), 0);
	assert_int_equal(request.version.capabilities.max_msg_fds, 1);
	assert_false(request.version.capabilities.write_multiple);
}

static void bad_json_is_refused(void **state) {
	assert_int_equal(version(0, "{}", 2), -EINVAL); // no NUL
	assert_int_equal(version(0, "{}\0", 4), -EINVAL);
	assert_int_equal(version(1, "{}", 3), -ENOTSUP);
	assert_int_equal(VERSION(""), -EINVAL);
	assert_int_equal(VERSION("[]"), -EINVAL);
	assert_int_equal(VERSION("{"), -EINVAL);
	assert_int_equal(VERSION("{}{}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":1}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":{\"max_msg_fds\":0}}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":{\"max_msg_fds\":-1}}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":{\"max_msg_fds\":\"16\"}}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":{\"max_data_xfer_size\":0}}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":{\"pgsizes\":8192}}"), -EINVAL);
	assert_int_equal(VERSION("{\"capabilities\":{\"write_multiple\":1}}"), -EINVAL);
}

static void deep_or_huge_json_is_refused(void **state) {
	char json[5000];
	assert_int_equal(VERSION("{\"a\":[[[[[[[1]]]]]]]}"), 0);
	assert_int_equal(VERSION("{\"a\":[[[[[[[[1]]]]]]]]}"), -EINVAL);
	memset(json, ' ', sizeof(json));
	memcpy(json, "{}", 2);
	json[VFIO_USER_JSON_MAX - 1] = '\0';
	assert_int_equal(version(0, json, VFIO_USER_JSON_MAX), 0);
	json[VFIO_USER_JSON_MAX - 1] = ' ';
	json[VFIO_USER_JSON_MAX] = '\0';
	assert_int_equal(version(0, json, VFIO_USER_JSON_MAX + 1), -EINVAL);
}

static void a_reply_is_never_longer_than_its_request(void **state) {
	char json[300];
	for (size_t room = 0; room < sizeof(json); room++) {
		size_t size = vfio_user_format_capabilities(json, room, true);
		assert_true(size <= room);
		if (size > 0) {
			assert_int_equal(json[size - 1], '\0');
			struct vfio_user_capabilities capabilities;
			assert_int_equal(
				vfio_user_parse_capabilities(json, size, &capabilities), 0);
			assert_int_equal(capabilities.write_multiple, size > 3);
		}
		assert_true(room < 3 ? size == 0 : size >= 3);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_sizes_are_seen),
		cmocka_unit_test(flags_are_checked),
		cmocka_unit_test(unknown_commands_are_not_supported),
		cmocka_unit_test(every_length_but_the_right_one_is_refused),
		cmocka_unit_test(a_refusal_leaves_the_request_alone),
		cmocka_unit_test(maps_are_aligned_and_do_not_wrap),
		cmocka_unit_test(unmaps_are_exact_or_of_everything),
		cmocka_unit_test(info_needs_room_for_its_reply),
		cmocka_unit_test(interrupt_flags_are_one_of_each),
		cmocka_unit_test(interrupt_counts_match_what_comes_with_them),
		cmocka_unit_test(accesses_are_bounded),
		cmocka_unit_test(a_write_carries_its_bytes),
		cmocka_unit_test(many_writes_are_each_checked),
		cmocka_unit_test(capabilities_are_read),
		cmocka_unit_test(missing_capabilities_get_defaults),
		cmocka_unit_test(bad_json_is_refused),
		cmocka_unit_test(deep_or_huge_json_is_refused),
		cmocka_unit_test(a_reply_is_never_longer_than_its_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
