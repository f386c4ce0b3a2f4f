/* The config file: any bytes give a config or errors; what parsed is the same when parsed again. */
#include "core/config/config.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config first, second;
	static struct config_errors errors;
	memset(&errors, 0, sizeof errors);
	int rc = config_parse((const char *)data, size, "/etc/warren/x.ini", &first, &errors);
	if ((rc == 0) != (errors.n == 0) || strlen(errors.text) >= sizeof errors.text)
		abort();
	if (rc != 0)
		return 0;
	if (config_parse((const char *)data, size, "/etc/warren/x.ini", &second, &errors) != 0)
		abort();
	memset(&errors, 0, sizeof errors);
	config_diff(&first, &second, CONFIG_RELOADABLE, &errors);
	config_diff(&first, &second, CONFIG_NEEDS_RESTART, &errors);
	if (errors.n != 0)
		abort();
	return 0;
}
