#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <xkbcommon/xkbcommon.h>

#include "checked.h"

/* Reads digits, at least one; NULL where there are none or the number does not fit. */
static const char *parse_digits(const char *string, uint64_t *ret) {
	if (!isdigit((unsigned char)*string)) {
		return NULL;
	}
	uint64_t value = 0;
	for (; isdigit((unsigned char)*string); string++) {
		if (!checked_mul(value, 10, &value) ||
			!checked_add(value, (uint64_t)(*string - '0'), &value)) {
			return NULL;
		}
	}
	*ret = value;
	return string;
}

bool config_parse_size(const char *string, uint64_t *ret) {
	uint64_t value;
	const char *end = parse_digits(string, &value);
	if (end == NULL) {
		return false;
	}
	static const char units[] = "KMGT";
	uint64_t factor = 1;
	if (*end != '\0') {
		const char *unit = strchr(units, *end);
		if (unit == NULL || end[1] != '\0') {
			return false;
		}
		factor = UINT64_C(1) << (10 * (unit - units + 1));
	}
	return checked_mul(value, factor, ret);
}

/* Reads a number with at most three digits after the point, in thousandths; NULL likewise. */
static const char *parse_thousandths(const char *string, uint32_t *ret) {
	uint64_t whole, fraction = 0;
	const char *end = parse_digits(string, &whole);
	if (end == NULL || whole > UINT32_MAX / 1000 - 1) {
		return NULL;
	}
	if (*end == '.') {
		const char *digits = end + 1;
		end = parse_digits(digits, &fraction);
		if (end == NULL || end - digits > 3) {
			return NULL;
		}
		for (ptrdiff_t n = end - digits; n < 3; n++) {
			fraction *= 10;
		}
	}
	*ret = (uint32_t)(whole * 1000 + fraction);
	return end;
}

bool config_parse_frequency(const char *string, uint32_t *ret) {
	uint32_t frequency;
	const char *end = parse_thousandths(string, &frequency);
	if (end == NULL || strcmp(end, "Hz") != 0) {
		return false;
	}
	*ret = frequency;
	return true;
}

bool config_parse_scale(const char *string, uint32_t *ret) {
	uint32_t thousandths;
	const char *end = parse_thousandths(string, &thousandths);
	if (end == NULL || *end != '\0') {
		return false;
	}
	*ret = (uint32_t)(((uint64_t)thousandths * CONFIG_SCALE + 500) / 1000);
	return true;
}

bool config_parse_duration(const char *string, uint64_t *ret) {
	static const struct {
		const char *name;
		uint64_t usec;
	} units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"min", 60000000}};
	uint64_t value;
	const char *end = parse_digits(string, &value);
	if (end == NULL) {
		return false;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) == 0) {
			return checked_mul(value, units[i].usec, ret);
		}
	}
	return false;
}

bool config_parse_colour(const char *string, struct config_colour *ret) {
	if (string[0] != '#' || strlen(string) != 7 ||
		strspn(string + 1, "0123456789abcdefABCDEF") != 6) {
		return false;
	}
	unsigned long value = strtoul(string + 1, NULL, 16);
	*ret = (struct config_colour){.red = (uint8_t)(value >> 16),
		.green = (uint8_t)(value >> 8),
		.blue = (uint8_t)value};
	return true;
}

/* Takes a modifier and the plus after it from the front of a binding. */
static const char *parse_modifier(const char *string, uint32_t *ret) {
	static const struct {
		const char *name;
		uint32_t modifier;
	} names[] = {
		{"Super", CONFIG_MOD_SUPER},
		{"Shift", CONFIG_MOD_SHIFT},
		{"Ctrl", CONFIG_MOD_CTRL},
		{"Alt", CONFIG_MOD_ALT},
	};
	size_t length = strcspn(string, "+");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == length &&
			strncasecmp(string, names[i].name, length) == 0) {
			*ret = names[i].modifier;
			return string + length;
		}
	}
	return NULL;
}

/* A key that could then be typed in no guest, or that is itself a modifier. */
static bool unfit_for_binding(xkb_keysym_t keysym, uint32_t modifiers) {
	if (keysym >= XKB_KEY_Shift_L && keysym <= XKB_KEY_Hyper_R) {
		return true;
	}
	return (modifiers & ~(uint32_t)CONFIG_MOD_SHIFT) == 0 && xkb_keysym_to_utf32(keysym) != 0;
}

bool config_parse_binding(const char *string, struct config_binding *ret) {
	if (strcmp(string, "none") == 0) {
		*ret = (struct config_binding){0};
		return true;
	}
	uint32_t modifiers = 0, modifier;
	const char *end;
	while ((end = parse_modifier(string, &modifier)) != NULL) {
		if (*end != '+' || (modifiers & modifier) != 0) {
			return false;
		}
		modifiers |= modifier;
		string = end + 1;
	}
	// One letter or digit, or a name as xkb has it: F1, Tab, Return, plus.
	xkb_keysym_t keysym =
		xkb_keysym_to_lower(xkb_keysym_from_name(string, XKB_KEYSYM_CASE_INSENSITIVE));
	if (keysym == XKB_KEY_NoSymbol || unfit_for_binding(keysym, modifiers)) {
		return false;
	}
	*ret = (struct config_binding){.modifiers = modifiers, .keysym = keysym};
	return true;
}

bool config_parse_modifiers(const char *string, uint32_t *ret) {
	uint32_t modifiers = 0, modifier;
	while ((string = parse_modifier(string, &modifier)) != NULL) {
		if ((modifiers & modifier) != 0) {
			return false;
		}
		modifiers |= modifier;
		if (*string == '\0') {
			*ret = modifiers;
			return true;
		}
		string++;
	}
	return false;
}

bool config_parse_mode(const char *string, uint32_t *ret_width, uint32_t *ret_height) {
	uint64_t width, height;
	const char *end = parse_digits(string, &width);
	if (end == NULL || *end != 'x') {
		return false;
	}
	end = parse_digits(end + 1, &height);
	if (end == NULL || *end != '\0' || width > UINT32_MAX || height > UINT32_MAX) {
		return false;
	}
	*ret_width = (uint32_t)width;
	*ret_height = (uint32_t)height;
	return true;
}
