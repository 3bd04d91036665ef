/* What a guest trapped for: two looks at its counters, a second apart. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "client.h"
#include "clock.h"
#include "table.h"
#include "varlink-interfaces.h"

/* Writes how often a second something happened between two counts; the counters of a guest
 * that was started anew in between have no rate. */
static void format_rate(uint64_t before, uint64_t after, uint64_t usec, char *buffer, size_t size) {
	double rate = usec > 0 && after > before
		? (double)(after - before) * USEC_PER_SEC / (double)usec
		: 0;
	snprintf(buffer, size, rate > 0 && rate < 10 ? "%.1f" : "%.0f", rate);
}

struct looks {
	sd_json_variant *first, *second;
	uint64_t usec; // between them
};

static void add_counts(
	struct table *table, const struct looks *looks, const char *name, uint64_t a, uint64_t b) {
	char rate[32];
	format_rate(a, b, looks->usec, rate, sizeof(rate));
	table_add(table, name);
	table_addf(table, "%" PRIu64, b);
	table_add(table, rate);
}

/* What the guest's input trapped for, at all. */
static void print_input(const struct looks *looks) {
	struct table table;
	table_init(&table, "INPUT|>COUNT|>A SECOND");
	for (size_t i = 0; i < json_length(looks->second, "inputTraps"); i++) {
		sd_json_variant *trap = json_item(looks->second, "inputTraps", i);
		uint64_t a = json_number(json_item(looks->first, "inputTraps", i), "count"),
			 b = json_number(trap, "count");
		if (b > 0) {
			add_counts(&table, looks, json_text(trap, "trap"), a, b);
		}
	}
	table_print(&table);
	table_finish(&table);
	printf("\n");
}

static void print_kind(const struct looks *looks, bool privileged, const char *headings) {
	struct table table;
	uint64_t before = 0, after = 0;
	table_init(&table, headings);
	for (size_t i = 0; i < json_length(looks->second, "traps"); i++) {
		sd_json_variant *trap = json_item(looks->second, "traps", i);
		uint64_t a = json_number(json_item(looks->first, "traps", i), "count"),
			 b = json_number(trap, "count");
		if (json_bool(trap, "privileged") == privileged) {
			add_counts(&table, looks, json_text(trap, "trap"), a, b);
			before += a;
			after += b;
		}
	}
	add_counts(&table, looks, "together", before, after);
	table_print(&table);
	table_finish(&table);
}

static void print_counter(const struct looks *looks, const char *name, const char *end) {
	char rate[32];
	uint64_t after = json_number(looks->second, name);
	format_rate(json_number(looks->first, name), after, looks->usec, rate, sizeof(rate));
	printf("%s %" PRIu64 " (%s a second)%s", name, after, rate, end);
}

static void print_traps(const struct looks *looks) {
	print_kind(looks, true, "PRIVILEGED|>COUNT|>A SECOND");
	printf("\n");
	print_kind(looks, false, "UNPRIVILEGED|>COUNT|>A SECOND");
	printf("\n");
	if (json_length(looks->second, "inputTraps") > 0) {
		print_input(looks);
	}
	print_counter(looks, "looks", ", ");
	print_counter(looks, "commits", ", ");
	printf("resets %" PRIu64 "\n", json_number(looks->second, "resets"));
}

static bool look(sd_json_variant *parameters, sd_json_variant **ret) {
	return client_call(HOST_INTERFACE, "Traps", parameters, ret, NULL);
}

static bool look_twice(sd_json_variant *parameters, struct looks *ret) {
	const struct timespec pause = {.tv_sec = 1};
	if (!look(parameters, &ret->first)) {
		return false;
	}
	nanosleep(&pause, NULL);
	if (!look(parameters, &ret->second)) {
		return false;
	}
	uint64_t first = json_number(ret->first, "time"), second = json_number(ret->second, "time");
	ret->usec = second > first ? second - first : 0;
	return true;
}

int command_traps(const struct invocation *invocation) {
	struct looks looks = {0};
	sd_json_variant *parameters = NULL;
	bool ok = false;
	if (sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", invocation->argv[0])) <
		0) {
		complain("'%s' is no guest's name", invocation->argv[0]);
	} else if (invocation->json) {
		ok = look(parameters, &looks.first);
		if (ok) {
			sd_json_variant_dump(looks.first, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
		}
	} else {
		ok = look_twice(parameters, &looks);
		if (ok) {
			print_traps(&looks);
		}
	}
	sd_json_variant_unref(looks.first);
	sd_json_variant_unref(looks.second);
	sd_json_variant_unref(parameters);
	return ok ? 0 : CTL_FAILED;
}
