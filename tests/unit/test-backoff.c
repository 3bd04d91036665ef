#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clock.h"

static uint64_t die(struct backoff *backoff, uint64_t now) {
	uint64_t wait;
	assert_true(backoff_died(backoff, now, &wait));
	return wait / USEC_PER_MSEC;
}

static void a_few_deaths_are_free(void **state) {
	struct backoff backoff = {0};
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(die(&backoff, i), 0);
	}
	assert_int_equal(die(&backoff, 6), 100);
}

static void rare_deaths_stay_free(void **state) {
	struct backoff backoff = {0};
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(die(&backoff, i * 5 * USEC_PER_SEC), 0);
	}
}

static void the_wait_doubles_up_to_its_limit_and_then_it_is_over(void **state) {
	const uint64_t waits[] = {
		0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000};
	struct backoff backoff = {0};
	uint64_t now = 1, wait;
	for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		assert_int_equal(die(&backoff, now), waits[i]);
		now += waits[i] * USEC_PER_MSEC;
	}
	for (unsigned i = sizeof(waits) / sizeof(waits[0]); i < BACKOFF_DEATHS_MAX; i++) {
		now += die(&backoff, now) * USEC_PER_MSEC;
	}
	assert_true(now < 60 * USEC_PER_SEC);
	assert_false(backoff_died(&backoff, now, &wait));
}

static void a_longer_life_is_rewarded(void **state) {
	struct backoff backoff = {0};
	for (unsigned i = 0; i < 8; i++) {
		die(&backoff, USEC_PER_SEC);
	}
	assert_int_equal(die(&backoff, 2 * USEC_PER_SEC), 800);
	assert_int_equal(die(&backoff, 14 * USEC_PER_SEC), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_deaths_are_free),
		cmocka_unit_test(rare_deaths_stay_free),
		cmocka_unit_test(the_wait_doubles_up_to_its_limit_and_then_it_is_over),
		cmocka_unit_test(a_longer_life_is_rewarded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
