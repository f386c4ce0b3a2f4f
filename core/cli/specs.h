#ifndef WARREN_CLI_SPECS_H
#define WARREN_CLI_SPECS_H

#include "core/trust/bundle.h"

/*
 * The small languages of the command's options. Each function returns an enum cli_exit and reports
 * what is wrong as a usage error that names the option.
 */
#define SPECS_PORT        4754 /* of an endpoint without one */
#define SPECS_DAYS_MAX    36500
#define SPECS_CIPHERS_ALL 7

/* --hub NAME=KEY[,KEY]@HOST[:PORT][,HOST[:PORT]]; the part from the @ on may be missing. */
int specs_hub(const char *text, struct bundle_hub *out);
/* --issuer KEY,PREFIX[,PREFIX][,role=ROLE]...[,days=N]; spokes and 7 days unless said. */
int specs_issuer(const char *text, struct bundle_issuer *out);
/* --ciphers chacha20-poly1305,aes-256-gcm,aegis-256 */
int specs_ciphers(const char *text, uint8_t *out);
/* --role hub, spoke, or both with a comma. */
int specs_role(const char *text, uint8_t *out);
/* --address: an interface address with its subnet's length, such as a host can have. */
int specs_address(const char *text, struct prefix *out);
/* --prefix, and an issuer's pools: no host bits. */
int specs_prefix(const char *text, struct prefix *out);
/* --days */
int specs_days(const char *text, uint32_t *out);

/* The name of the cipher of bit number i, NULL past the last. */
const char *specs_cipher_name(unsigned i);

#endif
