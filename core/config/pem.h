#ifndef WARREN_CONFIG_PEM_H
#define WARREN_CONFIG_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Keys, certificates and bundles as text files:
 *
 *   -----BEGIN WARREN CERTIFICATE-----
 *   base64, 64 characters a line
 *   -----END WARREN CERTIFICATE-----
 *
 * A file may hold several blocks and other text between them; the first block of the wanted
 * kind is taken. Errors are whole messages, `path: what, expected what`, ready to be shown.
 */
#define PEM_CERTIFICATE "CERTIFICATE" /* core/trust/cert.h */
#define PEM_BUNDLE      "BUNDLE"      /* core/trust/bundle.h */
#define PEM_PRIVATE_KEY "PRIVATE KEY" /* X25519 secret, 32 bytes */
#define PEM_PUBLIC_KEY  "PUBLIC KEY"  /* X25519 public, 32 bytes */
#define PEM_ROOT_KEY    "ROOT KEY"    /* Ed25519 secret, core/cli/keyfile.h */
#define PEM_KIND_MAX    16            /* longest kind with its NUL */
#define PEM_KEY_SIZE    32
#define PEM_FILE_MAX    (256 * 1024)

struct pem_error {
	char text[512];
};

enum pem_write_flag {
	PEM_SECRET = 1,  /* mode 0600; without it 0644 */
	PEM_REPLACE = 2, /* an existing file is replaced; without it that is an error */
	/*
	 * Nobody else writes here: the temporary file has a fixed name, PATH.new, so that one which a
	 * crash left behind is written over and they do not pile up.
	 */
	PEM_ONE_WRITER = 4,
};

/*
 * Text in memory: finds the first block of this kind in text and decodes it to out. The length,
 * or ERR_NOT_FOUND (no such block), ERR_MALFORMED (bad base64, no END line, a stray character),
 * ERR_NO_SPACE (cap). Strict base64: padded, no blanks within a line.
 */
int pem_decode(const char *text, size_t len, const char *kind, void *out, size_t cap);
/* The block as text with its NUL; the length without it, or ERR_NO_SPACE. */
int pem_encode(const char *kind, const void *data, size_t len, char *out, size_t cap);

/*
 * Reads the first block of this kind from a file. The length, or ERR_SYSTEM (file),
 * ERR_NOT_FOUND, ERR_MALFORMED, ERR_NO_SPACE, with error->text set.
 */
int pem_read(const char *path, const char *kind, void *out, size_t cap, struct pem_error *error);
/*
 * The same for a secret: besides, the file is regular, not a symbolic link, belongs to root or
 * to us, nobody else can read it, and nobody else can replace it (its directory is not writable
 * by group or others, unless sticky). ERR_FORBIDDEN otherwise. The file's text is wiped from
 * memory; out is the caller's to wipe.
 */
int pem_read_secret(
	const char *path, const char *kind, void *out, size_t cap, struct pem_error *error);
/* Whole-file forms of the two, for files that are not PEM. The text is NUL-terminated besides. */
int pem_read_text(const char *path, bool secret, char *out, size_t cap, struct pem_error *error);
/*
 * Writes text to path: to a temporary file beside it, synced, renamed, so that a reader sees
 * the old or the new file, whole. flags are of enum pem_write_flag. 0, ERR_DUPLICATE (exists,
 * and no PEM_REPLACE) or ERR_SYSTEM.
 */
int pem_write_text(
	const char *path, const char *text, size_t len, unsigned flags, struct pem_error *error);
int pem_write(const char *path, const char *kind, const void *data, size_t len, unsigned flags,
	struct pem_error *error);

/*
 * A node's X25519 secret key of exactly 32 bytes, by pem_read_secret; secret is the caller's to
 * wipe.
 */
int pem_read_private_key(const char *path, uint8_t secret[PEM_KEY_SIZE], struct pem_error *error);
int pem_read_public_key(const char *path, uint8_t key[PEM_KEY_SIZE], struct pem_error *error);

#endif
