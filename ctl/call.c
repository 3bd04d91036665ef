#include "call.h"

#include <stdio.h>

#include "client.h"

int call_and_print(const struct invocation *invocation, const char *interface, const char *method,
	sd_json_variant *parameters, print_func print) {
	sd_json_variant *reply = NULL;
	bool ok = client_call(interface, method, parameters, &reply, NULL);
	if (ok && invocation->json) {
		sd_json_variant_dump(reply, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
	} else if (ok && print != NULL) {
		print(reply);
	}
	sd_json_variant_unref(reply);
	return ok ? 0 : CTL_FAILED;
}

int call_built(const struct invocation *invocation, const char *interface, const char *method,
	int built, sd_json_variant *parameters, print_func print) {
	int status = CTL_FAILED;
	if (built < 0) {
		complain("'%s' is no guest's name", invocation->argv[0]);
	} else {
		status = call_and_print(invocation, interface, method, parameters, print);
	}
	sd_json_variant_unref(parameters);
	return status;
}
