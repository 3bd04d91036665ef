#include "gpu-command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODATA VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define BODY_MAX 20 // 32-bit words after the header

/* A command as a guest sends it: header, then 32-bit words. */
struct wire {
	struct virtio_gpu_ctrl_hdr hdr;
	uint32_t body[BODY_MAX];
};

/* Exactly size bytes, so that a sanitizer sees a read past them. */
static uint32_t decode_bytes(
	const void *bytes, size_t size, size_t total, struct gpu_command *ret) {
	uint8_t *copy = malloc(size > 0 ? size : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, size);
	uint32_t answer = gpu_command_decode(copy, size, total, ret);
	free(copy);
	return answer;
}

static uint32_t decode(
	uint32_t type, const uint32_t *body, unsigned words, struct gpu_command *ret) {
	struct wire wire = {.hdr = {.type = type}};
	memcpy(wire.body, body, words * 4);
	size_t size = sizeof(wire.hdr) + words * 4;
	return decode_bytes(&wire, size, size, ret);
}

#define DECODE(type, ret, ...)                                                                     \
	decode(type, (const uint32_t[]){__VA_ARGS__},                                              \
		sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), ret)

static void every_field_arrives(void **state) {
	struct gpu_command c;
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &c, 7,
				 VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 640, 480),
		NODATA);
	assert_int_equal(c.type, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D);
	assert_int_equal(c.create_2d.resource, 7);
	assert_int_equal(c.create_2d.format, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM);
	assert_int_equal(c.create_2d.width, 640);
	assert_int_equal(c.create_2d.height, 480);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_UNREF, &c, 8, 0), NODATA);
	assert_int_equal(c.resource.resource, 8);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, &c, 9, 0), NODATA);
	assert_int_equal(c.resource.resource, 9);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, 1, 2, 3, 4, 5, 6), NODATA);
	assert_int_equal(c.set_scanout.rect.x, 1);
	assert_int_equal(c.set_scanout.rect.y, 2);
	assert_int_equal(c.set_scanout.rect.width, 3);
	assert_int_equal(c.set_scanout.rect.height, 4);
	assert_int_equal(c.set_scanout.scanout, 5);
	assert_int_equal(c.set_scanout.resource, 6);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_FLUSH, &c, 1, 2, 3, 4, 10, 0), NODATA);
	assert_int_equal(c.flush.resource, 10);
	assert_int_equal(c.flush.rect.height, 4);
	assert_int_equal(
		DECODE(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, &c, 1, 2, 3, 4, 5, 6, 11, 0), NODATA);
	assert_int_equal(c.transfer.resource, 11);
	assert_int_equal(c.transfer.rect.width, 3);
	assert_int_equal(c.transfer.offset, UINT64_C(6) << 32 | 5);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_GET_CAPSET_INFO, &c, 2, 0), NODATA);
	assert_int_equal(c.capset_info.index, 2);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_GET_CAPSET, &c, 2, 0), NODATA);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_GET_EDID, &c, 3, 0), NODATA);
	assert_int_equal(c.edid.scanout, 3);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_UPDATE_CURSOR, &c, 1, 2, 3, 0, 4, 5, 6, 0), NODATA);
	assert_int_equal(c.cursor.scanout, 1);
	assert_int_equal(c.cursor.x, 2);
	assert_int_equal(c.cursor.y, 3);
	assert_int_equal(c.cursor.resource, 4);
	assert_int_equal(c.cursor.hot_x, 5);
	assert_int_equal(c.cursor.hot_y, 6);
	// What a move has in the fields of an update does not count.
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_MOVE_CURSOR, &c, 1, 2, 3, 0, 4, 5, 6, 0), NODATA);
	assert_int_equal(c.cursor.x, 2);
	assert_int_equal(c.cursor.resource, 0);
	assert_int_equal(c.cursor.hot_x, 0);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_MOVE_CURSOR, &c, 1, 2, 3, 0), NODATA);
	struct virtio_gpu_ctrl_hdr query = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	assert_int_equal(decode_bytes(&query, sizeof(query), sizeof(query), &c), NODATA);
}

static const struct {
	uint32_t type;
	unsigned words; // of its body, at least
} commands[] = {
	{VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4},
	{VIRTIO_GPU_CMD_RESOURCE_UNREF, 2},
	{VIRTIO_GPU_CMD_SET_SCANOUT, 6},
	{VIRTIO_GPU_CMD_RESOURCE_FLUSH, 6},
	{VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 8},
	{VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 2},
	{VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 2},
	{VIRTIO_GPU_CMD_GET_CAPSET_INFO, 2},
	{VIRTIO_GPU_CMD_GET_CAPSET, 2},
	{VIRTIO_GPU_CMD_GET_EDID, 2},
	{VIRTIO_GPU_CMD_UPDATE_CURSOR, 8},
	{VIRTIO_GPU_CMD_MOVE_CURSOR, 4},
	{VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 8},
	{VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, 18},
};

static void short_commands_are_refused(void **state) {
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct wire wire = {.hdr = {.type = commands[i].type}};
		memset(wire.body, 0x01, sizeof(wire.body));
		struct gpu_command c;
		size_t whole = sizeof(wire.hdr) + commands[i].words * 4;
		for (size_t size = 0; size < whole; size++) {
			assert_int_equal(decode_bytes(&wire, size, size, &c),
				size < sizeof(wire.hdr) ? UNSPEC : BAD_PARAMETER);
		}
	}
}

static void the_fence_of_a_refused_command_is_echoed(void **state) {
	const struct virtio_gpu_ctrl_hdr hdr = {
		.type = 0x4242,
		.flags = VIRTIO_GPU_FLAG_FENCE,
		.fence_id = UINT64_C(0x123456789abcdef0),
		.ctx_id = 5,
	};
	struct gpu_command c;
	assert_int_equal(decode_bytes(&hdr, sizeof(hdr), sizeof(hdr), &c), UNSPEC);
	struct virtio_gpu_ctrl_hdr answer = gpu_response(&c, UNSPEC);
	assert_int_equal(answer.type, UNSPEC);
	assert_int_equal(answer.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_true(answer.fence_id == hdr.fence_id);
	assert_int_equal(answer.ctx_id, 5);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct virtio_gpu_ctrl_hdr cut = hdr;
		cut.type = commands[i].type;
		assert_int_equal(decode_bytes(&cut, sizeof(cut), sizeof(cut), &c), BAD_PARAMETER);
		assert_true(c.fenced);
		assert_true(c.fence_id == hdr.fence_id);
	}
}

static void an_answer_without_a_fence_has_none(void **state) {
	const struct virtio_gpu_ctrl_hdr hdr = {
		.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
		.flags = ~(uint32_t)VIRTIO_GPU_FLAG_FENCE,
		.fence_id = 99,
	};
	struct gpu_command c;
	assert_int_equal(decode_bytes(&hdr, sizeof(hdr), sizeof(hdr), &c), NODATA);
	assert_false(c.fenced);
	struct virtio_gpu_ctrl_hdr answer = gpu_response(&c, NODATA);
	assert_int_equal(answer.flags, 0);
	assert_int_equal(answer.fence_id, 0);
	// Half a header has no fence that could be trusted.
	struct virtio_gpu_ctrl_hdr fenced = {.flags = VIRTIO_GPU_FLAG_FENCE, .fence_id = 1};
	assert_int_equal(decode_bytes(&fenced, sizeof(fenced) - 1, 4096, &c), UNSPEC);
	assert_false(c.fenced);
}

static void unknown_commands_are_refused(void **state) {
	const uint32_t types[] = {0, 0xff, VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID,
		VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, VIRTIO_GPU_CMD_CTX_CREATE,
		VIRTIO_GPU_CMD_SUBMIT_3D, 0x0302, NODATA, UINT32_MAX};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct wire wire = {.hdr = {.type = types[i]}};
		struct gpu_command c;
		assert_int_equal(decode_bytes(&wire, sizeof(wire), sizeof(wire), &c), UNSPEC);
	}
}

static void resource_0_is_no_resource(void **state) {
	struct gpu_command c;
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &c, 0, 1, 1, 1), BAD_RESOURCE);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_UNREF, &c, 0, 0), BAD_RESOURCE);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, &c, 0, 0), BAD_RESOURCE);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_FLUSH, &c, 0, 0, 1, 1, 0, 0), BAD_RESOURCE);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, &c, 0, 0, 1, 1, 0, 0, 0, 0),
		BAD_RESOURCE);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, &c, 0, 1), BAD_RESOURCE);
}

/* CVE-2026-3886 and its kind: no product of these numbers is ever made. */
static void image_sizes_that_overflow_are_refused(void **state) {
	const uint32_t sizes[][2] = {{0, 0}, {0, 1}, {1, 0}, {65536, 65536}, {0x40000001, 1},
		{1, 0x40000001}, {UINT32_MAX, UINT32_MAX}, {GPU_RESOURCE_SIZE_MAX + 1, 1},
		{1, GPU_RESOURCE_SIZE_MAX + 1}, {0x8000, 0x8001}};
	struct gpu_command c;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &c, 1, 1, sizes[i][0],
					 sizes[i][1]),
			BAD_PARAMETER);
	}
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &c, 1, 1, GPU_RESOURCE_SIZE_MAX,
				 GPU_RESOURCE_SIZE_MAX),
		NODATA);
}

static void unknown_formats_are_refused(void **state) {
	const uint32_t known[] = {1, 2, 3, 4, 67, 68, 121, 134};
	for (uint32_t format = 0, next = 0; format < 300; format++) {
		struct gpu_command c;
		bool expected = next < 8 && known[next] == format;
		next += expected;
		assert_int_equal(DECODE(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &c, 1, format, 1, 1),
			expected ? NODATA : BAD_PARAMETER);
	}
}

/* CVE-2016-10028, CVE-2016-10029 and QEMU's #383: an index is checked before it is one. */
static void scanouts_out_of_range_are_refused(void **state) {
	const uint32_t ids[] = {VIRTIO_GPU_MAX_SCANOUTS, 17, 0x80000000, UINT32_MAX};
	struct gpu_command c;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, 0, 0, 1, 1, ids[i], 1), BAD_SCANOUT);
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, 0, 0, 0, 0, ids[i], 0), BAD_SCANOUT);
		assert_int_equal(DECODE(VIRTIO_GPU_CMD_GET_EDID, &c, ids[i], 0), BAD_SCANOUT);
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_UPDATE_CURSOR, &c, ids[i], 0, 0, 0, 1, 0, 0, 0),
			BAD_SCANOUT);
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_MOVE_CURSOR, &c, ids[i], 0, 0, 0), BAD_SCANOUT);
	}
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_GET_EDID, &c, 15, 0), NODATA);
}

static void rectangles_that_wrap_are_refused(void **state) {
	const uint32_t rects[][4] = {{1, 0, UINT32_MAX, 1}, {UINT32_MAX, 0, 1, 1},
		{0, 1, 1, UINT32_MAX}, {0, UINT32_MAX, 1, 1}, {0x80000000, 0, 0x80000000, 1}};
	for (size_t i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
		const uint32_t *r = rects[i];
		struct gpu_command c;
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, r[0], r[1], r[2], r[3], 0, 1),
			BAD_PARAMETER);
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_RESOURCE_FLUSH, &c, r[0], r[1], r[2], r[3], 1, 0),
			BAD_PARAMETER);
		assert_int_equal(DECODE(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, &c, r[0], r[1], r[2],
					 r[3], 0, 0, 1, 0),
			BAD_PARAMETER);
		// Off is off.
		assert_int_equal(
			DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, r[0], r[1], r[2], r[3], 0, 0),
			NODATA);
		assert_int_equal(c.set_scanout.rect.width, 0);
	}
}

static void an_empty_scanout_is_refused(void **state) {
	struct gpu_command c;
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, 0, 0, 0, 1, 0, 1), BAD_PARAMETER);
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_SET_SCANOUT, &c, 0, 0, 1, 0, 0, 1), BAD_PARAMETER);
}

/* CVE-2016-7994, CVE-2016-9846, CVE-2016-5403: nothing is allocated for a bare number. */
static void backings_that_their_command_does_not_hold_are_refused(void **state) {
	const struct {
		uint32_t entries;
		uint64_t bytes;
		uint32_t answer;
	} cases[] = {
		{0, 0, BAD_PARAMETER}, {1, 16, NODATA}, {1, 15, BAD_PARAMETER},
		{1, 17, BAD_PARAMETER}, {1, 0, BAD_PARAMETER}, {2, 16, BAD_PARAMETER},
		{GPU_BACKING_ENTRIES_MAX, GPU_BACKING_ENTRIES_MAX * 16, NODATA},
		{GPU_BACKING_ENTRIES_MAX + 1, (GPU_BACKING_ENTRIES_MAX + 1) * 16, BAD_PARAMETER},
		{UINT32_MAX, 16, BAD_PARAMETER},
		{UINT32_MAX, UINT64_C(0xffffffff) * 16, BAD_PARAMETER},
		{0x10000001, 16, BAD_PARAMETER}, // 16 bytes, modulo 2^32
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire wire = {
			.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING},
			.body = {3, cases[i].entries},
		};
		size_t total = sizeof(struct virtio_gpu_resource_attach_backing) + cases[i].bytes;
		size_t size = total < sizeof(wire) ? total : sizeof(wire);
		struct gpu_command c;
		assert_int_equal(decode_bytes(&wire, size, total, &c), cases[i].answer);
		if (cases[i].answer == NODATA) {
			assert_int_equal(c.attach.resource, 3);
			assert_int_equal(c.attach.entries, cases[i].entries);
		}
	}
}

/* CVE-2021-4206, CVE-2021-4207. */
static void a_hot_spot_far_out_stays_in_the_cursor(void **state) {
	struct gpu_command c;
	assert_int_equal(DECODE(VIRTIO_GPU_CMD_UPDATE_CURSOR, &c, 0, UINT32_MAX, 0x80000000, 0, 1,
				 64, UINT32_MAX, 0),
		NODATA);
	assert_int_equal(c.cursor.hot_x, 63);
	assert_int_equal(c.cursor.hot_y, 63);
}

static const struct virtio_gpu_set_scanout_blob good_scanout = {
	.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
	.r = {1, 2, 30, 40},
	.scanout_id = 3,
	.resource_id = 4,
	.width = 64,
	.height = 48,
	.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
	.strides = {260},
	.offsets = {8},
};

static uint32_t decode_scanout(
	const struct virtio_gpu_set_scanout_blob *wire, struct gpu_command *ret) {
	return decode_bytes(wire, sizeof(*wire), sizeof(*wire), ret);
}

static void layouts_arrive_and_end_with_their_last_pixel(void **state) {
	struct gpu_command c;
	assert_int_equal(decode_scanout(&good_scanout, &c), NODATA);
	assert_int_equal(c.set_scanout_blob.scanout, 3);
	assert_int_equal(c.set_scanout_blob.resource, 4);
	assert_int_equal(c.set_scanout_blob.rect.height, 40);
	const struct gpu_layout *layout = &c.set_scanout_blob.layout;
	assert_int_equal(layout->width, 64);
	assert_int_equal(layout->stride, 260);
	assert_int_equal(gpu_layout_end(layout), 8 + 47 * 260 + 64 * 4);
	struct virtio_gpu_set_scanout_blob off = {.hdr = good_scanout.hdr, .scanout_id = 15};
	assert_int_equal(decode_scanout(&off, &c), NODATA);
	assert_int_equal(c.set_scanout_blob.resource, 0);
}

static void layouts_that_overflow_are_refused(void **state) {
	const struct {
		uint32_t width, height, stride, offset, x, rect_width;
		uint32_t answer;
	} cases[] = {
		{64, 48, 256, 0, 0, 64, NODATA},
		{64, 48, 252, 0, 0, 1, BAD_PARAMETER},
		{64, 48, 258, 0, 0, 1, BAD_PARAMETER},
		{64, 48, 256, 2, 0, 1, BAD_PARAMETER},
		{64, 48, 256, 0, 1, 64, BAD_PARAMETER},
		{64, 48, 256, 0, UINT32_MAX, 1, BAD_PARAMETER},
		{64, 48, 256, 0, 0, 0, BAD_PARAMETER},
		{64, 48, 256, UINT32_MAX - 3, 0, 1, BAD_PARAMETER},
		{64, 48, 0xfffffffc, 0, 0, 1, BAD_PARAMETER},
		{1, 1, 0xfffffffc, 0xfffffffc, 0, 1, BAD_PARAMETER},
		{1, 1, 0xfffffffc, 0xfffffff8, 0, 1, NODATA},
		{0x40000001, 1, 4, 0, 0, 1, BAD_PARAMETER},
		{1, 0x40000001, 4, 0, 0, 1, BAD_PARAMETER},
		{0, 1, 4, 0, 0, 1, BAD_PARAMETER},
		{1, 0, 4, 0, 0, 1, BAD_PARAMETER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_gpu_set_scanout_blob wire = good_scanout;
		struct gpu_command c;
		wire.width = cases[i].width;
		wire.height = cases[i].height;
		wire.strides[0] = cases[i].stride;
		wire.offsets[0] = cases[i].offset;
		wire.r = (struct virtio_gpu_rect){cases[i].x, 0, cases[i].rect_width, 1};
		assert_int_equal(decode_scanout(&wire, &c), cases[i].answer);
	}
	struct virtio_gpu_set_scanout_blob wire = good_scanout;
	struct gpu_command c;
	wire.scanout_id = VIRTIO_GPU_MAX_SCANOUTS;
	assert_int_equal(decode_scanout(&wire, &c), BAD_SCANOUT);
	wire = good_scanout;
	wire.format = 0;
	assert_int_equal(decode_scanout(&wire, &c), BAD_PARAMETER);
}

/* QEMU's #4112 and its kind; a blob larger than its backing is for the engine to see. */
static void blobs_that_their_command_does_not_hold_are_refused(void **state) {
	const struct {
		uint32_t id, memory, flags, entries;
		uint64_t size, bytes;
		uint32_t answer;
	} cases[] = {
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 3, 2, 4096, 32, NODATA},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 1, GPU_BLOB_SIZE_MAX, 16, NODATA},
		{0, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 1, 4096, 16, BAD_RESOURCE},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 1, 0, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 1, UINT64_C(1) << 32, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 1, UINT64_MAX, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 4, 1, 4096, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, UINT32_MAX, 1, 4096, 16, BAD_PARAMETER},
		{1, 0, 0, 1, 4096, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_HOST3D, 0, 0, 4096, 0, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, 0, 1, 4096, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 0, 4096, 0, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 2, 4096, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, UINT32_MAX, 4096, 16, BAD_PARAMETER},
		{1, VIRTIO_GPU_BLOB_MEM_GUEST, 0, 0x10000001, 4096, 16, BAD_PARAMETER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct virtio_gpu_resource_create_blob wire = {
			.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
			.resource_id = cases[i].id,
			.blob_mem = cases[i].memory,
			.blob_flags = cases[i].flags,
			.nr_entries = cases[i].entries,
			.size = cases[i].size,
		};
		struct gpu_command c;
		assert_int_equal(
			decode_bytes(&wire, sizeof(wire), sizeof(wire) + cases[i].bytes, &c),
			cases[i].answer);
		if (cases[i].answer == NODATA) {
			assert_int_equal(c.create_blob.entries, cases[i].entries);
			assert_int_equal(c.create_blob.size, cases[i].size);
		}
	}
}

static void answers_have_the_size_of_their_kind(void **state) {
	assert_int_equal(gpu_response_size(NODATA), 24);
	assert_int_equal(gpu_response_size(UNSPEC), 24);
	assert_int_equal(gpu_response_size(UINT32_MAX), 24);
	assert_int_equal(gpu_response_size(VIRTIO_GPU_RESP_OK_DISPLAY_INFO), 24 + 16 * 24);
	assert_int_equal(gpu_response_size(VIRTIO_GPU_RESP_OK_CAPSET_INFO), 24 + 16);
	assert_int_equal(gpu_response_size(VIRTIO_GPU_RESP_OK_EDID), 24 + 8 + 1024);
}

static void commands_have_names_and_the_privileged_are_known(void **state) {
	assert_string_equal(
		gpu_command_name(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D), "RESOURCE_CREATE_2D");
	assert_null(gpu_command_name(0));
	assert_null(gpu_command_name(UINT32_MAX));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		assert_non_null(gpu_command_name(commands[i].type));
	}
	const uint32_t drawing[] = {VIRTIO_GPU_CMD_GET_DISPLAY_INFO, VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, VIRTIO_GPU_CMD_GET_EDID,
		VIRTIO_GPU_CMD_MOVE_CURSOR, VIRTIO_GPU_CMD_UPDATE_CURSOR, UINT32_MAX};
	for (size_t i = 0; i < sizeof(drawing) / sizeof(drawing[0]); i++) {
		assert_false(gpu_command_privileged(drawing[i]));
	}
	const uint32_t privileged[] = {VIRTIO_GPU_CMD_SET_SCANOUT,
		VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, VIRTIO_GPU_CMD_RESOURCE_UNREF,
		VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
		VIRTIO_GPU_CMD_CTX_CREATE};
	for (size_t i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
		assert_true(gpu_command_privileged(privileged[i]));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_arrives),
		cmocka_unit_test(short_commands_are_refused),
		cmocka_unit_test(the_fence_of_a_refused_command_is_echoed),
		cmocka_unit_test(an_answer_without_a_fence_has_none),
		cmocka_unit_test(layouts_arrive_and_end_with_their_last_pixel),
		cmocka_unit_test(layouts_that_overflow_are_refused),
		cmocka_unit_test(blobs_that_their_command_does_not_hold_are_refused),
		cmocka_unit_test(unknown_commands_are_refused),
		cmocka_unit_test(resource_0_is_no_resource),
		cmocka_unit_test(image_sizes_that_overflow_are_refused),
		cmocka_unit_test(unknown_formats_are_refused),
		cmocka_unit_test(scanouts_out_of_range_are_refused),
		cmocka_unit_test(rectangles_that_wrap_are_refused),
		cmocka_unit_test(an_empty_scanout_is_refused),
		cmocka_unit_test(backings_that_their_command_does_not_hold_are_refused),
		cmocka_unit_test(a_hot_spot_far_out_stays_in_the_cursor),
		cmocka_unit_test(answers_have_the_size_of_their_kind),
		cmocka_unit_test(commands_have_names_and_the_privileged_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
