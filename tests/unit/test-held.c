#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "held.h"

struct given {
	struct device_state_gpu state;
	struct held held;
	uint16_t heads[DEVICE_STATE_HELD_MAX];
	unsigned count;
	bool busy;
};

static bool take(void *data, const struct device_state_held *answer) {
	struct given *given = data;
	if (given->busy) {
		return false;
	}
	given->heads[given->count++] = answer->head;
	return true;
}

static void start(struct given *given) {
	*given = (struct given){0};
	held_init(&given->held, &given->state);
}

static bool add(struct given *given, uint16_t chain, uint8_t scanout, bool fenced) {
	const struct device_state_held answer = {
		.head = chain, .scanout = scanout, .fenced = fenced, .written = 24};
	return held_add(&given->held, &answer);
}

static bool frame(struct given *given, unsigned head) {
	given->count = 0;
	return held_frame(&given->held, head, take, given);
}

static void one_flush_is_answered_by_its_frame(void **state) {
	struct given given;
	start(&given);
	assert_true(add(&given, 7, 0, false));
	assert_false(frame(&given, 0));
	assert_int_equal(given.count, 1);
	assert_int_equal(given.heads[0], 7);
	assert_int_equal(held_heads(&given.held), 0);
}

static void of_many_one_goes_with_each_frame(void **state) {
	struct given given;
	start(&given);
	for (uint16_t i = 0; i < 10; i++) {
		assert_true(add(&given, i, 0, false));
	}
	for (uint16_t i = 0; i < 5; i++) {
		assert_true(frame(&given, 0));
		assert_int_equal(given.count, 1);
		assert_int_equal(given.heads[0], i);
		assert_true(add(&given, 100 + i, 0, false));
	}
}

static void all_go_when_no_other_has_come(void **state) {
	struct given given;
	start(&given);
	for (uint16_t i = 0; i < 10; i++) {
		assert_true(add(&given, i, 0, false));
	}
	assert_true(frame(&given, 0));
	assert_int_equal(given.count, 1);
	assert_false(frame(&given, 0));
	assert_int_equal(given.count, 9);
	for (uint16_t i = 0; i < 9; i++) {
		assert_int_equal(given.heads[i], i + 1);
	}
}

static void who_waits_for_a_fence_is_never_behind(void **state) {
	struct given given;
	start(&given);
	assert_true(add(&given, 1, 0, false));
	assert_true(add(&given, 2, 0, false));
	assert_true(add(&given, 3, 0, true));
	assert_true(frame(&given, 0));
	assert_int_equal(given.count, 2);
	assert_int_equal(given.heads[0], 1);
	assert_int_equal(given.heads[1], 3);
}

static void heads_wait_for_their_own_frames(void **state) {
	struct given given;
	start(&given);
	assert_true(add(&given, 1, 0, false));
	assert_true(add(&given, 2, 3, false));
	assert_int_equal(held_heads(&given.held), 0x9);
	assert_false(frame(&given, 1));
	assert_int_equal(given.count, 0);
	assert_false(frame(&given, 3));
	assert_int_equal(given.count, 1);
	assert_int_equal(given.heads[0], 2);
	assert_int_equal(held_heads(&given.held), 0x1);
}

static void what_cannot_be_given_back_stays(void **state) {
	struct given given;
	start(&given);
	assert_true(add(&given, 1, 0, false));
	assert_true(add(&given, 2, 0, true));
	given.busy = true;
	assert_true(frame(&given, 0));
	given.busy = false;
	assert_false(frame(&given, 0));
	assert_int_equal(given.count, 2);
	assert_int_equal(given.heads[0], 1);
	assert_int_equal(given.heads[1], 2);
}

static void what_has_no_room_is_not_held(void **state) {
	struct given given;
	start(&given);
	for (uint16_t i = 0; i < DEVICE_STATE_HELD_MAX; i++) {
		assert_true(add(&given, i, 0, false));
	}
	assert_false(add(&given, 99, 0, false));
	assert_false(add(&given, 99, DEVICE_STATE_HEADS, false));
}

static void state_of_an_earlier_process_goes_on(void **state) {
	struct given given;
	start(&given);
	assert_true(add(&given, 1, 0, false));
	assert_true(add(&given, 2, 0, false));
	held_init(&given.held, &given.state);
	assert_int_equal(held_heads(&given.held), 0x1);
	assert_false(frame(&given, 0));
	assert_int_equal(given.count, 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flush_is_answered_by_its_frame),
		cmocka_unit_test(of_many_one_goes_with_each_frame),
		cmocka_unit_test(all_go_when_no_other_has_come),
		cmocka_unit_test(who_waits_for_a_fence_is_never_behind),
		cmocka_unit_test(heads_wait_for_their_own_frames),
		cmocka_unit_test(what_cannot_be_given_back_stays),
		cmocka_unit_test(what_has_no_room_is_not_held),
		cmocka_unit_test(state_of_an_earlier_process_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
