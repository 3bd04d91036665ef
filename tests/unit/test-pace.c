#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PERIOD UINT64_C(16667)
#define START UINT64_C(1000000)

/* An output that refreshes every PERIOD from START, and a guest looked at on time. */
struct rig {
	struct pace pace;
	uint64_t now;
};

static uint64_t refresh_after(uint64_t when) {
	return when + PERIOD - (when - START) % PERIOD;
}

static void look(struct rig *rig, bool changed) {
	uint64_t next = pace_next(&rig->pace);
	assert_int_not_equal(next, PACE_NEVER);
	rig->now = next > rig->now ? next : rig->now;
	pace_looked(&rig->pace, rig->now, changed);
}

/* A look that finds something, shown at the next refresh. */
static void show(struct rig *rig) {
	look(rig, true);
	uint64_t aim = pace_committed(&rig->pace, rig->now);
	assert_int_equal(pace_next(&rig->pace), PACE_NEVER);
	rig->now += 200;
	pace_frame(&rig->pace);
	rig->now = refresh_after(rig->now);
	pace_presented(&rig->pace, rig->now, PERIOD * 1000, aim);
}

static struct rig rig_start(void) {
	struct rig rig = {.now = START + PERIOD - 3000};
	pace_init(&rig.pace, PACE_HIDDEN);
	assert_true(pace_next(&rig.pace) <= rig.now);
	show(&rig);
	return rig;
}

static void a_busy_guest_is_looked_at_once_a_frame_before_the_refresh(void **state) {
	struct rig rig = rig_start();
	for (int i = 0; i < 20; i++) {
		uint64_t last = rig.now;
		assert_int_equal(pace_next(&rig.pace), last + PERIOD - 3000);
		show(&rig);
		assert_int_equal(rig.now, last + PERIOD);
	}
}

static void a_look_waits_for_the_frame_callback(void **state) {
	struct rig rig = rig_start();
	look(&rig, true);
	pace_committed(&rig.pace, rig.now);
	assert_int_equal(pace_next(&rig.pace), PACE_NEVER);
	rig.now += PERIOD;
	pace_hint(&rig.pace, rig.now);
	assert_int_equal(pace_next(&rig.pace), PACE_NEVER);
	pace_frame(&rig.pace);
	assert_int_not_equal(pace_next(&rig.pace), PACE_NEVER);
}

static void looks_that_find_nothing_become_rare(void **state) {
	struct rig rig = rig_start();
	uint64_t last = rig.now, gap = 0;
	int looks = 0;
	while (gap < PACE_IDLE - PERIOD && looks < 100) {
		look(&rig, false);
		gap = rig.now - last;
		last = rig.now;
		looks++;
	}
	assert_in_range(looks, PACE_PATIENCE + 3, PACE_PATIENCE + 6);
	for (int i = 0; i < 10; i++) {
		look(&rig, false);
		assert_in_range(rig.now - last, PACE_IDLE - PERIOD, PACE_IDLE + PERIOD);
		last = rig.now;
	}
}

static void back_off(struct rig *rig) {
	for (int i = 0; i < 20; i++) {
		look(rig, false);
	}
}

static void a_change_brings_the_full_rate_back(void **state) {
	struct rig rig = rig_start();
	back_off(&rig);
	show(&rig);
	assert_int_equal(pace_next(&rig.pace), rig.now + PERIOD - 3000);
}

static void a_hint_is_looked_at_at_once(void **state) {
	struct rig rig = rig_start();
	back_off(&rig);
	rig.now += 100000;
	pace_hint(&rig.pace, rig.now);
	assert_true(pace_next(&rig.pace) <= rig.now);
}

static void a_second_hint_in_a_frame_waits_for_the_next(void **state) {
	struct rig rig = rig_start();
	rig.now += 2000;
	pace_hint(&rig.pace, rig.now);
	assert_true(pace_next(&rig.pace) <= rig.now);
	look(&rig, false);
	uint64_t end = refresh_after(rig.now);
	for (int i = 0; i < 1000; i++) {
		pace_hint(&rig.pace, rig.now);
	}
	assert_int_equal(pace_next(&rig.pace), end + PERIOD - 3000);
	pace_hint(&rig.pace, end);
	assert_true(pace_next(&rig.pace) <= end);
}

static void input_brings_the_full_rate_back_without_a_look(void **state) {
	struct rig rig = rig_start();
	back_off(&rig);
	pace_wake(&rig.pace);
	uint64_t next = pace_next(&rig.pace);
	assert_true(next > rig.now);
	assert_true(next <= rig.now + PERIOD + PERIOD / 2);
}

static void a_hidden_guest_is_looked_at_once_a_second(void **state) {
	struct rig rig = rig_start();
	pace_visible(&rig.pace, false);
	for (int i = 0; i < 3; i++) {
		uint64_t last = rig.pace.last_look;
		pace_hint(&rig.pace, rig.now);
		look(&rig, true);
		assert_int_equal(rig.now, last + PACE_HIDDEN);
		assert_int_equal(pace_committed(&rig.pace, rig.now), 0);
	}
	pace_visible(&rig.pace, true);
	assert_true(pace_next(&rig.pace) <= rig.now);
}

static void being_shown_again_does_not_wait_for_an_old_frame(void **state) {
	struct rig rig = rig_start();
	look(&rig, true);
	pace_committed(&rig.pace, rig.now);
	pace_visible(&rig.pace, false);
	assert_int_equal(pace_next(&rig.pace), rig.now + PACE_HIDDEN);
	pace_visible(&rig.pace, true);
	assert_true(pace_next(&rig.pace) <= rig.now);
}

static void missed_refreshes_make_looks_earlier(void **state) {
	struct rig rig = rig_start();
	look(&rig, true);
	uint64_t aim = pace_committed(&rig.pace, rig.now);
	assert_int_not_equal(aim, 0);
	pace_frame(&rig.pace);
	pace_presented(&rig.pace, aim + PERIOD, PERIOD * 1000, aim);
	rig.now = aim + PERIOD;
	assert_int_equal(pace_next(&rig.pace), rig.now + PERIOD - 4000);
}

static void hits_make_looks_later_but_never_too_late(void **state) {
	struct rig rig = rig_start();
	for (int i = 0; i < 1000; i++) {
		show(&rig);
	}
	assert_int_equal(pace_next(&rig.pace), rig.now + PERIOD - 1000);
}

static void a_compositor_always_late_costs_no_longer_lead(void **state) {
	struct rig rig = rig_start();
	for (int i = 0; i < 100; i++) {
		look(&rig, true);
		uint64_t aim = pace_committed(&rig.pace, rig.now);
		pace_frame(&rig.pace);
		pace_presented(&rig.pace, aim + PERIOD, PERIOD * 1000, aim);
		rig.now = aim + PERIOD;
	}
	assert_int_equal(pace_next(&rig.pace), rig.now + PERIOD - 3000);
}

/* An output as wlroots drives it: what is committed while it rests is drawn at once and shown
 * at the next refresh; what is committed while a picture waits for the refresh is drawn then,
 * and shown one refresh later. */
struct output {
	struct rig rig;
	uint64_t refresh;              // the next
	bool waits, damaged;           // a picture for the refresh; a commit not drawn
	uint64_t aim[2], committed[2]; // of what waits, and of what is not drawn
	uint64_t latency;              // of the last commit shown
	unsigned shown;
};

static void output_draw(struct output *output) {
	output->waits = true;
	output->damaged = false;
	output->aim[0] = output->aim[1];
	output->committed[0] = output->committed[1];
	pace_frame(&output->rig.pace);
}

static void output_refresh(struct output *output) {
	if (output->waits) {
		output->waits = false;
		output->shown++;
		output->latency = output->refresh - output->committed[0];
		pace_presented(&output->rig.pace, output->refresh, PERIOD * 1000, output->aim[0]);
	}
	if (output->damaged) {
		output_draw(output);
	}
	output->refresh += PERIOD;
}

/* Runs to the next look of a guest that always draws, and takes it. hint_phase is when in a
 * frame the guest hints, PERIOD for never. */
static void output_run(struct output *output, unsigned frames, uint64_t hint_phase) {
	uint64_t hint = output->refresh - PERIOD + hint_phase;
	uint64_t end = output->refresh + frames * PERIOD;
	while (output->refresh < end) {
		if (hint_phase < PERIOD && hint <= output->rig.now) {
			pace_hint(&output->rig.pace, output->rig.now);
			hint += PERIOD;
		}
		uint64_t next = pace_next(&output->rig.pace);
		if (next <= output->rig.now) {
			pace_looked(&output->rig.pace, output->rig.now, true);
			output->aim[1] = pace_committed(&output->rig.pace, output->rig.now);
			output->committed[1] = output->rig.now;
			output->damaged = true;
			if (!output->waits) {
				output_draw(output);
			}
		}
		output->rig.now += 100;
		if (output->rig.now >= output->refresh) {
			output_refresh(output);
		}
	}
}

static void one_refresh_too_late_does_not_last(void **state) {
	static const uint64_t phases[] = {PERIOD, 1000, 8000, 15000};
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		struct output output = {.rig = {.now = START}, .refresh = START + PERIOD};
		pace_init(&output.rig.pace, PACE_HIDDEN);
		output_run(&output, 30, phases[i]);
		assert_true(output.latency <= PERIOD);
		// Another client's picture waits for the refresh just when the guest commits.
		output.waits = true;
		output.aim[0] = 0;
		output.committed[0] = output.rig.now;
		output_run(&output, 200, phases[i]);
		assert_true(output.latency <= PERIOD);
		unsigned shown = output.shown;
		output_run(&output, 100, phases[i]);
		assert_in_range(output.shown - shown, 99, 101);
	}
}

static void hints_are_waited_for_while_they_come(void **state) {
	struct rig rig = rig_start();
	pace_hint(&rig.pace, rig.now);
	look(&rig, true);
	assert_true(pace_next(&rig.pace) >= rig.now + PERIOD + PERIOD / 4);
	for (int i = 0; i < 20; i++) {
		look(&rig, true);
	}
	assert_true(pace_next(&rig.pace) <= rig.now + PERIOD);
}

static void works_without_presentation_feedback(void **state) {
	struct rig rig = {.now = START};
	pace_init(&rig.pace, PACE_HIDDEN);
	for (int i = 0; i < 10; i++) {
		uint64_t last = rig.now;
		look(&rig, true);
		assert_int_equal(pace_committed(&rig.pace, rig.now), 0);
		assert_in_range(rig.now - last, 0, PERIOD);
		pace_frame(&rig.pace);
	}
}

static void absurd_refresh_rates_are_ignored(void **state) {
	static const uint32_t absurd[] = {0, 1, 999999, 250001000, UINT32_MAX};
	struct rig rig = rig_start();
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		pace_presented(&rig.pace, rig.now, absurd[i], 0);
		assert_int_equal(pace_next(&rig.pace), rig.now + PERIOD - 3000);
	}
	pace_presented(&rig.pace, rig.now, 6944444, 0);
	assert_in_range(pace_next(&rig.pace), rig.now, rig.now + 6944);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_guest_is_looked_at_once_a_frame_before_the_refresh),
		cmocka_unit_test(a_look_waits_for_the_frame_callback),
		cmocka_unit_test(looks_that_find_nothing_become_rare),
		cmocka_unit_test(a_change_brings_the_full_rate_back),
		cmocka_unit_test(a_hint_is_looked_at_at_once),
		cmocka_unit_test(a_second_hint_in_a_frame_waits_for_the_next),
		cmocka_unit_test(input_brings_the_full_rate_back_without_a_look),
		cmocka_unit_test(a_hidden_guest_is_looked_at_once_a_second),
		cmocka_unit_test(being_shown_again_does_not_wait_for_an_old_frame),
		cmocka_unit_test(missed_refreshes_make_looks_earlier),
		cmocka_unit_test(hits_make_looks_later_but_never_too_late),
		cmocka_unit_test(a_compositor_always_late_costs_no_longer_lead),
		cmocka_unit_test(one_refresh_too_late_does_not_last),
		cmocka_unit_test(hints_are_waited_for_while_they_come),
		cmocka_unit_test(works_without_presentation_feedback),
		cmocka_unit_test(absurd_refresh_rates_are_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
