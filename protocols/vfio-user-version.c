#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-json.h>

#include "fd.h"
#include "vfio-user.h"

#define DEPTH_MAX 8
#define TRANSFER_DEFAULT 1048576 // bytes, where the client does not say

/* Counts brackets, also those inside strings: a bound, not a parser. */
static bool nested_too_deep(const char *json) {
	unsigned depth = 0;
	for (; *json != '\0'; json++) {
		if (*json == '{' || *json == '[') {
			if (++depth > DEPTH_MAX) {
				return true;
			}
		} else if ((*json == '}' || *json == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static bool read_number(sd_json_variant *object, const char *key, uint64_t *number) {
	sd_json_variant *value = sd_json_variant_by_key(object, key);
	if (value == NULL) {
		return true;
	}
	if (!sd_json_variant_is_unsigned(value)) {
		return false;
	}
	*number = sd_json_variant_unsigned(value);
	return true;
}

static bool read_capabilities(sd_json_variant *object, struct vfio_user_capabilities *ret) {
	uint64_t page_sizes = VFIO_USER_PAGE;
	if (!sd_json_variant_is_object(object) ||
		!read_number(object, "max_msg_fds", &ret->max_msg_fds) ||
		!read_number(object, "max_data_xfer_size", &ret->max_data_xfer_size) ||
		!read_number(object, "pgsizes", &page_sizes)) {
		return false;
	}
	sd_json_variant *multiple = sd_json_variant_by_key(object, "write_multiple");
	if (multiple != NULL && !sd_json_variant_is_boolean(multiple)) {
		return false;
	}
	ret->write_multiple = multiple != NULL && sd_json_variant_boolean(multiple);
	return ret->max_msg_fds >= 1 && ret->max_msg_fds <= INT32_MAX &&
		ret->max_data_xfer_size != 0 && (page_sizes & VFIO_USER_PAGE) != 0;
}

int vfio_user_parse_capabilities(
	const char *json, size_t size, struct vfio_user_capabilities *ret) {
	struct vfio_user_capabilities capabilities = {
		.max_msg_fds = 1,
		.max_data_xfer_size = TRANSFER_DEFAULT,
	};
	if (size == 0) {
		*ret = capabilities;
		return 0;
	}
	// The only NUL is the last byte.
	if (size > VFIO_USER_JSON_MAX || memchr(json, '\0', size) != json + size - 1 ||
		nested_too_deep(json)) {
		return -EINVAL;
	}
	sd_json_variant *root = NULL;
	if (sd_json_parse(json, 0, &root, NULL, NULL) < 0) {
		return -EINVAL;
	}
	sd_json_variant *object = sd_json_variant_by_key(root, "capabilities");
	bool valid = sd_json_variant_is_object(root) &&
		(object == NULL || read_capabilities(object, &capabilities));
	sd_json_variant_unref(root);
	if (!valid) {
		return -EINVAL;
	}
	*ret = capabilities;
	return 0;
}

size_t vfio_user_format_capabilities(char *ret, size_t room, bool write_multiple) {
	char json[256];
	int length = snprintf(json, sizeof(json),
		"{\"capabilities\":{\"max_msg_fds\":%d,\"max_data_xfer_size\":%d%s}}",
		VFIO_USER_FDS_MAX, VFIO_USER_DATA_MAX,
		write_multiple ? ",\"write_multiple\":true" : "");
	if ((size_t)length >= room) {
		// Without write_multiple in it, the client does not use it.
		length = snprintf(json, sizeof(json), "{}");
	}
	if ((size_t)length >= room) {
		return 0;
	}
	memcpy(ret, json, (size_t)length + 1);
	return (size_t)length + 1;
}
