#include "core/config/state.h"

#include "core/base/err.h"
#include "core/config/pem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_MAX_S UINT64_C(9999999999) /* the year 2286 */

static void path_of(const struct config *config, const char *name, char out[CONFIG_PATH_MAX + 16])
{
	snprintf(out, CONFIG_PATH_MAX + 16, "%s/%s", config->node.state_directory, name);
}

int state_save(const struct config *config, const char *name, const void *data, size_t len,
	struct config_errors *errors)
{
	char path[CONFIG_PATH_MAX + 16];
	struct pem_error error;
	path_of(config, name, path);
	int rc = pem_write_text(path, data, len, PEM_SECRET | PEM_REPLACE | PEM_ONE_WRITER, &error);
	if (rc != 0)
		config_error(errors, "%s", error.text);
	return rc;
}

int state_load(const struct config *config, const char *name, size_t cap, void **out,
	struct config_errors *errors)
{
	char path[CONFIG_PATH_MAX + 16];
	struct pem_error error;
	*out = NULL;
	path_of(config, name, path);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return 0;
	char *data = malloc(cap + 1);
	int n = ERR_NO_SPACE;
	if (!data)
		config_error(errors, "%s: no memory to read it", path);
	else if ((n = pem_read_text(path, true, data, cap + 1, &error)) < 0)
		config_error(errors, "%s", error.text);
	if (n <= 0) {
		free(data);
		return n;
	}
	*out = data;
	return n;
}

uint64_t state_time_s(const struct config *config, struct config_errors *errors)
{
	void *text;
	uint64_t stored = 0;
	int len = state_load(config, STATE_CLOCK, STATE_CLOCK_TEXT_MAX, &text, errors);
	if (len > 0) {
		char *end, *digits = text;
		stored = strtoull(digits, &end, 10);
		if (*digits < '0' || *digits > '9' || *end != '\n' || end + 1 != digits + len ||
			stored > CLOCK_MAX_S) {
			config_error(errors,
				"%s/" STATE_CLOCK
				": not a time, expected unix seconds; passed over",
				config->node.state_directory);
			stored = 0;
		}
	}
	free(text);
	return stored > WARREN_RELEASE_TIME ? stored : WARREN_RELEASE_TIME;
}

size_t state_format_time(uint64_t unix_s, char out[STATE_CLOCK_TEXT_MAX])
{
	return (size_t)snprintf(out, STATE_CLOCK_TEXT_MAX, "%llu\n", (unsigned long long)unix_s);
}
