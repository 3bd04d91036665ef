#include "transfer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "engine-model.h"

#define WIDTH 600 // pixels: nine tiles and a bit, wide; parts of it are narrow
#define HEIGHT 50
#define STRIDE (WIDTH * 4)
#define BYTES (STRIDE * HEIGHT)
#define PAGE RIG_PAGE
#define PAGES 30 // that the picture has
#define ENTRIES_MAX 8192

/* A picture and a backing, without resources around them. */
static struct {
	uint8_t *picture;         // pages of its own
	struct tile_sum sums[40]; // of its tiles
	struct tile_key key;
	uint8_t guest[64 * PAGE];
	struct device_state_backing entries[ENTRIES_MAX];
	uint32_t starts[ENTRIES_MAX];
	uint32_t count;
	unsigned resolved;
	uint64_t end; // of the first map, the second begins there; 0: there is one
	uint64_t gap; // a page that is not mapped; 0: none
} rig;

static const void *resolve(void *data, uint64_t address, uint64_t *length) {
	rig.resolved++;
	if (address >= sizeof(rig.guest) || (rig.gap > 0 && address - rig.gap < PAGE)) {
		return NULL;
	}
	uint64_t end = address < rig.end ? rig.end : sizeof(rig.guest);
	*length = *length < end - address ? *length : end - address;
	return rig.guest + address;
}

static const struct guest_memory memory = {.resolve = resolve};

static int setup(void **state) {
	memset(&rig, 0, sizeof(rig));
	rig.picture = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(rig.picture, MAP_FAILED);
	tile_key_init(&rig.key);
	srand(3);
	for (size_t i = 0; i < sizeof(rig.guest); i++) {
		rig.guest[i] = (uint8_t)rand();
	}
	return 0;
}

static int teardown(void **state) {
	munmap(rig.picture, (PAGES + 1) * PAGE);
	return 0;
}

static void fill_picture(uint8_t byte) {
	memset(rig.picture, byte, BYTES);
	memset(rig.sums, 0, sizeof(rig.sums));
}

static void add_entry(uint64_t address, uint32_t length) {
	assert_true(rig.count < ENTRIES_MAX);
	rig.entries[rig.count++] = (struct device_state_backing){address, length, 0};
	assert_true(backing_measure(rig.entries, rig.count, rig.starts));
}

static struct damage_boxes transfer(struct gpu_rect rect, uint64_t offset) {
	const struct backing backing = {rig.entries, rig.starts, rig.count};
	struct backing_reader reader;
	struct damage_boxes noted = {0};
	backing_reader_init(&reader, &backing, &memory);
	const struct picture picture = {.pixels = rig.picture,
		.width = WIDTH,
		.height = HEIGHT,
		.sums = rig.sums,
		.key = &rig.key};
	transfer_copy(&picture, &rect, &reader, offset, &noted);
	return noted;
}

static const struct gpu_rect all = {0, 0, WIDTH, HEIGHT};

static void a_whole_picture_is_copied(void **state) {
	add_entry(12, BYTES);
	struct damage_boxes noted = transfer(all, 0);
	assert_memory_equal(rig.picture, rig.guest + 12, BYTES);
	assert_int_equal(noted.len, 1);
	assert_int_equal(noted.box[0].width, WIDTH);
	assert_int_equal(noted.box[0].height, HEIGHT);
}

static void an_unchanged_picture_is_not_written(void **state) {
	add_entry(0, BYTES);
	transfer(all, 0);
	assert_int_equal(mprotect(rig.picture, (PAGES + 1) * PAGE, PROT_READ), 0);
	assert_int_equal(transfer(all, 0).len, 0);
	assert_int_equal(transfer((struct gpu_rect){3, 5, 70, 20}, 5 * STRIDE + 12).len, 0);
}

static void what_did_not_change_lately_is_not_read_again(void **state) {
	add_entry(12, sizeof(rig.guest) - 12);
	transfer(all, 0);
	transfer(all, 0);
	assert_int_equal(mprotect(rig.picture, (PAGES + 1) * PAGE, PROT_NONE), 0);
	assert_int_equal(transfer(all, 0).len, 0);
	assert_int_equal(transfer((struct gpu_rect){64, 16, 536, 34}, 16 * STRIDE + 256).len, 0);
}

/* Whatever was known of its tile, and by whichever rectangle it comes. */
static void a_change_is_copied(void **state) {
	static const struct gpu_rect rects[] = {{0, 0, WIDTH, HEIGHT}, {64, 16, 536, 34},
		{64, 16, 64, 16}, {70, 20, 20, 3}, {0, 17, WIDTH, 33}, {1, 0, 599, HEIGHT}};
	add_entry(12, sizeof(rig.guest) - 12);
	for (unsigned i = 0; i < 10000; i++) {
		const struct gpu_rect *rect =
			&rects[(size_t)rand() % (sizeof(rects) / sizeof(rects[0]))];
		const struct gpu_rect *other =
			&rects[(size_t)rand() % (sizeof(rects) / sizeof(rects[0]))];
		uint32_t x = rect->x + (uint32_t)rand() % rect->width;
		uint32_t y = rect->y + (uint32_t)rand() % rect->height;
		if (rand() % 4 == 0) {
			rig.guest[12 + y * STRIDE + x * 4] ^= 1;
		}
		uint64_t offset = rect->y * (uint64_t)STRIDE + rect->x * 4;
		transfer(*rect, offset);
		assert_int_equal(transfer(*rect, offset).len, 0);
		for (uint32_t row = 0; row < rect->height; row++, offset += STRIDE) {
			assert_memory_equal(
				rig.picture + offset, rig.guest + 12 + offset, rect->width * 4);
		}
		transfer(*other, other->y * (uint64_t)STRIDE + other->x * 4);
	}
}

static void one_pixel_is_one_tile(void **state) {
	const struct {
		uint32_t x, y;
		struct damage_box box;
	} cases[] = {
		{0, 0, {0, 0, 64, 16}},
		{63, 15, {0, 0, 64, 16}},
		{64, 16, {64, 16, 64, 16}},
		{599, 49, {576, 48, 24, 2}},
	};
	add_entry(0, BYTES);
	transfer(all, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned byte = 0; byte < 8; byte++) {
			if (byte >= 4) {
				assert_int_equal(transfer(all, 0).len, 0);
			}
			rig.guest[cases[i].y * STRIDE + cases[i].x * 4 + byte % 4] ^= 1;
			struct damage_boxes noted = transfer(all, 0);
			assert_int_equal(noted.len, 1);
			assert_memory_equal(&noted.box[0], &cases[i].box, sizeof(cases[i].box));
			assert_memory_equal(rig.picture, rig.guest, BYTES);
		}
	}
}

static void only_the_rectangle_is_copied(void **state) {
	uint8_t *expected = calloc(1, BYTES);
	add_entry(0, sizeof(rig.guest));
	const struct gpu_rect rect = {17, 9, 100, 20};
	const uint64_t offset = 4321; // anywhere, not on a pixel
	for (uint32_t y = 0; y < rect.height; y++) {
		memcpy(expected + (rect.y + y) * STRIDE + rect.x * 4,
			rig.guest + offset + (size_t)y * STRIDE, rect.width * 4);
	}
	struct damage_boxes noted = transfer(rect, offset);
	assert_memory_equal(rig.picture, expected, BYTES);
	assert_int_equal(noted.len, 1);
	assert_int_equal(noted.box[0].x, 17);
	assert_int_equal(noted.box[0].y, 9);
	assert_int_equal(noted.box[0].width, 100);
	assert_int_equal(noted.box[0].height, 20);
	free(expected);
}

/* The first rows, as a whole or in columns. */
static void transfer_rows(uint32_t rows, bool columns) {
	uint32_t width = columns ? 75 : WIDTH;
	fill_picture(0xa5);
	for (uint32_t x = 0; x < WIDTH; x += width) {
		transfer((struct gpu_rect){x, 0, width, rows}, (uint64_t)x * 4);
	}
}

static void scattered_pages_make_the_same_picture(void **state) {
	for (uint32_t i = 0; i < PAGES; i++) {
		add_entry((uint64_t)(i * 7 % PAGES + 20) * PAGE, PAGE);
	}
	for (unsigned columns = 0; columns < 2; columns++) {
		transfer_rows(HEIGHT, columns);
		for (uint32_t i = 0; i < BYTES; i++) {
			uint32_t page = i / PAGE * 7 % PAGES + 20;
			assert_int_equal(rig.picture[i], rig.guest[page * PAGE + i % PAGE]);
		}
	}
	// Also from each entry's first byte on, and its last.
	for (uint32_t i = 0; i < PAGES - 1; i++) {
		for (uint32_t before = 0; before < 2; before++) {
			transfer((struct gpu_rect){0, 0, WIDTH, 1}, (i + 1) * PAGE - before);
			assert_int_equal(rig.picture[before],
				rig.guest[((i + 1) * 7 % PAGES + 20) * (size_t)PAGE]);
		}
	}
	// The order in which rows are asked for does not matter.
	fill_picture(0);
	for (uint32_t y = HEIGHT; y-- > 0;) {
		transfer((struct gpu_rect){0, y, WIDTH, 1}, (uint64_t)y * STRIDE);
	}
	assert_int_equal(transfer(all, 0).len, 0);
}

static void entries_of_single_bytes_make_the_same_picture(void **state) {
	uint64_t at = 0;
	uint32_t length = 1, bytes = 0;
	for (; bytes < 20 * STRIDE; length = length % 13 + 1) {
		add_entry(at, length);
		at += length + 3;
		bytes += length;
	}
	for (unsigned columns = 0; columns < 2; columns++) {
		transfer_rows(20, columns);
		for (uint32_t i = 0, byte = 0; i < rig.count; i++) {
			const struct device_state_backing *entry = &rig.entries[i];
			for (uint32_t n = 0; n < entry->length && byte < 20 * STRIDE; n++, byte++) {
				assert_int_equal(rig.picture[byte], rig.guest[entry->address + n]);
			}
		}
	}
}

/* A gap is zeroes, never what was there before; a map's end is no gap. */
static void gaps_in_guest_memory_read_as_zeroes(void **state) {
	add_entry(0, 2 * PAGE);
	add_entry(UINT64_C(1) << 40, 3 * PAGE);        // nowhere
	add_entry(sizeof(rig.guest) - PAGE, 3 * PAGE); // ends nowhere
	add_entry(5 * PAGE, (PAGES - 8) * PAGE);
	rig.end = PAGE;
	for (unsigned columns = 0; columns < 2; columns++) {
		transfer_rows(HEIGHT, columns);
		for (uint32_t i = 0; i < BYTES; i++) {
			uint32_t page = i / PAGE;
			size_t at = page < 2 ? i
				: page == 5  ? sizeof(rig.guest) - PAGE + i % PAGE
					     : (size_t)(page - 8 + 5) * PAGE + i % PAGE;
			bool gap = (page >= 2 && page < 5) || page == 6 || page == 7;
			assert_int_equal(rig.picture[i], gap ? 0 : rig.guest[at]);
		}
	}
}

static void a_gap_ends_with_its_page(void **state) {
	add_entry(UINT64_MAX - 2 * PAGE + 1 - 100, 100); // nowhere, and then
	add_entry(5 * PAGE - 10, 2 * PAGE);
	rig.gap = 4 * PAGE;
	for (unsigned columns = 0; columns < 2; columns++) {
		transfer_rows(3, columns);
		for (uint32_t i = 0; i < 3 * STRIDE; i++) {
			assert_int_equal(
				rig.picture[i], i < 110 ? 0 : rig.guest[5 * PAGE + i - 110]);
		}
	}
}

static void a_map_is_asked_for_once(void **state) {
	for (uint32_t i = 0; i < PAGES; i++) {
		add_entry((uint64_t)(i + 20) * PAGE, PAGE);
	}
	transfer(all, 0);
	assert_int_equal(rig.resolved, 1);
}

struct writer {
	pthread_t thread;
	bool stop;
};

static void *scribble(void *data) {
	struct writer *writer = data;
	unsigned seed = 1;
	while (!__atomic_load_n(&writer->stop, __ATOMIC_RELAXED)) {
		volatile uint8_t *at = rig.guest + rand_r(&seed) % BYTES;
		uint8_t before = *at;
		*at = (uint8_t)rand_r(&seed);
		if (rand_r(&seed) % 2 == 0) {
			*at = before;
		}
	}
	return NULL;
}

static bool covered(const struct damage_boxes *noted, uint32_t x, uint32_t y) {
	for (size_t i = 0; i < noted->len; i++) {
		const struct damage_box *box = &noted->box[i];
		if (x >= box->x && x < box->x + box->width && y >= box->y &&
			y < box->y + box->height) {
			return true;
		}
	}
	return false;
}

static void what_a_guest_writes_meanwhile_is_noted_or_still_differs(void **state) {
	static uint8_t before[BYTES];
	struct writer writer = {0};
	add_entry(0, BYTES);
	transfer(all, 0);
	assert_int_equal(pthread_create(&writer.thread, NULL, scribble, &writer), 0);
	unsigned differed = 0;
	for (int round = 0; round < 2000; round++) {
		memcpy(before, rig.picture, BYTES);
		struct damage_boxes noted = transfer(all, 0);
		for (uint32_t i = 0; i < BYTES; i++) {
			if (before[i] != rig.picture[i]) {
				differed++;
				assert_true(covered(&noted, i % STRIDE / 4, i / STRIDE));
			}
		}
	}
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(writer.thread, NULL);
	assert_true(differed > 0);
	transfer(all, 0);
	assert_memory_equal(rig.picture, rig.guest, BYTES);
}

/* Commands at random against the plainest engine there can be. */

static uint32_t below(uint32_t bound) {
	return (uint32_t)rand() % bound;
}

static struct gpu_rect random_rect(void) {
	struct gpu_rect rect = {below(30), below(20), below(below(3) == 0 ? 700 : 60), below(40)};
	if (below(2) == 0) {
		rect.x = rect.y = 0;
	}
	return rect;
}

static struct gpu_command random_command(void) {
	static const uint32_t types[] = {VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		VIRTIO_GPU_CMD_RESOURCE_UNREF, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
		VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		VIRTIO_GPU_CMD_SET_SCANOUT, VIRTIO_GPU_CMD_UPDATE_CURSOR};
	struct gpu_command command = {.type = types[below(11)]};
	uint32_t id = 1 + below(12);
	switch (command.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		command.create_2d.resource = id;
		command.create_2d.format = 1 + below(4);
		command.create_2d.width = below(3) == 0 ? 64 : 1 + below(below(3) == 0 ? 800 : 150);
		command.create_2d.height = below(3) == 0 ? 64 : 1 + below(60);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		command.attach.resource = id;
		command.attach.entries = 1 + below(12);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		command.transfer.resource = id;
		command.transfer.rect = random_rect();
		command.transfer.offset = below(2) == 0 ? 0 : below(3 * PAGE);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		command.flush.resource = id;
		command.flush.rect = random_rect();
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		command.set_scanout.resource = id;
		command.set_scanout.rect = random_rect();
		break;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
		command.cursor.resource = id;
		break;
	default:
		command.resource.resource = id;
	}
	return command;
}

static void random_entries(struct virtio_gpu_mem_entry entries[12]) {
	for (unsigned i = 0; i < 12; i++) {
		uint32_t page = below(66), pages = 1 + below(8); // perhaps beyond the end
		entries[i] = (struct virtio_gpu_mem_entry){
			.addr = RIG_GUEST_BASE + page * PAGE + (below(4) == 0 ? below(PAGE) : 0),
			.length = below(40) == 0 ? 0
						 : pages * PAGE - (below(4) == 0 ? below(PAGE) : 0),
		};
		if (below(3) == 0 && i > 0) { // the next one joins
			entries[i].addr = entries[i - 1].addr + entries[i - 1].length;
		}
	}
}

static void random_commands_match_a_plain_engine(void **state) {
	static struct engine_rig engine;
	static struct engine_model model;
	unsigned answered[2] = {0};
	srand(11);
	engine_rig_init(&engine, MODEL_APERTURE, MODEL_HEAP, MODEL_GUEST);
	engine_model_init(&model, &engine);
	for (int step = 0; step < 6000; step++) {
		struct virtio_gpu_mem_entry entries[12];
		random_entries(entries);
		for (unsigned n = below(8); n > 0; n--) { // the guest draws
			memset(engine.guest + below(MODEL_GUEST - 512), (int)below(256),
				1 + below(512));
		}
		engine.hole = below(3) == 0 ? RIG_GUEST_BASE + below(64) * PAGE : 0;
		const struct gpu_command command = random_command();
		bool good = engine_model_run(&model, &command, entries, below(40) == 0) ==
			VIRTIO_GPU_RESP_OK_NODATA;
		answered[good]++;
		if (below(300) == 0) {
			engine_model_clear(&model, below(2) == 0);
		}
		engine_model_check(&model);
	}
	// Both kinds are worth something only where they are not rare.
	assert_true(answered[0] > 1000 && answered[1] > 1000);
	engine_model_finish(&model);
	engine_rig_finish(&engine);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_whole_picture_is_copied),
		TEST(an_unchanged_picture_is_not_written),
		TEST(what_did_not_change_lately_is_not_read_again),
		TEST(a_change_is_copied),
		TEST(one_pixel_is_one_tile),
		TEST(only_the_rectangle_is_copied),
		TEST(scattered_pages_make_the_same_picture),
		TEST(entries_of_single_bytes_make_the_same_picture),
		TEST(gaps_in_guest_memory_read_as_zeroes),
		TEST(a_gap_ends_with_its_page),
		TEST(a_map_is_asked_for_once),
		TEST(what_a_guest_writes_meanwhile_is_noted_or_still_differs),
		cmocka_unit_test(random_commands_match_a_plain_engine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
