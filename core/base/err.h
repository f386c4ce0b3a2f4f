#ifndef WARREN_BASE_ERR_H
#define WARREN_BASE_ERR_H

/*
 * Error codes. A function that can fail returns 0 (or a count) on success and one of these, all
 * negative, on failure. What a *packet* dies of is an enum drop_reason (pkt.h) instead.
 */
enum err {
	ERR_TRUNCATED = -1,  /* input ends before the structure does */
	ERR_MALFORMED = -2,  /* input breaks a rule of its format */
	ERR_VERSION = -3,    /* version or must-understand bit that we do not know */
	ERR_AUTH = -4,       /* MAC, tag or signature does not verify */
	ERR_NO_SPACE = -5,   /* output buffer or bounded table is full */
	ERR_NOT_FOUND = -6,  /* no such object */
	ERR_EXPIRED = -7,    /* validity, key or token is past its time */
	ERR_FORBIDDEN = -8,  /* the certificate or policy does not allow it */
	ERR_REVOKED = -9,    /* the bundle revokes it */
	ERR_DUPLICATE = -10, /* seen before: replayed or already there */
	ERR_SYSTEM = -11,    /* a system call failed; it has been logged */
	ERR_BUSY = -12,      /* a limit on rate or number says: not now */
	ERR_UNSUPPORTED = -13,
};

/* A few words for logs and messages ("truncated"). Never NULL. */
const char *err_name(int err);

#endif
