#include "core/daemon/verbs.h"

#include "core/base/err.h"
#include "core/config/pem.h"

#include <stdlib.h>
#include <string.h>

/* The files that are read at start alone: have they changed under us? */
static void note_changed_files(struct node *n, const struct config *fresh, struct reload *out)
{
	uint8_t certificate[CERT_MAX];
	struct pem_error error;
	int len = pem_read(
		fresh->node.certificate, PEM_CERTIFICATE, certificate, sizeof certificate, &error);
	if (len < 0)
		config_error(&out->warnings, "%s", error.text);
	else if ((size_t)len != n->certificate_len ||
		memcmp(certificate, n->certificate, n->certificate_len) != 0)
		config_error(&out->restart, "[node] certificate (the file has changed)");
}

static int apply_bundle(struct node *n, const struct config *fresh, struct reload *out)
{
	uint8_t *bundle;
	size_t len;
	int rc = identity_read_bundle(fresh, &bundle, &len, &out->errors, &out->warnings);
	if (rc != 0 || !bundle)
		return rc;
	rc = engine_set_bundle(n->engine, bundle, len, os_now_ns());
	control_settle(n);
	free(bundle);
	if (rc == 0)
		config_error(&out->applied, "[node] bundle (a newer one)");
	else if (rc != ERR_DUPLICATE)
		config_error(&out->errors, "the bundle is refused: %s", err_name(rc));
	return rc == ERR_DUPLICATE ? 0 : rc;
}

int reload_run(struct node *n, struct reload *out)
{
	struct config *fresh = malloc(sizeof *fresh);
	if (!fresh) {
		config_error(&out->errors, "no memory");
		return ERR_NO_SPACE;
	}
	int rc = config_load(n->config_path, fresh, &out->errors);
	if (rc == 0)
		rc = apply_bundle(n, fresh, out);
	if (rc == 0) {
		note_changed_files(n, fresh, out);
		config_diff(&n->config, fresh, CONFIG_RELOADABLE, &out->applied);
		config_diff(&n->config, fresh, CONFIG_NEEDS_RESTART, &out->restart);
		config_adopt(&n->config, fresh);
		struct engine_config engine = {0};
		node_engine_config(&n->config, &engine);
		engine_reconfigure(n->engine, &engine, os_now_ns());
		control_settle(n);
		atomic_store(&n->log.level, (int)n->config.log.level);
	}
	free(fresh);
	return rc == 0 ? 0 : ERR_MALFORMED;
}
