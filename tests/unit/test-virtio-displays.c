#include "virtio-displays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/virtio_gpu.h>

struct rig {
	sd_event *event;
	struct device_state_gpu state;
	struct link_setup link;
	struct virtio_displays displays;
	unsigned due, told;
};

static struct rig rig;

static void handle_due(void *data) {
	rig.due++;
}

static void handle_told(void *data) {
	assert_int_equal(rig.state.events, VIRTIO_GPU_EVENT_DISPLAY);
	rig.told++;
}

static const struct virtio_displays_ops ops = {.due = handle_due, .told = handle_told};

static int setup(void **state) {
	rig = (struct rig){
		.link =
			{
				.heads = 2,
				.follow = 1,
				.prefer_width = 1024,
				.prefer_height = 768,
				.refresh = 60000,
			},
	};
	return sd_event_new(&rig.event) < 0 ||
			virtio_displays_init(
				&rig.displays, rig.event, &rig.state, &rig.link, &ops, NULL) < 0
		? -1
		: 0;
}

static int teardown(void **state) {
	virtio_displays_finish(&rig.displays);
	rig.event = sd_event_unref(rig.event);
	return 0;
}

static void resize(unsigned head, uint32_t width, uint32_t height) {
	virtio_displays_resize(&rig.displays, head, width, height, 60000, 120);
}

/* The driver clears the event, as it does after it has asked, or thinks so. */
static void clear(void) {
	rig.state.events = 0;
	virtio_displays_cleared(&rig.displays);
}

static void a_new_guest_is_told_what_its_file_says(void **state) {
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rig.state.displays[i].width, 1024);
		assert_int_equal(rig.state.displays[i].height, 768);
	}
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 0);
}

static void another_size_is_told_once(void **state) {
	resize(1, 1237, 699);
	assert_int_equal(rig.due, 1);
	assert_int_equal(rig.state.displays[1].width, 1024);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.state.displays[1].width, 1237);
	assert_int_equal(rig.state.displays[1].height, 699);
	assert_int_equal(rig.state.displays[0].width, 1024);
	virtio_displays_read(&rig.displays);
	clear();
	resize(1, 1237, 699);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.due, 1);
	assert_int_equal(rig.told, 1);
}

static void a_size_that_was_taken_back_is_not_told(void **state) {
	resize(0, 800, 600);
	virtio_displays_work(&rig.displays);
	resize(0, 1024, 768);
	resize(0, 800, 600);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 1);
}

static void an_event_cleared_unasked_is_raised_again(void **state) {
	resize(0, 800, 600);
	virtio_displays_work(&rig.displays);
	virtio_displays_read(&rig.displays);
	// This one comes after the driver has asked, and before it clears.
	resize(0, 801, 601);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 2);
	clear();
	assert_int_equal(rig.due, 3);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 3);
	virtio_displays_read(&rig.displays);
	clear();
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 3);
}

static void a_reset_ends_what_was_to_be_told(void **state) {
	resize(0, 800, 600);
	virtio_displays_work(&rig.displays);
	rig.state.unplugged = 1;
	virtio_displays_reset(&rig.displays);
	assert_int_equal(rig.state.events, 0);
	assert_int_equal(rig.state.unplugged, 0);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.state.displays[0].width, 800);
}

static void what_its_user_closes_is_unplugged_also_after_a_reset(void **state) {
	virtio_displays_plug(&rig.displays, 1, false);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.state.unplugged, 2);
	assert_int_equal(rig.told, 1);
	virtio_displays_shown(&rig.displays, 1, 0, 0);
	virtio_displays_work(&rig.displays);
	virtio_displays_reset(&rig.displays);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.state.unplugged, 2);
	virtio_displays_plug(&rig.displays, 1, true);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.state.unplugged, 0);
}

static void nonsense_and_fixed_sizes_are_not_told(void **state) {
	resize(2, 800, 600);
	resize(0, 0, 600);
	resize(0, 800, 0);
	rig.link.follow = 0;
	resize(0, 800, 600);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.due, 0);
	assert_int_equal(rig.told, 0);
}

static void what_an_earlier_process_unplugged_is_plugged_in(void **state) {
	virtio_displays_finish(&rig.displays);
	rig.state.unplugged = 2;
	assert_int_equal(
		virtio_displays_init(&rig.displays, rig.event, &rig.state, &rig.link, &ops, NULL),
		0);
	virtio_displays_work(&rig.displays);
	assert_int_equal(rig.state.unplugged, 0);
	assert_int_equal(rig.told, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_new_guest_is_told_what_its_file_says),
		TEST(another_size_is_told_once),
		TEST(a_size_that_was_taken_back_is_not_told),
		TEST(an_event_cleared_unasked_is_raised_again),
		TEST(a_reset_ends_what_was_to_be_told),
		TEST(what_its_user_closes_is_unplugged_also_after_a_reset),
		TEST(nonsense_and_fixed_sizes_are_not_told),
		TEST(what_an_earlier_process_unplugged_is_plugged_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
