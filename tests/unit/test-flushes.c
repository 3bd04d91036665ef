#include "flushes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PERIOD UINT64_C(16667)
#define HIDDEN UINT64_C(500000)
#define START UINT64_C(1000000)

static const struct damage_boxes some = {.len = 1, .box = {{1, 2, 3, 4}}};
static const struct damage_boxes none;

struct rig {
	struct flushes flushes;
	struct pace pace;
};

/* A visible head of which all is shown, and an output that refreshed at START. */
static struct rig rig_start(void) {
	struct rig rig;
	flushes_init(&rig.flushes, HIDDEN);
	pace_init(&rig.pace, HIDDEN);
	pace_presented(&rig.pace, START, PERIOD * 1000, 0);
	return rig;
}

static void commit(struct rig *rig, uint64_t now) {
	pace_committed(&rig->pace, now);
	flushes_committed(&rig->flushes, now);
}

static bool frame(struct rig *rig, uint64_t now) {
	pace_frame(&rig->pace);
	return flushes_frame(&rig->flushes, now);
}

static uint64_t commit_at(const struct rig *rig) {
	return flushes_commit_at(&rig->flushes, &rig->pace);
}

static uint64_t answer_at(const struct rig *rig) {
	return flushes_answer_at(&rig->flushes, &rig->pace, true);
}

static void nothing_flushed_is_neither_committed_nor_answered(void **state) {
	struct rig rig = rig_start();
	assert_int_equal(commit_at(&rig), PACE_NEVER);
	assert_int_equal(answer_at(&rig), PACE_NEVER);
	assert_false(frame(&rig, START));
	assert_false(flushes_give_up(&rig.flushes));
}

static void a_flush_is_committed_at_once_and_answered_by_its_frame(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START + 100);
	assert_true(commit_at(&rig) <= START + 100);
	commit(&rig, START + 100);
	assert_int_equal(commit_at(&rig), PACE_NEVER);
	assert_true(frame(&rig, START + 200));
	assert_false(frame(&rig, START + 300));
	assert_int_equal(answer_at(&rig), PACE_NEVER);
}

static void what_comes_meanwhile_waits_for_the_frame(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START);
	commit(&rig, START);
	flushes_add(&rig.flushes, &some, START + 100);
	assert_int_equal(commit_at(&rig), PACE_NEVER);
	assert_true(frame(&rig, START + 200));
	assert_true(commit_at(&rig) <= START + 200);
	commit(&rig, START + 300);
	assert_true(frame(&rig, START + 400));
	assert_int_equal(answer_at(&rig), PACE_NEVER);
}

static void a_flush_of_nothing_meanwhile_is_answered_with_the_others(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START);
	commit(&rig, START);
	flushes_add(&rig.flushes, &none, START + 100);
	assert_true(frame(&rig, START + 200));
	assert_int_equal(commit_at(&rig), PACE_NEVER);
	assert_int_equal(answer_at(&rig), PACE_NEVER);
}

static void a_flush_of_nothing_is_answered_at_the_refresh(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &none, START + 5000);
	flushes_add(&rig.flushes, &none, START + 9000);
	assert_int_equal(commit_at(&rig), PACE_NEVER);
	assert_int_equal(answer_at(&rig), START + PERIOD);
	assert_true(flushes_give_up(&rig.flushes));
	// Where nobody knows when the output refreshes, a period later.
	flushes_add(&rig.flushes, &none, START + 10000000);
	assert_int_equal(answer_at(&rig), START + 10000000 + PERIOD);
}

static void what_cannot_be_committed_is_answered_late(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START + 5);
	assert_int_equal(flushes_answer_at(&rig.flushes, &rig.pace, false), START + 5 + HIDDEN);
	commit(&rig, START + 10);
	assert_int_equal(answer_at(&rig), START + 5 + HIDDEN);
	assert_true(flushes_give_up(&rig.flushes));
	// The frame came after all.
	assert_false(frame(&rig, START + 2 * HIDDEN));
}

static void what_has_no_picture_is_answered_at_the_refresh(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START + 5);
	flushes_dropped(&rig.flushes);
	assert_int_equal(commit_at(&rig), PACE_NEVER);
	assert_int_equal(answer_at(&rig), START + PERIOD);
}

static void a_hidden_head_is_slow(void **state) {
	struct rig rig = rig_start();
	pace_visible(&rig.pace, false);
	flushes_add(&rig.flushes, &some, START);
	assert_true(commit_at(&rig) <= START);
	commit(&rig, START);
	assert_int_equal(answer_at(&rig), START + HIDDEN);
	flushes_add(&rig.flushes, &some, START + 100);
	assert_int_equal(commit_at(&rig), START + HIDDEN);
	assert_int_equal(answer_at(&rig), START + HIDDEN);
	pace_visible(&rig.pace, true);
	assert_true(commit_at(&rig) <= START + 100);
}

static void a_change_waits_for_its_flush_but_not_for_ever(void **state) {
	struct rig rig = rig_start();
	flushes_change_all(&rig.flushes, START + PERIOD);
	assert_int_equal(commit_at(&rig), START + PERIOD);
	flushes_change_all(&rig.flushes, START + 2 * PERIOD);
	assert_int_equal(commit_at(&rig), START + PERIOD);
	flushes_add(&rig.flushes, &some, START + 10);
	assert_true(commit_at(&rig) <= START + 10);
	assert_true(rig.flushes.all);
	commit(&rig, START + 10);
	assert_false(rig.flushes.all);
}

static void a_change_without_a_flush_answers_nothing(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START);
	commit(&rig, START);
	flushes_change_all(&rig.flushes, START + PERIOD);
	assert_true(frame(&rig, START + 100));
	commit(&rig, START + PERIOD);
	assert_false(frame(&rig, START + PERIOD + 100));
}

static void a_frame_of_something_else_is_no_answer(void **state) {
	struct rig rig = rig_start();
	flushes_change_all(&rig.flushes, 0);
	commit(&rig, START);
	flushes_add(&rig.flushes, &some, START + 10);
	assert_false(frame(&rig, START + 20));
	commit(&rig, START + 30);
	assert_true(frame(&rig, START + 40));
}

static void a_flip_waits_for_its_flush_but_not_for_ever(void **state) {
	struct rig rig = rig_start();
	flushes_flip(&rig.flushes, &some, START + PERIOD);
	assert_int_equal(commit_at(&rig), START + PERIOD);
	flushes_flip(&rig.flushes, &none, START + 2 * PERIOD);
	assert_int_equal(commit_at(&rig), START + PERIOD);
	flushes_add(&rig.flushes, &none, START + 10);
	assert_true(commit_at(&rig) <= START + 10);
	assert_int_equal(rig.flushes.boxes.len, 1);
	commit(&rig, START + 10);
	assert_true(frame(&rig, START + 20));
	// Nobody waits for one that is not flushed.
	flushes_flip(&rig.flushes, &some, START + PERIOD);
	commit(&rig, START + PERIOD);
	assert_false(frame(&rig, START + PERIOD + 20));
}

static void a_flip_puts_off_no_flush(void **state) {
	struct rig rig = rig_start();
	flushes_add(&rig.flushes, &some, START);
	flushes_flip(&rig.flushes, &some, START + PERIOD);
	assert_true(commit_at(&rig) <= START);
}

static void boxes_add_up_until_they_are_committed(void **state) {
	struct rig rig = rig_start();
	const struct damage_boxes other = {.len = 1, .box = {{100, 100, 8, 8}}};
	flushes_add(&rig.flushes, &some, START);
	flushes_add(&rig.flushes, &other, START);
	assert_int_equal(rig.flushes.boxes.len, 2);
	commit(&rig, START);
	assert_int_equal(rig.flushes.boxes.len, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_flushed_is_neither_committed_nor_answered),
		cmocka_unit_test(a_flush_is_committed_at_once_and_answered_by_its_frame),
		cmocka_unit_test(what_comes_meanwhile_waits_for_the_frame),
		cmocka_unit_test(a_flush_of_nothing_meanwhile_is_answered_with_the_others),
		cmocka_unit_test(a_flush_of_nothing_is_answered_at_the_refresh),
		cmocka_unit_test(what_cannot_be_committed_is_answered_late),
		cmocka_unit_test(what_has_no_picture_is_answered_at_the_refresh),
		cmocka_unit_test(a_hidden_head_is_slow),
		cmocka_unit_test(a_change_waits_for_its_flush_but_not_for_ever),
		cmocka_unit_test(a_change_without_a_flush_answers_nothing),
		cmocka_unit_test(a_frame_of_something_else_is_no_answer),
		cmocka_unit_test(a_flip_waits_for_its_flush_but_not_for_ever),
		cmocka_unit_test(a_flip_puts_off_no_flush),
		cmocka_unit_test(boxes_add_up_until_they_are_committed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
