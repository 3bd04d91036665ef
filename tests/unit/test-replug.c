#include "replug.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START UINT64_C(1000000)

/* A guest that has just been told of another size. */
static struct replug replug_start(void) {
	struct replug replug;
	replug_init(&replug, false, START);
	assert_int_equal(replug_due(&replug), PACE_NEVER);
	replug_told(&replug, START);
	assert_int_equal(replug_due(&replug), START + REPLUG_AFTER);
	return replug;
}

static void a_guest_that_follows_keeps_its_monitor(void **state) {
	struct replug replug = replug_start();
	replug_left(&replug, START + 1);
	assert_int_equal(replug_due(&replug), START + REPLUG_AFTER);
	replug_followed(&replug);
	assert_int_equal(replug_due(&replug), PACE_NEVER);
}

static void one_that_does_not_finds_it_unplugged_until_it_has_left(void **state) {
	struct replug replug = replug_start();
	uint64_t now = replug_due(&replug);
	assert_true(replug_take(&replug, now));
	assert_int_equal(replug_due(&replug), now + REPLUG_APART);
	replug_left(&replug, now + 1);
	assert_int_equal(replug_due(&replug), now + 1);
	assert_false(replug_take(&replug, now + 1));
	assert_int_equal(replug_due(&replug), PACE_NEVER);
}

static void one_that_never_leaves_gets_its_monitor_back(void **state) {
	struct replug replug = replug_start();
	assert_true(replug_take(&replug, replug_due(&replug)));
	assert_false(replug_take(&replug, replug_due(&replug)));
	assert_int_equal(replug_due(&replug), PACE_NEVER);
}

static void each_size_is_tried_once(void **state) {
	struct replug replug = replug_start();
	assert_true(replug_take(&replug, replug_due(&replug)));
	assert_false(replug_take(&replug, replug_due(&replug)));
	replug_left(&replug, START * 9);
	assert_int_equal(replug_due(&replug), PACE_NEVER);
	replug_told(&replug, START * 9);
	assert_int_equal(replug_due(&replug), START * 9 + REPLUG_AFTER);
}

static void a_size_that_comes_meanwhile_is_there_when_it_is_plugged_in(void **state) {
	struct replug replug = replug_start();
	uint64_t now = replug_due(&replug);
	assert_true(replug_take(&replug, now));
	replug_told(&replug, now + 1);
	assert_int_equal(replug_due(&replug), now + REPLUG_APART);
	assert_false(replug_take(&replug, now + REPLUG_APART));
	assert_int_equal(replug_due(&replug), PACE_NEVER);
}

static void what_an_earlier_process_unplugged_is_plugged_in_at_once(void **state) {
	struct replug replug;
	replug_init(&replug, true, START);
	assert_int_equal(replug_due(&replug), START);
	assert_false(replug_take(&replug, START));
	assert_int_equal(replug_due(&replug), PACE_NEVER);
}

static void what_its_user_closes_is_out_until_it_is_wanted_again(void **state) {
	struct replug replug;
	replug_init(&replug, false, START);
	replug_keep_out(&replug, true, START);
	assert_int_equal(replug_due(&replug), START);
	assert_true(replug_take(&replug, START));
	replug_left(&replug, START + 1);
	replug_told(&replug, START + 2);
	replug_followed(&replug);
	assert_int_equal(replug_due(&replug), PACE_NEVER);
	replug_keep_out(&replug, false, START + 3);
	assert_int_equal(replug_due(&replug), START + 3);
	assert_false(replug_take(&replug, START + 3));
	assert_int_equal(replug_due(&replug), PACE_NEVER);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_follows_keeps_its_monitor),
		cmocka_unit_test(one_that_does_not_finds_it_unplugged_until_it_has_left),
		cmocka_unit_test(one_that_never_leaves_gets_its_monitor_back),
		cmocka_unit_test(each_size_is_tried_once),
		cmocka_unit_test(a_size_that_comes_meanwhile_is_there_when_it_is_plugged_in),
		cmocka_unit_test(what_an_earlier_process_unplugged_is_plugged_in_at_once),
		cmocka_unit_test(what_its_user_closes_is_out_until_it_is_wanted_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
